#include "ext/engine/level_schedule.h"

#include <catch2/catch.hpp>

#include "tests/support/prng.h"

namespace litestream {
namespace {

constexpr int64_t kHourMs = 3'600'000;

TEST_CASE("level schedule: intervals are counted from the epoch, downwards before it") {
  REQUIRE(interval_number(0, 30'000) == 0);
  REQUIRE(interval_number(29'999, 30'000) == 0);
  REQUIRE(interval_number(30'000, 30'000) == 1);
  REQUIRE(interval_number(-1, 30'000) == -1);
  REQUIRE(interval_number(-30'000, 30'000) == -1);
  REQUIRE(interval_number(-30'001, 30'000) == -2);
  REQUIRE(ms_to_next_multiple(0, 30'000) == 30'000);
  REQUIRE(ms_to_next_multiple(1, 30'000) == 29'999);
  REQUIRE(ms_to_next_multiple(29'999, 30'000) == 1);
  REQUIRE(ms_to_next_multiple(-1, 30'000) == 1);
  REQUIRE(ms_to_next_multiple(-30'000, 30'000) == 30'000);
}

TEST_CASE("level schedule: what is armed falls on the next multiple of its interval") {
  LevelSchedule schedule(DatabaseOptions{});
  REQUIRE(schedule.next_due_ms() == INT64_MAX);
  const Moment now{1'000'000, 1'767'413'106'789};
  for (const size_t slot : {size_t{1}, size_t{2}, size_t{3}, LevelSchedule::kSnapshot}) {
    schedule.arm(slot, now);
    REQUIRE(schedule.is_armed(slot));
    REQUIRE_FALSE(schedule.is_due(slot, now));
    const int64_t wait = ms_to_next_multiple(now.wall_ms, schedule.interval_ms(slot));
    const Moment before{now.monotonic_ms + wait - 1, now.wall_ms + wait - 1};
    const Moment then{now.monotonic_ms + wait, now.wall_ms + wait};
    REQUIRE_FALSE(schedule.is_due(slot, before));
    REQUIRE(schedule.is_due(slot, then));
    REQUIRE(then.wall_ms % schedule.interval_ms(slot) == 0);
  }
  REQUIRE(schedule.next_due_ms() ==
          now.monotonic_ms + ms_to_next_multiple(now.wall_ms, schedule.interval_ms(1)));
}

TEST_CASE("level schedule: arming again moves nothing, slots without an interval stay idle") {
  LevelSchedule schedule(DatabaseOptions{});
  schedule.arm(1, {0, 15'000});
  schedule.arm(1, {10'000, 25'000});
  REQUIRE(schedule.next_due_ms() == 15'000);
  schedule.disarm(1);
  REQUIRE(schedule.next_due_ms() == INT64_MAX);
  schedule.arm(LevelSchedule::kValidation, {0, 0});  // off by default
  schedule.arm(4, {0, 0});                           // there is no level 4
  REQUIRE(schedule.next_due_ms() == INT64_MAX);
  schedule.arm_now(LevelSchedule::kValidation, {7, 0});
  REQUIRE(schedule.next_due_ms() == 7);
  schedule.put_off(LevelSchedule::kValidation, {7, 0}, 60'000);
  REQUIRE(schedule.next_due_ms() == 60'007);
}

// A wall clock that jumps about: each slot comes due at most one interval of real time after it
// was armed, and no more than once per arming.
TEST_CASE("level schedule: G6 clock jumps delay nothing by more than one interval") {
  test::Prng prng = test::Prng::announced("level schedule jumps", 6);
  DatabaseOptions options;
  LevelSchedule schedule(options);
  Moment now{0, 1'767'413'106'789};
  int64_t armed_at_ms = 0;
  int fired = 0;
  schedule.arm(3, now);
  for (int i = 0; i < 20'000; ++i) {
    const auto passed = static_cast<int64_t>(prng.between(1, 60'000));
    now.monotonic_ms += passed;
    now.wall_ms += passed;
    if (prng.chance(50)) {
      now.wall_ms += static_cast<int64_t>(prng.below(60 * 24)) * kHourMs - 30 * 24 * kHourMs;
    }
    schedule.arm(3, now);
    REQUIRE(schedule.next_due_ms() <= armed_at_ms + kHourMs);
    if (!schedule.is_due(3, now)) continue;
    ++fired;
    schedule.disarm(3);
    schedule.arm(3, now);
    armed_at_ms = now.monotonic_ms;
    REQUIRE_FALSE(schedule.is_due(3, now));
  }
  REQUIRE(fired >= static_cast<int>(now.monotonic_ms / kHourMs));
}

}  // namespace
}  // namespace litestream
