// A small HTTP server for the people who run the program: the control socket and the metrics page.
// Each connection serves one request. Not for the open internet: the endpoint for MCP clients is
// http_server.h.
// Threading: create and destroy from one thread; the handler runs on up to eight threads.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "ext/base/status.h"

namespace litestream {

struct LocalRequest {
  std::string method;
  std::string path;                          // percent-decoded, without the query
  std::map<std::string, std::string> query;  // decoded; of several values the first
  std::string body;
};

struct LocalReply {
  int status = 200;
  std::string content_type = "application/json";
  std::string body;
};

inline constexpr size_t kLocalBodyBytesMax = 64 << 10;

class LocalServer {
 public:
  using Handler = std::function<LocalReply(const LocalRequest&)>;

  // Answers on listening sockets, which it takes over. A body beyond kLocalBodyBytesMax is refused
  // with 413.
  static Result<std::unique_ptr<LocalServer>> start(std::vector<int> listening_fds,
                                                    Handler handler);
  ~LocalServer();  // takes no more connections and waits for those that are being answered
  LocalServer(const LocalServer&) = delete;
  LocalServer& operator=(const LocalServer&) = delete;

 private:
  class FdServer;
  LocalServer();
  void install(FdServer& server);

  Handler handler_;
  std::vector<std::unique_ptr<FdServer>> servers_;
  std::vector<std::thread> threads_;
};

// A listening Unix socket at `path`, for those whom `permissions` (0600) let in. What a dead
// process left there is replaced. AlreadyExists: another process listens there, or it is no socket.
Result<int> open_unix_listener(const std::string& path, unsigned permissions);

}  // namespace litestream
