// The MCP endpoint as one thing to start and stop: sessions, tools, protocol and sockets.
// Threading: start, stop and destroy from one thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ext/base/status.h"
#include "mcp/http_endpoint.h"
#include "mcp/http_server.h"
#include "mcp/mcp_server.h"
#include "mcp/session_pool.h"
#include "mcp/tools.h"

namespace litestream {

class McpService {
 public:
  // `given_sources`: what the tools may be asked about besides the configuration.
  static Result<std::unique_ptr<McpService>> start(const ListenAddress& address,
                                                   std::vector<GivenSource> given_sources);
  ~McpService() { stop(); }
  McpService(const McpService&) = delete;
  McpService& operator=(const McpService&) = delete;

  std::string url() const { return http_->url(); }
  // Takes no more connections, interrupts what runs and waits a moment for the answers to leave.
  void stop();

 private:
  explicit McpService(std::vector<GivenSource> given_sources) : pool_(std::move(given_sources)) {}

  SessionPool pool_;
  std::unique_ptr<Tools> tools_;
  std::unique_ptr<McpServer> server_;
  std::unique_ptr<HttpEndpoint> endpoint_;
  std::unique_ptr<HttpServer> http_;
};

// Starts the service and logs "mcp: listening on ...", with a warning where anybody on the network
// can connect.
Result<std::unique_ptr<McpService>> start_mcp_service(const std::string& address,
                                                      std::vector<GivenSource> given_sources);

}  // namespace litestream
