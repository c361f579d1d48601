#include "ext/config/option_keys.h"

#include <algorithm>
#include <iterator>

#include "ext/config/durations.h"
#include "ext/config/sizes.h"

namespace litestream {
namespace {

enum class Kind { kDuration, kSize, kCount, kAcks, kSwitch, kDurability, kGranularity, kLevels };

// Where a key may stand besides the top level and the options JSON, which take them all.
enum class Place { kDatabase, kReplica };

struct OptionKey {
  std::string_view name;  // "group.key" for a nested one
  Kind kind;
  Place place;
  int64_t DatabaseOptions::*number;
  bool DatabaseOptions::*flag;
};

using O = DatabaseOptions;
constexpr OptionKey kOptionKeys[] = {
    {"sync-interval", Kind::kDuration, Place::kReplica, &O::sync_interval_ms, nullptr},
    {"durability", Kind::kDurability, Place::kDatabase, nullptr, nullptr},
    {"acks", Kind::kAcks, Place::kDatabase, &O::ack_count, nullptr},
    {"commit-timeout", Kind::kDuration, Place::kDatabase, &O::commit_timeout_ms, nullptr},
    {"restore-granularity", Kind::kGranularity, Place::kDatabase, nullptr, &O::file_per_commit},
    {"restore-if-db-not-exists", Kind::kSwitch, Place::kDatabase, nullptr, &O::restore_if_missing},
    {"checkpoint-interval", Kind::kDuration, Place::kDatabase, &O::checkpoint_interval_ms, nullptr},
    {"min-checkpoint-page-count", Kind::kCount, Place::kDatabase, &O::min_checkpoint_page_count,
     nullptr},
    {"truncate-page-n", Kind::kCount, Place::kDatabase, &O::truncate_page_n, nullptr},
    {"monitor-interval", Kind::kDuration, Place::kDatabase, &O::monitor_interval_ms, nullptr},
    {"busy-timeout", Kind::kDuration, Place::kDatabase, &O::busy_timeout_ms, nullptr},
    {"max-sync-wal-bytes", Kind::kSize, Place::kDatabase, &O::pending_bytes_max, nullptr},
    {"capture-acceleration", Kind::kCount, Place::kDatabase, &O::capture_acceleration, nullptr},
    {"level-acceleration", Kind::kCount, Place::kDatabase, &O::level_acceleration, nullptr},
    {"max-sync-ltx-files", Kind::kCount, Place::kReplica, &O::upload_file_count_max, nullptr},
    {"spool-limit", Kind::kSize, Place::kDatabase, &O::spool_limit_bytes, nullptr},
    {"levels", Kind::kLevels, Place::kDatabase, nullptr, nullptr},
    {"snapshot.interval", Kind::kDuration, Place::kDatabase, &O::snapshot_interval_ms, nullptr},
    {"snapshot.retention", Kind::kDuration, Place::kDatabase, &O::snapshot_retention_ms, nullptr},
    {"retention.enabled", Kind::kSwitch, Place::kDatabase, nullptr, &O::retention_enabled},
    {"l0-retention", Kind::kDuration, Place::kDatabase, &O::l0_retention_ms, nullptr},
    {"l0-retention-check-interval", Kind::kDuration, Place::kDatabase,
     &O::l0_retention_check_interval_ms, nullptr},
    {"verify-compaction", Kind::kSwitch, Place::kDatabase, nullptr, &O::verify_compaction},
    {"validation.interval", Kind::kDuration, Place::kDatabase, &O::validation_interval_ms, nullptr},
    {"linger", Kind::kDuration, Place::kDatabase, &O::linger_ms, nullptr},
    {"shutdown-sync-timeout", Kind::kDuration, Place::kDatabase, &O::shutdown_sync_timeout_ms,
     nullptr},
    {"shutdown-sync-interval", Kind::kDuration, Place::kDatabase, &O::shutdown_sync_interval_ms,
     nullptr},
};

struct Group {
  std::string_view name;
  KeyScope scope;
};
constexpr Group kGroups[] = {{"snapshot", KeyScope::kSnapshot},
                             {"retention", KeyScope::kRetention},
                             {"validation", KeyScope::kValidation}};

// A replica may say when it is validated; there is one such interval for a database.
constexpr std::string_view kValidationInterval = "validation-interval";
// What Litestream does only when asked: see read_auto_recover().
constexpr std::string_view kAutoRecover = "auto-recover";

constexpr size_t kWordBytesMax = 64;

std::string_view outer_name(const OptionKey& key) { return key.name.substr(0, key.name.find('.')); }

std::vector<std::string_view> collect_keys(KeyScope scope) {
  std::vector<std::string_view> names;
  for (const OptionKey& key : kOptionKeys) {
    const bool is_here = scope == KeyScope::kTop || scope == KeyScope::kOptionsJson ||
                         (scope == KeyScope::kDatabase && key.place == Place::kDatabase) ||
                         (scope == KeyScope::kReplica && key.place == Place::kReplica);
    const std::string_view name = outer_name(key);
    if (is_here && std::find(names.begin(), names.end(), name) == names.end()) {
      names.push_back(name);
    }
  }
  if (scope == KeyScope::kTop || scope == KeyScope::kOptionsJson || scope == KeyScope::kReplica) {
    names.push_back(kValidationInterval);
    names.push_back(kAutoRecover);
  }
  return names;
}

const OptionKey* find_key(std::string_view name) {
  for (const OptionKey& key : kOptionKeys) {
    if (key.name == name) return &key;
  }
  return nullptr;
}

Result<int64_t> read_acks(const ConfigSource& source, const DocumentNode& value) {
  if (value.scalar == "all" && !value.scalar.empty()) return int64_t{0};
  auto count = read_count(source, value);
  if (count.ok()) return count;
  return source.key_error(value, "must be all, or a whole number without quotes");
}

Result<int64_t> read_number(const ConfigSource& source, const DocumentNode& value, Kind kind) {
  switch (kind) {
    case Kind::kDuration: return read_duration_ms(source, value);
    case Kind::kSize: return read_size_bytes(source, value);
    case Kind::kAcks: return read_acks(source, value);
    default: return read_count(source, value);
  }
}

// Which of two words; InvalidArgument names both.
Result<bool> read_choice(const ConfigSource& source, const DocumentNode& value, const char* no,
                         const char* yes) {
  LS_ASSIGN_OR_RETURN(const std::string text, read_text(source, value, kWordBytesMax));
  if (text == yes) return true;
  if (text == no) return false;
  return source.key_error(value, std::string("must be ") + no + " or " + yes);
}

Status read_levels(const ConfigSource& source, const DocumentNode& value, DatabaseOptions* out) {
  if (value.kind != DocumentNode::Kind::kSequence || value.items.empty()) {
    return source.key_error(value, "must be a list of levels ('- interval: 30s')");
  }
  out->level_interval_ms.clear();
  for (const DocumentNode& level : value.items) {
    LS_RETURN_IF_ERROR(require_map(source, level, KeyScope::kLevel));
    const DocumentNode* interval = find_value(level, "interval");
    if (interval == nullptr) return source.error(level.line, "a level needs an 'interval'");
    LS_ASSIGN_OR_RETURN(const int64_t ms, read_duration_ms(source, *interval));
    out->level_interval_ms.push_back(ms);
  }
  return {};
}

// Ours always does what it asks for, so that only the opposite cannot be had.
Status read_auto_recover(const ConfigSource& source, const DocumentNode& value) {
  LS_ASSIGN_OR_RETURN(const bool on, read_switch(source, value));
  if (on) return {};
  return source.key_error(value,
                          "cannot be false: a local folder that is damaged or gone is always "
                          "rebuilt, by comparing the database with the replica");
}

Status read_into(const ConfigSource& source, const DocumentNode& value, const OptionKey& key,
                 DatabaseOptions* out) {
  switch (key.kind) {
    case Kind::kSwitch: {
      LS_ASSIGN_OR_RETURN(out->*key.flag, read_switch(source, value));
      return {};
    }
    case Kind::kGranularity: {
      LS_ASSIGN_OR_RETURN(out->*key.flag, read_choice(source, value, "interval", "commit"));
      return {};
    }
    case Kind::kDurability: {
      LS_ASSIGN_OR_RETURN(const bool replica, read_choice(source, value, "async", "replica"));
      out->durability = replica ? Durability::kReplica : Durability::kAsync;
      return {};
    }
    case Kind::kLevels: return read_levels(source, value, out);
    default: break;
  }
  LS_ASSIGN_OR_RETURN(out->*key.number, read_number(source, value, key.kind));
  return {};
}

Status read_key(const ConfigSource& source, const DocumentNode& value, const OptionKey& key,
                OptionsInProgress* out) {
  // On options of its own, so that a range error is this key's.
  DatabaseOptions checked;
  LS_RETURN_IF_ERROR(read_into(source, value, key, &checked));
  const Status status = validate_ranges(checked);
  if (!status.ok()) return source.at(value.key_line, status);
  LS_RETURN_IF_ERROR(read_into(source, value, key, &out->options));
  out->lines.insert_or_assign(std::string(key.name), value.key_line);
  return {};
}

std::string levels_text(const std::vector<int64_t>& intervals_ms) {
  std::string out = "[";
  for (const int64_t interval_ms : intervals_ms) {
    out += (out.size() > 1 ? ", " : "") + ("{interval: " + format_duration_ms(interval_ms) + "}");
  }
  return out + "]";
}

OptionValue value_of(const OptionKey& key, const DatabaseOptions& options) {
  OptionValue out{key.name, "", std::nullopt};
  if (key.number != nullptr) out.number = options.*key.number;
  if (key.flag != nullptr) out.number = options.*key.flag ? 1 : 0;
  const int64_t number = out.number.value_or(0);
  switch (key.kind) {
    case Kind::kDuration: out.text = format_duration_ms(number); break;
    case Kind::kSize: out.text = format_size_bytes(number); break;
    case Kind::kCount: out.text = std::to_string(number); break;
    case Kind::kAcks: out.text = number == 0 ? "all" : std::to_string(number); break;
    case Kind::kSwitch: out.text = number != 0 ? "true" : "false"; break;
    case Kind::kGranularity: out.text = number != 0 ? "commit" : "interval"; break;
    case Kind::kDurability: out.text = durability_word(options.durability); break;
    case Kind::kLevels: out.text = levels_text(options.level_interval_ms); break;
  }
  return out;
}

}  // namespace

std::span<const std::string_view> option_keys(KeyScope scope) {
  static const std::vector<std::string_view> top = collect_keys(KeyScope::kTop);
  static const std::vector<std::string_view> database = collect_keys(KeyScope::kDatabase);
  static const std::vector<std::string_view> replica = collect_keys(KeyScope::kReplica);
  switch (scope) {
    case KeyScope::kTop:
    case KeyScope::kOptionsJson: return top;
    case KeyScope::kDatabase: return database;
    case KeyScope::kReplica: return replica;
    default: return {};
  }
}

Status read_option(const ConfigSource& source, const DocumentNode& value, OptionsInProgress* out) {
  if (value.key == kAutoRecover) return read_auto_recover(source, value);
  for (const Group& group : kGroups) {
    if (value.key != group.name) continue;
    LS_RETURN_IF_ERROR(require_map(source, value, group.scope));
    for (const DocumentNode& item : value.items) {
      const OptionKey* key = find_key(std::string(group.name) + "." + item.key);
      if (key == nullptr) return internal_error("no option '" + item.key + "'");
      LS_RETURN_IF_ERROR(read_key(source, item, *key, out));
    }
    return {};
  }
  const OptionKey* key =
      find_key(value.key == kValidationInterval ? "validation.interval" : value.key);
  if (key == nullptr) return internal_error("no option '" + value.key + "'");
  return read_key(source, value, *key, out);
}

std::vector<OptionValue> option_values(const DatabaseOptions& options) {
  std::vector<OptionValue> values;
  for (const OptionKey& key : kOptionKeys) values.push_back(value_of(key, options));
  return values;
}

}  // namespace litestream
