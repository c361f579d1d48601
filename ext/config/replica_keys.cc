#include "ext/config/replica_keys.h"

#include <algorithm>
#include <iterator>

#include "ext/base/json.h"

namespace litestream {
namespace {

enum class Kind { kText, kSecret, kPath, kSwitch, kCount, kSize, kDuration, kList };

// Types that take a key, as bits.
enum Types : unsigned {
  kFile = 1,
  kS3 = 2,
  kOss = 4,
  kGs = 8,
  kAbs = 16,
  kSftp = 32,
  kWebdav = 64,
  kNats = 128,
};

struct TypeName {
  std::string_view name;
  Types bit;
};
constexpr TypeName kTypeNames[] = {{"file", kFile},     {"s3", kS3},     {"oss", kOss},
                                   {"gs", kGs},         {"abs", kAbs},   {"sftp", kSftp},
                                   {"webdav", kWebdav}, {"nats", kNats}, {"webdavs", kWebdav}};

struct SettingKey {
  std::string_view name;
  Kind kind;
  unsigned types;
};
constexpr SettingKey kKeys[] = {
    {"bucket", Kind::kText, kS3 | kOss | kGs | kAbs | kNats},
    {"endpoint", Kind::kText, kS3 | kOss | kGs | kAbs},
    {"region", Kind::kText, kS3 | kOss},
    {"access-key-id", Kind::kSecret, kS3 | kOss | kGs},
    {"secret-access-key", Kind::kSecret, kS3 | kOss | kGs},
    {"force-path-style", Kind::kSwitch, kS3 | kOss},
    {"sign-payload", Kind::kSwitch, kS3 | kOss},
    {"require-content-md5", Kind::kSwitch, kS3 | kOss},
    {"skip-verify", Kind::kSwitch, kS3 | kOss | kGs | kAbs | kWebdav},
    {"storage-class", Kind::kText, kS3 | kOss},
    {"part-size", Kind::kSize, kS3 | kOss},
    {"concurrency", Kind::kCount, kS3 | kOss},
    {"sse-customer-algorithm", Kind::kText, kS3 | kOss},
    {"sse-customer-key", Kind::kSecret, kS3 | kOss},
    {"sse-customer-key-path", Kind::kPath, kS3 | kOss},
    {"sse-kms-key-id", Kind::kText, kS3 | kOss},
    {"account-name", Kind::kText, kAbs},
    {"account-key", Kind::kSecret, kAbs},
    {"sas-token", Kind::kSecret, kAbs},
    {"host", Kind::kText, kSftp},
    {"user", Kind::kText, kSftp},
    {"password", Kind::kSecret, kSftp | kNats},
    {"key-path", Kind::kPath, kSftp | kGs},
    {"host-key", Kind::kText, kSftp},
    {"concurrent-writes", Kind::kSwitch, kSftp},
    {"webdav-url", Kind::kText, kWebdav},
    {"webdav-username", Kind::kText, kWebdav},
    {"webdav-password", Kind::kSecret, kWebdav},
    {"jwt", Kind::kSecret, kNats},
    {"seed", Kind::kSecret, kNats},
    {"creds", Kind::kPath, kNats},
    {"nkey", Kind::kSecret, kNats},
    {"username", Kind::kText, kNats},
    {"token", Kind::kSecret, kNats},
    {"tls", Kind::kSwitch, kNats},
    {"root-cas", Kind::kList, kNats},
    {"client-cert", Kind::kPath, kNats},
    {"client-key", Kind::kPath, kNats},
    {"max-reconnects", Kind::kCount, kNats},
    {"reconnect-wait", Kind::kDuration, kNats},
    {"timeout", Kind::kDuration, kNats},
};

constexpr size_t kTextBytesMax = 4096;

const SettingKey* find_key(std::string_view name) {
  for (const SettingKey& key : kKeys) {
    if (key.name == name) return &key;
  }
  return nullptr;
}

unsigned type_bit(std::string_view type) {
  for (const TypeName& name : kTypeNames) {
    if (name.name == type) return name.bit;
  }
  return 0;
}

Result<std::string> read_setting_text(const ConfigSource& source, const DocumentNode& value,
                                      const EnvLookup& env, Kind kind) {
  switch (kind) {
    case Kind::kPath: return read_path(source, value, env);
    case Kind::kSwitch: {
      LS_ASSIGN_OR_RETURN(const bool on, read_switch(source, value));
      return std::string(on ? "true" : "false");
    }
    case Kind::kCount: {
      LS_ASSIGN_OR_RETURN(const int64_t count, read_count(source, value));
      return std::to_string(count);
    }
    case Kind::kSize: {
      LS_ASSIGN_OR_RETURN(const int64_t bytes, read_size_bytes(source, value));
      return std::to_string(bytes);
    }
    case Kind::kDuration: {
      LS_ASSIGN_OR_RETURN(const int64_t ms, read_duration_ms(source, value));
      (void)ms;  // checked here, kept as written
      return value.scalar;
    }
    case Kind::kList: {
      LS_ASSIGN_OR_RETURN(const auto entries, read_list(source, value, kTextBytesMax));
      std::string text = "[";
      for (const std::string& entry : entries) {
        text += (text.size() > 1 ? "," : "") + json_quote(entry);
      }
      return text + "]";
    }
    case Kind::kText:
    case Kind::kSecret: break;
  }
  return read_text(source, value, kTextBytesMax);
}

}  // namespace

std::span<const std::string_view> replica_setting_keys() {
  static const std::vector<std::string_view> names = [] {
    std::vector<std::string_view> all;
    for (const SettingKey& key : kKeys) all.push_back(key.name);
    return all;
  }();
  return names;
}

bool is_replica_setting_key(std::string_view key) { return find_key(key) != nullptr; }

bool is_secret_setting(std::string_view key) {
  const SettingKey* found = find_key(key);
  return found != nullptr && found->kind == Kind::kSecret;
}

bool is_store_type(std::string_view type) { return type_bit(type) != 0; }

bool takes_setting(std::string_view type, std::string_view key) {
  const SettingKey* found = find_key(key);
  return found != nullptr && (found->types & type_bit(type)) != 0;
}

Result<ReplicaSetting> read_replica_setting(const ConfigSource& source, const DocumentNode& value,
                                            const EnvLookup& env) {
  const SettingKey* key = find_key(value.key);
  if (key == nullptr) return internal_error("no replica key '" + value.key + "'");
  LS_ASSIGN_OR_RETURN(std::string text, read_setting_text(source, value, env, key->kind));
  return ReplicaSetting{value.key, std::move(text), value.key_line};
}

}  // namespace litestream
