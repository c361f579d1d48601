// A day of steady writing with default settings: how many files, bytes and requests it comes to.
// Oracle: the arithmetic of the defaults (one file per second, half minute, five minutes, hour and
// day; raw files stay for five minutes), and the database itself. bench_day prints the numbers.
#include <catch2/catch.hpp>

#include "tests/sim/day_world.h"

namespace litestream::test {
namespace {

// A quarter of it with midnight inside is enough for the sanitizers.
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
constexpr int64_t kHours = 6;
#else
constexpr int64_t kHours = 24;
#endif

constexpr size_t kSeconds = kHours * 3600;

// One file per window, and one more for the windows cut at both ends.
void require_level(const DayReport::Level& level, size_t window_seconds) {
  CHECK(level.put_count + 1 >= kSeconds / window_seconds);
  CHECK(level.put_count <= kSeconds / window_seconds + 1);
  CHECK(level.file_count == level.put_count);  // retention is a day
}

TEST_CASE("a day at one commit per second leaves what the defaults imply, and no more") {
  DayPlan plan;
  plan.duration_ms = kHours * 3'600'000;
  DayWorld world(plan);
  const DayReport day = world.run();
  REQUIRE(world.newest_is_right());
  REQUIRE(day.commit_count == kSeconds);

  // Raw files: one per second, for l0-retention, the window they wait for, and the next look.
  CHECK(day.levels[0].put_count == kSeconds);
  CHECK(day.levels[0].file_count >= 300);
  CHECK(day.levels[0].file_count_max <= 300 + 30 + 15);
  require_level(day.levels[1], 30);
  require_level(day.levels[2], 300);
  require_level(day.levels[3], 3600);
  CHECK(day.levels[9].put_count == 2);  // the first, and at midnight
  CHECK(day.file_count_max <= 345 + kSeconds / 30 + kSeconds / 300 + kSeconds / 3600 + 5);

  // No level holds a change twice, and a snapshot holds each page once.
  for (const size_t level : {1u, 2u, 3u}) {
    CHECK(day.levels[level].size_bytes <= day.levels[0].put_bytes);
  }
  CHECK(day.levels[9].size_bytes <= 2 * day.snapshot_bytes);
  CHECK(day.size_bytes_max <= 3 * day.levels[0].put_bytes + 3 * day.snapshot_bytes);

  // Steady state lists nothing and downloads nothing but what a snapshot and level 3 need.
  CHECK(day.list_count <= 20);
  CHECK(day.get_count <= 4 * kHours);
  CHECK(day.lease_count <= kSeconds / 15 + 2);
  CHECK(day.remove_count <= kSeconds / 15 + 2);
  CHECK(day.removed_file_count + day.levels[0].file_count == kSeconds);
}

}  // namespace
}  // namespace litestream::test
