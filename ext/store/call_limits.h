// Limits that a caller puts on the store calls of its thread: a deadline, a question that stops
// them, or a reason why the network may not be used at all. Store methods need no extra arguments,
// and a statement that is interrupted does not wait for a network.
//
//     const CallLimits limits(deadline_monotonic_ms, [&] { return is_interrupted(); });
//     store.list(0);  // Cancelled within 100 ms of an interrupt, Unavailable at the deadline
//
// Threading: an object limits the thread that made it, until it is destroyed on that thread;
// objects nest, the inner one adds to the outer one. Threads that a store starts for a call are
// limited like the caller.
#pragma once

#include <cstdint>
#include <functional>
#include <limits>

#include "ext/base/status.h"

namespace litestream {

class CallLimits {
 public:
  static constexpr int64_t kNoDeadline = std::numeric_limits<int64_t>::max();

  // `deadline_ms` by system_clock().monotonic_ms(). `stopped` may be empty; it may be called from
  // other threads while this lives.
  CallLimits(int64_t deadline_ms, std::function<bool()> stopped);
  // What would use the network fails with `refusal`, which is not ok.
  explicit CallLimits(Status refusal);
  // Puts the limits of another thread, which must outlive this, on this one too; null: none.
  explicit CallLimits(const CallLimits* outer);
  ~CallLimits();
  CallLimits(const CallLimits&) = delete;
  CallLimits& operator=(const CallLimits&) = delete;

  // Those of the calling thread; null if there are none.
  static const CallLimits* current();
  // Of the calling thread. The refusal if there is one; Cancelled if stopped; Unavailable past the
  // deadline; else ok.
  static Status check();
  // The deadline of the calling thread.
  static int64_t deadline_ms();

 private:
  const CallLimits* const outer_;
  const CallLimits* const previous_;  // what current() was before
  const int64_t deadline_ms_;
  const std::function<bool()> stopped_;
  const Status refusal_;
};

}  // namespace litestream
