#include "ext/store/aws_profile.h"

#include <algorithm>

#include "ext/base/limits.h"

namespace litestream {
namespace {

using Sections = std::map<std::string, ProfileValues, std::less<>>;

bool is_space(char c) { return c == ' ' || c == '\t' || c == '\r'; }

std::string_view trim(std::string_view text) {
  while (!text.empty() && is_space(text.front())) text.remove_prefix(1);
  while (!text.empty() && is_space(text.back())) text.remove_suffix(1);
  return text;
}

// A comment behind a value begins with " #" or " ;".
std::string_view without_comment(std::string_view value) {
  for (size_t i = 1; i < value.size(); ++i) {
    const bool begins_comment = value[i] == '#' || value[i] == ';';
    if (begins_comment && is_space(value[i - 1])) return trim(value.substr(0, i));
  }
  return trim(value);
}

// "" if there is no such file.
Result<std::string> read_if_present(FileSystem& fs, const std::string& path) {
  if (path.empty()) return std::string();
  auto text = read_small_file(fs, path, kConfigBytesMax);
  if (!text.ok() && text.status().code() == StatusCode::kNotFound) return std::string();
  return text;
}

std::string path_of(const StoreEnvironment& environment, const char* variable,
                    const char* below_home) {
  if (const auto path = environment(variable)) return *path;
  const auto home = environment("HOME");
  return home.has_value() ? path_join(*home, below_home) : "";
}

}  // namespace

Sections parse_profile_file(std::string_view text) {
  Sections sections;
  ProfileValues* section = nullptr;
  while (!text.empty()) {
    const size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    if (line.empty() || is_space(line.front()) || line.front() == '#' || line.front() == ';') {
      continue;
    }
    const std::string_view content = trim(line);
    if (content.front() == '[') {
      const size_t close = content.find(']');
      section = nullptr;
      if (close == std::string_view::npos) continue;
      std::string name;
      for (const char c : trim(content.substr(1, close - 1))) {
        // "profile   dev" is "profile dev".
        if (is_space(c) && !name.empty() && name.back() == ' ') continue;
        name += is_space(c) ? ' ' : c;
      }
      section = &sections[name];
      continue;
    }
    const size_t equals = content.find('=');
    if (section == nullptr || equals == std::string_view::npos) continue;
    std::string key(trim(content.substr(0, equals)));
    std::transform(key.begin(), key.end(), key.begin(), [](char c) {
      return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
    });
    (*section)[key] = without_comment(content.substr(equals + 1));
  }
  return sections;
}

Result<std::optional<AwsProfile>> read_aws_profile(FileSystem& fs,
                                                   const StoreEnvironment& environment) {
  AwsProfile profile;
  bool is_named = false;
  for (const char* variable : {"AWS_PROFILE", "AWS_DEFAULT_PROFILE"}) {
    const auto name = environment(variable);
    if (!name.has_value() || is_named) continue;
    profile.name = *name;
    is_named = true;
  }
  if (!is_named) profile.name = "default";
  LS_ASSIGN_OR_RETURN(const std::string config_text,
                      read_if_present(fs, path_of(environment, "AWS_CONFIG_FILE", ".aws/config")));
  LS_ASSIGN_OR_RETURN(
      const std::string keys_text,
      read_if_present(fs, path_of(environment, "AWS_SHARED_CREDENTIALS_FILE", ".aws/credentials")));
  const Sections config = parse_profile_file(config_text);
  const Sections keys = parse_profile_file(keys_text);
  bool is_found = false;
  // Weakest first.
  const auto take = [&](const Sections& sections, const std::string& name) {
    const auto section = sections.find(name);
    if (section == sections.end()) return;
    is_found = true;
    for (const auto& [key, value] : section->second) profile.values[key] = value;
  };
  if (profile.name == "default") take(config, "default");
  take(config, "profile " + profile.name);
  take(keys, profile.name);
  if (is_found) return std::optional(std::move(profile));
  if (!is_named) return std::optional<AwsProfile>();
  return not_found("the AWS profile '" + profile.name.substr(0, 64) +
                   "' is neither in ~/.aws/credentials nor in ~/.aws/config");
}

}  // namespace litestream
