#include "mcp/deadline_watch.h"

#include <chrono>

namespace litestream {

DeadlineWatch::DeadlineWatch(int64_t timeout_ms)
    : thread_([this, timeout_ms] {
        std::unique_lock lock(mutex_);
        const auto deadline =
            std::chrono::steady_clock::now() + std::chrono::milliseconds(timeout_ms);
        while (!is_over_) {
          if (over_.wait_until(lock, deadline) != std::cv_status::timeout) continue;
          if (!is_over_) cancellation_.cancel();
          return;
        }
      }) {}

DeadlineWatch::~DeadlineWatch() {
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
  }
  over_.notify_all();
  thread_.join();
}

}  // namespace litestream
