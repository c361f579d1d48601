// The control socket: a Unix socket through which `litestream list`, `start`, `sync` and others, or
// curl, talk to a running `litestream replicate`.
// Threading: create and destroy from one thread.
#pragma once

#include <memory>
#include <string>

#include "ext/base/status.h"
#include "mcp/control_api.h"
#include "mcp/local_server.h"

namespace litestream {

inline constexpr const char* kDefaultSocketPath = "/var/run/litestream.sock";

class ControlSocket {
 public:
  // Listens at `path` for those whom `permissions` let in. Errors of open_unix_listener.
  static Result<std::unique_ptr<ControlSocket>> start(const std::string& path,
                                                      unsigned permissions);
  ~ControlSocket();  // interrupts what runs, removes the socket
  ControlSocket(const ControlSocket&) = delete;
  ControlSocket& operator=(const ControlSocket&) = delete;

 private:
  explicit ControlSocket(std::string path) : path_(std::move(path)) {}

  const std::string path_;
  ControlApi api_;
  std::unique_ptr<LocalServer> server_;
};

struct ControlReply {
  int status = 0;  // HTTP
  std::string body;
};

// One request of a client: `method` and `target` ("/txid?path=..."). NotFound: nobody listens at
// `path`; the message says how to change that. Unavailable: no answer within `timeout_ms`.
Result<ControlReply> ask_control_socket(const std::string& path, const std::string& method,
                                        const std::string& target, const std::string& body,
                                        int64_t timeout_ms);

}  // namespace litestream
