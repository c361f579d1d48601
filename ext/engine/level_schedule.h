// When the periodic work of one replica is due: compaction of each level, snapshots, retention,
// validation.
//
// Pure. Due times are kept on the monotonic clock and chosen so that they fall on multiples of the
// interval on the wall clock. A wall clock that jumps can therefore delay nothing by more than one
// interval and cause nothing to happen more than once per jump. What has nothing to do is not
// armed, so an idle replica wakes nobody.
// Threading: thread-compatible.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "ext/engine/options.h"

namespace litestream {

// Both clocks at one moment.
struct Moment {
  int64_t monotonic_ms = 0;
  int64_t wall_ms = 0;
};

// Number of the interval that `wall_ms` lies in; rounds down for times before 1970 too.
// `interval_ms` > 0.
int64_t interval_number(int64_t wall_ms, int64_t interval_ms);
// To the next multiple of the interval: 1..interval_ms.
int64_t ms_to_next_multiple(int64_t wall_ms, int64_t interval_ms);

class LevelSchedule {
 public:
  // Slots 1..8 are levels.
  static constexpr size_t kSnapshot = 9;
  static constexpr size_t kRetention = 10;
  static constexpr size_t kValidation = 11;
  static constexpr size_t kSlotCount = 12;

  explicit LevelSchedule(const DatabaseOptions& options);

  // 0: this slot is not used.
  int64_t interval_ms(size_t slot) const { return interval_ms_[slot]; }
  // There is something to do: due at the next multiple of the interval, unless it is armed already.
  void arm(size_t slot, const Moment& now);
  // Due at once, whatever was planned; also for slots without an interval.
  void arm_now(size_t slot, const Moment& now) { due_ms_[slot] = now.monotonic_ms; }
  // Not before `delay_ms` from now.
  void put_off(size_t slot, const Moment& now, int64_t delay_ms) {
    due_ms_[slot] = now.monotonic_ms + delay_ms;
  }
  void disarm(size_t slot) { due_ms_[slot] = kNotDue; }
  bool is_armed(size_t slot) const { return due_ms_[slot] != kNotDue; }
  bool is_due(size_t slot, const Moment& now) const { return due_ms_[slot] <= now.monotonic_ms; }
  // Monotonic time of the earliest; INT64_MAX: nothing is armed.
  int64_t next_due_ms() const;

 private:
  static constexpr int64_t kNotDue = INT64_MAX;
  std::array<int64_t, kSlotCount> interval_ms_{};
  std::array<int64_t, kSlotCount> due_ms_;
};

}  // namespace litestream
