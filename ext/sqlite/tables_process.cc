// Tables about the process: the effective configuration, and metrics.
#include "ext/sqlite/vtab.h"

#include <cmath>
#include <cstdio>

#include "ext/base/clock.h"
#include "ext/base/json.h"
#include "ext/engine/counters.h"
#include "ext/store/counting_store.h"

namespace litestream {
namespace {

using Rows = std::vector<TableRow>;

TableValue text_or_null(const std::string& text) {
  return text.empty() ? TableValue() : TableValue(text);
}

constexpr const char* kCounter = "counter";
constexpr const char* kGauge = "gauge";

double seconds(uint64_t us) { return static_cast<double>(us) / 1e6; }
double number(uint64_t count) { return static_cast<double>(count); }
double number(int64_t count) { return static_cast<double>(count); }
double age_seconds(int64_t now_ms, int64_t at_ms) {
  return at_ms >= now_ms ? 0 : static_cast<double>(now_ms - at_ms) / 1e3;
}

std::string label(const char* name, const std::string& value) {
  return std::string("{\"") + name + "\":" + json_quote(value) + "}";
}

// Adds rows of one database, and of one of its replicas.
class MetricRows {
 public:
  MetricRows(std::string database, Rows* rows) : database_(std::move(database)), rows_(rows) {}

  void set_replica(const std::string& replica) { replica_ = replica; }
  void add(const char* name, const char* kind, double value, const char* help,
           const std::string& labels = "") {
    rows_->push_back({std::string("litestream_") + name, std::string(kind), text_or_null(database_),
                      text_or_null(replica_), text_or_null(labels), value, std::string(help)});
  }

 private:
  std::string database_;
  std::string replica_;
  Rows* rows_;
};

void add_state(const KnownDatabase& known, const OwnerStatus& status, MetricRows& rows) {
  const auto stat = posix_file_system().stat(resolved_path(known.path));
  rows.add("db_size", kGauge, stat.ok() ? number(stat->size_bytes) : 0,
           "Size of the database file in bytes.");
  rows.add("wal_size", kGauge, number(status.wal_size_bytes), "Size of the WAL file in bytes.");
  rows.add("txid", kGauge, number(status.local_txid.value),
           "Newest transaction that was captured.");
  rows.add("spool_size", kGauge, number(status.spool_size_bytes),
           "Bytes of L0 files in the local folder.");
  rows.add("up", kGauge, status.status == "ok" ? 1 : 0,
           "1 while this process replicates the database without an error.",
           label("status", status.status));
}

void add_replica_state(const ReplicaStatus& replica, int64_t now_ms, MetricRows& rows) {
  rows.add("replica_txid", kGauge, number(replica.replica_txid.value),
           "Newest transaction on the replica.");
  rows.add("lag_seconds", kGauge,
           replica.oldest_unsent_at_ms == 0 ? 0 : age_seconds(now_ms, replica.oldest_unsent_at_ms),
           "Age of the oldest transaction that is not on the replica; 0: none.");
  rows.add("replica_error", kGauge, replica.last_error.empty() ? 0 : 1,
           "1 while the last attempt to reach the replica failed.");
  if (replica.last_sync_at_ms == 0) return;
  rows.add("last_sync_age_seconds", kGauge, age_seconds(now_ms, replica.last_sync_at_ms),
           "Time since the replica was last complete.");
}

void add_sync_counters(const ReplicatorCounters& counters, MetricRows& rows) {
  rows.add("total_wal_bytes", kCounter, number(counters.wal_bytes),
           "Bytes of WAL frames that were captured.");
  rows.add("sync_count", kCounter, number(counters.sync_count),
           "Captures that found new transactions.");
  rows.add("sync_error_count", kCounter, number(counters.sync_error_count),
           "Captures and L0 files that failed.");
  rows.add("sync_seconds", kCounter, seconds(counters.sync_us),
           "Time spent capturing and writing L0 files.");
  rows.add("disk_full", kGauge, counters.disk_full ? 1 : 0,
           "1 if the last L0 file could not be written for want of space.");
  constexpr const char* kModes[] = {"PASSIVE", "TRUNCATE"};
  for (size_t mode = 0; mode < 2; ++mode) {
    const std::string labels = label("mode", kModes[mode]);
    rows.add("checkpoint_count", kCounter, number(counters.checkpoint_count[mode]),
             "Checkpoints that replication ran.", labels);
    rows.add("checkpoint_error_count", kCounter, number(counters.checkpoint_error_count[mode]),
             "Checkpoints that failed.", labels);
    rows.add("checkpoint_seconds", kCounter, seconds(counters.checkpoint_us[mode]),
             "Time spent in checkpoints.", labels);
  }
}

void add_level_counters(const ReplicatorCounters& counters, int64_t now_ms, MetricRows& rows) {
  for (size_t level = 1; level <= kCompactionLevelMax; ++level) {
    if (counters.compaction_count[level] == 0) continue;
    const std::string labels = label("level", std::to_string(level));
    rows.add("compaction_count", kCounter, number(counters.compaction_count[level]),
             "Compactions into this level.", labels);
    rows.add("compaction_seconds", kCounter, seconds(counters.compaction_us[level]),
             "Time spent in them.", labels);
  }
  rows.add("compaction_error_count", kCounter, number(counters.compaction_error_count),
           "Compactions that failed.");
  rows.add("compaction_verify_error_count", kCounter,
           number(counters.compaction_verify_error_count),
           "Compacted files that differed from their inputs.");
  const std::pair<const char*, uint64_t> l0_files[] = {
      {"eligible", counters.l0_eligible_count},
      {"not_compacted", counters.l0_not_compacted_count},
      {"too_recent", counters.l0_too_recent_count}};
  for (const auto& [status, count] : l0_files) {
    rows.add("l0_retention_files_total", kGauge, number(count),
             "L0 files as retention last saw them.", label("status", status));
  }
  rows.add("retention_deleted_files_total", kCounter, number(counters.retention_deleted_count),
           "Files that retention removed.");
  rows.add("snapshot_count", kCounter, number(counters.snapshot_count), "Snapshots written.");
  rows.add("snapshot_seconds", kCounter, seconds(counters.snapshot_us), "Time spent in snapshots.");
  if (counters.last_snapshot_at_ms != 0) {
    rows.add("snapshot_age_seconds", kGauge, age_seconds(now_ms, counters.last_snapshot_at_ms),
             "Time since the last snapshot.");
  }
  rows.add("verify_count", kCounter, number(counters.validation_count),
           "Verifications of the replicas.");
  rows.add("verify_error_count", kCounter, number(counters.validation_error_count),
           "Verifications that found a fault.");
  if (counters.last_validation_at_ms == 0) return;
  rows.add("verify_ok", kGauge, counters.last_validation_ok ? 1 : 0,
           "1 if the last verification found no fault.");
  rows.add("verify_age_seconds", kGauge, age_seconds(now_ms, counters.last_validation_at_ms),
           "Time since the last verification.");
}

void add_replica_counters(const ReplicaCounters& replica, int64_t now_ms, MetricRows& rows) {
  rows.add("upload_count", kCounter, number(replica.upload_count), "L0 files uploaded.");
  rows.add("upload_bytes", kCounter, number(replica.upload_bytes), "Bytes of them.");
  rows.add("upload_seconds", kCounter, seconds(replica.upload_us), "Time spent uploading.");
  rows.add("upload_error_count", kCounter, number(replica.upload_error_count),
           "Uploads that failed.");
  if (replica.oldest_restorable_at_ms != 0) {
    rows.add("restorable_age_seconds", kGauge, age_seconds(now_ms, replica.oldest_restorable_at_ms),
             "How far back in time the replica can be restored.");
  }
  for (size_t level = 0; level < replica.file_count.size(); ++level) {
    if (replica.file_count[level] <= 0) continue;
    const std::string labels = label("level", std::to_string(level));
    rows.add("replica_files", kGauge, number(replica.file_count[level]),
             "Files of this level as last listed.", labels);
    rows.add("replica_bytes", kGauge, number(replica.file_bytes[level]), "Bytes of them.", labels);
  }
}

void add_database(const KnownDatabase& known, Rows* out) {
  if (known.replicator == nullptr) return;
  const int64_t now_ms = system_clock().wall_ms();
  const OwnerStatus status = known.replicator->describe();
  MetricRows rows(known.path, out);
  add_state(known, status, rows);
  const ReplicatorCounters counters = known.replicator->counters();
  add_sync_counters(counters, rows);
  add_level_counters(counters, now_ms, rows);
  for (const ReplicaStatus& replica : status.replicas) {
    rows.set_replica(replica.name);
    add_replica_state(replica, now_ms, rows);
  }
  for (const ReplicaCounters& replica : counters.replicas) {
    rows.set_replica(replica.name);
    add_replica_counters(replica, now_ms, rows);
  }
}

void add_operation(const OperationCounts& counts, Rows* out) {
  MetricRows rows("", out);
  const std::string both = "\"replica_type\":" + json_quote(counts.type) +
                           ",\"operation\":" + json_quote(store_operation_name(counts.operation));
  const std::string labels = "{" + both + "}";
  rows.add("replica_operation_total", kCounter, number(counts.count), "Operations on stores.",
           labels);
  rows.add("replica_operation_bytes", kCounter, number(counts.bytes),
           "Bytes moved by operations on stores.", labels);
  constexpr const char* kHistogram = "histogram";
  constexpr const char* kDurationHelp = "Duration of operations on stores.";
  uint64_t sum = 0;
  for (size_t i = 0; i < counts.buckets.size(); ++i) {
    sum += counts.buckets[i];
    char end[32];
    std::snprintf(end, sizeof end, "%g",
                  i < kDurationBucketSeconds.size() ? kDurationBucketSeconds[i] : INFINITY);
    const std::string le = i < kDurationBucketSeconds.size() ? end : "+Inf";
    rows.add("replica_operation_duration_seconds_bucket", kHistogram, number(sum), kDurationHelp,
             "{" + both + ",\"le\":" + json_quote(le) + "}");
  }
  rows.add("replica_operation_duration_seconds_sum", kHistogram, counts.seconds, kDurationHelp,
           labels);
  rows.add("replica_operation_duration_seconds_count", kHistogram, number(counts.count),
           kDurationHelp, labels);
  for (size_t code = 0; code < counts.error_counts.size(); ++code) {
    if (counts.error_counts[code] == 0) continue;
    const std::string name = status_code_name(static_cast<StatusCode>(code));
    rows.add("replica_operation_errors_total", kCounter, number(counts.error_counts[code]),
             "Operations on stores that failed.",
             "{" + both + ",\"code\":" + json_quote(name) + "}");
  }
}

}  // namespace

Result<std::vector<TableRow>> config_values_rows(const TableQuery&) {
  Rows rows;
  const auto config = Registry::instance().config();
  if (!config) return rows;
  for (const ConfigValue& value : config->values) {
    rows.push_back({text_or_null(value.database), text_or_null(value.replica), value.key,
                    text_or_null(value.value),
                    value.number ? TableValue(*value.number) : TableValue(), value.origin});
  }
  return rows;
}

Result<std::vector<TableRow>> metrics_rows(const TableQuery&) {
  Rows rows;
  for (const KnownDatabase& known : Registry::instance().known()) add_database(known, &rows);
  for (const OperationCounts& counts : operation_counts()) add_operation(counts, &rows);
  return rows;
}

}  // namespace litestream
