#include <memory>
#include <ostream>
#include <vector>

#include "mcp/mcp_service.h"
#include "mcp/program.h"
#include "mcp/program_log.h"
#include "mcp/source_argument.h"
#include "mcp/stop_signal.h"

namespace litestream {
namespace {

constexpr const char* kName = "replicate";

constexpr FlagSpec kFlags[] = {{"config", FlagKind::kValue},
                               {"mcp-addr", FlagKind::kValue},
                               {"log-level", FlagKind::kValue},
                               {"exec", FlagKind::kUnsupported},
                               {"restore-if-db-not-exists", FlagKind::kUnsupported},
                               {"once", FlagKind::kUnsupported},
                               {"force-snapshot", FlagKind::kUnsupported},
                               {"enforce-retention", FlagKind::kUnsupported},
                               {"no-expand-env", FlagKind::kUnsupported}};

// What keeps replication alive, and what to stop in the end.
struct Replication {
  std::unique_ptr<SqlSession> session;
  std::vector<std::string> started;  // databases; "" is the session's own
  std::vector<GivenSource> given_sources;
};

Result<std::string> config_value(SqlSession& session, const char* key) {
  LS_ASSIGN_OR_RETURN(SqlValue value, session.run_scalar("commands/config_value", {{"key", key}}));
  return to_text(value);
}

// One database of the command line: this connection stays open and is what replicates.
Status start_given(const ParsedArgs& args, Replication& replication) {
  const std::string& path = args.positionals()[0];
  const std::string& url = args.positionals()[1];
  LS_ASSIGN_OR_RETURN(replication.session, SqlSession::open(path, {}));
  LS_ASSIGN_OR_RETURN(SqlValue canonical_url,
                      replication.session->run_scalar("commands/replicate", {{"url", url}}));
  replication.started.emplace_back();
  log_line(ProgramLogLevel::kInfo,
           "replicating " + path + " to " + redacted_url(to_text(canonical_url)));
  return {};
}

// Every database of the configuration. One that does not start is logged and left out: the others
// are not to go without backup because of it.
Status start_configured(const ParsedArgs& args, Replication& replication) {
  LS_ASSIGN_OR_RETURN(replication.session, SqlSession::open(":memory:", {}));
  SqlSession& session = *replication.session;
  const std::string path = config_path(args);
  LS_RETURN_IF_ERROR(load_config(session, path));
  LS_ASSIGN_OR_RETURN(const std::string log_level, config_value(session, "log-level"));
  if (!args.has("log-level") && !log_level.empty() && !set_log_level(log_level)) {
    return invalid_argument("logging level \"" + log_level + "\" is unknown");
  }
  LS_ASSIGN_OR_RETURN(SqlRows databases, session.run("commands/database_paths"));
  if (databases.rows.empty()) return invalid_argument(path + " names no databases");
  for (const auto& row : databases.rows) {
    const std::string database = to_text(row[0]);
    const auto started = session.run("commands/start", {{"database", database}});
    if (started.ok()) {
      replication.started.push_back(database);
      log_line(ProgramLogLevel::kInfo, "replicating " + database);
    } else {
      log_line(ProgramLogLevel::kError, database + ": " + started.status().message());
    }
  }
  if (replication.started.empty()) return unavailable("no database could be started");
  return {};
}

// Stops within shutdown-sync-timeout per database.
Status stop_all(Replication& replication) {
  Status first_error;
  for (const std::string& database : replication.started) {
    const SqlValue value = database.empty() ? SqlValue(nullptr) : SqlValue(database);
    const auto txid = replication.session->run_scalar("commands/stop", {{"database", value}});
    const std::string name = database.empty() ? "" : " " + database;
    if (txid.ok()) {
      log_line(ProgramLogLevel::kInfo, "stopped" + name + " at TXID " + to_text(*txid));
    } else {
      log_line(ProgramLogLevel::kError, "stop" + name + ": " + txid.status().message());
      if (first_error.ok()) first_error = txid.status();
    }
  }
  return first_error;
}

// -mcp-addr, else the configuration's mcp-addr; "" is off.
Result<std::string> choose_mcp_address(const ParsedArgs& args, Replication& replication) {
  if (args.has("mcp-addr")) return args.value("mcp-addr");
  if (!args.positionals().empty()) return std::string();
  return config_value(*replication.session, "mcp-addr");
}

Result<std::unique_ptr<McpService>> start_mcp(const ParsedArgs& args, Replication& replication) {
  LS_ASSIGN_OR_RETURN(const std::string address, choose_mcp_address(args, replication));
  if (!address.empty()) return start_mcp_service(address, replication.given_sources);
  log_line(ProgramLogLevel::kInfo, "mcp: off (no mcp-addr)");
  return std::unique_ptr<McpService>();
}

Status replicate(const ParsedArgs& args) {
  Replication replication;
  LS_RETURN_IF_ERROR(args.positionals().empty() ? start_configured(args, replication)
                                                : start_given(args, replication));
  auto service = start_mcp(args, replication);
  if (service.ok()) {
    wait_for_stop_signal();
    log_line(ProgramLogLevel::kInfo, "stopping; a second signal exits at once");
  }
  exit_on_next_stop_signal();
  if (service.ok() && *service != nullptr) {
    (*service)->stop();
    // Idle connections would be waited for; they do not matter any more.
    static_cast<void>(service->release());
  }
  const Status stopped = stop_all(replication);
  return service.ok() ? stopped : service.status();
}

int run(const ParsedArgs& args, Streams streams) {
  if (!args.positionals().empty() && args.positionals().size() != 2) {
    return usage_error(streams, kName, "give a database and a replica URL, or a configuration");
  }
  if (!args.positionals().empty() && args.has("config")) {
    return usage_error(streams, kName, "-config does not go with DB URL");
  }
  if (args.has("log-level") && !set_log_level(args.value("log-level"))) {
    return usage_error(streams, kName, "-log-level is debug, info, warn or error");
  }
  block_stop_signals();
  const Status status = replicate(args);
  return status.ok() ? kExitOk : failure(streams, kName, status);
}

}  // namespace

const Command kReplicateCommand = {
    kName, "back up databases continuously",
    R"(Usage: litestream replicate [-config FILE] [-mcp-addr HOST:PORT]
       litestream replicate [-mcp-addr HOST:PORT] DB URL

Replicates the databases of the configuration, or one database to one replica, until it is stopped
with SIGTERM or SIGINT; then what is not on the replica yet is uploaded, within
shutdown-sync-timeout. A second signal exits at once.

  -config FILE         the configuration (default $LITESTREAM_CONFIG, else /etc/litestream.yml)
  -mcp-addr HOST:PORT  serve MCP there (default: mcp-addr of the configuration, else off)
  -log-level LEVEL     debug, info, warn or error (default: the configuration's, else info)

Examples:
  litestream replicate -config litestream.yml -mcp-addr localhost:8080
  litestream replicate app.db file:///backup/app
)",
    kFlags, run};

}  // namespace litestream
