#include "mcp/http_server.h"

#include <sys/resource.h>

#include <algorithm>
#include <chrono>
#include <thread>

namespace litestream {
namespace {

constexpr size_t kWorkerCountMax = 64;
constexpr size_t kConnectionCountMax = 1024;
constexpr size_t kConnectionCountMin = 32;

}  // namespace

ConnectionLimits HttpServer::default_limits() {
  ConnectionLimits limits;
  limits.connection_count_max = kConnectionCountMax;
  rlimit descriptors{};
  if (::getrlimit(RLIMIT_NOFILE, &descriptors) == 0) {
    const size_t half = static_cast<size_t>(descriptors.rlim_cur / 2);
    limits.connection_count_max =
        std::clamp<size_t>(half, kConnectionCountMin, kConnectionCountMax);
  }
  limits.stream_count_max = limits.connection_count_max / 2;
  return limits;
}

HttpServer::HttpServer(const ListenAddress& address, HttpEndpoint& endpoint,
                       ConnectionLimits limits)
    : address_(address),
      codec_(endpoint),
      workers_(kWorkerCountMax),
      reactor_(workers_, limits, [this](const auto& connection, HttpFrame frame) {
        return serve(connection, std::move(frame));
      }) {}

Result<std::unique_ptr<HttpServer>> HttpServer::start(const ListenAddress& address,
                                                      HttpEndpoint& endpoint,
                                                      ConnectionLimits limits) {
  std::unique_ptr<HttpServer> server(new HttpServer(address, endpoint, limits));
  LS_ASSIGN_OR_RETURN(std::vector<int> fds, open_listening_sockets(server->address_));
  LS_RETURN_IF_ERROR(server->reactor_.start(std::move(fds)));
  return server;
}

HttpServer::~HttpServer() { reactor_.stop(); }

bool HttpServer::serve(const std::shared_ptr<HttpConnection>& connection, HttpFrame frame) {
  active_request_count_.fetch_add(1);
  const bool keep_alive = codec_.serve(connection, std::move(frame));
  active_request_count_.fetch_sub(1);
  return keep_alive;
}

bool HttpServer::drain(int timeout_ms) {
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
  while (active_request_count_.load() != 0) {
    if (std::chrono::steady_clock::now() >= deadline) return false;
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  return true;
}

}  // namespace litestream
