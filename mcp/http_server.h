// The HTTP server: listening sockets and connections (http_reactor.h), requests and answers
// (http_codec.h), everything else in http_endpoint.h.
// Threading: create and destroy from one thread. The endpoint is called on a bounded pool of
// threads.
#pragma once

#include <atomic>
#include <memory>
#include <string>

#include "ext/base/status.h"
#include "mcp/http_codec.h"
#include "mcp/http_endpoint.h"
#include "mcp/http_reactor.h"
#include "mcp/listen_address.h"
#include "mcp/worker_pool.h"

namespace litestream {

class HttpServer {
 public:
  // Binds and starts to answer. `endpoint` must outlive the server. Unavailable: the port is in use
  // or the address not ours; the message names both.
  static Result<std::unique_ptr<HttpServer>> start(const ListenAddress& address,
                                                   HttpEndpoint& endpoint,
                                                   ConnectionLimits limits = default_limits());
  ~HttpServer();  // stops, then waits until nothing is being answered
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // As many connections as leave half of the process's descriptors to its real work.
  static ConnectionLimits default_limits();

  // "http://localhost:8080"
  std::string url() const { return "http://" + format_listen_address(address_); }
  // Closes the listening sockets; connections live on.
  void stop_listening() { reactor_.stop_listening(); }
  // Waits until no request is being answered. False: `timeout_ms` passed first.
  bool drain(int timeout_ms);
  HttpReactor& reactor() { return reactor_; }

 private:
  HttpServer(const ListenAddress& address, HttpEndpoint& endpoint, ConnectionLimits limits);
  bool serve(const std::shared_ptr<HttpConnection>& connection, HttpFrame frame);

  ListenAddress address_;
  HttpCodec codec_;
  std::atomic<int> active_request_count_{0};
  WorkerPool workers_;
  HttpReactor reactor_;
};

}  // namespace litestream
