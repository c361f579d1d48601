#include "ext/config/config_values.h"

#include <algorithm>
#include <charconv>

#include "ext/base/limits.h"
#include "ext/config/durations.h"
#include "ext/config/sizes.h"
#include "ext/config/url.h"

namespace litestream {
namespace {

constexpr size_t kNumberBytesMax = 64;
constexpr size_t kListItemsMax = 100;

bool is_nested(const DocumentNode& value) {
  return value.kind == DocumentNode::Kind::kMap || value.kind == DocumentNode::Kind::kSequence;
}

}  // namespace

Status ConfigSource::at(int line, const Status& status) const {
  if (file_name.empty()) return status;
  return status.with_context(file_name + ":" + std::to_string(line));
}

Status ConfigSource::error(int line, std::string why) const {
  return at(line, invalid_argument(std::move(why)));
}

Status ConfigSource::key_error(const DocumentNode& value, const std::string& why) const {
  return error(value.key_line, "key '" + value.key + "' " + why);
}

Result<std::string> read_text(const ConfigSource& source, const DocumentNode& value,
                              size_t size_bytes_max) {
  if (is_nested(value)) return source.key_error(value, "must be a single value");
  if (value.kind == DocumentNode::Kind::kNull || value.scalar.empty()) {
    std::string why = "is empty";
    for (const ExpandedText::Variable& variable : source.variables) {
      if (variable.is_set || variable.line != value.key_line) continue;
      why += " (environment variable " + variable.name + " is not set)";
      break;
    }
    return source.key_error(value, why);
  }
  if (value.scalar.size() > size_bytes_max) {
    return source.key_error(value, "is longer than " + std::to_string(size_bytes_max) + " bytes");
  }
  if (value.scalar.find('\0') != std::string::npos) {
    return source.key_error(value, "holds a zero byte");
  }
  return value.scalar;
}

Result<int64_t> read_duration_ms(const ConfigSource& source, const DocumentNode& value) {
  LS_ASSIGN_OR_RETURN(const std::string text, read_text(source, value, kNumberBytesMax));
  return source.at_key(value, parse_duration_ms(text));
}

Result<int64_t> read_size_bytes(const ConfigSource& source, const DocumentNode& value) {
  LS_ASSIGN_OR_RETURN(const std::string text, read_text(source, value, kNumberBytesMax));
  return source.at_key(value, parse_size_bytes(text));
}

Result<int64_t> read_count(const ConfigSource& source, const DocumentNode& value) {
  LS_ASSIGN_OR_RETURN(const std::string text, read_text(source, value, kNumberBytesMax));
  int64_t count = 0;
  const char* end = text.data() + text.size();
  const auto [stop, fault] = std::from_chars(text.data(), end, count);
  if (value.quoted || stop != end || fault != std::errc()) {
    return source.key_error(value, "must be a whole number without quotes");
  }
  return count;
}

Result<bool> read_switch(const ConfigSource& source, const DocumentNode& value) {
  LS_ASSIGN_OR_RETURN(std::string text, read_text(source, value, kNumberBytesMax));
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  if (!value.quoted && (text == "true" || text == "yes" || text == "on")) return true;
  if (!value.quoted && (text == "false" || text == "no" || text == "off")) return false;
  return source.key_error(value, "must be true or false without quotes");
}

Result<std::vector<std::string>> read_list(const ConfigSource& source, const DocumentNode& value,
                                           size_t size_bytes_max) {
  std::vector<std::string> texts;
  if (value.kind != DocumentNode::Kind::kSequence) {
    LS_ASSIGN_OR_RETURN(std::string text, read_text(source, value, size_bytes_max));
    texts.push_back(std::move(text));
    return texts;
  }
  if (value.items.size() > kListItemsMax) {
    return source.key_error(value, "has more than " + std::to_string(kListItemsMax) + " entries");
  }
  for (DocumentNode item : value.items) {
    item.key = value.key;
    item.key_line = item.line;
    LS_ASSIGN_OR_RETURN(std::string text, read_text(source, item, size_bytes_max));
    texts.push_back(std::move(text));
  }
  return texts;
}

Result<std::string> read_path(const ConfigSource& source, const DocumentNode& value,
                              const EnvLookup& env) {
  LS_ASSIGN_OR_RETURN(std::string path, read_text(source, value, kPathBytesMax));
  if (is_replica_url(path)) return source.key_error(value, "must be a path, not a URL");
  if (path != "~" && !path.starts_with("~/")) return path;
  const EnvLookup lookup = env ? env : process_environment();
  const std::optional<std::string> home = lookup("HOME");
  if (!home || home->empty()) {
    return source.key_error(value, "begins with ~, but HOME is not set");
  }
  path.replace(0, 1, *home);
  return path;
}

Status require_map(const ConfigSource& source, const DocumentNode& value, KeyScope scope) {
  if (value.kind != DocumentNode::Kind::kMap) {
    if (!value.key.empty()) return source.key_error(value, "must be a list of keys and values");
    return source.error(value.line, "expected keys and values");
  }
  for (const DocumentNode& item : value.items) {
    const Status status = check_key(scope, item.key);
    if (!status.ok()) return source.at(item.key_line, status);
  }
  return {};
}

}  // namespace litestream
