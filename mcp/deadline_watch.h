// Cancels a statement when its time is over.
// Threading: create and destroy from one thread; it has one of its own.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <mutex>
#include <thread>

#include "mcp/cancellation.h"

namespace litestream {

class DeadlineWatch {
 public:
  explicit DeadlineWatch(int64_t timeout_ms);
  ~DeadlineWatch();
  DeadlineWatch(const DeadlineWatch&) = delete;
  DeadlineWatch& operator=(const DeadlineWatch&) = delete;

  Cancellation& cancellation() { return cancellation_; }

 private:
  Cancellation cancellation_;
  std::mutex mutex_;  // guards is_over_
  std::condition_variable over_;
  bool is_over_ = false;
  std::thread thread_;
};

}  // namespace litestream
