// The listening sockets of the program, on cpp-httplib.
//
// `localhost` means 127.0.0.1 and ::1, one socket each; where IPv6 is missing, 127.0.0.1 alone.
// Threading: create and destroy from one thread. Handlers run on a bounded pool of threads.
#pragma once

#include <atomic>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "ext/base/status.h"
#include "mcp/http_endpoint.h"
#include "mcp/worker_pool.h"

namespace httplib {
class Server;
}

namespace litestream {

struct ListenAddress {
  std::string host;  // "" means every interface
  int port = 0;      // 0: any free one
};

// "localhost:8080", "127.0.0.1:0", ":8080", "[::1]:8080". InvalidArgument says what is expected.
Result<ListenAddress> parse_listen_address(std::string_view text);
bool is_loopback(const ListenAddress& address);

class HttpServer {
 public:
  // Binds and starts to answer. `endpoint` must outlive the server. Unavailable: the port is in use
  // or the address not ours; the message names both.
  static Result<std::unique_ptr<HttpServer>> start(const ListenAddress& address,
                                                   HttpEndpoint& endpoint);
  ~HttpServer();  // stops, then waits for every connection to end: idle ones take seconds
  HttpServer(const HttpServer&) = delete;
  HttpServer& operator=(const HttpServer&) = delete;

  // "http://localhost:8080"
  std::string url() const;
  // Closes the listening sockets; connections live on.
  void stop_listening();
  // Waits until no request is being answered. False: `timeout_ms` passed first.
  bool drain(int timeout_ms);

 private:
  HttpServer(ListenAddress address, HttpEndpoint& endpoint);
  Status bind(const std::string& host, int* port);
  void install_handlers(httplib::Server& server);
  void listen_all();

  ListenAddress address_;
  HttpEndpoint& endpoint_;
  WorkerPool workers_;
  std::vector<std::unique_ptr<httplib::Server>> servers_;
  std::vector<std::thread> listeners_;
  std::atomic<int> active_request_count_{0};
};

}  // namespace litestream
