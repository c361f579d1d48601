#include "ext/engine/options.h"

namespace litestream {
namespace {

constexpr int64_t kSecondMs = 1000;
constexpr int64_t kMinuteMs = 60 * kSecondMs;
constexpr int64_t kHourMs = 60 * kMinuteMs;
constexpr int64_t kDayMs = 24 * kHourMs;
constexpr int64_t kYearMs = 366 * kDayMs;
constexpr int64_t kMiB = int64_t{1} << 20;

struct Range {
  const char* key;
  int64_t DatabaseOptions::*value;
  int64_t min;
  int64_t max;
  const char* text;            // the range as a user would write it
  bool zero_is_legal = false;  // besides min..max
};

using O = DatabaseOptions;
constexpr Range kRanges[] = {
    {"sync-interval", &O::sync_interval_ms, 1, kDayMs, "1ms to 24h"},
    {"checkpoint-interval", &O::checkpoint_interval_ms, kSecondMs, kDayMs, "1s to 24h"},
    {"min-checkpoint-page-count", &O::min_checkpoint_page_count, 1, int64_t{1} << 31,
     "1 to 2147483648"},
    {"truncate-page-n", &O::truncate_page_n, 0, int64_t{1} << 31, "0 (never) to 2147483648"},
    {"commit-timeout", &O::commit_timeout_ms, 1, kHourMs, "1ms to 1h"},
    {"spool-limit", &O::spool_limit_bytes, kMiB, int64_t{1} << 40, "1MiB to 1TiB"},
    {"linger", &O::linger_ms, 0, kDayMs, "0 to 24h"},
    {"acks", &O::ack_count, 0, 16, "1 to 16, or all"},
    {"interval' of 'snapshot", &O::snapshot_interval_ms, kMinuteMs, kYearMs,
     "0 (only when needed), or 1m to 8784h", true},
    {"retention' of 'snapshot", &O::snapshot_retention_ms, kMinuteMs, kYearMs, "1m to 8784h"},
    {"l0-retention", &O::l0_retention_ms, 0, kYearMs, "0 (off) to 8784h"},
    {"l0-retention-check-interval", &O::l0_retention_check_interval_ms, kSecondMs, kDayMs,
     "1s to 24h"},
    {"interval' of 'validation", &O::validation_interval_ms, kSecondMs, kYearMs,
     "0 (off), or 1s to 8784h", true},
    {"busy-timeout", &O::busy_timeout_ms, 0, kHourMs, "0 to 1h"},
    {"monitor-interval", &O::monitor_interval_ms, 10, kHourMs, "10ms to 1h"},
    {"max-sync-wal-bytes", &O::pending_bytes_max, 4 * kMiB, 1024 * kMiB, "4MiB to 1GiB"},
    {"capture-acceleration", &O::capture_acceleration, 1, 65537, "1 to 65537"},
    {"level-acceleration", &O::level_acceleration, 1, 65537, "1 to 65537"},
    {"max-sync-ltx-files", &O::upload_file_count_max, 1, 100'000, "1 to 100000"},
    {"shutdown-sync-timeout", &O::shutdown_sync_timeout_ms, 0, kDayMs, "0 to 24h"},
    {"shutdown-sync-interval", &O::shutdown_sync_interval_ms, 10, kHourMs, "10ms to 1h"},
};

constexpr size_t kLevelCountMax = 8;

Status validate_levels(const std::vector<int64_t>& intervals_ms) {
  if (intervals_ms.empty() || intervals_ms.size() > kLevelCountMax) {
    return invalid_argument("key 'levels' needs 1 to 8 levels");
  }
  int64_t before_ms = 0;
  for (const int64_t interval_ms : intervals_ms) {
    if (interval_ms < kSecondMs || interval_ms > 30 * kDayMs) {
      return invalid_argument("key 'interval' of 'levels' is out of range: 1s to 720h");
    }
    if (interval_ms <= before_ms) {
      return invalid_argument("key 'levels': each interval must be longer than the one before");
    }
    before_ms = interval_ms;
  }
  return {};
}

}  // namespace

const char* durability_word(Durability durability) {
  return durability == Durability::kReplica ? "replica" : "async";
}

Status validate_ranges(const DatabaseOptions& options) {
  for (const Range& range : kRanges) {
    const int64_t value = options.*range.value;
    if (range.zero_is_legal && value == 0) continue;
    if (value < range.min || value > range.max) {
      return invalid_argument("key '" + std::string(range.key) +
                              "' is out of range: " + range.text);
    }
  }
  return validate_levels(options.level_interval_ms);
}

Status validate_options(const DatabaseOptions& options) {
  LS_RETURN_IF_ERROR(validate_ranges(options));
  if (options.snapshot_retention_ms < options.snapshot_interval_ms) {
    return invalid_argument(
        "the 'retention' of 'snapshot' is shorter than its 'interval': what it keeps would not "
        "reach back that far");
  }
  const auto replica_count = static_cast<int64_t>(options.replicas.size());
  if (replica_count > 0 && options.ack_count > replica_count) {
    return invalid_argument("key 'acks' is more than there are replicas");
  }
  return {};
}

}  // namespace litestream
