// Every key that becomes an option: where it may stand, what it sets, and its range.
#include "ext/config/option_keys.h"

#include "tests/config/config_text.h"

using namespace litestream;
using namespace litestream::test;

namespace {

DatabaseOptions options_of(const std::string& text) {
  const Config config = parsed(text);
  REQUIRE(config.databases.size() == 1);
  return config.databases[0];
}

}  // namespace

TEST_CASE("option keys: every one of them, at a database") {
  const DatabaseOptions options = options_of(
      "dbs:\n"
      "  - path: /d\n"
      "    durability: replica\n"
      "    acks: all\n"
      "    commit-timeout: 3s\n"
      "    restore-granularity: commit\n"
      "    restore-if-db-not-exists: true\n"
      "    checkpoint-interval: 2m\n"
      "    min-checkpoint-page-count: 10\n"
      "    truncate-page-n: 11\n"
      "    monitor-interval: 20ms\n"
      "    busy-timeout: 6s\n"
      "    max-sync-wal-bytes: 8MiB\n"
      "    capture-acceleration: 3\n"
      "    level-acceleration: 2\n"
      "    spool-limit: 2GiB\n"
      "    levels: [{interval: 10s}, {interval: 1m}]\n"
      "    snapshot: {interval: 2h, retention: 48h}\n"
      "    retention: {enabled: false}\n"
      "    l0-retention: 1m\n"
      "    l0-retention-check-interval: 5s\n"
      "    verify-compaction: true\n"
      "    validation: {interval: 6h}\n"
      "    linger: 1s\n"
      "    shutdown-sync-timeout: 7s\n"
      "    shutdown-sync-interval: 100ms\n"
      "    replica: {url: 'file:///r', sync-interval: 50ms, max-sync-ltx-files: 9}\n");
  REQUIRE(options.durability == Durability::kReplica);
  REQUIRE(options.ack_count == 0);
  REQUIRE(options.commit_timeout_ms == 3000);
  REQUIRE(options.file_per_commit);
  REQUIRE(options.restore_if_missing);
  REQUIRE(options.checkpoint_interval_ms == 120'000);
  REQUIRE(options.min_checkpoint_page_count == 10);
  REQUIRE(options.truncate_page_n == 11);
  REQUIRE(options.monitor_interval_ms == 20);
  REQUIRE(options.busy_timeout_ms == 6000);
  REQUIRE(options.pending_bytes_max == 8 << 20);
  REQUIRE(options.spool_limit_bytes == int64_t{2} << 30);
  REQUIRE(options.level_interval_ms == std::vector<int64_t>{10'000, 60'000});
  REQUIRE(options.snapshot_interval_ms == 7'200'000);
  REQUIRE(options.snapshot_retention_ms == 172'800'000);
  REQUIRE_FALSE(options.retention_enabled);
  REQUIRE(options.l0_retention_ms == 60'000);
  REQUIRE(options.l0_retention_check_interval_ms == 5000);
  REQUIRE(options.verify_compaction);
  REQUIRE(options.validation_interval_ms == 21'600'000);
  REQUIRE(options.linger_ms == 1000);
  REQUIRE(options.shutdown_sync_timeout_ms == 7000);
  REQUIRE(options.shutdown_sync_interval_ms == 100);
  REQUIRE(options.sync_interval_ms == 50);
  REQUIRE(options.upload_file_count_max == 9);
  REQUIRE(options.capture_acceleration == 3);
  REQUIRE(options.level_acceleration == 2);
}

TEST_CASE("option keys: all of them may stand at the top, and in the options JSON") {
  // What option_values() writes, the reader takes.
  std::string json;
  std::string yaml;
  for (const OptionValue& value : option_values(DatabaseOptions())) {
    const std::string key(value.key);
    const size_t dot = key.find('.');
    if (value.key == "levels") {
      yaml += key + ": " + value.text + "\n";
    } else if (dot == std::string::npos) {
      yaml += key + ": " + value.text + "\n";
      const bool is_bare = value.text == "true" || value.text == "false" ||
                           value.text.find_first_not_of("0123456789") == std::string::npos;
      json += (json.empty() ? "" : ",") + ("\"" + key + "\":") +
              (is_bare ? value.text : "\"" + value.text + "\"");
    }
  }
  REQUIRE(parsed(yaml).databases.empty());
  DatabaseOptions options;
  const Status applied = apply_options_json("{" + json + "}", &options);
  INFO(json << " " << applied.message());
  REQUIRE(applied.ok());
  REQUIRE(
      apply_options_json(
          R"({"snapshot":{"interval":"2h"},"levels":[{"interval":"9s"}],"acks":"all"})", &options)
          .ok());
  REQUIRE(options.snapshot_interval_ms == 7'200'000);
  REQUIRE(options.level_interval_ms == std::vector<int64_t>{9000});
  REQUIRE(options.ack_count == 0);
}

TEST_CASE("option keys: a database overrides the top, key by key of a group") {
  const DatabaseOptions options = options_of("snapshot: {interval: 1h, retention: 72h}\n" +
                                             one_database("snapshot: {retention: 2h}"));
  REQUIRE(options.snapshot_interval_ms == 3'600'000);
  REQUIRE(options.snapshot_retention_ms == 7'200'000);
}

TEST_CASE("option keys: validation of a replica is the database's") {
  REQUIRE(options_of(one_database("", "validation-interval: 6h")).validation_interval_ms ==
          21'600'000);
  REQUIRE(options_of("validation-interval: 5h\n" + one_database("")).validation_interval_ms ==
          18'000'000);
}

TEST_CASE("option keys: wrong values") {
  REQUIRE(error_of(one_database("acks: 17")) == "5: key 'acks' is out of range: 1 to 16, or all");
  REQUIRE(error_of(one_database("acks: most")) ==
          "5: key 'acks' must be all, or a whole number without quotes");
  REQUIRE(error_of(one_database("acks: 2")) == "2: /d: key 'acks' is more than there are replicas");
  REQUIRE(error_of(one_database("restore-granularity: page")) ==
          "5: key 'restore-granularity' must be interval or commit");
  REQUIRE(error_of(one_database("verify-compaction: 1")) ==
          "5: key 'verify-compaction' must be true or false without quotes");
  REQUIRE(error_of(one_database("verify-compaction: 'true'")) ==
          "5: key 'verify-compaction' must be true or false without quotes");
  REQUIRE(error_of(one_database("max-sync-wal-bytes: 1MiB")) ==
          "5: key 'max-sync-wal-bytes' is out of range: 4MiB to 1GiB");
  REQUIRE(error_of(one_database("spool-limit: much")) ==
          "5: key 'spool-limit': 'much' is not a size; write bytes, or for example 64MiB");
  REQUIRE(error_of("levels: 30s\n") ==
          "1: key 'levels' must be a list of levels ('- interval: 30s')");
  REQUIRE(error_of("levels: []\n") ==
          "1: key 'levels' must be a list of levels ('- interval: 30s')");
  REQUIRE(error_of("levels: [{}]\n") == "1: a level needs an 'interval'");
  REQUIRE(error_of("levels: [{interval: 1m}, {interval: 1m}]\n") ==
          "1: key 'levels': each interval must be longer than the one before");
  REQUIRE(error_of("levels: [{interval: 1ms}]\n") ==
          "1: key 'interval' of 'levels' is out of range: 1s to 720h");
  REQUIRE(error_of("snapshot:\n  interval: 1s\n") ==
          "2: key 'interval' of 'snapshot' is out of range: 0 (only when needed), or 1m to 8784h");
  REQUIRE(error_of("snapshot:\n  every: 1s\n") == "2: unknown key 'every'");
  REQUIRE(error_of("snapshot: 24h\n") == "1: key 'snapshot' must be a list of keys and values");
  REQUIRE(error_of("\n" + one_database("snapshot: {retention: 1h}"))
              .starts_with("3: /d: the 'retention' of 'snapshot' is shorter than its 'interval'"));
  std::string nine = "levels:\n";
  for (int i = 1; i <= 9; ++i) nine += "  - interval: " + std::to_string(i) + "m\n";
  REQUIRE(error_of(nine) == "1: key 'levels' needs 1 to 8 levels");
}
