// What stands in each table. The schemas are sql/tables/*.sql, embedded at build time; the column
// numbers below count in them.
#include "ext/sqlite/vtab.h"

#include <algorithm>
#include <functional>
#include <set>

#include "ext/base/clock.h"
#include "ext/base/limits.h"
#include "ext/engine/owner.h"
#include "ext/engine/plan_times.h"
#include "ext/engine/restore_plan.h"
#include "ext/sqlite/source_lookup.h"
#include "sql/table_schemas.h"

namespace litestream {
namespace {

using Rows = std::vector<TableRow>;

TableValue text_or_null(const std::string& text) {
  return text.empty() ? TableValue() : TableValue(text);
}
TableValue txid_or_null(Txid txid) {
  return txid == Txid{} ? TableValue() : TableValue(format_txid(txid));
}
TableValue time_or_null(int64_t wall_ms) {
  return wall_ms == 0 ? TableValue() : TableValue(format_rfc3339_ms(wall_ms));
}
TableValue count_value(uint64_t count) { return static_cast<int64_t>(count); }

// The replicas a query is about. An unknown replica name is an error that lists the known ones.
Result<std::vector<ReplicaSource>> sources_for(const TableQuery& query) {
  std::vector<ReplicaSource> sources;
  if (query.database) {
    LS_ASSIGN_OR_RETURN(sources, replica_sources_of(*query.database));
  } else {
    LS_ASSIGN_OR_RETURN(sources, all_replica_sources());
  }
  if (!query.replica || sources.empty()) return sources;
  std::set<std::string> known;
  for (const ReplicaSource& source : sources) known.insert(source.replica_name);
  std::erase_if(sources, [&](const auto& s) { return s.replica_name != *query.replica; });
  if (!sources.empty()) return sources;
  std::string names;
  for (const std::string& name : known) names += (names.empty() ? "" : ", ") + name;
  return not_found("unknown replica '" + *query.replica + "'; known: " + names);
}

// Calls `add` for each source of the query.
Result<Rows> rows_of_sources(const TableQuery& query,
                             const std::function<Status(const ReplicaSource&, Rows*)>& add) {
  LS_ASSIGN_OR_RETURN(const auto sources, sources_for(query));
  Rows rows;
  for (const ReplicaSource& source : sources) {
    LS_RETURN_IF_ERROR(add(source, &rows));
  }
  return rows;
}

// Newest first; at the same end the wider range and then the higher level first.
bool newer(const LtxFileInfo& a, const LtxFileInfo& b) {
  if (a.max_txid != b.max_txid) return a.max_txid > b.max_txid;
  if (a.min_txid != b.min_txid) return a.min_txid < b.min_txid;
  return a.level > b.level;
}

Result<Rows> databases_rows(const TableQuery& query) {
  return rows_of_sources(query, [](const ReplicaSource& source, Rows* rows) {
    TableValue page_size;
    int64_t replicating = 0;
    if (source.replicator != nullptr) {
      const ReplicatorStatus status = source.replicator->status();
      if (status.page_size_bytes != 0) page_size = int64_t{status.page_size_bytes};
      replicating = status.phase == ReplicatorStatus::Phase::kRunning ? 1 : 0;
    }
    rows->push_back(
        {source.database, source.replica_name, source.type, source.url, page_size, replicating});
    return Status();
  });
}

Result<std::vector<LtxFileInfo>> files_of(const ReplicaSource& source,
                                          const std::optional<int64_t>& level,
                                          bool names_only = false) {
  std::vector<LtxFileInfo> files;
  if (level) {
    if (*level < 0 || *level > kLevelMax) return files;
    const int number = static_cast<int>(*level);
    LS_ASSIGN_OR_RETURN(files,
                        names_only ? source.store->list_names(number) : source.store->list(number));
  } else {
    LS_ASSIGN_OR_RETURN(files, list_all_levels(*source.store, names_only));
  }
  std::sort(files.begin(), files.end(), newer);
  return files;
}

// Large listings are often only counted: what nobody looks at is not made.
Result<Rows> ltx_rows(const TableQuery& query) {
  enum Column { kDatabase, kReplica, kLevel, kMinTxid, kMaxTxid, kSize, kCreatedAt, kCount };
  return rows_of_sources(query, [&](const ReplicaSource& source, Rows* rows) -> Status {
    const bool names_only = !query.uses(kSize) && !query.uses(kCreatedAt);
    LS_ASSIGN_OR_RETURN(const auto files, files_of(source, query.level, names_only));
    rows->reserve(rows->size() + files.size());
    for (const LtxFileInfo& file : files) {
      TableRow& row = rows->emplace_back(kCount);
      if (query.uses(kDatabase)) row[kDatabase] = source.database;
      if (query.uses(kReplica)) row[kReplica] = source.replica_name;
      row[kLevel] = int64_t{file.level};
      if (query.uses(kMinTxid)) row[kMinTxid] = format_txid(file.min_txid);
      if (query.uses(kMaxTxid)) row[kMaxTxid] = format_txid(file.max_txid);
      row[kSize] = count_value(file.size_bytes);
      if (query.uses(kCreatedAt)) row[kCreatedAt] = format_rfc3339_ms(file.created_at_ms);
    }
    return {};
  });
}

Result<Rows> snapshots_rows(const TableQuery& query) {
  return rows_of_sources(query, [](const ReplicaSource& source, Rows* rows) -> Status {
    LS_ASSIGN_OR_RETURN(const auto files, files_of(source, kSnapshotLevel));
    for (const LtxFileInfo& file : files) {
      rows->push_back({source.database, source.replica_name, format_txid(file.max_txid),
                       count_value(file.size_bytes), format_rfc3339_ms(file.created_at_ms)});
    }
    return {};
  });
}

Result<Rows> generations_rows(const TableQuery& query) {
  return rows_of_sources(query, [](const ReplicaSource& source, Rows* rows) -> Status {
    LS_ASSIGN_OR_RETURN(const auto generations, source.store->list_generations());
    for (const GenerationInfo& generation : generations) {
      rows->push_back({source.database, source.replica_name, generation.generation,
                       generation.snapshot_count, generation.wal_segment_count,
                       time_or_null(generation.created_at_ms),
                       time_or_null(generation.updated_at_ms)});
    }
    return {};
  });
}

// Of a database that this process does not replicate: what its owner tells, if there is one.
OwnerStatus foreign_status(const ReplicaSource& source) {
  const std::string path = resolved_path(source.database);
  auto told = load_owner_status(posix_file_system(), meta_path_of(path, source.options.meta_path));
  if (told.ok()) return std::move(told).value();
  OwnerStatus out;
  out.status = identity_of(path).exists() ? "not initialized" : "no database";
  out.durability = durability_word(source.options.durability);
  return out;
}

// SQLite's WAL-reset race: fixed in 3.51.3, and in 3.50.7 and 3.44.6 of their branches.
bool host_has_wal_reset_race() {
  const int version = sqlite3_libversion_number();
  if (version >= 3051003) return false;
  if (version >= 3050007 && version < 3051000) return false;
  return !(version >= 3044006 && version < 3045000);
}

ReplicaStatus replica_status_of(const OwnerStatus& status, const std::string& name) {
  for (const ReplicaStatus& replica : status.replicas) {
    if (replica.name == name) return replica;
  }
  return {};
}

std::string warning_of(const OwnerStatus& status, const ReplicaStatus& replica) {
  std::string warning = status.warning;
  if (!replica.warning.empty()) warning += (warning.empty() ? "" : "; ") + replica.warning;
  if (host_has_wal_reset_race()) {
    warning += std::string(warning.empty() ? "" : "; ") + "this SQLite (" + sqlite3_libversion() +
               ") has the WAL-reset race fixed in 3.51.3: other processes' checkpoints may hit it";
  }
  return warning;
}

Result<Rows> status_rows(const TableQuery& query) {
  return rows_of_sources(query, [](const ReplicaSource& source, Rows* rows) {
    OwnerStatus status;
    if (source.replicator != nullptr) status = source.replicator->describe();
    if (source.replicator == nullptr) status = foreign_status(source);
    if (status.status == "standby") {
      // Another process replicates it; what that one tells is the truth.
      auto told = load_owner_status(posix_file_system(), source.replicator->meta_path());
      if (told.ok()) status = std::move(told).value();
      if (told.ok()) status.status = "standby";
    }
    const ReplicaStatus replica = replica_status_of(status, source.replica_name);
    TableValue lag_ms;
    if (!status.owner.empty()) {
      lag_ms = replica.oldest_unsent_at_ms == 0
                   ? int64_t{0}
                   : std::max<int64_t>(0, system_clock().wall_ms() - replica.oldest_unsent_at_ms);
    }
    const bool told = !status.owner.empty() || source.replicator != nullptr;
    const std::string& error = status.last_error.empty() ? replica.last_error : status.last_error;
    rows->push_back({source.database, source.replica_name, status.status,
                     txid_or_null(status.local_txid), txid_or_null(replica.replica_txid), lag_ms,
                     told ? count_value(status.wal_size_bytes) : TableValue(),
                     told ? count_value(status.spool_size_bytes) : TableValue(),
                     time_or_null(replica.last_sync_at_ms), text_or_null(error),
                     text_or_null(status.owner), status.durability,
                     text_or_null(warning_of(status, replica))});
    return Status();
  });
}

Result<Rows> restore_points_rows(const TableQuery& query) {
  return rows_of_sources(query, [](const ReplicaSource& source, Rows* rows) -> Status {
    LS_ASSIGN_OR_RETURN(const auto files, list_all_levels(*source.store));
    for (const RestorePoint& point : restore_points(files)) {
      rows->push_back({source.database, source.replica_name, format_txid(point.txid),
                       format_rfc3339_ms(point.created_at_ms), int64_t{point.level}});
    }
    return {};
  });
}

Result<RestoreTarget> target_of(const TableQuery& query) {
  if (query.txid && query.timestamp) return invalid_argument("give txid or timestamp, not both");
  if (query.txid) {
    LS_ASSIGN_OR_RETURN(const Txid txid, parse_txid(*query.txid));
    return RestoreTarget::at_txid(txid);
  }
  if (query.timestamp) {
    LS_ASSIGN_OR_RETURN(const int64_t time_ms, parse_rfc3339_ms(*query.timestamp));
    return RestoreTarget::at_time(time_ms);
  }
  return RestoreTarget::newest();
}

Result<Rows> plan_rows(const TableQuery& query) {
  LS_ASSIGN_OR_RETURN(const RestoreTarget target, target_of(query));
  return rows_of_sources(query, [&](const ReplicaSource& source, Rows* rows) -> Status {
    std::vector<LtxFileInfo> files;
    LS_ASSIGN_OR_RETURN(const RestorePlan plan, list_and_plan(*source.store, target, {}, &files));
    int64_t step = 0;
    for (const LtxFileInfo& file : plan.files) {
      rows->push_back({source.database, source.replica_name,
                       query.txid ? TableValue(*query.txid) : TableValue(),
                       query.timestamp ? TableValue(*query.timestamp) : TableValue(), ++step,
                       int64_t{file.level}, format_txid(file.min_txid), format_txid(file.max_txid),
                       count_value(file.size_bytes), source.store->path_of(file),
                       format_rfc3339_ms(file.created_at_ms)});
    }
    return {};
  });
}

}  // namespace

//                              database replica level txid timestamp
const TableDefinition kTables[] = {
    {"litestream_databases", kSchema_litestream_databases, {0, 1, -1, -1, -1}, databases_rows},
    {"litestream_ltx", kSchema_litestream_ltx, {0, 1, 2, -1, -1}, ltx_rows},
    {"litestream_snapshots", kSchema_litestream_snapshots, {0, 1, -1, -1, -1}, snapshots_rows},
    {"litestream_generations",
     kSchema_litestream_generations,
     {0, 1, -1, -1, -1},
     generations_rows},
    {"litestream_status", kSchema_litestream_status, {0, 1, -1, -1, -1}, status_rows},
    {"litestream_restore_points",
     kSchema_litestream_restore_points,
     {0, 1, -1, -1, -1},
     restore_points_rows},
    {"litestream_plan", kSchema_litestream_plan, {0, 1, -1, 2, 3}, plan_rows},
    {"litestream_config_values",
     kSchema_litestream_config_values,
     {-1, -1, -1, -1, -1},
     config_values_rows},
    {"litestream_metrics", kSchema_litestream_metrics, {-1, -1, -1, -1, -1}, metrics_rows},
    {"litestream_jobs", kSchema_litestream_jobs, {-1, -1, -1, -1, -1}, jobs_rows},
    {nullptr, nullptr, {-1, -1, -1, -1, -1}, nullptr},
};

}  // namespace litestream
