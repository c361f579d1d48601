#include "mcp/http_server.h"

#include <httplib.h>
#include <netdb.h>

#include <chrono>
#include <condition_variable>
#include <mutex>

#include "mcp/jsonrpc.h"

namespace litestream {
namespace {

// Every open connection holds a thread, idle or not.
constexpr size_t kWorkerCountMax = 64;
constexpr size_t kRequestsPerConnectionMax = 10'000;
constexpr time_t kKeepAliveSeconds = 5;
constexpr time_t kReadTimeoutSeconds = 10;
constexpr time_t kWriteTimeoutSeconds = 10;
constexpr int kSamePortTryCount = 8;
// A regular expression that meets a path must not meet a long one.
constexpr const char* kAnyPath = R"([\s\S]*)";

// Hands a server's work to the shared pool, and remembers how much of it is not done yet: the
// server must not go away before.
class SharedQueue : public httplib::TaskQueue {
 public:
  explicit SharedQueue(WorkerPool& workers) : workers_(workers) {}

  void enqueue(std::function<void()> work) override {
    {
      const std::lock_guard lock(mutex_);
      ++pending_count_;
    }
    workers_.enqueue([this, work = std::move(work)] {
      work();
      const std::lock_guard lock(mutex_);
      if (--pending_count_ == 0) all_done_.notify_all();
    });
  }
  void shutdown() override {
    std::unique_lock lock(mutex_);
    all_done_.wait(lock, [this] { return pending_count_ == 0; });
  }

 private:
  WorkerPool& workers_;
  std::mutex mutex_;
  std::condition_variable all_done_;
  size_t pending_count_ = 0;
};

// The library's default shares a port between processes, which would hide that it is taken.
void set_socket_options(socket_t socket) {
  const int yes = 1;
  setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
}

HttpRequest to_request(const httplib::Request& from) {
  HttpRequest request;
  request.method = from.method;
  request.path = from.path;
  request.query.assign(from.params.begin(), from.params.end());
  for (const auto& header : from.headers) request.headers.push_back(header);
  return request;
}

bool has_body(const httplib::Request& request) {
  if (request.has_header("Transfer-Encoding")) return true;
  const std::string length = request.get_header_value("Content-Length");
  return length.find_first_not_of("0 ") != std::string::npos;
}

// The library does not say why it could not bind, so the system is asked again.
std::string why_not_bound(const std::string& host, int port) {
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = AI_PASSIVE;
  addrinfo* addresses = nullptr;
  const int code = getaddrinfo(host.empty() ? nullptr : host.c_str(), std::to_string(port).c_str(),
                               &hints, &addresses);
  if (code != 0) return gai_strerror(code);
  std::string reason = "the system refused";
  for (const addrinfo* address = addresses; address != nullptr; address = address->ai_next) {
    const int fd = ::socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) continue;
    set_socket_options(fd);
    const bool failed = ::bind(fd, address->ai_addr, address->ai_addrlen) != 0;
    const int error_number = errno;
    ::close(fd);
    if (!failed) continue;
    reason = error_number == EADDRINUSE ? "the port is in use by another program"
                                        : std::generic_category().message(error_number);
    break;
  }
  freeaddrinfo(addresses);
  return reason;
}

// Reads the body as far as it is allowed and throws the rest away, so that the connection stays in
// step. False: the body could not be read.
bool read_body(const httplib::Request& from, const httplib::ContentReader& reader,
               HttpRequest& request) {
  if (from.is_multipart_form_data()) {
    return reader([](const httplib::MultipartFormData&) { return true; },
                  [](const char*, size_t) { return true; });
  }
  return reader([&request](const char* data, size_t size_bytes) {
    if (request.body.size() + size_bytes > kRpcMessageBytesMax) request.body_too_long = true;
    if (request.body_too_long) {
      request.body.clear();
    } else {
      request.body.append(data, size_bytes);
    }
    return true;
  });
}

void send_reply(const HttpReply& from, httplib::Response& response) {
  response.status = from.status;
  for (const auto& [name, value] : from.headers) response.set_header(name, value);
  if (!from.body.empty()) response.set_content(from.body, "application/json");
}

}  // namespace

Result<ListenAddress> parse_listen_address(std::string_view text) {
  const Status malformed = invalid_argument("\"" + std::string(text) +
                                            "\" is not an address; give host:port, for example "
                                            "localhost:8080");
  const size_t colon = text.rfind(':');
  if (colon == std::string_view::npos) return malformed;
  ListenAddress address;
  std::string_view host = text.substr(0, colon);
  if (host.starts_with('[') && host.ends_with(']'))
    host = host.substr(1, host.size() - 2);
  else if (host.find(':') != std::string_view::npos)
    return malformed;
  address.host = host;
  const std::string_view port = text.substr(colon + 1);
  if (port.empty() || port.size() > 5 ||
      port.find_first_not_of("0123456789") != std::string_view::npos) {
    return malformed;
  }
  address.port = std::stoi(std::string(port));
  if (address.port > 65535) return malformed;
  return address;
}

bool is_loopback(const ListenAddress& address) {
  return address.host == "localhost" || address.host == "::1" || address.host.starts_with("127.");
}

HttpServer::HttpServer(ListenAddress address, HttpEndpoint& endpoint)
    : address_(std::move(address)), endpoint_(endpoint), workers_(kWorkerCountMax) {}

Status HttpServer::bind(const std::string& host, int* port) {
  auto server = std::make_unique<httplib::Server>();
  server->set_socket_options(set_socket_options);
  server->set_tcp_nodelay(true);
  server->set_keep_alive_max_count(kRequestsPerConnectionMax);
  server->set_keep_alive_timeout(kKeepAliveSeconds);
  server->set_read_timeout(kReadTimeoutSeconds);
  server->set_write_timeout(kWriteTimeoutSeconds);
  server->new_task_queue = [this] { return new SharedQueue(workers_); };
  install_handlers(*server);
  if (*port == 0) {
    const int chosen = server->bind_to_any_port(host);
    if (chosen <= 0) return unavailable(why_not_bound(host, 0));
    *port = chosen;
  } else if (!server->bind_to_port(host, *port)) {
    return unavailable(why_not_bound(host, *port));
  }
  servers_.push_back(std::move(server));
  return {};
}

Result<std::unique_ptr<HttpServer>> HttpServer::start(const ListenAddress& address,
                                                      HttpEndpoint& endpoint) {
  std::unique_ptr<HttpServer> server(new HttpServer(address, endpoint));
  Status status;
  if (address.host == "localhost") {
    // A free port for 127.0.0.1 may be taken on ::1: then another one is tried.
    for (int i = 0; i < kSamePortTryCount; ++i) {
      server->servers_.clear();
      server->address_.port = address.port;
      status = server->bind("127.0.0.1", &server->address_.port);
      if (!status.ok() || server->bind("::1", &server->address_.port).ok()) break;
      const std::string reason = why_not_bound("::1", server->address_.port);
      if (reason.find("in use") == std::string::npos) break;  // no IPv6 here
      if (address.port != 0) {
        status = unavailable(reason);
        break;
      }
    }
  } else {
    // "::" takes both families; "0.0.0.0" is for machines without IPv6.
    const bool every = address.host.empty();
    status = server->bind(every ? "::" : address.host, &server->address_.port);
    if (!status.ok() && every) status = server->bind("0.0.0.0", &server->address_.port);
  }
  if (!status.ok()) {
    return status.with_context("listen on " + address.host + ":" + std::to_string(address.port));
  }
  server->listen_all();
  return server;
}

void HttpServer::listen_all() {
  for (const auto& server : servers_) {
    listeners_.emplace_back([raw = server.get()] { raw->listen_after_bind(); });
    // stop() does nothing to a server that has not begun to listen.
    while (!server->is_running()) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
}

void HttpServer::install_handlers(httplib::Server& server) {
  const auto answer = [this](const HttpRequest& request, httplib::Response& response) noexcept {
    active_request_count_.fetch_add(1);
    try {
      send_reply(endpoint_.handle(request), response);
    } catch (const std::exception&) {
      response.status = 500;
      response.set_content(R"({"error":"internal_error"})", "application/json");
    }
    active_request_count_.fetch_sub(1);
  };
  // Requests without a body are answered before the library looks for a body that is not there: it
  // would wait for one after DELETE.
  server.set_pre_routing_handler(
      [answer](const httplib::Request& from, httplib::Response& response) {
        if (has_body(from)) return httplib::Server::HandlerResponse::Unhandled;
        answer(to_request(from), response);
        return httplib::Server::HandlerResponse::Handled;
      });
  const auto with_body = [answer](const httplib::Request& from, httplib::Response& response,
                                  const httplib::ContentReader& reader) {
    HttpRequest request = to_request(from);
    if (!read_body(from, reader, request)) {
      if (response.status < 400) response.status = 400;
      response.set_content(R"({"error":"bad_request"})", "application/json");
      return;
    }
    answer(request, response);
  };
  server.Post(kAnyPath, with_body);
  server.Put(kAnyPath, with_body);
  server.Patch(kAnyPath, with_body);
  server.Delete(kAnyPath, with_body);
  const auto without_body = [answer](const httplib::Request& from, httplib::Response& response) {
    answer(to_request(from), response);
  };
  server.Get(kAnyPath, without_body);
  server.Options(kAnyPath, without_body);
  // What the library refuses by itself (a malformed request line, a URL too long).
  server.set_error_handler([](const httplib::Request&, httplib::Response& response) {
    if (response.body.empty()) {
      response.set_content(R"({"error":"bad_request"})", "application/json");
    }
  });
}

std::string HttpServer::url() const {
  std::string host = address_.host.empty() ? "0.0.0.0" : address_.host;
  if (host.find(':') != std::string::npos) host = "[" + host + "]";
  return "http://" + host + ":" + std::to_string(address_.port);
}

void HttpServer::stop_listening() {
  for (const auto& server : servers_) server->stop();
}

bool HttpServer::drain(int timeout_ms) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  while (active_request_count_.load() != 0) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

HttpServer::~HttpServer() {
  stop_listening();
  for (std::thread& listener : listeners_) listener.join();
}

}  // namespace litestream
