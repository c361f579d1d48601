#include "mcp/local_server.h"

#include <httplib.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>

namespace litestream {
namespace {

constexpr size_t kWorkerCount = 8;
constexpr time_t kTimeoutSeconds = 10;
constexpr const char* kAnyPath = R"([\s\S]*)";
constexpr int kBacklog = 64;

LocalRequest to_request(const httplib::Request& from) {
  LocalRequest request;
  request.method = from.method;
  request.path = from.path;
  for (const auto& [name, value] : from.params) request.query.emplace(name, value);
  request.body = from.body;
  return request;
}

Result<sockaddr_un> unix_address(const std::string& path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (path.empty() || path.size() >= sizeof address.sun_path) {
    return invalid_argument("the path of a socket has 1 to 107 bytes: " + path);
  }
  path.copy(address.sun_path, path.size());
  return address;
}

// Whether somebody accepts connections there.
bool is_alive(const sockaddr_un& address) {
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return true;
  const bool connected =
      ::connect(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0;
  const int error = errno;
  ::close(fd);
  return connected || error != ECONNREFUSED;
}

}  // namespace

// cpp-httplib listens on TCP only; it serves any listening socket it is given.
class LocalServer::FdServer : public httplib::Server {
 public:
  explicit FdServer(int fd) { svr_sock_ = fd; }
};

LocalServer::LocalServer() = default;

Result<std::unique_ptr<LocalServer>> LocalServer::start(std::vector<int> listening_fds,
                                                        Handler handler) {
  std::unique_ptr<LocalServer> server(new LocalServer);
  server->handler_ = std::move(handler);
  for (const int fd : listening_fds) {
    server->servers_.push_back(std::make_unique<FdServer>(fd));
    server->install(*server->servers_.back());
  }
  for (const auto& each : server->servers_) {
    server->threads_.emplace_back([raw = each.get()] { raw->listen_after_bind(); });
    // stop() does nothing to a server that has not begun to listen.
    while (!each->is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  return server;
}

void LocalServer::install(FdServer& server) {
  server.set_payload_max_length(kLocalBodyBytesMax);
  server.set_keep_alive_max_count(1);
  server.set_read_timeout(kTimeoutSeconds);
  server.set_write_timeout(kTimeoutSeconds);
  server.new_task_queue = [] { return new httplib::ThreadPool(kWorkerCount); };
  const auto answer = [this](const httplib::Request& from, httplib::Response& response) noexcept {
    try {
      LocalReply reply = handler_(to_request(from));
      response.status = reply.status;
      response.set_content(reply.body, reply.content_type.c_str());
    } catch (const std::exception&) {
      response.status = 500;
      response.set_content(R"({"error":"internal error"})", "application/json");
    }
  };
  server.Get(kAnyPath, answer);
  server.Post(kAnyPath, answer);
  server.Put(kAnyPath, answer);
  server.Patch(kAnyPath, answer);
  server.Options(kAnyPath, answer);
  // What the library refuses by itself.
  server.set_error_handler([](const httplib::Request&, httplib::Response& response) {
    if (!response.body.empty()) return;
    response.set_content(R"({"error":"bad request"})", "application/json");
  });
}

LocalServer::~LocalServer() {
  for (const auto& server : servers_) server->stop();
  for (std::thread& thread : threads_) thread.join();
}

Result<int> open_unix_listener(const std::string& path, unsigned permissions) {
  LS_ASSIGN_OR_RETURN(const sockaddr_un address, unix_address(path));
  struct stat st {};
  if (::lstat(path.c_str(), &st) == 0) {
    if (!S_ISSOCK(st.st_mode)) return already_exists(path + " exists and is not a socket");
    if (is_alive(address)) return already_exists("another process listens on " + path);
    if (::unlink(path.c_str()) != 0) return errno_status(errno, "replace " + path);
  }
  const int fd = ::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return errno_status(errno, "socket");
  // On Linux the file gets the permissions of the socket, less the umask: no moment lets others in.
  const bool is_closed = ::fchmod(fd, static_cast<mode_t>(permissions & 0700)) == 0;
  const int bound =
      is_closed ? ::bind(fd, reinterpret_cast<const sockaddr*>(&address), sizeof address) : -1;
  const int error = errno;
  Status status;
  if (bound != 0) status = errno_status(error, "listen on " + path);
  if (status.ok() && ::chmod(path.c_str(), static_cast<mode_t>(permissions)) != 0) {
    status = errno_status(errno, "permissions of " + path);
  }
  if (status.ok() && ::listen(fd, kBacklog) != 0) status = errno_status(errno, "listen on " + path);
  if (status.ok()) return fd;
  ::close(fd);
  return status;
}

}  // namespace litestream
