// Threads for what may block: uploads, snapshots, start-up comparisons. None exists until the
// first job; at most kThreadsMax ever do, whatever the number of databases.
//
// All signals are blocked in them, so the host's handlers run on the host's threads.
// Threading: thread-safe.
#pragma once

#include <condition_variable>
#include <deque>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "ext/base/thread.h"

namespace litestream {

// Where jobs go; tests run them one by one instead.
class JobRunner {
 public:
  virtual ~JobRunner() = default;
  // False: the job will not run. A job must not throw; what it throws all the same is swallowed.
  virtual bool submit(std::function<void()> job) noexcept = 0;
};

class JobPool final : public JobRunner {
 public:
  static constexpr size_t kThreadsMax = 6;
  JobPool() = default;
  ~JobPool() override;  // waits for running jobs, drops queued ones
  JobPool(const JobPool&) = delete;
  JobPool& operator=(const JobPool&) = delete;

  // False when the pool is stopping or no thread can be made and none exists: the job will not
  // run.
  bool submit(std::function<void()> job) noexcept override;
  // Leaves running threads alone and forgets them: for the end of a process that cannot wait.
  void abandon() noexcept;

 private:
  void run() noexcept;
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::function<void()>> jobs_;  // at most one per database and kind
  std::vector<std::thread> threads_;
  size_t idle_count_ = 0;
  bool stopping_ = false;
};

}  // namespace litestream
