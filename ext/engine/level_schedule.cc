#include "ext/engine/level_schedule.h"

#include <algorithm>

#include "ext/base/limits.h"

namespace litestream {

int64_t interval_number(int64_t wall_ms, int64_t interval_ms) {
  const int64_t quotient = wall_ms / interval_ms;
  return wall_ms % interval_ms < 0 ? quotient - 1 : quotient;
}

int64_t ms_to_next_multiple(int64_t wall_ms, int64_t interval_ms) {
  int64_t past_ms = wall_ms % interval_ms;
  if (past_ms < 0) past_ms += interval_ms;
  return interval_ms - past_ms;
}

LevelSchedule::LevelSchedule(const DatabaseOptions& options) {
  due_ms_.fill(kNotDue);
  const size_t level_count =
      std::min<size_t>(options.level_interval_ms.size(), kCompactionLevelMax);
  for (size_t i = 0; i < level_count; ++i) interval_ms_[i + 1] = options.level_interval_ms[i];
  interval_ms_[kSnapshot] = options.snapshot_interval_ms;
  interval_ms_[kRetention] = options.l0_retention_check_interval_ms;
  interval_ms_[kValidation] = options.validation_interval_ms;
}

void LevelSchedule::arm(size_t slot, const Moment& now) {
  if (is_armed(slot) || interval_ms_[slot] <= 0) return;
  due_ms_[slot] = now.monotonic_ms + ms_to_next_multiple(now.wall_ms, interval_ms_[slot]);
}

int64_t LevelSchedule::next_due_ms() const {
  return *std::min_element(due_ms_.begin(), due_ms_.end());
}

}  // namespace litestream
