// SIGINT and SIGTERM as a request to stop what one command does, so that it can leave nothing
// behind: while the scope lives they cancel, instead of ending the process.
// Threading: create and destroy on the main thread, before other threads start; it has one of its
// own.
#pragma once

#include <atomic>
#include <chrono>
#include <csignal>
#include <thread>

#include "mcp/cancellation.h"

namespace litestream {

class InterruptScope {
 public:
  InterruptScope();
  ~InterruptScope();  // the signals do again what they did before
  InterruptScope(const InterruptScope&) = delete;
  InterruptScope& operator=(const InterruptScope&) = delete;

  Cancellation& cancellation() { return cancellation_; }
  // False: interrupted before the time was over.
  bool sleep(std::chrono::milliseconds time);

 private:
  void watch();
  Cancellation cancellation_;
  sigset_t signals_;
  sigset_t mask_before_;
  std::atomic<bool> is_over_{false};
  std::thread thread_;
};

}  // namespace litestream
