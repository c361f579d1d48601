#include "ext/engine/sync_turns.h"

#include <chrono>

namespace litestream {
namespace {

// Barriers at longer intervals are not worth waiting for: a flush rarely meets one.
constexpr int64_t kIntervalMaxMs = 50;
// Of an interval: that soon after a barrier there is time for a flush before the next.
constexpr int kJustEndedPart = 8;

}  // namespace

bool SyncTurns::must_wait() const {
  if (runs_) return true;
  if (end_count_ < 2) return false;
  const int64_t interval_ms = last_end_ms_ - end_before_ms_;
  const int64_t since_ms = clock_.monotonic_ms() - last_end_ms_;
  const bool follow_closely = interval_ms <= kIntervalMaxMs && since_ms <= 2 * interval_ms;
  return follow_closely && since_ms > interval_ms / kJustEndedPart;
}

void SyncTurns::take() {
  std::unique_lock lock(mutex_);
  if (wait_max_ms_ > 0 && must_wait()) {
    const uint64_t seen = end_count_;
    ended_.wait_for(lock, std::chrono::milliseconds(wait_max_ms_),
                    [&] { return end_count_ != seen; });
  }
  taken_count_.fetch_add(1, std::memory_order_relaxed);
}

void SyncTurns::begin_barrier() {
  const std::lock_guard lock(mutex_);
  runs_ = true;
}

void SyncTurns::end_barrier() {
  {
    const std::lock_guard lock(mutex_);
    runs_ = false;
    ++end_count_;
    end_before_ms_ = last_end_ms_;
    last_end_ms_ = clock_.monotonic_ms();
  }
  ended_.notify_all();
}

}  // namespace litestream
