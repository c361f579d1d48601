// Functions that start, drive and stop replication.
#include "ext/sqlite/functions.h"
#include "ext/sqlite/hooks.h"
#include "ext/sqlite/own_connection.h"
#include "ext/sqlite/source_lookup.h"

#include "ext/base/clock.h"
#include "ext/base/json.h"
#include "ext/engine/restore.h"
#include "ext/config/store_urls.h"
#include "ext/config/url.h"
#include "ext/engine/owner.h"
#include "ext/engine/position.h"

namespace litestream {
namespace {

constexpr int64_t kDefaultTimeoutMs = 30'000;
constexpr int64_t kTimeoutMsMax = 24 * 3600 * 1000;
// Opening and the start-up comparison read the whole database and perhaps the replica.
constexpr int64_t kStartTimeoutMs = kTimeoutMsMax;

std::string vfs_name(sqlite3* db) {
  sqlite3_vfs* vfs = nullptr;
  if (sqlite3_file_control(db, "main", SQLITE_FCNTL_VFS_POINTER, &vfs) != SQLITE_OK) return {};
  return vfs == nullptr ? std::string() : std::string(vfs->zName);
}

// One text value of a PRAGMA on the application's connection.
std::string pragma_text(sqlite3* db, const char* sql) {
  std::string value;
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(db, sql, -1, &statement, nullptr) == SQLITE_OK &&
      sqlite3_step(statement) == SQLITE_ROW && sqlite3_column_text(statement, 0) != nullptr) {
    value = reinterpret_cast<const char*>(sqlite3_column_text(statement, 0));
  }
  sqlite3_finalize(statement);
  return value;
}

// The reasons why the connection's main database cannot be replicated, each with what to do.
Status check_main_database(sqlite3* db, const std::string& path) {
  if (path.empty()) {
    return invalid_argument("an in-memory or temporary database cannot be replicated; open a file");
  }
  if (sqlite3_db_readonly(db, "main") != 0) {
    return invalid_argument(path + " is open read-only; open it for writing to replicate it");
  }
  if (pragma_text(db, "PRAGMA main.locking_mode") == "exclusive") {
    return invalid_argument(path + " is in locking_mode EXCLUSIVE; run PRAGMA locking_mode=NORMAL");
  }
  std::string mode = pragma_text(db, "PRAGMA main.journal_mode");
  if (mode == "wal") return {};
  mode = pragma_text(db, "PRAGMA main.journal_mode=WAL");
  if (mode == "wal") return {};
  const std::string reason = sqlite3_errcode(db) == SQLITE_OK ? mode : sqlite3_errmsg(db);
  return invalid_argument(path + " cannot be switched to WAL mode (" + reason +
                          "); finish open transactions, make sure that the folder is writable, and "
                          "run PRAGMA journal_mode=WAL");
}

// The local folder of a known database that another process replicates, and this one does not;
// nullopt: go on here.
Result<std::optional<std::string>> owner_elsewhere(const std::optional<std::string>& path) {
  if (!path) return std::optional<std::string>();
  LS_ASSIGN_OR_RETURN(const KnownDatabase known, Registry::instance().find(*path));
  if (known.replicator != nullptr) return std::optional<std::string>();
  const std::string folder = meta_path_of(resolved_path(known.path), known.options.meta_path);
  LS_ASSIGN_OR_RETURN(const bool is_owned,
                      posix_file_system().is_locked(path_join(folder, "owner.lock")));
  return is_owned ? std::optional<std::string>(folder) : std::nullopt;
}

// Lets that process do it.
Status answer_of_owner(SqlCall& call, const std::string& folder, OwnerVerb verb,
                       int64_t timeout_ms) {
  LS_ASSIGN_OR_RETURN(const Txid txid, ask_owner(posix_file_system(), system_clock(), folder, verb,
                                                 timeout_ms, call.cancel_check()));
  if (verb != OwnerVerb::kReset) call.result_txid(txid);
  return {};
}

Result<bool> is_dry_run(const std::optional<std::string>& json) {
  if (!json) return false;
  LS_ASSIGN_OR_RETURN(const auto options, parse_flat_json_object(*json));
  bool dry_run = false;
  for (const auto& [key, value] : options) {
    if (key != "dry_run") return invalid_argument("unknown option '" + key + "'; known: dry_run");
    if (value.kind != JsonScalar::Kind::kBool) {
      return invalid_argument("option 'dry_run' must be true or false");
    }
    dry_run = value.boolean;
  }
  return dry_run;
}

// The files that a reset would remove, as a JSON array of paths.
Status preview_reset(SqlCall& call, const KnownDatabase& known) {
  LS_ASSIGN_OR_RETURN(
      const auto files,
      local_state_files(posix_file_system(),
                        meta_path_of(resolved_path(known.path), known.options.meta_path)));
  std::string out = "[";
  for (const std::string& file : files) out += (out.size() > 1 ? "," : "") + json_quote(file);
  call.result_text(out + "]");
  return {};
}

}  // namespace

Status run_replicate(SqlCall& call) {
  LS_ASSIGN_OR_RETURN(const std::string url, call.text(0, "the replica URL"));
  LS_ASSIGN_OR_RETURN(const auto json, call.optional_text(1, "the options"));
  Registry::StartRequest request;
  if (json) LS_RETURN_IF_ERROR(apply_options_json(*json, &request.options));
  LS_ASSIGN_OR_RETURN(ReplicaOptions replica, replica_of_url(url));
  request.options.replicas = {std::move(replica)};
  LS_RETURN_IF_ERROR(validate_options(request.options));
  request.path = call.connection().main_path;
  request.asked = true;
  LS_RETURN_IF_ERROR(check_main_database(call.db(), request.path));
  request.vfs = vfs_name(call.db());
  LS_ASSIGN_OR_RETURN(const auto replicator, Registry::instance().start(request));
  install_wal_hook(call.db(), &call.connection());
  LS_RETURN_IF_ERROR(replicator->wait_started(kStartTimeoutMs, call.cancel_check()));
  call.result_text(redact_url(replicator->replica().url()));
  return {};
}

// `restore-if-db-not-exists`: the first replica that has a backup gives it back.
Status restore_if_missing(const std::string& path, const DatabaseOptions& options,
                          const CancelCheck& cancel) {
  if (!options.restore_if_missing || identity_of(path).exists()) return {};
  RestoreOptions restore;
  restore.stream.cancelled = cancel;
  Status why;
  for (const ReplicaOptions& replica : options.replicas) {
    LS_ASSIGN_OR_RETURN(const auto store, open_replica(posix_file_system(), replica));
    const auto restored = restore_database(*store, posix_file_system(), RestoreTarget::newest(),
                                           path, restore);
    if (restored.ok()) return {};
    // A replica without a backup is no reason not to begin one.
    if (restored.status().code() == StatusCode::kNotFound) {
      LS_ASSIGN_OR_RETURN(const auto files, list_all_levels(*store));
      if (files.empty()) continue;
    }
    why = restored.status().with_context("restore " + path + " from " + replica.name);
  }
  return why;
}

Status run_start(SqlCall& call) {
  LS_ASSIGN_OR_RETURN(const std::string path, call.text(0, "the database"));
  LS_ASSIGN_OR_RETURN(const auto timeout_ms,
                      call.optional_integer(1, "the timeout in milliseconds", 0, kTimeoutMsMax));
  LS_ASSIGN_OR_RETURN(const KnownDatabase known, Registry::instance().find(path));
  auto replicator = known.replicator;
  if (replicator == nullptr) {
    LS_RETURN_IF_ERROR(
        restore_if_missing(resolved_path(known.path), known.options, call.cancel_check()));
    Registry::StartRequest request;
    request.path = resolved_path(known.path);
    request.options = known.options;
    request.pinned = true;
    LS_ASSIGN_OR_RETURN(replicator, Registry::instance().start(request));
  }
  if (identity_of(resolved_path(known.path)) == call.connection().identity) {
    install_wal_hook(call.db(), &call.connection());
  }
  if (timeout_ms == 0) return {};  // litestream_status tells
  LS_RETURN_IF_ERROR(
      replicator->wait_started(timeout_ms.value_or(kStartTimeoutMs), call.cancel_check()));
  // A database that does not exist yet, or that another process replicates, has no TXID here.
  call.result_txid(replicator->status().local_txid);
  return {};
}

Result<Txid> stop_replication(Replicator& replicator, const CancelCheck& cancel) {
  const int64_t timeout_ms = replicator.options().shutdown_sync_timeout_ms;
  Registry::instance().disarm(replicator.database_path());
  replicator.request_stop(timeout_ms);
  constexpr int64_t kGraceMs = 5000;  // for closing the connections after the deadline
  return replicator.wait_stopped(timeout_ms + kGraceMs, cancel);
}

Status run_stop(SqlCall& call) {
  LS_ASSIGN_OR_RETURN(const auto path, call.optional_text(0, "the database"));
  LS_ASSIGN_OR_RETURN(const auto elsewhere, owner_elsewhere(path));
  if (elsewhere) return answer_of_owner(call, *elsewhere, OwnerVerb::kStop, kDefaultTimeoutMs);
  LS_ASSIGN_OR_RETURN(const auto replicator, running_database(call.connection(), path));
  LS_ASSIGN_OR_RETURN(const Txid txid, stop_replication(*replicator, call.cancel_check()));
  call.result_txid(txid);
  return {};
}

// What is asked of a database that is still waited for would wait with it.
Result<std::shared_ptr<Replicator>> existing_database(SqlCall& call,
                                                      const std::optional<std::string>& path) {
  LS_ASSIGN_OR_RETURN(auto replicator, running_database(call.connection(), path));
  const std::string& file = replicator->database_path();
  if (replicator->status().phase == ReplicatorStatus::Phase::kNoDatabase &&
      !identity_of(file).exists()) {
    return not_found(file + " does not exist yet; it is replicated from when it does");
  }
  return replicator;
}

Status run_sync(SqlCall& call) {
  LS_ASSIGN_OR_RETURN(const auto path, call.optional_text(0, "the database"));
  LS_ASSIGN_OR_RETURN(const auto timeout_ms,
                      call.optional_integer(1, "the timeout in milliseconds", 1, kTimeoutMsMax));
  LS_ASSIGN_OR_RETURN(const auto elsewhere, owner_elsewhere(path));
  if (elsewhere) {
    return answer_of_owner(call, *elsewhere, OwnerVerb::kSync,
                           timeout_ms.value_or(kDefaultTimeoutMs));
  }
  LS_ASSIGN_OR_RETURN(const auto replicator, existing_database(call, path));
  LS_ASSIGN_OR_RETURN(const Txid txid, replicator->sync(timeout_ms.value_or(kDefaultTimeoutMs),
                                                        call.cancel_check()));
  call.result_txid(txid);
  return {};
}

Status run_txid(SqlCall& call) {
  LS_ASSIGN_OR_RETURN(const auto path, call.optional_text(0, "the database"));
  LS_ASSIGN_OR_RETURN(const auto replicator, running_database(call.connection(), path));
  LS_ASSIGN_OR_RETURN(const Txid txid,
                      replicator->current_txid(kDefaultTimeoutMs, call.cancel_check()));
  call.result_txid(txid);
  return {};
}

Status run_snapshot(SqlCall& call) {
  LS_ASSIGN_OR_RETURN(const auto path, call.optional_text(0, "the database"));
  LS_ASSIGN_OR_RETURN(const auto elsewhere, owner_elsewhere(path));
  if (elsewhere) return answer_of_owner(call, *elsewhere, OwnerVerb::kSnapshot, kTimeoutMsMax);
  LS_ASSIGN_OR_RETURN(const auto replicator, existing_database(call, path));
  LS_ASSIGN_OR_RETURN(const Txid txid, replicator->snapshot(kTimeoutMsMax, call.cancel_check()));
  call.result_txid(txid);
  return {};
}

Status run_compact(SqlCall& call) {
  LS_ASSIGN_OR_RETURN(const std::string path, call.text(0, "the database"));
  LS_ASSIGN_OR_RETURN(const auto level,
                      call.optional_integer(1, "the level", 1, kCompactionLevelMax));
  if (!level) return invalid_argument("the level must not be NULL: 1 to 8");
  LS_ASSIGN_OR_RETURN(const auto replicator, existing_database(call, path));
  LS_ASSIGN_OR_RETURN(const uint64_t count,
                      replicator->compact(static_cast<int>(*level), kTimeoutMsMax,
                                          call.cancel_check()));
  call.result_integer(static_cast<int64_t>(count));
  return {};
}

Status run_enforce_retention(SqlCall& call) {
  LS_ASSIGN_OR_RETURN(const std::string path, call.text(0, "the database"));
  LS_ASSIGN_OR_RETURN(const auto replicator, existing_database(call, path));
  LS_ASSIGN_OR_RETURN(const uint64_t count,
                      replicator->enforce_retention(kTimeoutMsMax, call.cancel_check()));
  call.result_integer(static_cast<int64_t>(count));
  return {};
}

Status run_wait(SqlCall& call) {
  LS_ASSIGN_OR_RETURN(const auto text, call.optional_text(0, "the TXID"));
  LS_ASSIGN_OR_RETURN(const auto timeout_ms,
                      call.optional_integer(1, "the timeout in milliseconds", 1, kTimeoutMsMax));
  LS_ASSIGN_OR_RETURN(const auto replicator, running_database(call.connection(), std::nullopt));
  Txid txid;
  if (text) {
    LS_ASSIGN_OR_RETURN(txid, parse_txid(*text));
  } else {
    LS_ASSIGN_OR_RETURN(txid, replicator->current_txid(timeout_ms.value_or(kDefaultTimeoutMs),
                                                       call.cancel_check()));
  }
  LS_ASSIGN_OR_RETURN(txid, replicator->wait_replicated(
                                txid, timeout_ms.value_or(kDefaultTimeoutMs), call.cancel_check()));
  call.result_txid(txid);
  return {};
}

// Stops, forgets, and starts again if it ran: what was unsent comes back as part of the difference.
Status run_reset(SqlCall& call) {
  LS_ASSIGN_OR_RETURN(const std::string path, call.text(0, "the database"));
  LS_ASSIGN_OR_RETURN(const auto json, call.optional_text(1, "the options"));
  Registry& registry = Registry::instance();
  LS_ASSIGN_OR_RETURN(const KnownDatabase known, registry.find(path));
  LS_ASSIGN_OR_RETURN(const bool dry_run, is_dry_run(json));
  if (dry_run) return preview_reset(call, known);
  LS_ASSIGN_OR_RETURN(const auto elsewhere, owner_elsewhere(path));
  if (elsewhere) return answer_of_owner(call, *elsewhere, OwnerVerb::kReset, kDefaultTimeoutMs);
  const std::string database_path = resolved_path(known.path);
  const auto request = registry.request_of(database_path);
  if (known.replicator != nullptr) {
    known.replicator->request_stop(0);
    const auto stopped = known.replicator->wait_stopped(kDefaultTimeoutMs, call.cancel_check());
    if (!stopped.ok() && !known.replicator->stopped()) return stopped.status();
  }
  LS_RETURN_IF_ERROR(forget_local_state(posix_file_system(),
                                        meta_path_of(database_path, known.options.meta_path)));
  if (!request) return {};
  LS_ASSIGN_OR_RETURN(const auto replicator, registry.start(*request));
  return replicator->wait_started(kStartTimeoutMs, call.cancel_check());
}

Status run_last_error(SqlCall& call) {
  std::string text = call.connection().last_error();
  const auto replicator = Registry::instance().running(call.connection().main_path);
  if (text.empty() && replicator != nullptr) text = replicator->status().last_error;
  if (!text.empty()) call.result_text(text);
  return {};
}

}  // namespace litestream
