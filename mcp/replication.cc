#include "mcp/replication.h"

#include <algorithm>

#include "mcp/json_writer.h"
#include "mcp/program_log.h"
#include "mcp/source_argument.h"

namespace litestream {
namespace {

constexpr int64_t kStartTimeoutMs = 24 * 3600'000;
constexpr int64_t kOnceTimeoutMs = 24 * 3600'000;

// A database that was started and has no TXID yet.
std::string why_waiting(SqlSession& session, const std::string& database) {
  const auto state = session.run("commands/control_state", {{"database", database}});
  const std::string status =
      state.ok() && !state->rows.empty() ? to_text(state->rows[0][1]) : std::string();
  if (status == "no database") return database + " does not exist yet: waiting for it";
  if (status == "standby") return database + " is replicated by another process: standing by";
  return "replicating " + database;
}

// Options of every database that flags ask for; "" for none.
std::string options_of(const ParsedArgs& args) {
  return args.is_on("restore-if-db-not-exists") ? R"({"restore-if-db-not-exists":true})" : "";
}

}  // namespace

Result<std::unique_ptr<Replication>> Replication::open(const ParsedArgs& args) {
  LS_ASSIGN_OR_RETURN(auto session, SqlSession::open(":memory:", {}));
  std::unique_ptr<Replication> replication(new Replication(std::move(session)));
  LS_RETURN_IF_ERROR(args.positionals().empty() ? replication->load_configured(args)
                                                : replication->register_given(args));
  return replication;
}

Status Replication::register_given(const ParsedArgs& args) {
  const std::string& path = args.positionals()[0];
  JsonWriter urls;
  urls.begin_array();
  for (size_t i = 1; i < args.positionals().size(); ++i) urls.string(args.positionals()[i]);
  urls.end_array();
  // A program may take longer to flush at the end than a host that wants to exit.
  JsonWriter options;
  options.begin_object().key("shutdown-sync-timeout").string("30s");
  if (args.is_on("restore-if-db-not-exists")) {
    options.key("restore-if-db-not-exists").boolean(true);
  }
  options.end_object();
  const SqlParameters parameters = {
      {"database", path}, {"url", urls.text()}, {"options", options.text()}};
  LS_RETURN_IF_ERROR(session_->run("commands/register", parameters).status());
  databases_.push_back(path);
  return {};
}

Status Replication::load_configured(const ParsedArgs& args) {
  const std::string path = config_path(args);
  LS_RETURN_IF_ERROR(
      load_config(*session_, path, {!args.is_on("no-expand-env"), options_of(args)}));
  is_configured_ = true;
  LS_ASSIGN_OR_RETURN(const SqlRows rows, session_->run("commands/database_paths"));
  for (const auto& row : rows.rows) databases_.push_back(to_text(row[0]));
  LS_ASSIGN_OR_RETURN(const SqlValue watched, session_->run_scalar("commands/is_watched"));
  watches_ = to_text(watched) == "1";
  if (databases_.empty() && !watches_) {
    return invalid_argument(path + " names no databases");
  }
  return {};
}

Result<std::string> Replication::config_value(const char* key) {
  if (!is_configured_) return std::string();
  LS_ASSIGN_OR_RETURN(const SqlValue value,
                      session_->run_scalar("commands/config_value", {{"key", key}}));
  return to_text(value);
}

Result<int64_t> Replication::config_number(const char* key) {
  if (!is_configured_) return int64_t{0};
  LS_ASSIGN_OR_RETURN(const SqlValue value,
                      session_->run_scalar("commands/config_number", {{"key", key}}));
  const auto* number = std::get_if<int64_t>(&value);
  return number == nullptr ? 0 : *number;
}

Status Replication::start_all() {
  size_t failed_count = 0;
  for (const std::string& database : databases_) {
    const auto started = session_->run("commands/start", {{"database", database}});
    if (started.ok()) continue;
    log_line(ProgramLogLevel::kError, database + ": " + started.status().message());
    ++failed_count;
  }
  if (failed_count > 0 && failed_count == databases_.size()) {
    return unavailable("no database could be started");
  }
  return {};
}

Status Replication::wait_started() {
  LS_ASSIGN_OR_RETURN(const auto session, SqlSession::open(":memory:", {}));
  size_t failed_count = 0;
  for (const std::string& database : databases_) {
    const auto started =
        session->run("commands/start_now",
                     {{"database", database}, {"timeout_ms", kStartTimeoutMs}}, cancellation_);
    if (cancellation_.is_cancelled()) return {};
    if (!started.ok()) {
      log_line(ProgramLogLevel::kError, database + ": " + started.status().message());
      ++failed_count;
      continue;
    }
    const std::string txid = to_text(started->rows[0][0]);
    log_line(ProgramLogLevel::kInfo, txid.empty()
                                         ? why_waiting(*session, database)
                                         : "replicating " + database + " from TXID " + txid);
  }
  if (failed_count > 0 && failed_count == databases_.size()) {
    return unavailable("no database could be started");
  }
  return {};
}

Status Replication::once(SqlSession& session, const std::string& database,
                         const OnceOptions& options) {
  const SqlParameters parameters = {{"database", database}, {"timeout_ms", kOnceTimeoutMs}};
  LS_ASSIGN_OR_RETURN(const SqlRows started,
                      session.run("commands/start_now", parameters, cancellation_));
  if (to_text(started.rows[0][0]).empty()) {
    LS_ASSIGN_OR_RETURN(const SqlRows state,
                        session.run("commands/control_state", parameters, cancellation_));
    const std::string status = state.rows.empty() ? "not known" : to_text(state.rows[0][1]);
    return not_found(status == "no database" ? "there is no such database"
                                             : "not replicated by this process: it is " + status);
  }
  LS_ASSIGN_OR_RETURN(const SqlRows synced,
                      session.run("commands/sync", parameters, cancellation_));
  log_line(ProgramLogLevel::kInfo,
           database + " is on its replicas up to TXID " + to_text(synced.rows[0][0]));
  if (options.force_snapshot) {
    LS_ASSIGN_OR_RETURN(const SqlRows snapshot,
                        session.run("commands/snapshot", parameters, cancellation_));
    log_line(ProgramLogLevel::kInfo,
             "snapshot of " + database + " at TXID " + to_text(snapshot.rows[0][0]));
  }
  if (options.enforce_retention) {
    LS_ASSIGN_OR_RETURN(const SqlRows removed,
                        session.run("commands/enforce_retention", parameters, cancellation_));
    log_line(ProgramLogLevel::kInfo,
             "retention of " + database + " removed " + to_text(removed.rows[0][0]) + " files");
  }
  return {};
}

Status Replication::run_once(const OnceOptions& options) {
  LS_ASSIGN_OR_RETURN(const auto session, SqlSession::open(":memory:", {}));
  Status first_error;
  for (const std::string& database : databases_) {
    const Status status = once(*session, database, options);
    if (cancellation_.is_cancelled()) return cancelled("stopped before it was done");
    if (status.ok()) continue;
    log_line(ProgramLogLevel::kError, database + ": " + status.message());
    if (first_error.ok()) first_error = status.with_context(database);
  }
  return first_error;
}

Status Replication::stop_all() {
  LS_ASSIGN_OR_RETURN(const SqlRows rows, session_->run("commands/stop_all"));
  Status first_error;
  for (const auto& row : rows.rows) {
    const std::string path = to_text(row[0]);
    const std::string error = to_text(row[2]);
    if (error.empty()) {
      const std::string txid = to_text(row[1]);
      log_line(ProgramLogLevel::kInfo,
               "stopped " + path + (txid.empty() ? "" : " at TXID " + txid));
      continue;
    }
    log_line(ProgramLogLevel::kError, "stop " + path + ": " + error);
    if (first_error.ok()) first_error = unavailable("stop " + path + ": " + error);
  }
  return first_error;
}

}  // namespace litestream
