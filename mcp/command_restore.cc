#include <chrono>
#include <filesystem>
#include <ostream>

#include "mcp/interrupt_scope.h"
#include "mcp/json_writer.h"
#include "mcp/program.h"
#include "mcp/restore_follow.h"
#include "mcp/source_argument.h"
#include "mcp/sql_session.h"
#include "mcp/table_printer.h"
#include "mcp/terminal.h"

namespace litestream {
namespace {

constexpr const char* kName = "restore";
constexpr int64_t kParallelism = 8;
constexpr int64_t kParallelismMax = 32;

constexpr FlagSpec kFlags[] = {{"o", FlagKind::kValue},
                               {"txid", FlagKind::kValue},
                               {"timestamp", FlagKind::kValue},
                               {"generation", FlagKind::kValue},
                               {"replica", FlagKind::kValue},
                               {"json", FlagKind::kSwitch},
                               {"config", FlagKind::kValue},
                               {"integrity-check", FlagKind::kValue},
                               {"if-db-not-exists", FlagKind::kSwitch},
                               {"if-replica-exists", FlagKind::kSwitch},
                               {"parallelism", FlagKind::kValue},
                               {"dry-run", FlagKind::kSwitch},
                               {"force", FlagKind::kSwitch},
                               {"f", FlagKind::kSwitch},
                               {"follow-interval", FlagKind::kValue},
                               {"no-expand-env", FlagKind::kSwitch}};

SqlValue text_or_null(const ParsedArgs& args, const char* flag) {
  return args.has(flag) ? SqlValue(args.value(flag)) : SqlValue(nullptr);
}

SqlParameters parameters_of(const ParsedArgs& args, const std::string& source,
                            const std::string& output, int64_t parallelism) {
  return {{"source", source},
          {"database", source},
          {"output", output},
          {"txid", text_or_null(args, "txid")},
          {"timestamp", text_or_null(args, "timestamp")},
          {"generation", text_or_null(args, "generation")},
          {"replica", text_or_null(args, "replica")},
          {"integrity_check", text_or_null(args, "integrity-check")},
          {"parallelism", args.has("parallelism") ? SqlValue(parallelism) : SqlValue(nullptr)},
          {"force", int64_t{args.is_on("force") ? 1 : 0}}};
}

void print_result(const ParsedArgs& args, Streams streams, const std::vector<SqlValue>& row,
                  int64_t duration_ms) {
  const std::string check =
      args.has("integrity-check") ? args.value("integrity-check") : std::string("none");
  const std::string point =
      to_text(row[1]).empty() ? "generation " + to_text(row[5]) : "TXID " + to_text(row[1]);
  if (!args.is_on("json")) {
    streams.out << "restored " << to_text(row[0]) << " at " << point;
    if (!to_text(row[4]).empty()) streams.out << " (" << to_text(row[4]) << ")";
    streams.out << ", " << to_text(row[2]) << " bytes, in " << duration_ms << " ms\n";
    return;
  }
  JsonWriter writer;
  writer.begin_object().key("db_path").string(to_text(row[0]));
  writer.key("replica").string(to_text(row[3])).key("txid").string(to_text(row[1]));
  writer.key("duration_ms").integer(duration_ms).key("integrity_check").string(check);
  streams.out << writer.end_object().text() << '\n';
}

std::string file_name_of(const std::vector<SqlValue>& file) {
  return to_text(file[3]) + "-" + to_text(file[4]) + ".ltx";
}

void print_plan_json(Streams streams, const SqlRows& files, const std::string& source,
                     const std::string& output) {
  JsonWriter writer;
  writer.begin_object().key("source").string(redacted_url(source));
  writer.key("target_path").string(output).key("replica").string(to_text(files.rows[0][0]));
  writer.key("min_txid").string(to_text(files.rows.front()[3]));
  writer.key("max_txid").string(to_text(files.rows.back()[4])).key("files").begin_array();
  for (const auto& file : files.rows) {
    writer.begin_object().key("level").raw(to_text(file[2])).key("name").string(file_name_of(file));
    writer.key("min_txid").string(to_text(file[3])).key("max_txid").string(to_text(file[4]));
    writer.key("size").raw(to_text(file[5])).key("timestamp").string(to_text(file[6]));
    writer.end_object();
  }
  streams.out << writer.end_array().end_object().text() << '\n';
}

// Shows what would be read and writes nothing.
int dry_run(SqlSession& session, const ParsedArgs& args, Streams streams,
            const SqlParameters& parameters, const std::string& source, const std::string& output) {
  const auto files = session.run("commands/plan", parameters);
  if (!files.ok()) return failure(streams, kName, files.status());
  if (files->rows.empty()) return failure(streams, kName, not_found("there is no backup"));
  if (args.is_on("json")) {
    print_plan_json(streams, *files, source, output);
    return kExitOk;
  }
  streams.out << format_table(*files, streams.out_width) << "would restore " << output
              << " at TXID " << to_text(files->rows.back()[4]) << " ("
              << to_text(files->rows.back()[6]) << ")\n";
  return kExitOk;
}

int restore(SqlSession& session, const ParsedArgs& args, Streams streams,
            const SqlParameters& parameters) {
  const auto start = std::chrono::steady_clock::now();
  InterruptScope interrupt;
  const auto rows = [&] {
    const ProgressLine progress(streams.err, streams.err_is_terminal, "restore");
    return session.run("commands/restore", parameters, interrupt.cancellation());
  }();
  const auto duration = std::chrono::steady_clock::now() - start;
  if (!rows.ok()) return failure(streams, kName, rows.status());
  if (rows->rows.empty()) return failure(streams, kName, internal_error("no answer"));
  print_result(args, streams, rows->rows[0],
               std::chrono::duration_cast<std::chrono::milliseconds>(duration).count());
  return kExitOk;
}

// "" or what is wrong with the flags taken together.
std::string usage_fault(const ParsedArgs& args) {
  if (args.positionals().size() != 1) return "give one database path or replica URL";
  if (args.has("txid") && args.has("timestamp")) return "give -txid or -timestamp, not both";
  if (is_url(args.positionals()[0]) && !args.has("o")) return "a replica URL needs -o FILE";
  if (!args.is_on("f")) {
    return args.has("follow-interval") ? "-follow-interval goes with -f" : "";
  }
  for (const char* flag : {"txid", "timestamp", "generation"}) {
    if (args.has(flag)) return std::string("-f follows the newest point; leave out -") + flag;
  }
  for (const char* flag : {"dry-run", "force", "if-db-not-exists"}) {
    if (args.is_on(flag)) return std::string("-f goes without -") + flag;
  }
  return "";
}

int run_with(SqlSession& session, const ParsedArgs& args, Streams streams,
             const std::string& source, const std::string& output, int64_t parallelism) {
  const SqlParameters parameters = parameters_of(args, source, output, parallelism);
  if (args.is_on("dry-run")) return dry_run(session, args, streams, parameters, source, output);
  if (args.is_on("if-replica-exists")) {
    const auto has_backup = session.run_scalar("commands/has_backup", {{"database", source}});
    if (!has_backup.ok()) return failure(streams, kName, has_backup.status());
    if (to_text(*has_backup) == "0") {
      streams.err << "litestream restore: there is no backup, nothing was done\n";
      return kExitOk;
    }
  }
  if (!args.is_on("f")) return restore(session, args, streams, parameters);
  const auto interval_ms = follow_interval_ms(args);
  if (!interval_ms.ok()) return usage_error(streams, kName, interval_ms.status().message());
  return restore_and_follow(session, parameters, *interval_ms, args.is_on("json"), streams);
}

int run(const ParsedArgs& args, Streams streams) {
  const std::string fault = usage_fault(args);
  if (!fault.empty()) return usage_error(streams, kName, fault);
  const auto parallelism = flag_number(args, "parallelism", kParallelism, 1, kParallelismMax);
  if (!parallelism.ok()) return usage_error(streams, kName, parallelism.status().message());
  const std::string& source = args.positionals()[0];
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
  return run_with(**session, args, streams, source, output, *parallelism);
}

}  // namespace

const Command kRestoreCommand = {kName, "restore a database from its backup",
                                 R"(Usage: litestream restore [flags] DB or URL

Restores the newest point, or the one asked for, into a file that does not exist yet.
Interrupted, it leaves nothing behind.

  -o FILE               where to (default: the database's own path, if it is gone)
  -txid TXID            exactly up to this transaction, 16 hexadecimal digits
  -timestamp TIME       the newest point at or before this time, RFC 3339
  -generation NAME      of a backup that Litestream 0.3 wrote (see litestream generations)
  -replica NAME         of several replicas this one (default: the one that reaches furthest)
  -integrity-check MODE none, quick or full (default none)
  -parallelism N        files or parts of files fetched at a time, 1 to 32 (default 8)
  -force                replace an existing file; never a database in use
  -if-db-not-exists     do nothing, successfully, if the file exists
  -if-replica-exists    do nothing, successfully, if there is no backup
  -dry-run              show what would be read, restore nothing
  -f                    then keep the copy current; readers may use it all the time
  -follow-interval TIME how often -f looks for more (default 1s)
  -json                 print {"db_path","replica","txid","duration_ms","integrity_check"}; with
                        -dry-run the plan, with -f one object per step that changed the copy
  -config FILE          the configuration (default $LITESTREAM_CONFIG, else /etc/litestream.yml)
  -no-expand-env        leave $VAR in the configuration as it is

Examples:
  litestream restore -o restored.db file:///backup/app
  litestream restore -o yesterday.db -timestamp 2026-01-03T04:05:06Z /data/app.db
  litestream restore -f -o copy.db s3://bucket/app
)",
                                 kFlags, run};

}  // namespace litestream
