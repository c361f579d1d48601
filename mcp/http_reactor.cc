#include "mcp/http_reactor.h"

#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <system_error>

namespace litestream {
namespace {

constexpr int kCheckIntervalMs = 500;
constexpr int kAcceptPauseMs = 100;
constexpr int kEventsPerWait = 64;
constexpr int kRequestsPerTurn = 16;  // of one connection that pipelines; then others have theirs
constexpr uint64_t kWakeId = 0;
constexpr uint64_t kFirstListenerId = 1;
constexpr uint64_t kFirstConnectionId = 16;

Status watch_fd(int epoll_fd, int fd, uint64_t id) {
  epoll_event event{};
  event.events = EPOLLIN;
  event.data.u64 = id;
  if (::epoll_ctl(epoll_fd, EPOLL_CTL_ADD, fd, &event) == 0) return {};
  return errno_status(errno, "epoll");
}

}  // namespace

HttpReactor::HttpReactor(WorkerPool& workers, ConnectionLimits limits, Serve serve)
    : workers_(workers), serve_(std::move(serve)) {
  shared_.limits = limits;
  shared_.clock = &system_clock();
}

HttpReactor::~HttpReactor() {
  stop();
  for (const int fd : {shared_.epoll_fd, wake_fd_}) {
    if (fd >= 0) ::close(fd);
  }
}

Status HttpReactor::start(std::vector<int> listening_fds) {
  listening_fds_ = std::move(listening_fds);
  next_id_ = kFirstConnectionId;
  shared_.epoll_fd = ::epoll_create1(EPOLL_CLOEXEC);
  if (shared_.epoll_fd < 0) return errno_status(errno, "epoll");
  wake_fd_ = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd_ < 0) return errno_status(errno, "eventfd");
  LS_RETURN_IF_ERROR(watch_fd(shared_.epoll_fd, wake_fd_, kWakeId));
  for (size_t i = 0; i < listening_fds_.size(); ++i) {
    LS_RETURN_IF_ERROR(watch_fd(shared_.epoll_fd, listening_fds_[i], kFirstListenerId + i));
  }
  try {
    thread_ = std::thread(&HttpReactor::run, this);
  } catch (const std::system_error& error) {
    return unavailable(std::string("no thread to be had: ") + error.what());
  }
  return {};
}

void HttpReactor::wake() {
  const uint64_t one = 1;
  const ssize_t ignored = ::write(wake_fd_, &one, sizeof one);
  static_cast<void>(ignored);
}

void HttpReactor::stop_listening() {
  listening_ = false;
  if (thread_.joinable()) wake();
}

void HttpReactor::stop() {
  stopping_ = true;
  if (thread_.joinable()) {
    wake();
    thread_.join();
  }
  for (const int fd : listening_fds_) ::close(fd);
  listening_fds_.clear();
  for (const ConnectionPointer& connection : all()) connection->on_hangup(true);
  while (served_count_.load() != 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  for (const ConnectionPointer& connection : all()) drop(connection);
}

std::vector<HttpReactor::ConnectionPointer> HttpReactor::all() {
  const std::lock_guard lock(mutex_);
  std::vector<ConnectionPointer> connections;
  for (const auto& entry : connections_) connections.push_back(entry.second);
  return connections;
}

size_t HttpReactor::connection_count() {
  const std::lock_guard lock(mutex_);
  return connections_.size();
}

void HttpReactor::run() {
  while (!stopping_.load()) {
    if (!listening_.load() && !listening_fds_.empty()) {
      for (const int fd : listening_fds_) ::close(fd);
      listening_fds_.clear();
    }
    // An endpoint that nobody is connected to does not wake up.
    int timeout_ms = connection_count() == 0 ? -1 : kCheckIntervalMs;
    if (accept_paused_) timeout_ms = kAcceptPauseMs;
    handle_events(timeout_ms);
    if (accept_paused_) resume_accepting();
    const int64_t now_ms = shared_.clock->monotonic_ms();
    if (now_ms < next_check_ms_) continue;
    next_check_ms_ = now_ms + kCheckIntervalMs;
    check_deadlines();
  }
}

void HttpReactor::handle_events(int timeout_ms) {
  epoll_event events[kEventsPerWait];
  const int count = ::epoll_wait(shared_.epoll_fd, events, kEventsPerWait, timeout_ms);
  for (int i = 0; i < count; ++i) {
    const uint64_t id = events[i].data.u64;
    if (id == kWakeId) {
      uint64_t ignored = 0;
      static_cast<void>(::read(wake_fd_, &ignored, sizeof ignored));
    } else if (id < kFirstConnectionId) {
      const size_t index = id - kFirstListenerId;
      if (index < listening_fds_.size()) accept_all(listening_fds_[index]);
    } else {
      on_event(id, events[i].events);
    }
  }
}

void HttpReactor::accept_all(int listening_fd) {
  for (int i = 0; i < kEventsPerWait; ++i) {
    const int fd = ::accept4(listening_fd, nullptr, nullptr, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      add(fd);
      continue;
    }
    if (errno == EINTR || errno == ECONNABORTED) continue;
    const bool exhausted =
        errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM;
    if (exhausted && !make_room()) pause_accepting();
    return;
  }
}

void HttpReactor::add(int fd) {
  if (connection_count() >= shared_.limits.connection_count_max && !make_room()) {
    ::close(fd);
    return;
  }
  const int on = 1;
  ::setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  const uint64_t id = next_id_++;
  auto connection = std::make_shared<HttpConnection>(shared_, id, fd);
  epoll_event event{};
  event.data.u64 = id;
  if (::epoll_ctl(shared_.epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0) return;  // closes it
  {
    const std::lock_guard lock(mutex_);
    connections_.emplace(id, connection);
  }
  connection->begin();
}

bool HttpReactor::make_room() {
  ConnectionPointer longest;
  int64_t longest_since_ms = 0;
  for (const ConnectionPointer& connection : all()) {
    const auto since_ms = connection->idle_since_ms();
    if (!since_ms || (longest != nullptr && *since_ms >= longest_since_ms)) continue;
    longest = connection;
    longest_since_ms = *since_ms;
  }
  if (longest == nullptr) return false;
  drop(longest);
  return true;
}

void HttpReactor::pause_accepting() {
  accept_paused_ = true;
  for (size_t i = 0; i < listening_fds_.size(); ++i) {
    ::epoll_ctl(shared_.epoll_fd, EPOLL_CTL_DEL, listening_fds_[i], nullptr);
  }
}

void HttpReactor::resume_accepting() {
  accept_paused_ = false;
  for (size_t i = 0; i < listening_fds_.size(); ++i) {
    if (!watch_fd(shared_.epoll_fd, listening_fds_[i], kFirstListenerId + i).ok()) {
      accept_paused_ = true;
    }
  }
}

void HttpReactor::on_event(uint64_t id, uint32_t events) {
  ConnectionPointer connection;
  {
    const std::lock_guard lock(mutex_);
    const auto found = connections_.find(id);
    if (found == connections_.end()) return;
    connection = found->second;
  }
  using Event = HttpConnection::Event;
  Event event = Event::kNothing;
  if ((events & (EPOLLERR | EPOLLHUP)) != 0) event = connection->on_hangup(true);
  if (event == Event::kNothing && (events & EPOLLOUT) != 0) event = connection->on_writable();
  if (event == Event::kNothing && (events & EPOLLIN) != 0) event = connection->on_readable();
  if (event == Event::kNothing && (events & EPOLLRDHUP) != 0) event = connection->on_hangup(false);
  if (event == Event::kGone) drop(connection);
  if (event == Event::kRequest) process(connection);
}

void HttpReactor::process(const ConnectionPointer& connection) {
  served_count_.fetch_add(1);
  workers_.enqueue([this, connection] { serve(connection); });
}

void HttpReactor::serve(const ConnectionPointer& connection) {
  HttpConnection::Event event = HttpConnection::Event::kRequest;
  for (int i = 0; event == HttpConnection::Event::kRequest; ++i) {
    if (i == kRequestsPerTurn) {
      process(connection);
      break;
    }
    const bool keep_alive = serve_(connection, connection->take_request());
    event = connection->end_request(keep_alive && !stopping_.load());
  }
  if (event == HttpConnection::Event::kGone) drop(connection);
  served_count_.fetch_sub(1);
}

void HttpReactor::check_deadlines() {
  const int64_t now_ms = shared_.clock->monotonic_ms();
  for (const ConnectionPointer& connection : all()) {
    if (connection->on_time(now_ms) == HttpConnection::Event::kGone) drop(connection);
  }
}

void HttpReactor::drop(const ConnectionPointer& connection) {
  {
    const std::lock_guard lock(mutex_);
    connections_.erase(connection->id());
  }
  connection->close();
}

}  // namespace litestream
