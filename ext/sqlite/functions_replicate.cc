// Functions that start, drive and stop replication.
#include "ext/sqlite/functions.h"
#include "ext/sqlite/hooks.h"
#include "ext/sqlite/own_connection.h"
#include "ext/sqlite/source_lookup.h"

#include "ext/config/url.h"

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

}  // namespace

Status run_replicate(SqlCall& call) {
  LS_ASSIGN_OR_RETURN(const std::string url, call.text(0, "the replica URL"));
  LS_ASSIGN_OR_RETURN(const auto json, call.optional_text(1, "the options"));
  Registry::StartRequest request;
  if (json) LS_RETURN_IF_ERROR(apply_options_json(*json, &request.options));
  ReplicaOptions replica;
  LS_ASSIGN_OR_RETURN(const ReplicaUrl parsed, parse_replica_url(url));
  replica.name = replica.type = parsed.scheme;
  LS_ASSIGN_OR_RETURN(replica.url, canonical_replica_url(url));
  request.options.replicas = {replica};
  LS_RETURN_IF_ERROR(validate_options(request.options));
  request.path = call.connection().main_path;
  LS_RETURN_IF_ERROR(check_main_database(call.db(), request.path));
  request.vfs = vfs_name(call.db());
  LS_ASSIGN_OR_RETURN(const auto replicator, Registry::instance().start(request));
  install_wal_hook(call.db(), &call.connection());
  LS_RETURN_IF_ERROR(replicator->wait_started(kStartTimeoutMs, call.cancel_check()));
  call.result_text(redact_url(replicator->replica().url()));
  return {};
}

Status run_start(SqlCall& call) {
  LS_ASSIGN_OR_RETURN(const std::string path, call.text(0, "the database"));
  LS_ASSIGN_OR_RETURN(const KnownDatabase known, Registry::instance().find(path));
  auto replicator = known.replicator;
  if (replicator == nullptr) {
    Registry::StartRequest request;
    request.path = resolved_path(known.path);
    request.options = known.options;
    request.pinned = true;
    LS_ASSIGN_OR_RETURN(replicator, Registry::instance().start(request));
  }
  if (identity_of(resolved_path(known.path)) == call.connection().identity) {
    install_wal_hook(call.db(), &call.connection());
  }
  LS_RETURN_IF_ERROR(replicator->wait_started(kStartTimeoutMs, call.cancel_check()));
  // A database that does not exist yet, or that another process replicates, has no TXID here.
  call.result_txid(replicator->status().local_txid);
  return {};
}

Status run_stop(SqlCall& call) {
  LS_ASSIGN_OR_RETURN(const auto path, call.optional_text(0, "the database"));
  LS_ASSIGN_OR_RETURN(const auto replicator, running_database(call.connection(), path));
  const int64_t timeout_ms = replicator->options().shutdown_sync_timeout_ms;
  Registry::instance().disarm(replicator->database_path());
  replicator->request_stop(timeout_ms);
  constexpr int64_t kGraceMs = 5000;  // for closing the connections after the deadline
  LS_ASSIGN_OR_RETURN(const Txid txid,
                      replicator->wait_stopped(timeout_ms + kGraceMs, call.cancel_check()));
  call.result_txid(txid);
  return {};
}

Status run_sync(SqlCall& call) {
  LS_ASSIGN_OR_RETURN(const auto path, call.optional_text(0, "the database"));
  LS_ASSIGN_OR_RETURN(const auto timeout_ms,
                      call.optional_integer(1, "the timeout in milliseconds", 1, kTimeoutMsMax));
  LS_ASSIGN_OR_RETURN(const auto replicator, running_database(call.connection(), path));
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
  LS_ASSIGN_OR_RETURN(const auto replicator, running_database(call.connection(), path));
  LS_ASSIGN_OR_RETURN(const Txid txid, replicator->snapshot(kTimeoutMsMax, call.cancel_check()));
  call.result_txid(txid);
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
  Registry& registry = Registry::instance();
  LS_ASSIGN_OR_RETURN(const KnownDatabase known, registry.find(path));
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
