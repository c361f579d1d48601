#include "ext/config/program_keys.h"

#include <algorithm>
#include <charconv>
#include <iterator>

#include "ext/base/json.h"
#include "ext/base/limits.h"
#include "ext/config/durations.h"
#include "ext/config/url.h"

namespace litestream {
namespace {

enum class Kind { kText, kSecret, kPath, kHttpUrl, kList, kSwitch, kDuration, kWord, kPermissions };

struct ProgramKey {
  std::string_view name;  // "group.key" for a nested one
  Kind kind;
  std::string_view default_text;
  std::string_view words;  // of a kWord: "a|b"
};

constexpr ProgramKey kKeys[] = {
    {"addr", Kind::kText, "", ""},
    {"mcp-addr", Kind::kText, "", ""},
    {"mcp-token", Kind::kSecret, "", ""},
    {"mcp-read-only", Kind::kSwitch, "false", ""},
    {"mcp-restore-dir", Kind::kPath, "", ""},
    {"mcp-allow-overwrite", Kind::kSwitch, "false", ""},
    {"mcp-allow-urls", Kind::kSwitch, "false", ""},
    {"mcp-allowed-hosts", Kind::kList, "[]", ""},
    {"mcp-allowed-origins", Kind::kList, "[]", ""},
    {"exec", Kind::kText, "", ""},
    {"heartbeat-url", Kind::kHttpUrl, "", ""},
    {"heartbeat-interval", Kind::kDuration, "5m", ""},
    {"logging.level", Kind::kWord, "info", "debug|info|warn|error"},
    {"logging.type", Kind::kWord, "text", "text|json"},
    {"logging.stderr", Kind::kSwitch, "true", ""},
    {"logging.source", Kind::kSwitch, "false", ""},
    {"socket.enabled", Kind::kSwitch, "false", ""},
    {"socket.path", Kind::kPath, "/var/run/litestream.sock", ""},
    {"socket.permissions", Kind::kPermissions, "0600", ""},
};

constexpr std::string_view kTokenVariable = "LITESTREAM_MCP_TOKEN";
constexpr int64_t kHeartbeatIntervalMsMin = 60'000;
constexpr int64_t kHeartbeatIntervalMsMax = 24 * 3600'000;
constexpr int64_t kPermissionsMax = 0777;
constexpr size_t kTextBytesMax = 256;
constexpr size_t kListEntryBytesMax = 256;

const ProgramKey* find_key(std::string_view name) {
  for (const ProgramKey& key : kKeys) {
    if (key.name == name) return &key;
  }
  return nullptr;
}

std::vector<std::string_view> collect_keys(std::string_view group) {
  std::vector<std::string_view> names;
  for (const ProgramKey& key : kKeys) {
    const size_t dot = key.name.find('.');
    if (group.empty()) {
      const std::string_view outer = key.name.substr(0, dot);
      if (std::find(names.begin(), names.end(), outer) == names.end()) names.push_back(outer);
    } else if (dot != std::string_view::npos && key.name.substr(0, dot) == group) {
      names.push_back(key.name.substr(dot + 1));
    }
  }
  return names;
}

std::string lower_case(std::string text) {
  std::transform(text.begin(), text.end(), text.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return text;
}

// One of "a|b|c", in any case; other names for the same word are known, too.
Result<std::string> read_word(const ConfigSource& source, const DocumentNode& value,
                              std::string_view words) {
  LS_ASSIGN_OR_RETURN(std::string text, read_text(source, value, kTextBytesMax));
  text = lower_case(std::move(text));
  if (text == "warning") text = "warn";
  if (text == "trace") text = "debug";  // Litestream has one level more
  std::string shown;
  for (size_t at = 0; at <= words.size();) {
    const size_t end = std::min(words.find('|', at), words.size());
    const std::string_view word = words.substr(at, end - at);
    if (word == text) return text;
    const bool is_last = end == words.size();
    shown += (shown.empty() ? "" : is_last ? " or " : ", ") + std::string(word);
    at = end + 1;
  }
  return source.key_error(value, "must be " + shown);
}

// Octal as everywhere, with or without its leading zero.
Result<int64_t> read_permissions(const ConfigSource& source, const DocumentNode& value) {
  LS_ASSIGN_OR_RETURN(const std::string text, read_text(source, value, kTextBytesMax));
  std::string_view digits = text;
  if (digits.starts_with("0o")) digits.remove_prefix(2);
  int64_t bits = 0;
  const char* end = digits.data() + digits.size();
  const auto [stop, fault] = std::from_chars(digits.data(), end, bits, 8);
  if (stop == end && fault == std::errc() && bits >= 0 && bits <= kPermissionsMax) return bits;
  return source.key_error(value, "must be octal permissions, for example 0660");
}

std::string permissions_text(int64_t bits) {
  std::string out = "0";
  for (const int shift : {6, 3, 0}) out += static_cast<char>('0' + ((bits >> shift) & 7));
  return out;
}

Status read_url(const ConfigSource& source, const DocumentNode& value, ProgramSetting* out) {
  LS_ASSIGN_OR_RETURN(out->text, read_text(source, value, kUrlBytesMax));
  if (out->text.starts_with("http://") || out->text.starts_with("https://")) return {};
  return source.key_error(value, "must be a URL with http:// or https://");
}

Status read_interval(const ConfigSource& source, const DocumentNode& value, ProgramSetting* out) {
  LS_ASSIGN_OR_RETURN(const int64_t ms, read_duration_ms(source, value));
  if (ms < kHeartbeatIntervalMsMin || ms > kHeartbeatIntervalMsMax) {
    return source.key_error(value, "is out of range: 1m to 24h");
  }
  out->number = ms;
  out->text = format_duration_ms(ms);
  return {};
}

Status read_into(const ConfigSource& source, const DocumentNode& value, const EnvLookup& env,
                 const ProgramKey& key, ProgramSetting* out) {
  switch (key.kind) {
    case Kind::kText:
    case Kind::kSecret: {
      const size_t bytes_max = key.name == "exec" ? kPathBytesMax : kTextBytesMax;
      LS_ASSIGN_OR_RETURN(out->text, read_text(source, value, bytes_max));
      return {};
    }
    case Kind::kPath: {
      LS_ASSIGN_OR_RETURN(out->text, read_path(source, value, env));
      return {};
    }
    case Kind::kHttpUrl: return read_url(source, value, out);
    case Kind::kDuration: return read_interval(source, value, out);
    case Kind::kWord: {
      LS_ASSIGN_OR_RETURN(out->text, read_word(source, value, key.words));
      return {};
    }
    case Kind::kSwitch: {
      LS_ASSIGN_OR_RETURN(const bool on, read_switch(source, value));
      out->number = on ? 1 : 0;
      out->text = on ? "true" : "false";
      return {};
    }
    case Kind::kPermissions: {
      LS_ASSIGN_OR_RETURN(out->number, read_permissions(source, value));
      out->text = permissions_text(*out->number);
      return {};
    }
    case Kind::kList: break;
  }
  LS_ASSIGN_OR_RETURN(const auto entries, read_list(source, value, kListEntryBytesMax));
  out->text = "[";
  for (const std::string& entry : entries) {
    out->text += (out->text.size() > 1 ? "," : "") + json_quote(entry);
  }
  out->text += "]";
  return {};
}

ProgramSetting default_setting(const ProgramKey& key) {
  ProgramSetting setting{
      key.name, std::string(key.default_text), std::nullopt, key.kind == Kind::kSecret, 0, ""};
  if (key.kind == Kind::kSwitch) setting.number = key.default_text == "true" ? 1 : 0;
  if (key.kind == Kind::kDuration) {
    const auto default_ms = parse_duration_ms(key.default_text);
    if (default_ms.ok()) setting.number = *default_ms;
  }
  if (key.kind == Kind::kPermissions) setting.number = 0600;
  return setting;
}

Status read_one(const ConfigSource& source, const DocumentNode& value, const EnvLookup& env,
                const std::string& name, std::vector<ProgramSetting>* settings) {
  const ProgramKey* key = find_key(name);
  if (key == nullptr) return internal_error("no key '" + name + "'");
  const auto found = std::find_if(settings->begin(), settings->end(),
                                  [&](const auto& setting) { return setting.key == name; });
  if (found == settings->end()) return internal_error("no setting '" + name + "'");
  ProgramSetting setting = *found;
  LS_RETURN_IF_ERROR(read_into(source, value, env, *key, &setting));
  if (!setting.variable.empty()) return {};  // the environment wins
  setting.line = value.key_line;
  *found = std::move(setting);
  return {};
}

}  // namespace

std::vector<ProgramSetting> default_program_settings(const EnvLookup& env) {
  std::vector<ProgramSetting> settings;
  for (const ProgramKey& key : kKeys) settings.push_back(default_setting(key));
  const EnvLookup lookup = env ? env : process_environment();
  for (ProgramSetting& setting : settings) {
    if (setting.key != "mcp-token") continue;
    auto token = lookup(std::string(kTokenVariable));
    if (!token || token->empty() || token->size() > kTextBytesMax) continue;
    setting.text = std::move(*token);
    setting.variable = kTokenVariable;
  }
  return settings;
}

std::span<const std::string_view> program_keys(std::string_view group) {
  static const std::vector<std::string_view> top = collect_keys("");
  static const std::vector<std::string_view> logging = collect_keys("logging");
  static const std::vector<std::string_view> socket = collect_keys("socket");
  if (group.empty()) return top;
  return group == "logging" ? logging : socket;
}

Status read_program_key(const ConfigSource& source, const DocumentNode& value, const EnvLookup& env,
                        std::vector<ProgramSetting>* settings) {
  if (value.key != "logging" && value.key != "socket") {
    return read_one(source, value, env, value.key, settings);
  }
  LS_RETURN_IF_ERROR(
      require_map(source, value, value.key == "socket" ? KeyScope::kSocket : KeyScope::kLogging));
  for (const DocumentNode& item : value.items) {
    LS_RETURN_IF_ERROR(read_one(source, item, env, value.key + "." + item.key, settings));
  }
  return {};
}

const ProgramSetting* find_setting(std::span<const ProgramSetting> settings, std::string_view key) {
  if (key == "log-level") key = "logging.level";
  for (const ProgramSetting& setting : settings) {
    if (setting.key == key) return &setting;
  }
  return nullptr;
}

}  // namespace litestream
