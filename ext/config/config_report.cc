#include "ext/config/config_report.h"

#include <algorithm>

#include "ext/config/url.h"

namespace litestream {
namespace {

constexpr const char* kDefault = "default";
constexpr const char* kHidden = "***";

// The host is worth seeing; what follows it is what the service knows us by.
std::string without_url_secrets(const std::string& url) {
  const size_t host_at = url.find("://");
  if (host_at == std::string::npos) return kHidden;
  const size_t path_at = url.find_first_of("/?", host_at + 3);
  const std::string shown = redact_url(url.substr(0, path_at));
  return path_at == std::string::npos ? shown : shown + "/" + kHidden;
}

std::string shown_text(const ProgramSetting& setting) {
  if (setting.text.empty()) return "";
  if (setting.key == "heartbeat-url") return without_url_secrets(setting.text);
  return setting.is_secret ? kHidden : setting.text;
}

}  // namespace

std::string ConfigReport::origin(int line) const {
  std::string out = source_.file_name + ":" + std::to_string(line);
  std::string names;
  for (const auto& variable : source_.variables) {
    if (variable.line == line) names += (names.empty() ? "$" : ", $") + variable.name;
  }
  return names.empty() ? out : out + " (" + names + ")";
}

std::string ConfigReport::origin_of(const KeyLines& lines, std::string_view key) const {
  const auto found = lines.find(key);
  if (found == lines.end()) return kDefault;
  return found->second > 0 ? origin(found->second) : "caller";
}

void ConfigReport::add_program(const std::vector<ProgramSetting>& settings) {
  for (const ProgramSetting& setting : settings) {
    ConfigValue value;
    value.key = setting.key;
    value.value = shown_text(setting);
    value.number = setting.number;
    value.origin = kDefault;
    if (!setting.variable.empty()) value.origin = "environment $" + setting.variable;
    if (setting.line > 0) value.origin = origin(setting.line);
    values_.push_back(std::move(value));
  }
}

void ConfigReport::add_database(const std::string& name, const OptionsInProgress& database) {
  const std::string& meta_path = database.options.meta_path;
  if (!meta_path.empty()) {
    values_.push_back(
        {name, "", "meta-path", meta_path, std::nullopt, origin_of(database.lines, "meta-path")});
  }
  for (OptionValue& option : option_values(database.options)) {
    values_.push_back({name, "", std::string(option.key), std::move(option.text), option.number,
                       origin_of(database.lines, option.key)});
  }
}

void ConfigReport::add_directory(const std::string& name, const DirectoryOptions& directory,
                                 const KeyLines& lines) {
  const auto add = [&](std::string_view key, std::string text, std::optional<int64_t> number) {
    values_.push_back(
        {name, "", std::string(key), std::move(text), number, origin_of(lines, key)});
  };
  add("dir", directory.dir, std::nullopt);
  add("pattern", directory.pattern, std::nullopt);
  add("recursive", directory.recursive ? "true" : "false", directory.recursive ? 1 : 0);
  add("watch", directory.watch ? "true" : "false", directory.watch ? 1 : 0);
  if (!directory.meta_dir.empty()) add("meta-dir", directory.meta_dir, std::nullopt);
}

void ConfigReport::add_replica(const std::string& database, const ReplicaInProgress& replica) {
  const ReplicaOptions& options = replica.options;
  const auto add = [&](std::string_view key, std::string text, std::string from) {
    values_.push_back(
        {database, options.name, std::string(key), std::move(text), std::nullopt, std::move(from)});
  };
  add("type", options.type, origin_of(replica.lines, "type"));
  const bool has_url = replica.lines.find("url") != replica.lines.end();
  const bool has_path = replica.lines.find("path") != replica.lines.end();
  add("url", redact_url(options.url),
      has_url    ? origin_of(replica.lines, "url")
      : has_path ? origin_of(replica.lines, "path")
                 : origin(replica.line));
  for (const auto& [key, text] : options.settings) {
    add(key, is_secret_setting(key) ? kHidden : text, origin_of(replica.lines, key));
  }
}

}  // namespace litestream
