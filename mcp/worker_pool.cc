#include "mcp/worker_pool.h"

#include <chrono>
#include <system_error>

namespace litestream {
namespace {

constexpr std::chrono::seconds kIdleThreadLifetime{10};

}  // namespace

WorkerPool::~WorkerPool() {
  std::unique_lock lock(mutex_);
  stopping_ = true;
  work_added_.notify_all();
  thread_ended_.wait(lock, [this] { return thread_count_ == 0; });
}

void WorkerPool::enqueue(std::function<void()> work) {
  const std::lock_guard lock(mutex_);
  queue_.push_back(std::move(work));
  if (idle_count_ >= queue_.size() || thread_count_ >= thread_count_max_) {
    work_added_.notify_one();
    return;
  }
  try {
    std::thread(&WorkerPool::run, this).detach();
    ++thread_count_;
  } catch (const std::system_error&) {
    // No more threads to be had: one of those that exist will take the work.
  }
}

void WorkerPool::run() {
  std::unique_lock lock(mutex_);
  while (true) {
    ++idle_count_;
    work_added_.wait_for(lock, kIdleThreadLifetime,
                         [this] { return stopping_ || !queue_.empty(); });
    --idle_count_;
    if (queue_.empty()) break;  // stopping, or idle for long
    const std::function<void()> work = std::move(queue_.front());
    queue_.pop_front();
    lock.unlock();
    work();
    lock.lock();
  }
  --thread_count_;
  // Under the lock, as the last touch of the pool: the destructor may be waiting.
  thread_ended_.notify_all();
}

}  // namespace litestream
