#include "mcp/control_socket.h"

#include <httplib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <chrono>
#include <thread>

namespace litestream {
namespace {

// What the answer may take longer than the work: opening, sending.
constexpr int64_t kGraceMs = 5000;
constexpr int kInterruptMs = 20;

// cpp-httplib's client over a Unix socket.
class UnixClient : public httplib::ClientImpl {
 public:
  explicit UnixClient(int fd) : httplib::ClientImpl("localhost"), fd_(fd) {}

 private:
  bool create_and_connect_socket(Socket& socket, httplib::Error& error) override {
    if (fd_ < 0) {
      error = httplib::Error::Connection;
      return false;
    }
    socket.sock = fd_;  // its owner from here on
    fd_ = -1;
    return true;
  }

  int fd_;
};

Result<int> connect_to(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return invalid_argument("the path of a socket has 1 to 107 bytes: " + path);
  }
  path.copy(address.sun_path, path.size());
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno_status(errno, "socket");
  if (::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0) return fd;
  const int error = errno;
  ::close(fd);
  if (error == ENOENT || error == ECONNREFUSED || error == ENOTSOCK) {
    return not_found("no litestream listens at " + path +
                     ": start `litestream replicate` with 'socket: {enabled: true}' in its "
                     "configuration, or name its socket with -socket");
  }
  return errno_status(error, "connect to " + path);
}

}  // namespace

Result<std::unique_ptr<ControlSocket>> ControlSocket::start(const std::string& path,
                                                            unsigned permissions) {
  LS_ASSIGN_OR_RETURN(const int fd, open_unix_listener(path, permissions));
  std::unique_ptr<ControlSocket> socket(new ControlSocket(path));
  LS_ASSIGN_OR_RETURN(socket->server_,
                      LocalServer::start({fd}, [api = &socket->api_](const LocalRequest& request) {
                        return api->handle(request);
                      }));
  return socket;
}

ControlSocket::~ControlSocket() {
  ::unlink(path_.c_str());
  // A statement that is about to begin is missed by one interrupt: see SessionPool.
  std::atomic<bool> is_over{false};
  std::thread interrupter([&] {
    while (!is_over.load()) {
      api_.shut_down();
      std::this_thread::sleep_for(std::chrono::milliseconds(kInterruptMs));
    }
  });
  server_.reset();
  is_over = true;
  interrupter.join();
}

Result<ControlReply> ask_control_socket(const std::string& path, const std::string& method,
                                        const std::string& target, const std::string& body,
                                        int64_t timeout_ms) {
  LS_ASSIGN_OR_RETURN(const int fd, connect_to(path));
  UnixClient client(fd);
  client.set_read_timeout(std::chrono::milliseconds(timeout_ms + kGraceMs));
  client.set_write_timeout(std::chrono::milliseconds(kGraceMs));
  const auto answer = method == "GET" ? client.Get(target.c_str())
                                      : client.Post(target.c_str(), body, "application/json");
  if (!answer) {
    return unavailable("the litestream at " + path +
                       " did not answer: " + httplib::to_string(answer.error()));
  }
  return ControlReply{answer->status, answer->body};
}

}  // namespace litestream
