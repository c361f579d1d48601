// litestream verify: whether a backup can be relied on, as an exit status.

#include <ostream>

#include "mcp/interrupt_scope.h"
#include "mcp/program.h"
#include "mcp/source_argument.h"
#include "mcp/sql_session.h"
#include "mcp/terminal.h"

namespace litestream {
namespace {

constexpr const char* kName = "verify";

constexpr FlagSpec kFlags[] = {{"config", FlagKind::kValue},        {"deep", FlagKind::kSwitch},
                               {"live", FlagKind::kSwitch},         {"json", FlagKind::kSwitch},
                               {"parallelism", FlagKind::kValue},   {"replica", FlagKind::kValue},
                               {"no-expand-env", FlagKind::kSwitch}};

int print_answer(SqlSession& session, const ParsedArgs& args, Streams streams,
                 const std::vector<SqlValue>& answer) {
  const bool is_sound = to_text(answer[1]) == "1";
  const int exit_status = is_sound ? kExitOk : kExitFailed;
  if (args.is_on("json")) {
    streams.out << to_text(answer[0]) << '\n';
    return exit_status;
  }
  const auto errors = session.run("commands/verify_errors", {{"result", answer[0]}});
  if (!errors.ok()) return failure(streams, kName, errors.status());
  for (const auto& error : errors->rows) streams.err << to_text(error[0]) << '\n';
  streams.out << (is_sound ? "ok, " : "not ok, ") << to_text(answer[2]) << " files, "
              << errors->rows.size() << " errors\n";
  return exit_status;
}

int run(const ParsedArgs& args, Streams streams) {
  if (args.positionals().size() != 1) {
    return usage_error(streams, kName, "give one database path or replica URL");
  }
  const std::string& source = args.positionals()[0];
  if (args.is_on("live") && is_url(source)) {
    return usage_error(streams, kName, "-live compares with a database: give its path, not a URL");
  }
  const auto parallelism = flag_number(args, "parallelism", 8, 1, 32);
  if (!parallelism.ok()) return usage_error(streams, kName, parallelism.status().message());
  const auto session = SqlSession::open(":memory:", {});
  if (!session.ok()) return failure(streams, kName, session.status());
  const Status loaded = load_config_for(**session, args, source);
  if (loaded.code() == StatusCode::kInvalidArgument) {
    return usage_error(streams, kName, loaded.message());
  }
  if (!loaded.ok()) return failure(streams, kName, loaded);
  const SqlParameters parameters = {
      {"source", source},
      {"deep", int64_t{args.is_on("deep") ? 1 : 0}},
      {"live", int64_t{args.is_on("live") ? 1 : 0}},
      {"parallelism", args.has("parallelism") ? SqlValue(*parallelism) : SqlValue(nullptr)},
      {"replica", args.has("replica") ? SqlValue(args.value("replica")) : SqlValue(nullptr)}};
  InterruptScope interrupt;
  const auto rows = [&] {
    const ProgressLine progress(streams.err, streams.err_is_terminal, kName);
    return (*session)->run("commands/verify", parameters, interrupt.cancellation());
  }();
  if (!rows.ok()) return failure(streams, kName, rows.status());
  if (rows->rows.empty()) return failure(streams, kName, internal_error("no answer"));
  return print_answer(**session, args, streams, rows->rows[0]);
}

}  // namespace

const Command kVerifyCommand = {kName, "check that a backup is whole and restores",
                                R"(Usage: litestream verify [flags] DB or URL

Reads every file of a backup and checks that it is whole and that no transaction is missing. Exit
status 0: sound; 1: not, or it could not be found out.

  -deep           also restore each snapshot's newest point to a temporary file ($TMPDIR) and run
                  SQLite's integrity check on it
  -live           also compare with the database itself, page by page, while it is written to; some
                  process must replicate it
  -replica NAME   of several replicas only this one
  -parallelism N  files read at a time, 1 to 32 (default 8)
  -json           print {"ok","files","errors"}
  -config FILE    the configuration (default $LITESTREAM_CONFIG, else /etc/litestream.yml)
  -no-expand-env  leave $VAR in the configuration as it is

Examples:
  litestream verify /data/app.db
  litestream verify -deep s3://bucket/app
)",
                                kFlags, run};

}  // namespace litestream
