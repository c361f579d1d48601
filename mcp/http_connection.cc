#include "mcp/http_connection.h"

#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>

namespace litestream {
namespace {

constexpr size_t kReadBytes = 16 << 10;
constexpr int kReadsPerEvent = 4;  // then others have their turn

const char* refusal_text(int status) {
  switch (status) {
    case 408: return "408 Request Timeout";
    case 413: return "413 Payload Too Large";
    case 417: return "417 Expectation Failed";
    case 431: return "431 Request Header Fields Too Large";
    case 501: return "501 Not Implemented";
    case 503: return "503 Service Unavailable";
    default: return "400 Bad Request";
  }
}

std::string refusal_reply(int status) {
  const std::string body = R"({"error":"bad_request"})";
  return std::string("HTTP/1.1 ") + refusal_text(status) +
         "\r\nConnection: close\r\nContent-Type: application/json\r\nContent-Length: " +
         std::to_string(body.size()) + "\r\n\r\n" + body;
}

}  // namespace

HttpConnection::HttpConnection(HttpShared& shared, uint64_t id, int fd)
    : shared_(shared), id_(id), fd_(fd) {}

HttpConnection::~HttpConnection() { close(); }

void HttpConnection::count_locked(size_t bytes, size_t& counted) {
  if (bytes > counted) shared_.buffered_bytes.fetch_add(bytes - counted);
  if (bytes < counted) shared_.buffered_bytes.fetch_sub(counted - bytes);
  counted = bytes;
}

void HttpConnection::close() {
  const std::lock_guard lock(mutex_);
  if (fd_ < 0) return;
  shut_locked();
  count_locked(0, counted_incoming_bytes_);
  if (phase_ == Phase::kStream) shared_.stream_count.fetch_sub(1);
  ::close(fd_);  // takes it out of epoll as well
  fd_ = -1;
}

void HttpConnection::shut_locked() {
  if (is_shut_) return;
  is_shut_ = true;
  ::shutdown(fd_, SHUT_RDWR);  // wakes the reactor, which drops the connection
  std::string().swap(outgoing_);
  count_locked(0, counted_outgoing_bytes_);
  if (watcher_ != nullptr) watcher_->cancel();
}

void HttpConnection::update_interest_locked() {
  if (fd_ < 0 || is_shut_ || !is_registered_) return;
  uint32_t interest = 0;
  if (!outgoing_.empty()) interest |= EPOLLOUT;
  // A client that does not read its answers is not asked for more.
  const bool reads = phase_ == Phase::kDraining ||
                     (phase_ == Phase::kReading && outgoing_.empty() && !closes_after_write_);
  if (reads) interest |= EPOLLIN;
  if (!peer_closed_ && (phase_ == Phase::kStream || watcher_ != nullptr)) interest |= EPOLLRDHUP;
  if (interest == interest_) return;
  interest_ = interest;
  epoll_event event{};
  event.events = interest;
  event.data.u64 = id_;
  ::epoll_ctl(shared_.epoll_fd, EPOLL_CTL_MOD, fd_, &event);
}

void HttpConnection::set_deadline_locked() {
  const ConnectionLimits& limits = shared_.limits;
  since_ms_ = shared_.clock->monotonic_ms();
  int64_t wait_ms = limits.idle_ms;
  if (phase_ == Phase::kStream) wait_ms = limits.heartbeat_ms;
  if (phase_ == Phase::kDraining) wait_ms = limits.linger_ms;
  if (phase_ == Phase::kReading && framing_.state() == HttpFraming::State::kHead) {
    wait_ms = limits.head_ms;
  }
  if (phase_ == Phase::kReading && framing_.state() == HttpFraming::State::kBody) {
    wait_ms = limits.body_ms;
  }
  deadline_ms_ = since_ms_ + wait_ms;
}

bool HttpConnection::flush_locked() {
  while (!outgoing_.empty()) {
    const ssize_t n = ::send(fd_, outgoing_.data(), outgoing_.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) break;
    if (n < 0) {
      shut_locked();
      return false;
    }
    outgoing_.erase(0, static_cast<size_t>(n));
    write_deadline_ms_ = shared_.clock->monotonic_ms() + shared_.limits.write_ms;
  }
  count_locked(outgoing_.size(), counted_outgoing_bytes_);
  return true;
}

bool HttpConnection::write(std::string_view bytes) {
  const std::lock_guard lock(mutex_);
  if (is_shut_ || fd_ < 0) return false;
  const bool was_empty = outgoing_.empty();
  outgoing_ += bytes;
  if (was_empty) {
    write_deadline_ms_ = shared_.clock->monotonic_ms() + shared_.limits.write_ms;
    if (!flush_locked()) return false;
  }
  count_locked(outgoing_.size(), counted_outgoing_bytes_);
  const ConnectionLimits& limits = shared_.limits;
  const size_t bytes_max =
      phase_ == Phase::kStream ? limits.stream_bytes_max : limits.outgoing_bytes_max;
  if (outgoing_.size() > bytes_max || shared_.buffered_bytes.load() > limits.buffered_bytes_max) {
    shut_locked();
    return false;
  }
  update_interest_locked();
  return true;
}

bool HttpConnection::is_open() const {
  const std::lock_guard lock(mutex_);
  return fd_ >= 0 && !is_shut_ && !closes_after_write_;
}

void HttpConnection::watch(Cancellation* cancellation) {
  const std::lock_guard lock(mutex_);
  watcher_ = cancellation;
  if (watcher_ != nullptr && (is_shut_ || peer_closed_)) watcher_->cancel();
  update_interest_locked();
}

void HttpConnection::set_heartbeat(std::string heartbeat) {
  const std::lock_guard lock(mutex_);
  heartbeat_ = std::move(heartbeat);
  deadline_ms_ = shared_.clock->monotonic_ms() + shared_.limits.heartbeat_ms;
}

bool HttpConnection::become_stream(std::string heartbeat) {
  const std::lock_guard lock(mutex_);
  if (is_shut_ || fd_ < 0 || peer_closed_) return false;
  if (shared_.stream_count.fetch_add(1) >= shared_.limits.stream_count_max) {
    shared_.stream_count.fetch_sub(1);
    return false;
  }
  phase_ = Phase::kStream;
  heartbeat_ = std::move(heartbeat);
  set_deadline_locked();
  update_interest_locked();
  return true;
}

void HttpConnection::finish_stream() {
  const std::lock_guard lock(mutex_);
  if (is_shut_ || fd_ < 0 || phase_ != Phase::kStream) return;
  closes_after_write_ = true;
  if (outgoing_.empty()) begin_draining_locked();
  update_interest_locked();
}

void HttpConnection::begin_draining_locked() {
  // A socket closed with unread bytes in it would take the answer back.
  if (phase_ == Phase::kStream) shared_.stream_count.fetch_sub(1);
  phase_ = Phase::kDraining;
  ::shutdown(fd_, SHUT_WR);
  set_deadline_locked();
}

void HttpConnection::begin() {
  const std::lock_guard lock(mutex_);
  set_deadline_locked();
  update_interest_locked();
}

HttpConnection::Event HttpConnection::refuse(int status) {
  const std::string reply = refusal_reply(status);
  {
    const std::lock_guard lock(mutex_);
    closes_after_write_ = true;
  }
  if (!write(reply)) return Event::kGone;
  const std::lock_guard lock(mutex_);
  if (outgoing_.empty()) begin_draining_locked();
  update_interest_locked();
  return Event::kNothing;
}

HttpConnection::Event HttpConnection::advance() {
  const HttpFraming::State before = framing_.state();
  const HttpFraming::State now = framing_.advance(incoming_);
  if (framing_.take_expectation()) write("HTTP/1.1 100 Continue\r\n\r\n");
  if (now == HttpFraming::State::kRefused) return refuse(framing_.refusal_status());
  const std::lock_guard lock(mutex_);
  count_locked(incoming_.size() + framing_.held_bytes(), counted_incoming_bytes_);
  if (now == HttpFraming::State::kComplete) {
    phase_ = Phase::kServing;
    update_interest_locked();
    return Event::kRequest;
  }
  if (shared_.buffered_bytes.load() > shared_.limits.buffered_bytes_max) {
    shut_locked();
    return Event::kGone;
  }
  if (now != before) set_deadline_locked();
  update_interest_locked();
  return Event::kNothing;
}

HttpConnection::Event HttpConnection::on_readable() {
  char buffer[kReadBytes];
  for (int i = 0; i < kReadsPerEvent; ++i) {
    ssize_t n = 0;
    bool keeps = false;
    {
      const std::lock_guard lock(mutex_);
      if (is_shut_) return Event::kGone;
      if (phase_ != Phase::kReading && phase_ != Phase::kDraining) return Event::kNothing;
      n = ::recv(fd_, buffer, sizeof buffer, MSG_DONTWAIT);
      keeps = phase_ == Phase::kReading;
    }
    if (n < 0 && errno == EINTR) continue;
    if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return Event::kNothing;
    if (n <= 0) return Event::kGone;
    if (!keeps) continue;
    incoming_.append(buffer, static_cast<size_t>(n));
    const Event event = advance();
    if (event != Event::kNothing) return event;
  }
  return Event::kNothing;
}

HttpConnection::Event HttpConnection::on_writable() {
  {
    const std::lock_guard lock(mutex_);
    if (is_shut_ || !flush_locked())
      return phase_ == Phase::kServing ? Event::kNothing : Event::kGone;
    if (outgoing_.empty() && closes_after_write_ && phase_ != Phase::kServing &&
        phase_ != Phase::kDraining) {
      begin_draining_locked();
    }
    update_interest_locked();
    if (phase_ != Phase::kReading || !outgoing_.empty() || closes_after_write_) {
      return Event::kNothing;
    }
  }
  return advance();  // the next request may have waited for this
}

HttpConnection::Event HttpConnection::on_hangup(bool broken) {
  const std::lock_guard lock(mutex_);
  peer_closed_ = true;
  if (watcher_ != nullptr) watcher_->cancel();
  if (broken && is_registered_) {
    // Reported again and again otherwise, while the worker is not done.
    ::epoll_ctl(shared_.epoll_fd, EPOLL_CTL_DEL, fd_, nullptr);
    is_registered_ = false;
    shut_locked();
  }
  if (phase_ == Phase::kServing) {
    update_interest_locked();
    return Event::kNothing;
  }
  return Event::kGone;
}

HttpConnection::Event HttpConnection::on_time(int64_t now_ms) {
  std::unique_lock lock(mutex_);
  if (!outgoing_.empty() && now_ms >= write_deadline_ms_) {
    shut_locked();
    return phase_ == Phase::kServing ? Event::kNothing : Event::kGone;
  }
  if (now_ms < deadline_ms_) return Event::kNothing;
  if (phase_ == Phase::kDraining) return Event::kGone;
  if (phase_ == Phase::kStream || phase_ == Phase::kServing) {
    deadline_ms_ = now_ms + shared_.limits.heartbeat_ms;
    if (heartbeat_.empty() || closes_after_write_ || !outgoing_.empty()) return Event::kNothing;
    // Under the lock: once set_heartbeat("") has returned none is sent.
    outgoing_ = heartbeat_;
    write_deadline_ms_ = now_ms + shared_.limits.write_ms;
    if (!flush_locked()) return phase_ == Phase::kServing ? Event::kNothing : Event::kGone;
    update_interest_locked();
    return Event::kNothing;
  }
  if (closes_after_write_ || !outgoing_.empty()) return Event::kNothing;  // see write_deadline_ms_
  lock.unlock();
  return framing_.state() == HttpFraming::State::kIdle ? Event::kGone : refuse(408);
}

std::optional<int64_t> HttpConnection::idle_since_ms() const {
  const std::lock_guard lock(mutex_);
  if (phase_ != Phase::kReading || closes_after_write_ || !outgoing_.empty()) return std::nullopt;
  return since_ms_;
}

HttpConnection::Event HttpConnection::end_request(bool keep_alive) {
  {
    const std::lock_guard lock(mutex_);
    watcher_ = nullptr;
    if (is_shut_) return Event::kGone;
    count_locked(0, counted_incoming_bytes_);
    if (incoming_.empty() && incoming_.capacity() > kReadBytes / 2) std::string().swap(incoming_);
    if (phase_ == Phase::kStream || phase_ == Phase::kDraining) {
      update_interest_locked();
      return Event::kNothing;
    }
    closes_after_write_ = !keep_alive;
    if (closes_after_write_ && outgoing_.empty()) {
      begin_draining_locked();
      update_interest_locked();
      return Event::kNothing;
    }
    if (closes_after_write_ || !outgoing_.empty() || incoming_.empty()) {
      phase_ = Phase::kReading;
      set_deadline_locked();
      update_interest_locked();
      return Event::kNothing;
    }
  }
  // Still ours: what has been read already may hold a whole request.
  const Event event = advance();
  if (event != Event::kNothing) return event;
  const std::lock_guard lock(mutex_);
  if (phase_ == Phase::kServing) {
    phase_ = Phase::kReading;
    set_deadline_locked();
    update_interest_locked();
  }
  return Event::kNothing;
}

}  // namespace litestream
