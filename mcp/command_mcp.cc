#include <sys/stat.h>
#include <unistd.h>

#include <ostream>

#include "mcp/mcp_service.h"
#include "mcp/program.h"
#include "mcp/program_log.h"
#include "mcp/source_argument.h"
#include "mcp/stdio_server.h"
#include "mcp/stop_signal.h"

namespace litestream {
namespace {

constexpr const char* kName = "mcp";
constexpr const char* kDefaultAddress = "localhost:8080";

constexpr FlagSpec kFlags[] = {{"addr", FlagKind::kValue},
                               {"mcp-addr", FlagKind::kValue},
                               {"stdio", FlagKind::kSwitch},
                               {"config", FlagKind::kValue},
                               {"log-level", FlagKind::kValue},
                               {"read-only", FlagKind::kSwitch},
                               {"restore-dir", FlagKind::kValue},
                               {"allow-overwrite", FlagKind::kSwitch},
                               {"allow-urls", FlagKind::kSwitch},
                               {"allowed-hosts", FlagKind::kValue},
                               {"allowed-origins", FlagKind::kValue},
                               {"no-expand-env", FlagKind::kSwitch}};

// URLs alone need no configuration; paths, and no arguments at all, do.
bool wants_config(const ParsedArgs& args) {
  if (args.has("config") || args.positionals().empty()) return true;
  for (const std::string& source : args.positionals()) {
    if (!is_url(source)) return true;
  }
  return false;
}

// A program that an assistant starts without any configuration says so in its answers, where
// somebody sees it, rather than ending.
Status load_config_if_any(SqlSession& session, const ParsedArgs& args) {
  const Status loaded = load_config(session, args);
  const bool was_asked_for = args.has("config") || !args.positionals().empty();
  if (loaded.code() != StatusCode::kNotFound || was_asked_for) return loaded;
  log_line(ProgramLogLevel::kWarning, "mcp: " + loaded.message() + "; no database is known");
  return {};
}

Status check_paths_known(SqlSession& session, const ParsedArgs& args) {
  for (const std::string& source : args.positionals()) {
    if (is_url(source)) continue;
    // The extension knows identity better than text and names the databases it does know.
    LS_RETURN_IF_ERROR(session.run("commands/status", {{"database", source}}).status());
  }
  return {};
}

// -addr, else -mcp-addr, else the configuration's mcp-addr; "" if none of them says.
Result<std::string> given_address(SqlSession& session, const ParsedArgs& args) {
  if (args.has("addr")) return args.value("addr");
  if (args.has("mcp-addr")) return args.value("mcp-addr");
  LS_ASSIGN_OR_RETURN(SqlValue configured,
                      session.run_scalar("commands/config_value", {{"key", "mcp-addr"}}));
  return to_text(configured);
}

// The configuration's, made stricter or wider by flags.
Result<McpSettings> choose_settings(SqlSession& session, const ParsedArgs& args) {
  LS_ASSIGN_OR_RETURN(McpSettings settings, load_mcp_settings(session));
  if (args.has("read-only")) settings.read_only = args.is_on("read-only");
  if (args.has("restore-dir")) settings.restore_dir = args.value("restore-dir");
  if (args.has("allow-overwrite")) settings.allow_overwrite = args.is_on("allow-overwrite");
  if (args.has("allow-urls")) settings.allow_urls = args.is_on("allow-urls");
  if (args.has("allowed-hosts")) {
    LS_ASSIGN_OR_RETURN(settings.allowed_hosts, parse_text_list(args.value("allowed-hosts")));
  }
  if (args.has("allowed-origins")) {
    LS_ASSIGN_OR_RETURN(settings.allowed_origins, parse_text_list(args.value("allowed-origins")));
  }
  return settings;
}

Status serve_stdio(std::vector<GivenSource> given_sources, McpSettings settings) {
  LS_ASSIGN_OR_RETURN(auto service,
                      McpService::create(std::move(given_sources), std::move(settings)));
  log_line(ProgramLogLevel::kInfo, "mcp: serving standard input and output");
  StdioServer server(service->server(), StdioServer::Options());
  server.run();
  exit_on_next_stop_signal();
  server.finish([&] { service->interrupt(); });
  // Threads that did not come back may still use it; the process ends anyway.
  static_cast<void>(service.release());
  return {};
}

Status serve_http(const std::string& address, std::vector<GivenSource> given_sources,
                  McpSettings settings) {
  LS_ASSIGN_OR_RETURN(auto service,
                      start_mcp_service(address, std::move(given_sources), std::move(settings)));
  wait_for_stop_signal();
  exit_on_next_stop_signal();
  log_line(ProgramLogLevel::kInfo, "stopping");
  service->stop();
  static_cast<void>(service.release());
  return {};
}

Status serve(const ParsedArgs& args) {
  LS_ASSIGN_OR_RETURN(auto session, SqlSession::open(":memory:", {}));
  if (wants_config(args)) LS_RETURN_IF_ERROR(load_config_if_any(*session, args));
  LS_RETURN_IF_ERROR(check_paths_known(*session, args));
  std::vector<GivenSource> given_sources;
  for (const std::string& source : args.positionals()) {
    if (is_url(source)) given_sources.push_back(given_source(source));
  }
  LS_ASSIGN_OR_RETURN(McpSettings settings, choose_settings(*session, args));
  LS_ASSIGN_OR_RETURN(const std::string address, given_address(*session, args));
  session.reset();
  const bool is_stdio = args.is_on("stdio") || (address.empty() && ::isatty(STDIN_FILENO) == 0);
  if (is_stdio) return serve_stdio(std::move(given_sources), std::move(settings));
  return serve_http(address.empty() ? kDefaultAddress : address, std::move(given_sources),
                    std::move(settings));
}

int run(const ParsedArgs& args, Streams streams) {
  if (args.has("log-level") && !set_log_level(args.value("log-level"))) {
    return usage_error(streams, kName, "-log-level is debug, info, warn or error");
  }
  if (args.is_on("stdio") && (args.has("addr") || args.has("mcp-addr"))) {
    return usage_error(streams, kName, "-stdio does not go with an address");
  }
  block_stop_signals();
  const Status status = serve(args);
  return status.ok() ? kExitOk : failure(streams, kName, status);
}

}  // namespace

const Command kMcpCommand = {
    kName, "serve MCP, for AI assistants, without replicating",
    R"(Usage: litestream mcp [-stdio | -addr HOST:PORT] [flags] [DB or URL]...

Serves the MCP tools until it is stopped: the databases of the configuration, and the replica URLs
given here. Over HTTP, or with -stdio over standard input and output; without an address, and with
a standard input that is no terminal, also over standard input and output.

  -stdio               one JSON-RPC message per line; what assistants start by themselves
  -addr HOST:PORT      where to listen (default: mcp-addr of the configuration, else localhost:8080)
  -mcp-addr            the same
  -config FILE         the configuration (default $LITESTREAM_CONFIG, else /etc/litestream.yml)
  -no-expand-env       leave $VAR in the configuration as it is
  -read-only           hide and refuse everything that writes (default: mcp-read-only)
  -restore-dir DIR     restore only below this folder (default: mcp-restore-dir)
  -allow-overwrite     a restore may replace a file if the call asks for it (mcp-allow-overwrite)
  -allow-urls          answer questions about URLs that are not configured (mcp-allow-urls)
  -allowed-hosts LIST  names under which a reverse proxy is known (mcp-allowed-hosts)
  -allowed-origins LIST  web sites that may connect (mcp-allowed-origins)
  -log-level LEVEL     debug, info, warn or error

A token that clients must show is mcp-token of the configuration or $LITESTREAM_MCP_TOKEN.

Examples:
  litestream mcp -config litestream.yml
  litestream mcp -stdio -read-only
  litestream mcp -addr localhost:9000 file:///backup/app
  curl localhost:8080/mcp/tools/litestream_databases
)",
    kFlags, run};

}  // namespace litestream
