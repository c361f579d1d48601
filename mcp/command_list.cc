// The commands that show rows: databases, status, ltx, snapshots, generations, version.

#include <ostream>

#include "mcp/json_writer.h"
#include "mcp/mcp_protocol.h"
#include "mcp/program.h"
#include "mcp/source_argument.h"
#include "mcp/sql_session.h"
#include "mcp/table_printer.h"

namespace litestream {
namespace {

int print_rows(Streams streams, const char* command, const ParsedArgs& args,
               const Result<SqlRows>& rows) {
  if (!rows.ok()) return failure(streams, command, rows.status());
  streams.out << (args.is_on("json") ? format_json_rows(*rows)
                                     : format_table(*rows, streams.out_width));
  return kExitOk;
}

int fail(Streams streams, const char* command, const Status& status) {
  if (status.code() == StatusCode::kInvalidArgument) {
    return usage_error(streams, command, status.message());
  }
  return failure(streams, command, status);
}

// Runs `sql` about the one DB or URL that `args` name.
int list_source(const char* command, const char* sql, const ParsedArgs& args, Streams streams,
                SqlParameters parameters = {}) {
  if (args.positionals().size() != 1) {
    return usage_error(streams, command, "give one database path or replica URL");
  }
  const std::string& source = args.positionals()[0];
  const auto session = SqlSession::open(":memory:", {});
  if (!session.ok()) return failure(streams, command, session.status());
  const Status loaded = load_config_for(**session, args, source);
  if (!loaded.ok()) return fail(streams, command, loaded);
  parameters.emplace_back("database", source);
  return print_rows(streams, command, args, (*session)->run(sql, parameters));
}

int run_databases(const ParsedArgs& args, Streams streams) {
  if (!args.positionals().empty()) {
    return usage_error(streams, "databases", "takes no arguments besides flags");
  }
  const auto session = SqlSession::open(":memory:", {});
  if (!session.ok()) return failure(streams, "databases", session.status());
  const Status loaded = load_config(**session, args);
  if (!loaded.ok()) return failure(streams, "databases", loaded);
  const char* sql = args.is_on("json") ? "commands/databases_json" : "commands/databases";
  return print_rows(streams, "databases", args, (*session)->run(sql));
}

int run_status(const ParsedArgs& args, Streams streams) {
  if (args.positionals().size() > 1) {
    return usage_error(streams, "status", "give at most one database path");
  }
  const auto session = SqlSession::open(":memory:", {});
  if (!session.ok()) return failure(streams, "status", session.status());
  const std::string source = args.positionals().empty() ? "" : args.positionals()[0];
  const Status loaded = load_config_for(**session, args, source);
  if (!loaded.ok()) return fail(streams, "status", loaded);
  const SqlValue database = source.empty() ? SqlValue(nullptr) : SqlValue(source);
  const char* sql = args.is_on("json") ? "commands/status_json" : "commands/status";
  return print_rows(streams, "status", args, (*session)->run(sql, {{"database", database}}));
}

int run_ltx(const ParsedArgs& args, Streams streams) {
  const std::string level = args.has("level") ? args.value("level") : "0";
  SqlParameters parameters;
  if (level.size() == 1 && level[0] >= '0' && level[0] <= '9') {
    parameters.emplace_back("level", int64_t{level[0] - '0'});
  } else if (level != "all") {
    return usage_error(streams, "ltx", "-level is a number from 0 to 9, or all");
  }
  return list_source("ltx", "commands/ltx", args, streams, std::move(parameters));
}

int run_snapshots(const ParsedArgs& args, Streams streams) {
  return list_source("snapshots", "commands/snapshots", args, streams);
}

int run_generations(const ParsedArgs& args, Streams streams) {
  const int exit_status = list_source("generations", "commands/generations", args, streams);
  if (exit_status == kExitOk) {
    streams.err << "Litestream 0.5 replaced generations by levels of LTX files: "
                   "see litestream ltx and litestream snapshots.\n";
  }
  return exit_status;
}

int run_version(const ParsedArgs& args, Streams streams) {
  if (!args.positionals().empty()) {
    return usage_error(streams, "version", "takes no arguments besides flags");
  }
  const auto session = SqlSession::open(":memory:", {});
  if (!session.ok()) return failure(streams, "version", session.status());
  const auto rows = (*session)->run("commands/version");
  if (!rows.ok()) return failure(streams, "version", rows.status());
  const std::string version = to_text(rows->rows[0][0]);
  const std::string sqlite_version = to_text(rows->rows[0][1]);
  std::vector<std::string_view> mcp_versions = {kStatelessVersion};
  for (const std::string_view each : handshake_versions()) mcp_versions.push_back(each);
  if (args.is_on("json")) {
    JsonWriter writer;
    writer.begin_object().key("version").string(version);
    writer.key("sqlite_version").string(sqlite_version);
    writer.key("mcp_versions").begin_array();
    for (const std::string_view each : mcp_versions) writer.string(each);
    streams.out << writer.end_array().end_object().text() << '\n';
    return kExitOk;
  }
  streams.out << version << '\n';
  if (!args.is_on("verbose")) return kExitOk;
  streams.out << "SQLite " << sqlite_version << "\nMCP";
  for (const std::string_view each : mcp_versions) streams.out << ' ' << each;
  streams.out << '\n';
  return kExitOk;
}

constexpr FlagSpec kListFlags[] = {{"config", FlagKind::kValue},
                                   {"json", FlagKind::kSwitch},
                                   {"no-expand-env", FlagKind::kSwitch}};
constexpr FlagSpec kLtxFlags[] = {{"config", FlagKind::kValue},
                                  {"level", FlagKind::kValue},
                                  {"json", FlagKind::kSwitch},
                                  {"no-expand-env", FlagKind::kSwitch}};
constexpr FlagSpec kVersionFlags[] = {{"verbose", FlagKind::kSwitch}, {"json", FlagKind::kSwitch}};

}  // namespace

const Command kDatabasesCommand = {"databases", "list the databases of the configuration",
                                   R"(Usage: litestream databases [-config FILE] [-json]

Lists the databases of the configuration with their replicas.

  -config FILE   the configuration (default $LITESTREAM_CONFIG, else /etc/litestream.yml)
  -no-expand-env leave $VAR and ${VAR} in it as they are
  -json          print [{"path","replica"}]

Example:
  litestream databases -config litestream.yml
)",
                                   kListFlags, run_databases};

const Command kStatusCommand = {"status", "show how current the backups are",
                                R"(Usage: litestream status [-config FILE] [-json] [DB]

Shows local and replicated transaction, lag and errors of one database, or of all.

  -config FILE   the configuration (default $LITESTREAM_CONFIG, else /etc/litestream.yml)
  -no-expand-env leave $VAR and ${VAR} in it as they are
  -json          print [{"database","status","local_txid","wal_size"}]

Examples:
  litestream status
  litestream status -json /data/app.db
)",
                                kListFlags, run_status};

const Command kLtxCommand = {"ltx", "list the LTX files of a backup",
                             R"(Usage: litestream ltx [-config FILE] [-level N] [-json] DB or URL

Lists the LTX files of a database of the configuration, or of a replica, newest first.

  -config FILE   the configuration (default $LITESTREAM_CONFIG, else /etc/litestream.yml)
  -no-expand-env leave $VAR and ${VAR} in it as they are
  -level N       0 (raw, the default) to 9 (snapshots), or all
  -json          print [{"level","min_txid","max_txid","size","timestamp"}]

Examples:
  litestream ltx /data/app.db
  litestream ltx -level all -json file:///backup/app
)",
                             kLtxFlags, run_ltx};

const Command kSnapshotsCommand = {"snapshots", "list the snapshots of a backup",
                                   R"(Usage: litestream snapshots [-config FILE] [-json] DB or URL

Lists the snapshots of a database of the configuration, or of a replica, newest first.

  -config FILE   the configuration (default $LITESTREAM_CONFIG, else /etc/litestream.yml)
  -no-expand-env leave $VAR and ${VAR} in it as they are
  -json          print [{"replica","txid","size","created_at"}]

Example:
  litestream snapshots file:///backup/app
)",
                                   kListFlags, run_snapshots};

const Command kGenerationsCommand = {
    "generations", "list the v0.3 generations left on a replica",
    R"(Usage: litestream generations [-config FILE] [-json] DB or URL

Lists backups that Litestream 0.3 wrote. Later ones have no generations: see litestream ltx.

  -config FILE   the configuration (default $LITESTREAM_CONFIG, else /etc/litestream.yml)
  -no-expand-env leave $VAR and ${VAR} in it as they are
  -json          print the rows as JSON

Example:
  litestream generations /data/app.db
)",
    kListFlags, run_generations};

const Command kVersionCommand = {"version", "print the version",
                                 R"(Usage: litestream version [-verbose] [-json]

Prints the version.

  -verbose  also the version of SQLite, and the versions of MCP that are spoken
  -json     print {"version","sqlite_version","mcp_versions"}

Examples:
  litestream version
  litestream version -json
)",
                                 kVersionFlags, run_version};

}  // namespace litestream
