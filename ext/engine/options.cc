#include "ext/engine/options.h"

namespace litestream {
namespace {

constexpr int64_t kSecondMs = 1000;
constexpr int64_t kDayMs = 24 * 3600 * kSecondMs;

struct Range {
  const char* key;
  int64_t DatabaseOptions::*value;
  int64_t min;
  int64_t max;
  const char* text;  // the range as a user would write it
};

constexpr Range kRanges[] = {
    {"sync-interval", &DatabaseOptions::sync_interval_ms, 1, kDayMs, "1ms to 24h"},
    {"checkpoint-interval", &DatabaseOptions::checkpoint_interval_ms, kSecondMs, kDayMs,
     "1s to 24h"},
    {"min-checkpoint-page-count", &DatabaseOptions::min_checkpoint_page_count, 1, int64_t{1} << 31,
     "1 to 2147483648"},
    {"truncate-page-n", &DatabaseOptions::truncate_page_n, 0, int64_t{1} << 31,
     "0 (never) to 2147483648"},
    {"commit-timeout", &DatabaseOptions::commit_timeout_ms, 1, 3600 * kSecondMs, "1ms to 1h"},
    {"linger", &DatabaseOptions::linger_ms, 0, kDayMs, "0 to 24h"},
    {"shutdown-sync-timeout", &DatabaseOptions::shutdown_sync_timeout_ms, 0, kDayMs, "0 to 24h"},
};

}  // namespace

const char* durability_word(Durability durability) {
  return durability == Durability::kReplica ? "replica" : "async";
}

Status validate_options(const DatabaseOptions& options) {
  for (const Range& range : kRanges) {
    const int64_t value = options.*range.value;
    if (value < range.min || value > range.max) {
      return invalid_argument("key '" + std::string(range.key) +
                              "' is out of range: " + range.text);
    }
  }
  return {};
}

}  // namespace litestream
