#include "ext/store/parallel.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <mutex>
#include <thread>
#include <vector>

#include "ext/base/thread.h"
#include "ext/store/call_limits.h"

namespace litestream {
namespace {

constexpr std::chrono::milliseconds kAskInterval{20};

// How many helpers still work.
class Helpers {
 public:
  void begin() {
    const std::lock_guard lock(mutex_);
    ++running_;
  }
  void end() {
    const std::lock_guard lock(mutex_);
    --running_;
    changed_.notify_all();
  }
  // Asks for the caller's limits meanwhile: only its own thread may ask SQLite whether a statement
  // is interrupted, and the helpers hear it from there.
  void wait() {
    std::unique_lock lock(mutex_);
    while (!changed_.wait_for(lock, kAskInterval, [this] { return running_ == 0; })) {
      lock.unlock();
      (void)CallLimits::check();
      lock.lock();
    }
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int running_ = 0;
};

}  // namespace

Status for_each_in_parallel(size_t count, int thread_count,
                            const std::function<Status(size_t index)>& each) {
  std::atomic<size_t> next{0};
  std::mutex mutex;
  Status first;
  const auto work = [&] {
    while (true) {
      const size_t index = next.fetch_add(1);
      if (index >= count) return;
      const Status status = each(index);
      if (status.ok()) continue;
      next.store(count);
      const std::lock_guard lock(mutex);
      if (first.ok()) first = status;
      return;
    }
  };
  const CallLimits* limits = CallLimits::current();
  Helpers helpers;
  std::vector<std::thread> threads;
  const size_t helper_count = std::min<size_t>(count, static_cast<size_t>(thread_count));
  for (size_t i = 1; i < helper_count; ++i) {
    std::thread thread;
    helpers.begin();
    const bool started = start_thread(&thread, [&work, &helpers, limits] {
      {
        const CallLimits same(limits);
        work();
      }
      helpers.end();
    });
    if (!started) {
      helpers.end();
      break;  // the others do its share
    }
    threads.push_back(std::move(thread));
  }
  work();
  helpers.wait();
  for (std::thread& thread : threads) thread.join();
  return first;
}

}  // namespace litestream
