// The MCP endpoint as one thing to start and stop: sessions, tools, protocol and a transport.
// Threading: start, stop and destroy from one thread.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ext/base/status.h"
#include "mcp/http_endpoint.h"
#include "mcp/http_server.h"
#include "mcp/litestream_features.h"
#include "mcp/mcp_server.h"
#include "mcp/mcp_settings.h"
#include "mcp/session_pool.h"
#include "mcp/status_watch.h"
#include "mcp/tools.h"

namespace litestream {

// Everything but the transport.
class McpService {
 public:
  // `given_sources`: what the tools may be asked about besides the configuration.
  static Result<std::unique_ptr<McpService>> create(std::vector<GivenSource> given_sources,
                                                    McpSettings settings);
  ~McpService() { stop(); }
  McpService(const McpService&) = delete;
  McpService& operator=(const McpService&) = delete;

  Status listen(const ListenAddress& address);
  std::string url() const { return http_->url(); }
  McpServer& server() { return *server_; }
  const Tools& tools() const { return *tools_; }
  // Interrupts what runs and refuses what comes. Once is not always enough: see SessionPool.
  void interrupt() { pool_.shut_down(); }
  // Takes no more connections, ends streams, interrupts what runs and waits a moment for the
  // answers to leave.
  void stop();

 private:
  McpService(std::vector<GivenSource> given_sources, McpSettings settings)
      : settings_(std::move(settings)), pool_(given_sources), watch_(given_sources) {}

  const McpSettings settings_;
  SessionPool pool_;
  StatusWatch watch_;
  std::unique_ptr<Tools> tools_;
  std::unique_ptr<LitestreamFeatures> features_;
  std::unique_ptr<McpServer> server_;
  std::unique_ptr<HttpEndpoint> endpoint_;
  std::unique_ptr<HttpServer> http_;
};

// Starts the service on `address` and logs "mcp: listening on ...", with a warning where anybody on
// the network can connect.
Result<std::unique_ptr<McpService>> start_mcp_service(const std::string& address,
                                                      std::vector<GivenSource> given_sources,
                                                      McpSettings settings);
// With the settings of the configuration that this process has loaded.
Result<std::unique_ptr<McpService>> start_mcp_service(const std::string& address,
                                                      std::vector<GivenSource> given_sources);

}  // namespace litestream
