#include "mcp/session_pool.h"

#include <algorithm>
#include <chrono>

namespace litestream {

SessionPool::Lease::~Lease() {
  if (session_ != nullptr) pool_->release(std::move(session_));
}

Result<SessionPool::Lease> SessionPool::acquire() {
  std::unique_lock lock(mutex_);
  const auto can_go_on = [this] {
    return shut_down_ || !idle_.empty() || session_count_ < kSqlSessionCountMax;
  };
  if (!released_.wait_for(lock, std::chrono::milliseconds(acquire_timeout_ms_), can_go_on)) {
    return busy("the server is busy with other requests; try again in a moment");
  }
  if (shut_down_) return cancelled("the server is shutting down");
  std::unique_ptr<SqlSession> session;
  if (!idle_.empty()) {
    session = std::move(idle_.back());
    idle_.pop_back();
  } else {
    ++session_count_;
    lock.unlock();  // opening touches files
    auto opened = SqlSession::open(":memory:", given_sources_);
    lock.lock();
    if (!opened.ok()) {
      --session_count_;
      released_.notify_one();
      return std::move(opened).status();
    }
    session = std::move(opened).value();
  }
  leased_.push_back(session.get());
  return Lease(this, std::move(session));
}

void SessionPool::release(std::unique_ptr<SqlSession> session) {
  const std::lock_guard lock(mutex_);
  std::erase(leased_, session.get());
  idle_.push_back(std::move(session));
  released_.notify_one();
}

void SessionPool::shut_down() {
  const std::lock_guard lock(mutex_);
  shut_down_ = true;
  for (SqlSession* session : leased_) session->interrupt();
  released_.notify_all();
}

}  // namespace litestream
