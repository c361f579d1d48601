#include "mcp/mcp_settings.h"

#include <simdjson.h>

#include <cstdlib>

namespace litestream {
namespace {

constexpr size_t kListItemCountMax = 64;

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

Result<std::string> value_of(SqlSession& session, const char* key) {
  LS_ASSIGN_OR_RETURN(SqlValue value, session.run_scalar("commands/config_value", {{"key", key}}));
  return to_text(value);
}

Result<bool> switch_of(SqlSession& session, const char* key) {
  LS_ASSIGN_OR_RETURN(const std::string text, value_of(session, key));
  if (text == "true" || text == "1") return true;
  if (text.empty() || text == "false" || text == "0") return false;
  return invalid_argument(std::string(key) + " is true or false, not \"" + text + "\"");
}

Result<std::vector<std::string>> list_of(SqlSession& session, const char* key) {
  LS_ASSIGN_OR_RETURN(const std::string text, value_of(session, key));
  auto list = parse_text_list(text);
  if (!list.ok()) return list.status().with_context(key);
  return list;
}

}  // namespace

Result<std::vector<std::string>> parse_text_list(std::string_view text) {
  std::vector<std::string> items;
  text = trimmed(text);
  if (text.starts_with('[')) {
    simdjson::dom::parser parser;
    simdjson::dom::array array;
    const simdjson::padded_string padded(text);
    if (parser.parse(padded).get(array) != simdjson::SUCCESS) {
      return invalid_argument("not a list of texts");
    }
    for (const simdjson::dom::element element : array) {
      std::string_view item;
      if (element.get(item) != simdjson::SUCCESS) return invalid_argument("not a list of texts");
      items.emplace_back(item);
    }
  } else {
    while (!text.empty()) {
      const size_t comma = text.find(',');
      const std::string_view item = trimmed(text.substr(0, comma));
      if (!item.empty()) items.emplace_back(item);
      text = comma == std::string_view::npos ? "" : text.substr(comma + 1);
    }
  }
  if (items.size() > kListItemCountMax) return invalid_argument("too many entries");
  return items;
}

Result<McpSettings> load_mcp_settings(SqlSession& session) {
  McpSettings settings;
  LS_ASSIGN_OR_RETURN(settings.token, value_of(session, "mcp-token"));
  const char* token = ::secure_getenv("LITESTREAM_MCP_TOKEN");
  if (token != nullptr && *token != '\0') settings.token = token;
  LS_ASSIGN_OR_RETURN(settings.read_only, switch_of(session, "mcp-read-only"));
  LS_ASSIGN_OR_RETURN(settings.restore_dir, value_of(session, "mcp-restore-dir"));
  LS_ASSIGN_OR_RETURN(settings.allow_overwrite, switch_of(session, "mcp-allow-overwrite"));
  LS_ASSIGN_OR_RETURN(settings.allow_urls, switch_of(session, "mcp-allow-urls"));
  LS_ASSIGN_OR_RETURN(settings.allowed_hosts, list_of(session, "mcp-allowed-hosts"));
  LS_ASSIGN_OR_RETURN(settings.allowed_origins, list_of(session, "mcp-allowed-origins"));
  return settings;
}

}  // namespace litestream
