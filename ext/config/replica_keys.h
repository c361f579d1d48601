// The keys of a replica that belong to its store (`region`, `host`, ...): what a value looks like
// and which types of store take it. Internal to ext/config. What a value means, ext/store says.
// Threading: values, pure functions.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ext/base/document.h"
#include "ext/base/status.h"
#include "ext/config/config_values.h"
#include "ext/config/environment.h"

namespace litestream {

struct ReplicaSetting {
  std::string key;
  std::string text;  // sizes in bytes, switches true or false, lists as JSON, else as written
  int line = 0;
};

std::span<const std::string_view> replica_setting_keys();
bool is_replica_setting_key(std::string_view key);
bool is_secret_setting(std::string_view key);

// Types of stores that Litestream has: "file", "s3", ...
bool is_store_type(std::string_view type);
// Whether a store of that type takes the key.
bool takes_setting(std::string_view type, std::string_view key);

Result<ReplicaSetting> read_replica_setting(const ConfigSource& source, const DocumentNode& value,
                                            const EnvLookup& env);

}  // namespace litestream
