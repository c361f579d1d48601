#include "ext/config/config_keys.h"

#include <algorithm>
#include <array>
#include <iterator>
#include <string>
#include <vector>

#include "ext/base/nearest.h"
#include "ext/config/option_keys.h"
#include "ext/config/program_keys.h"
#include "ext/config/replica_keys.h"

namespace litestream {
namespace {

using Keys = std::vector<std::string_view>;

constexpr std::string_view kDatabaseKeys[] = {
    "path", "dir", "pattern", "recursive", "watch", "meta-path", "meta-dir", "replica", "replicas"};
constexpr std::string_view kReplicaKeys[] = {"url", "type", "path", "name"};

// Keys of Litestream's, of this version or an older one, that cannot be obeyed.
struct Refused {
  KeyScope scope;
  std::string_view key;
  const char* why;  // follows "key 'x'"
};
constexpr const char* kAge =
    ": encryption with age is not supported (Litestream 0.5 removed it): let the store encrypt, "
    "for "
    "example with sse-kms-key-id, or keep the replica on an encrypted disk";
constexpr Refused kRefused[] = {
    {KeyScope::kTop, "age", kAge},
    {KeyScope::kReplica, "age", kAge},
    {KeyScope::kReplica, "retention", " is Litestream 0.3's; write 'snapshot: {retention: ...}'"},
    {KeyScope::kReplica, "snapshot-interval",
     " is Litestream 0.3's; write 'snapshot: {interval: ...}'"},
    {KeyScope::kReplica, "retention-check-interval",
     " is Litestream 0.3's; retention follows every snapshot"},
    {KeyScope::kDatabase, "max-checkpoint-page-count",
     " was removed by Litestream 0.5, because such checkpoints could block writers for ever"},
};

struct Scope {
  const char* name;  // "... belongs <name>"
  Keys keys;
};

void append(Keys* keys, std::span<const std::string_view> more) {
  keys->insert(keys->end(), more.begin(), more.end());
}

Scope make_scope(KeyScope scope) {
  switch (scope) {
    case KeyScope::kTop: {
      Scope out{"at the top level", {"dbs"}};
      append(&out.keys, program_keys(""));
      append(&out.keys, option_keys(scope));
      append(&out.keys, replica_setting_keys());
      return out;
    }
    case KeyScope::kDatabase: {
      Scope out{"to a database", {}};
      append(&out.keys, kDatabaseKeys);
      append(&out.keys, option_keys(scope));
      return out;
    }
    case KeyScope::kReplica: {
      Scope out{"to a replica", {}};
      append(&out.keys, kReplicaKeys);
      append(&out.keys, option_keys(scope));
      append(&out.keys, replica_setting_keys());
      return out;
    }
    case KeyScope::kOptionsJson: {
      Scope out{"to the options", {"meta-path"}};
      append(&out.keys, option_keys(scope));
      return out;
    }
    case KeyScope::kLogging: {
      const auto keys = program_keys("logging");
      return {"to 'logging'", {keys.begin(), keys.end()}};
    }
    case KeyScope::kSocket: {
      const auto keys = program_keys("socket");
      return {"to 'socket'", {keys.begin(), keys.end()}};
    }
    case KeyScope::kSnapshot: return {"to 'snapshot'", {"interval", "retention"}};
    case KeyScope::kRetention: return {"to 'retention'", {"enabled"}};
    case KeyScope::kValidation: return {"to 'validation'", {"interval"}};
    case KeyScope::kLevel: return {"to a level", {"interval"}};
  }
  return {"", {}};
}

constexpr size_t kScopeCount = static_cast<size_t>(KeyScope::kOptionsJson) + 1;

const Scope& scope_of(KeyScope scope) {
  static const std::array<Scope, kScopeCount> scopes = [] {
    std::array<Scope, kScopeCount> all;
    for (size_t i = 0; i < kScopeCount; ++i) all[i] = make_scope(static_cast<KeyScope>(i));
    return all;
  }();
  return scopes[static_cast<size_t>(scope)];
}

bool contains(const Keys& keys, std::string_view key) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

std::string quoted(KeyScope scope, std::string_view key) {
  constexpr size_t kShownBytes = 64;
  std::string out = scope == KeyScope::kOptionsJson ? "option '" : "key '";
  out += key.substr(0, kShownBytes);
  return out + "'";
}

// Where else the key belongs; nullptr if nowhere.
const Scope* other_scope_with(KeyScope scope, std::string_view key) {
  if (scope == KeyScope::kOptionsJson) return nullptr;
  for (const KeyScope other : {KeyScope::kReplica, KeyScope::kDatabase, KeyScope::kTop}) {
    if (other != scope && contains(scope_of(other).keys, key)) return &scope_of(other);
  }
  return nullptr;
}

}  // namespace

Status check_key(KeyScope scope, std::string_view key) {
  const Scope& here = scope_of(scope);
  if (contains(here.keys, key)) return {};
  for (const Refused& refused : kRefused) {
    if (refused.scope != scope || refused.key != key) continue;
    return unsupported(quoted(scope, key) + refused.why);
  }
  if (key == "<<") return unsupported("merge keys ('<<') are not supported; use an alias (*name)");
  if (const Scope* other = other_scope_with(scope, key)) {
    return invalid_argument(quoted(scope, key) + " does not belong here; it belongs " +
                            other->name);
  }
  const bool is_given_by_call =
      scope == KeyScope::kOptionsJson && (contains(scope_of(KeyScope::kDatabase).keys, key) ||
                                          contains(scope_of(KeyScope::kReplica).keys, key));
  if (is_given_by_call) {
    return invalid_argument(quoted(scope, key) + " is given by the call's arguments");
  }
  return invalid_argument("unknown " + quoted(scope, key) + nearest_hint(here.keys, key));
}

}  // namespace litestream
