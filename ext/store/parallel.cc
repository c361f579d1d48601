#include "ext/store/parallel.h"

#include <algorithm>
#include <atomic>
#include <mutex>
#include <thread>
#include <vector>

#include "ext/base/thread.h"
#include "ext/store/call_limits.h"

namespace litestream {

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
  std::vector<std::thread> threads;
  const size_t helper_count = std::min<size_t>(count, static_cast<size_t>(thread_count));
  for (size_t i = 1; i < helper_count; ++i) {
    std::thread thread;
    const bool started = start_thread(&thread, [&work, limits] {
      const CallLimits same(limits);
      work();
    });
    if (!started) break;  // the others do its share
    threads.push_back(std::move(thread));
  }
  work();
  for (std::thread& thread : threads) thread.join();
  return first;
}

}  // namespace litestream
