// What the defaults make of steady writing, in simulated time with the real engine: files, bytes
// and requests per level. Nothing here depends on the machine; there is no baseline but arithmetic.
#include <cstdio>
#include <exception>
#include <string>

#include "bench/bench_json.h"
#include "bench/bench_support.h"
#include "tests/sim/day_world.h"

namespace litestream::bench {
namespace {

constexpr int64_t kDayMs = 86'400'000;

void run(int64_t days) {
  test::DayPlan plan;
  plan.page_count = 4096;
  plan.duration_ms = days * kDayMs;
  test::DayWorld world(plan);
  const test::DayReport report = world.run();
  if (!world.newest_is_right()) give_up("the newest point is not the database");
  const auto duration_days = static_cast<double>(days);
  const auto raw_bytes = static_cast<double>(report.levels[0].put_bytes);
  for (size_t level = 0; level < report.levels.size(); ++level) {
    const test::DayReport::Level& at = report.levels[level];
    if (at.put_count == 0) continue;
    print({"day_level",
           static_cast<double>(at.file_count),
           "files",
           0,
           {{"level", static_cast<double>(level)},
            {"days", duration_days},
            {"files_max", static_cast<double>(at.file_count_max)},
            {"puts", static_cast<double>(at.put_count)},
            {"bytes", static_cast<double>(at.size_bytes)},
            {"bytes_per_raw_byte", static_cast<double>(at.size_bytes) / raw_bytes}},
           {}});
  }
  print({"day",
         static_cast<double>(report.file_count),
         "files",
         0,
         {{"days", duration_days},
          {"commits", static_cast<double>(report.commit_count)},
          {"files_max", static_cast<double>(report.file_count_max)},
          {"bytes", static_cast<double>(report.size_bytes)},
          {"bytes_max", static_cast<double>(report.size_bytes_max)},
          {"raw_bytes", raw_bytes},
          {"snapshot_bytes", static_cast<double>(report.snapshot_bytes)},
          {"lists", static_cast<double>(report.list_count)},
          {"gets", static_cast<double>(report.get_count)},
          {"lease_requests", static_cast<double>(report.lease_count)},
          {"remove_requests", static_cast<double>(report.remove_count)},
          {"removed_files", static_cast<double>(report.removed_file_count)}},
         {}});
}

}  // namespace
}  // namespace litestream::bench

int main() {
  using namespace litestream::bench;
  try {
    run(setting("LITESTREAM_BENCH_DAYS", 1));
  } catch (const std::exception& error) {
    give_up(error.what());
  }
  return 0;
}
