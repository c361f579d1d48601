#include "ext/engine/job_pool.h"

#include <exception>

#include "ext/base/log.h"

namespace litestream {

JobPool::~JobPool() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    jobs_.clear();
  }
  wake_.notify_all();
  for (std::thread& thread : threads_) {
    if (thread.joinable()) thread.join();
  }
}

bool JobPool::submit(std::function<void()> job) noexcept {
  try {
    const std::lock_guard lock(mutex_);
    if (stopping_) return false;
    if (idle_count_ <= jobs_.size() && threads_.size() < kThreadsMax) {
      std::thread thread;
      if (start_thread(&thread, [this] { run(); })) threads_.push_back(std::move(thread));
    }
    if (threads_.empty()) return false;
    jobs_.push_back(std::move(job));
  } catch (const std::exception& error) {
    log_message(LogLevel::kError, error.what());
    return false;
  }
  wake_.notify_one();
  return true;
}

void JobPool::abandon() noexcept {
  const std::lock_guard lock(mutex_);
  stopping_ = true;
  jobs_.clear();
  for (std::thread& thread : threads_) thread.detach();
  threads_.clear();
}

void JobPool::run() noexcept {
  std::unique_lock lock(mutex_);
  while (true) {
    ++idle_count_;
    wake_.wait(lock, [this] { return stopping_ || !jobs_.empty(); });
    --idle_count_;
    if (jobs_.empty()) return;
    std::function<void()> job = std::move(jobs_.front());
    jobs_.pop_front();
    lock.unlock();
    try {
      job();
    } catch (const std::exception& error) {
      log_message(LogLevel::kError, error.what());
    }
    job = nullptr;
    lock.lock();
  }
}

}  // namespace litestream
