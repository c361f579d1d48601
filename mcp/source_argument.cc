#include "mcp/source_argument.h"

#include <cstdlib>
#include <filesystem>

namespace litestream {
namespace {

constexpr const char* kDefaultConfigPath = "/etc/litestream.yml";

}  // namespace

bool is_url(std::string_view text) { return !url_scheme(text).empty(); }

std::string url_scheme(std::string_view text) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos ||
      text.substr(0, colon).find('/') != std::string_view::npos) {
    return "";
  }
  return std::string(text.substr(0, colon));
}

std::string redacted_url(std::string_view url) {
  std::string text(url.substr(0, url.find('?')));
  const size_t start = text.find("://");
  if (start == std::string::npos) return text;
  const size_t end = text.find('/', start + 3);
  const size_t at = text.rfind('@', end);
  if (at != std::string::npos && at > start) text.erase(start + 3, at + 1 - (start + 3));
  return text;
}

GivenSource given_source(std::string_view text) {
  const std::string source(text);
  if (!is_url(text)) return {source, source, ""};
  return {redacted_url(text), source, url_scheme(text)};
}

std::string config_path(const ParsedArgs& args) {
  if (args.has("config")) return args.value("config");
  const char* from_environment = secure_getenv("LITESTREAM_CONFIG");
  if (from_environment != nullptr && *from_environment != '\0') return from_environment;
  return kDefaultConfigPath;
}

Status load_config(SqlSession& session, const std::string& path, const ConfigLoad& how) {
  std::error_code ignored;
  if (!std::filesystem::exists(path, ignored)) {
    return not_found("no configuration at " + path +
                     "; give -config FILE, or set LITESTREAM_CONFIG");
  }
  const SqlValue options = how.options.empty() ? SqlValue(nullptr) : SqlValue(how.options);
  const SqlValue expand = int64_t{how.expand_env ? 1 : 0};
  return session
      .run("commands/config_load", {{"path", path}, {"options", options}, {"expand", expand}})
      .status();
}

Status load_config(SqlSession& session, const ParsedArgs& args) {
  return load_config(session, config_path(args), {!args.is_on("no-expand-env"), ""});
}

Status load_config_for(SqlSession& session, const ParsedArgs& args, std::string_view source) {
  if (!is_url(source)) return load_config(session, args);
  if (args.has("config")) {
    return invalid_argument("-config does not go with a replica URL; give a database path");
  }
  return {};
}

}  // namespace litestream
