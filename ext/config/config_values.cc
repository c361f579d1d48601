#include "ext/config/config_values.h"

#include <charconv>

#include "ext/config/durations.h"

namespace litestream {
namespace {

struct NumberKey {
  std::string_view key;
  int64_t DatabaseOptions::*value;
  bool is_duration;  // milliseconds; else a count
};

constexpr NumberKey kNumberKeys[] = {
    {"sync-interval", &DatabaseOptions::sync_interval_ms, true},
    {"checkpoint-interval", &DatabaseOptions::checkpoint_interval_ms, true},
    {"min-checkpoint-page-count", &DatabaseOptions::min_checkpoint_page_count, false},
    {"truncate-page-n", &DatabaseOptions::truncate_page_n, false},
    {"commit-timeout", &DatabaseOptions::commit_timeout_ms, true},
    {"linger", &DatabaseOptions::linger_ms, true},
    {"shutdown-sync-timeout", &DatabaseOptions::shutdown_sync_timeout_ms, true},
};

const NumberKey* find_number_key(std::string_view key) {
  for (const NumberKey& candidate : kNumberKeys) {
    if (candidate.key == key) return &candidate;
  }
  return nullptr;
}

constexpr size_t kNumberBytesMax = 64;
constexpr std::string_view kDurabilityKey = "durability";

Result<int64_t> read_duration(const ConfigSource& source, const DocumentNode& value) {
  LS_ASSIGN_OR_RETURN(const std::string text, read_text(source, value, kNumberBytesMax));
  auto duration_ms = parse_duration_ms(text);
  if (!duration_ms.ok()) {
    return source.at(value.line, duration_ms.status().with_context("key '" + value.key + "'"));
  }
  return duration_ms;
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

Status read_durability(const ConfigSource& source, const DocumentNode& value,
                       DatabaseOptions* options) {
  LS_ASSIGN_OR_RETURN(const std::string text, read_text(source, value, kNumberBytesMax));
  if (text == "async") {
    options->durability = Durability::kAsync;
  } else if (text == "replica") {
    options->durability = Durability::kReplica;
  } else {
    return source.key_error(value, "must be async or replica");
  }
  return {};
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
  const bool is_nested =
      value.kind == DocumentNode::Kind::kMap || value.kind == DocumentNode::Kind::kSequence;
  if (is_nested) return source.key_error(value, "must be a single value");
  if (value.kind == DocumentNode::Kind::kNull || value.scalar.empty()) {
    std::string why = "is empty";
    for (const ExpandedText::Unset& unset : source.unset) {
      if (unset.line != value.key_line) continue;
      why += " (environment variable " + unset.name + " is not set)";
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

bool is_option_key(std::string_view key) {
  return key == kDurabilityKey || find_number_key(key) != nullptr;
}

Status read_option(const ConfigSource& source, const DocumentNode& value,
                   DatabaseOptions* options) {
  if (value.key == kDurabilityKey) return read_durability(source, value, options);
  const NumberKey* key = find_number_key(value.key);
  if (key == nullptr) return internal_error("no number option '" + value.key + "'");
  // On options of its own, so that a range error is this key's.
  DatabaseOptions checked;
  LS_ASSIGN_OR_RETURN(checked.*key->value,
                      key->is_duration ? read_duration(source, value) : read_count(source, value));
  const Status status = validate_options(checked);
  if (!status.ok()) return source.at(value.key_line, status);
  options->*key->value = checked.*key->value;
  return {};
}

}  // namespace litestream
