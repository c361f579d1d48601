// `litestream config` and `litestream reset`: the configuration, and the local folder of a
// database.
#include <cstdlib>
#include <ostream>

#include "mcp/program.h"
#include "mcp/source_argument.h"
#include "mcp/sql_session.h"
#include "mcp/table_printer.h"

namespace litestream {
namespace {

enum Column : size_t { kDatabase, kReplica, kKey, kValue, kOrigin };

struct FlagOfKey {
  const char* flag;
  const char* key;
};
constexpr FlagOfKey kFlagsOfKeys[] = {
    {"mcp-addr", "mcp-addr"}, {"log-level", "logging.level"}, {"exec", "exec"}};

std::string origin_of_path(const ParsedArgs& args) {
  if (args.has("config")) return "flag -config";
  const char* from_environment = secure_getenv("LITESTREAM_CONFIG");
  const bool is_set = from_environment != nullptr && *from_environment != '\0';
  return is_set ? "environment $LITESTREAM_CONFIG" : "default";
}

// What flags of `replicate` would change.
void apply_flags(const ParsedArgs& args, std::vector<SqlValue>& row) {
  if (to_text(row[kOrigin]) == "caller") row[kOrigin] = std::string("program");
  if (!to_text(row[kDatabase]).empty()) {
    const bool restores = args.is_on("restore-if-db-not-exists") &&
                          to_text(row[kKey]) == "restore-if-db-not-exists" &&
                          to_text(row[kOrigin]) == "default";
    if (restores) {
      row[kValue] = std::string("true");
      row[kOrigin] = std::string("flag -restore-if-db-not-exists");
    }
    return;
  }
  for (const FlagOfKey& each : kFlagsOfKeys) {
    if (!args.has(each.flag) || to_text(row[kKey]) != each.key) continue;
    row[kValue] = args.value(each.flag);
    row[kOrigin] = std::string("flag -") + each.flag;
  }
}

int run_config(const ParsedArgs& args, Streams streams) {
  constexpr const char* kName = "config";
  if (!args.positionals().empty()) {
    return usage_error(streams, kName, "takes no arguments besides flags");
  }
  const auto session = SqlSession::open(":memory:", {});
  if (!session.ok()) return failure(streams, kName, session.status());
  const Status loaded = load_config(**session, args);
  if (!loaded.ok()) return failure(streams, kName, loaded);
  auto rows = (*session)->run("commands/config_values");
  if (!rows.ok()) return failure(streams, kName, rows.status());
  SqlRows shown;
  shown.columns = rows->columns;
  shown.rows.push_back(
      {nullptr, nullptr, std::string("config"), config_path(args), origin_of_path(args)});
  for (std::vector<SqlValue>& row : rows->rows) {
    apply_flags(args, row);
    if (args.is_on("changed") && to_text(row[kOrigin]) == "default") continue;
    shown.rows.push_back(std::move(row));
  }
  streams.out << (args.is_on("json") ? format_json_rows(shown)
                                     : format_table(shown, streams.out_width));
  return kExitOk;
}

int run_reset(const ParsedArgs& args, Streams streams) {
  constexpr const char* kName = "reset";
  if (args.positionals().size() != 1 || is_url(args.positionals()[0])) {
    return usage_error(streams, kName, "give one database path");
  }
  const std::string& database = args.positionals()[0];
  const auto session = SqlSession::open(":memory:", {});
  if (!session.ok()) return failure(streams, kName, session.status());
  const Status loaded = load_config(**session, args);
  if (!loaded.ok()) return failure(streams, kName, loaded);
  const bool is_dry_run = args.is_on("dry-run");
  const auto files = (*session)->run("commands/reset_preview", {{"database", database}});
  if (!files.ok()) return failure(streams, kName, files.status());
  if (is_dry_run) {
    for (const auto& row : files->rows) streams.out << to_text(row[0]) << '\n';
    streams.err << files->rows.size() << " files would be removed; nothing was done\n";
    return kExitOk;
  }
  const auto done = (*session)->run("commands/reset", {{"database", database}});
  if (!done.ok()) return failure(streams, kName, done.status());
  streams.out << "forgot the local state of " << database << " (" << files->rows.size()
              << " files); the next start compares it with the replica\n";
  return kExitOk;
}

constexpr FlagSpec kConfigFlags[] = {{"config", FlagKind::kValue},
                                     {"no-expand-env", FlagKind::kSwitch},
                                     {"changed", FlagKind::kSwitch},
                                     {"mcp-addr", FlagKind::kValue},
                                     {"log-level", FlagKind::kValue},
                                     {"exec", FlagKind::kValue},
                                     {"restore-if-db-not-exists", FlagKind::kSwitch},
                                     {"json", FlagKind::kSwitch}};
constexpr FlagSpec kResetFlags[] = {{"dry-run", FlagKind::kSwitch},
                                    {"config", FlagKind::kValue},
                                    {"no-expand-env", FlagKind::kSwitch}};

}  // namespace

const Command kConfigCommand = {"config",
                                "show the effective configuration and where each value came from",
                                R"(Usage: litestream config [flags]

Shows every value of the configuration, of the process and of each database and replica, with where
it came from: file and line, environment, flag or default. Secrets are shown as ***.

  -config FILE    the configuration (default $LITESTREAM_CONFIG, else /etc/litestream.yml)
  -no-expand-env  leave $VAR and ${VAR} in it as they are
  -changed        leave defaults out
  -json           print [{"database","replica","key","value","origin"}]
  -mcp-addr, -log-level, -exec, -restore-if-db-not-exists
                  as for replicate: show what they would change

Examples:
  litestream config
  litestream config -changed -config litestream.yml
)",
                                kConfigFlags, run_config};

const Command kResetCommand = {"reset", "forget the local state of a database",
                               R"(Usage: litestream reset [flags] DB

Removes the local folder's record of what was replicated, and files that were not uploaded yet. The
database itself is not touched; what is missing on the replica comes back with the next start, as
the difference between the database and the replica.

  -dry-run        only list the files that would be removed
  -config FILE    the configuration (default $LITESTREAM_CONFIG, else /etc/litestream.yml)
  -no-expand-env  leave $VAR and ${VAR} in it as they are

Examples:
  litestream reset -dry-run /data/app.db
  litestream reset /data/app.db
)",
                               kResetFlags, run_reset};

}  // namespace litestream
