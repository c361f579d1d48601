// Functions that tell or configure.
#include "ext/sqlite/functions.h"
#include "ext/sqlite/registry.h"

namespace litestream {
namespace {

const char* log_level_name(LogLevel level) {
  switch (level) {
    case LogLevel::kDebug: return "debug";
    case LogLevel::kInfo: return "info";
    case LogLevel::kWarning: return "warn";
    case LogLevel::kError: return "error";
  }
  return "info";
}

}  // namespace

Status run_version(SqlCall& call) {
  call.result_text(LITESTREAM_VERSION);
  return {};
}

Status run_config(SqlCall& call) {
  LS_ASSIGN_OR_RETURN(const std::string path, call.text(0, "the path of litestream.yml"));
  LS_ASSIGN_OR_RETURN(const auto json, call.optional_text(1, "the defaults"));
  DatabaseOptions defaults;
  if (json) LS_RETURN_IF_ERROR(apply_options_json(*json, &defaults));
  LS_ASSIGN_OR_RETURN(const int count, Registry::instance().load_config(path, defaults));
  call.result_integer(count);
  return {};
}

// Values of the loaded configuration that concern the process, not one database. NULL if unset.
Status run_config_value(SqlCall& call) {
  LS_ASSIGN_OR_RETURN(const std::string key, call.text(0, "the key"));
  const auto config = Registry::instance().config();
  if (key == "mcp-addr") {
    if (config && !config->mcp_addr.empty()) call.result_text(config->mcp_addr);
    return {};
  }
  if (key == "log-level") {
    if (config) call.result_text(log_level_name(config->log_level));
    return {};
  }
  if (key == "config-path") {
    if (config) call.result_text(config->path);
    return {};
  }
  return invalid_argument("unknown key '" + key + "'; known: config-path, log-level, mcp-addr");
}

}  // namespace litestream
