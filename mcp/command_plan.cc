// litestream plan and litestream restore-points: what could be restored, and from what.

#include <ostream>

#include "mcp/program.h"
#include "mcp/source_argument.h"
#include "mcp/sql_session.h"
#include "mcp/table_printer.h"

namespace litestream {
namespace {

constexpr int64_t kLimitMax = 1'000'000'000;

constexpr FlagSpec kPlanFlags[] = {
    {"config", FlagKind::kValue},  {"json", FlagKind::kSwitch},
    {"txid", FlagKind::kValue},    {"timestamp", FlagKind::kValue},
    {"replica", FlagKind::kValue}, {"no-expand-env", FlagKind::kSwitch}};
constexpr FlagSpec kPointsFlags[] = {{"config", FlagKind::kValue},
                                     {"json", FlagKind::kSwitch},
                                     {"limit", FlagKind::kValue},
                                     {"replica", FlagKind::kValue},
                                     {"no-expand-env", FlagKind::kSwitch}};

SqlValue text_or_null(const ParsedArgs& args, const char* flag) {
  return args.has(flag) ? SqlValue(args.value(flag)) : SqlValue(nullptr);
}

// Runs `sql` about the one DB or URL that `args` name and prints its rows.
int show(const char* command, const char* sql, const ParsedArgs& args, Streams streams,
         SqlParameters parameters) {
  if (args.positionals().size() != 1) {
    return usage_error(streams, command, "give one database path or replica URL");
  }
  const std::string& source = args.positionals()[0];
  const auto session = SqlSession::open(":memory:", {});
  if (!session.ok()) return failure(streams, command, session.status());
  const Status loaded = load_config_for(**session, args, source);
  if (loaded.code() == StatusCode::kInvalidArgument) {
    return usage_error(streams, command, loaded.message());
  }
  if (!loaded.ok()) return failure(streams, command, loaded);
  parameters.emplace_back("database", source);
  const auto rows = (*session)->run(sql, parameters);
  if (!rows.ok()) return failure(streams, command, rows.status());
  streams.out << (args.is_on("json") ? format_json_rows(*rows)
                                     : format_table(*rows, streams.out_width));
  return kExitOk;
}

int run_plan(const ParsedArgs& args, Streams streams) {
  if (args.has("txid") && args.has("timestamp")) {
    return usage_error(streams, "plan", "give -txid or -timestamp, not both");
  }
  return show("plan", "commands/plan", args, streams,
              {{"txid", text_or_null(args, "txid")},
               {"timestamp", text_or_null(args, "timestamp")},
               {"replica", text_or_null(args, "replica")}});
}

int run_points(const ParsedArgs& args, Streams streams) {
  const auto limit = flag_number(args, "limit", kLimitMax, 1, kLimitMax);
  if (!limit.ok()) return usage_error(streams, "restore-points", limit.status().message());
  return show("restore-points", "commands/restore_points", args, streams,
              {{"replica", text_or_null(args, "replica")}, {"limit", *limit}});
}

}  // namespace

const Command kPlanCommand = {"plan", "show what a restore would read",
                              R"(Usage: litestream plan [flags] DB or URL

Shows the files that a restore would read, in order, without restoring anything. The last one
ends at the point that would be restored.

  -txid TXID       exactly up to this transaction, 16 hexadecimal digits
  -timestamp TIME  the newest point at or before this time, RFC 3339
  -replica NAME    of several replicas this one (default: the one that reaches furthest)
  -json            print the rows as JSON
  -config FILE     the configuration (default $LITESTREAM_CONFIG, else /etc/litestream.yml)
  -no-expand-env   leave $VAR in the configuration as it is

Example:
  litestream plan -timestamp 2026-01-03T04:05:06Z /data/app.db
)",
                              kPlanFlags, run_plan};

const Command kRestorePointsCommand = {"restore-points", "list the points that can be restored",
                                       R"(Usage: litestream restore-points [flags] DB or URL

Lists every point that can be restored right now, newest first.

  -limit N        at most so many
  -replica NAME   of several replicas only this one
  -json           print the rows as JSON
  -config FILE    the configuration (default $LITESTREAM_CONFIG, else /etc/litestream.yml)
  -no-expand-env  leave $VAR in the configuration as it is

Example:
  litestream restore-points -limit 10 /data/app.db
)",
                                       kPointsFlags, run_points};

}  // namespace litestream
