// Threads that appear when there is work, up to a bound, and go when there has been none for a
// while. One pool serves every listening socket.
// Threading: thread-safe.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>

namespace litestream {

class WorkerPool {
 public:
  explicit WorkerPool(size_t thread_count_max) : thread_count_max_(thread_count_max) {}
  ~WorkerPool();  // runs what is queued, then waits for the threads
  WorkerPool(const WorkerPool&) = delete;
  WorkerPool& operator=(const WorkerPool&) = delete;

  // Runs `work` now or when a thread is free. `work` must not throw.
  void enqueue(std::function<void()> work);

 private:
  void run();

  const size_t thread_count_max_;
  std::mutex mutex_;  // guards everything below
  std::condition_variable work_added_;
  std::condition_variable thread_ended_;
  std::deque<std::function<void()>> queue_;
  size_t thread_count_ = 0;
  size_t idle_count_ = 0;
  bool stopping_ = false;
};

}  // namespace litestream
