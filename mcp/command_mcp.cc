#include <ostream>

#include "mcp/mcp_service.h"
#include "mcp/program.h"
#include "mcp/program_log.h"
#include "mcp/source_argument.h"
#include "mcp/stop_signal.h"

namespace litestream {
namespace {

constexpr const char* kName = "mcp";
constexpr const char* kDefaultAddress = "localhost:8080";

constexpr FlagSpec kFlags[] = {
    {"addr", FlagKind::kValue},        {"mcp-addr", FlagKind::kValue},
    {"config", FlagKind::kValue},      {"log-level", FlagKind::kValue},
    {"stdio", FlagKind::kUnsupported}, {"no-expand-env", FlagKind::kUnsupported}};

// URLs alone need no configuration; paths, and no arguments at all, do.
bool needs_config(const ParsedArgs& args) {
  if (args.has("config") || args.positionals().empty()) return true;
  for (const std::string& source : args.positionals()) {
    if (!is_url(source)) return true;
  }
  return false;
}

Status check_paths_known(SqlSession& session, const ParsedArgs& args) {
  for (const std::string& source : args.positionals()) {
    if (is_url(source)) continue;
    // The extension knows identity better than text and names the databases it does know.
    LS_RETURN_IF_ERROR(session.run("commands/status", {{"database", source}}).status());
  }
  return {};
}

// -addr, else -mcp-addr, else the configuration's mcp-addr, else localhost:8080.
Result<std::string> choose_address(SqlSession& session, const ParsedArgs& args) {
  if (args.has("addr")) return args.value("addr");
  if (args.has("mcp-addr")) return args.value("mcp-addr");
  LS_ASSIGN_OR_RETURN(SqlValue configured,
                      session.run_scalar("commands/config_value", {{"key", "mcp-addr"}}));
  const std::string address = to_text(configured);
  return address.empty() ? std::string(kDefaultAddress) : address;
}

Status serve(const ParsedArgs& args) {
  LS_ASSIGN_OR_RETURN(auto session, SqlSession::open(":memory:", {}));
  if (needs_config(args)) LS_RETURN_IF_ERROR(load_config(*session, config_path(args)));
  LS_RETURN_IF_ERROR(check_paths_known(*session, args));
  std::vector<GivenSource> given_sources;
  for (const std::string& source : args.positionals()) {
    if (is_url(source)) given_sources.push_back(given_source(source));
  }
  LS_ASSIGN_OR_RETURN(const std::string address, choose_address(*session, args));
  LS_ASSIGN_OR_RETURN(auto service, start_mcp_service(address, std::move(given_sources)));
  wait_for_stop_signal();
  exit_on_next_stop_signal();
  log_line(ProgramLogLevel::kInfo, "stopping");
  service->stop();
  // Idle connections would be waited for; they do not matter any more.
  static_cast<void>(service.release());
  return {};
}

int run(const ParsedArgs& args, Streams streams) {
  if (args.has("log-level") && !set_log_level(args.value("log-level"))) {
    return usage_error(streams, kName, "-log-level is debug, info, warn or error");
  }
  block_stop_signals();
  const Status status = serve(args);
  return status.ok() ? kExitOk : failure(streams, kName, status);
}

}  // namespace

const Command kMcpCommand = {
    kName, "serve MCP, for AI assistants, without replicating",
    R"(Usage: litestream mcp [-addr HOST:PORT] [-config FILE] [DB or URL]...

Serves the MCP tools over HTTP until it is stopped: the databases of the configuration, and the
replica URLs given here.

  -addr HOST:PORT   where to listen (default: mcp-addr of the configuration, else localhost:8080)
  -mcp-addr         the same
  -config FILE      the configuration (default $LITESTREAM_CONFIG, else /etc/litestream.yml)
  -log-level LEVEL  debug, info, warn or error

Examples:
  litestream mcp -config litestream.yml
  litestream mcp -addr localhost:9000 file:///backup/app
  curl localhost:8080/mcp/tools/litestream_databases
)",
    kFlags, run};

}  // namespace litestream
