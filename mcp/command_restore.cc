#include <chrono>
#include <filesystem>
#include <ostream>

#include "mcp/json_writer.h"
#include "mcp/program.h"
#include "mcp/source_argument.h"
#include "mcp/sql_session.h"

namespace litestream {
namespace {

constexpr const char* kName = "restore";

constexpr FlagSpec kFlags[] = {{"o", FlagKind::kValue},
                               {"txid", FlagKind::kValue},
                               {"timestamp", FlagKind::kValue},
                               {"json", FlagKind::kSwitch},
                               {"config", FlagKind::kValue},
                               {"integrity-check", FlagKind::kValue},
                               {"if-db-not-exists", FlagKind::kSwitch},
                               {"if-replica-exists", FlagKind::kSwitch},
                               {"parallelism", FlagKind::kValue},
                               {"dry-run", FlagKind::kUnsupported},
                               {"force", FlagKind::kUnsupported},
                               {"f", FlagKind::kUnsupported},
                               {"follow-interval", FlagKind::kUnsupported},
                               {"no-expand-env", FlagKind::kUnsupported}};

SqlValue text_or_null(const ParsedArgs& args, const char* flag) {
  return args.has(flag) ? SqlValue(args.value(flag)) : SqlValue(nullptr);
}

void print_result(const ParsedArgs& args, Streams streams, const std::vector<SqlValue>& row,
                  int64_t duration_ms) {
  const std::string check =
      args.has("integrity-check") ? args.value("integrity-check") : std::string("none");
  if (!args.is_on("json")) {
    streams.out << "restored " << to_text(row[0]) << " at TXID " << to_text(row[1]) << ", "
                << to_text(row[2]) << " bytes, in " << duration_ms << " ms\n";
    return;
  }
  JsonWriter writer;
  writer.begin_object().key("db_path").string(to_text(row[0]));
  writer.key("replica").string(to_text(row[3])).key("txid").string(to_text(row[1]));
  writer.key("duration_ms").integer(duration_ms).key("integrity_check").string(check);
  streams.out << writer.end_object().text() << '\n';
}

int restore(SqlSession& session, const ParsedArgs& args, Streams streams, const std::string& source,
            const std::string& output) {
  if (args.is_on("if-replica-exists")) {
    const auto has_backup = session.run_scalar("commands/has_backup", {{"database", source}});
    if (!has_backup.ok()) return failure(streams, kName, has_backup.status());
    if (to_text(*has_backup) == "0") {
      streams.err << "litestream restore: there is no backup, nothing was done\n";
      return kExitOk;
    }
  }
  const SqlParameters parameters = {{"source", source},
                                    {"output", output},
                                    {"txid", text_or_null(args, "txid")},
                                    {"timestamp", text_or_null(args, "timestamp")},
                                    {"integrity_check", text_or_null(args, "integrity-check")}};
  const auto start = std::chrono::steady_clock::now();
  const auto rows = session.run("commands/restore", parameters);
  const auto duration = std::chrono::steady_clock::now() - start;
  if (!rows.ok()) return failure(streams, kName, rows.status());
  if (rows->rows.empty()) return failure(streams, kName, internal_error("no answer"));
  print_result(args, streams, rows->rows[0],
               std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
  return kExitOk;
}

int run(const ParsedArgs& args, Streams streams) {
  if (args.positionals().size() != 1) {
    return usage_error(streams, kName, "give one database path or replica URL");
  }
  if (args.has("txid") && args.has("timestamp")) {
    return usage_error(streams, kName, "give -txid or -timestamp, not both");
  }
  const std::string& source = args.positionals()[0];
  if (is_url(source) && !args.has("o")) {
    return usage_error(streams, kName, "a replica URL needs -o FILE");
  }
  const std::string output = args.has("o") ? args.value("o") : source;
  std::error_code ignored;
  if (args.is_on("if-db-not-exists") && std::filesystem::exists(output, ignored)) {
    streams.err << "litestream restore: " << output << " exists already, nothing was done\n";
    return kExitOk;
  }
  const auto session = SqlSession::open(":memory:", {});
  if (!session.ok()) return failure(streams, kName, session.status());
  const Status loaded = load_config_for(**session, args, source);
  if (loaded.code() == StatusCode::kInvalidArgument) {
    return usage_error(streams, kName, loaded.message());
  }
  if (!loaded.ok()) return failure(streams, kName, loaded);
  return restore(**session, args, streams, source, output);
}

}  // namespace

const Command kRestoreCommand = {kName, "restore a database from its backup",
                                 R"(Usage: litestream restore [flags] DB or URL

Restores the newest point, or the one asked for, into a file that does not exist yet.

  -o FILE               where to (default: the database's own path, if it is gone)
  -txid TXID            exactly up to this transaction, 16 hexadecimal digits
  -timestamp TIME       the newest point at or before this time, RFC 3339
  -integrity-check MODE none, quick or full (default none)
  -if-db-not-exists     do nothing, successfully, if the file exists
  -if-replica-exists    do nothing, successfully, if there is no backup
  -parallelism N        accepted for compatibility
  -json                 print {"db_path","replica","txid","duration_ms","integrity_check"}
  -config FILE          the configuration (default $LITESTREAM_CONFIG, else /etc/litestream.yml)

Examples:
  litestream restore -o restored.db file:///backup/app
  litestream restore -o yesterday.db -timestamp 2026-01-03T04:05:06Z /data/app.db
)",
                                 kFlags, run};

}  // namespace litestream
