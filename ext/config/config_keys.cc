#include "ext/config/config_keys.h"

#include <algorithm>
#include <iterator>
#include <numeric>
#include <span>
#include <string>
#include <vector>

namespace litestream {
namespace {

using Keys = std::span<const std::string_view>;

// What this build reads.
constexpr std::string_view kTop[] = {"mcp-addr",
                                     "dbs",
                                     "sync-interval",
                                     "checkpoint-interval",
                                     "min-checkpoint-page-count",
                                     "truncate-page-n",
                                     "linger",
                                     "durability",
                                     "commit-timeout",
                                     "shutdown-sync-timeout",
                                     "logging"};
constexpr std::string_view kDatabase[] = {
    "path",    "meta-path",  "checkpoint-interval", "min-checkpoint-page-count", "truncate-page-n",
    "linger",  "durability", "commit-timeout",      "shutdown-sync-timeout",     "replica",
    "replicas"};
constexpr std::string_view kReplica[] = {"url", "type", "path", "name", "sync-interval"};
constexpr std::string_view kLogging[] = {"level"};
constexpr std::string_view kOptionsJson[] = {
    "sync-interval",   "meta-path", "checkpoint-interval",   "min-checkpoint-page-count",
    "truncate-page-n", "linger",    "shutdown-sync-timeout", "durability",
    "commit-timeout"};

// What Litestream reads there besides.
constexpr std::string_view kTopOfUpstream[] = {"addr",
                                               "exec",
                                               "levels",
                                               "snapshot",
                                               "retention",
                                               "validation",
                                               "verify-compaction",
                                               "l0-retention",
                                               "l0-retention-check-interval",
                                               "heartbeat-url",
                                               "heartbeat-interval",
                                               "shutdown-sync-interval",
                                               "socket"};
constexpr std::string_view kDatabaseOfUpstream[] = {"dir",
                                                    "pattern",
                                                    "recursive",
                                                    "watch",
                                                    "meta-dir",
                                                    "monitor-interval",
                                                    "busy-timeout",
                                                    "max-sync-wal-bytes",
                                                    "restore-if-db-not-exists",
                                                    "snapshot"};
// Every key of a replica is a default for all of them at the top, too.
constexpr std::string_view kReplicaOfUpstream[] = {
    "validation-interval", "max-sync-ltx-files", "auto-recover", "age",
    // s3, oss
    "access-key-id", "secret-access-key", "region", "bucket", "endpoint", "force-path-style",
    "sign-payload", "require-content-md5", "skip-verify", "storage-class", "part-size",
    "concurrency", "sse-customer-algorithm", "sse-customer-key", "sse-customer-key-path",
    "sse-kms-key-id",
    // abs
    "account-name", "account-key", "sas-token",
    // sftp
    "host", "user", "password", "key-path", "host-key", "concurrent-writes",
    // webdav
    "webdav-url", "webdav-username", "webdav-password",
    // nats
    "jwt", "seed", "creds", "nkey", "username", "token", "tls", "root-cas", "client-cert",
    "client-key", "max-reconnects", "reconnect-wait", "timeout"};
constexpr std::string_view kLoggingOfUpstream[] = {"type", "stderr", "source"};

// Ours, promised and not there yet.
constexpr std::string_view kTopOfOurs[] = {
    "restore-granularity", "mcp-read-only",     "mcp-restore-dir",     "mcp-allow-overwrite",
    "mcp-allow-urls",      "mcp-allowed-hosts", "mcp-allowed-origins", "mcp-token"};
constexpr std::string_view kDatabaseOfOurs[] = {"restore-granularity"};

struct Scope {
  const char* name;  // "... belongs <name>"
  Keys supported;
  Keys of_upstream;
  Keys of_upstream_too;
  Keys of_ours;
};

constexpr Scope kScopes[] = {
    {"at the top level", kTop, kTopOfUpstream, kReplicaOfUpstream, kTopOfOurs},
    {"to a database", kDatabase, kDatabaseOfUpstream, {}, kDatabaseOfOurs},
    {"to a replica", kReplica, kReplicaOfUpstream, {}, {}},
    {"to logging", kLogging, kLoggingOfUpstream, {}, {}},
    {"to the options", kOptionsJson, kDatabaseOfUpstream, kReplicaOfUpstream, kDatabaseOfOurs},
};
static_assert(std::size(kScopes) == static_cast<size_t>(KeyScope::kOptionsJson) + 1);

const Scope& scope_of(KeyScope scope) { return kScopes[static_cast<size_t>(scope)]; }

bool contains(Keys keys, std::string_view key) {
  return std::find(keys.begin(), keys.end(), key) != keys.end();
}

bool is_of_upstream(const Scope& scope, std::string_view key) {
  return contains(scope.of_upstream, key) || contains(scope.of_upstream_too, key);
}

// Single-character edits and swaps of neighbours between two words.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<std::vector<size_t>> table(a.size() + 1, std::vector<size_t>(b.size() + 1));
  for (size_t i = 0; i <= a.size(); ++i) table[i][0] = i;
  std::iota(table[0].begin(), table[0].end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replaced = table[i - 1][j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1);
      table[i][j] = std::min({replaced, table[i - 1][j] + 1, table[i][j - 1] + 1});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) table[i][j] = std::min(table[i][j], table[i - 2][j - 2] + 1);
    }
  }
  return table[a.size()][b.size()];
}

// The supported key that `key` may have been meant to be; empty if none is near.
std::string_view nearest_key(Keys supported, std::string_view key) {
  constexpr size_t kKeyBytesMax = 64;
  if (key.size() > kKeyBytesMax) return {};
  std::string_view best;
  size_t best_distance = std::max<size_t>(1, key.size() / 3) + 1;
  for (const std::string_view candidate : supported) {
    const size_t distance = edit_distance(key, candidate);
    if (distance >= best_distance) continue;
    best = candidate;
    best_distance = distance;
  }
  return best;
}

std::string quoted(KeyScope scope, std::string_view key) {
  constexpr size_t kShownBytes = 64;
  std::string out = scope == KeyScope::kOptionsJson ? "option '" : "key '";
  out += key.substr(0, kShownBytes);
  return out + "'";
}

// Where else the key belongs; nullptr if nowhere. The replica's keys of Litestream's are known at
// the top, too, but belong to a replica.
const Scope* other_scope_with(KeyScope scope, std::string_view key) {
  if (scope == KeyScope::kOptionsJson) return nullptr;
  for (const KeyScope other : {KeyScope::kReplica, KeyScope::kDatabase, KeyScope::kTop}) {
    const Scope& keys = scope_of(other);
    const bool is_known =
        contains(keys.supported, key) || is_of_upstream(keys, key) || contains(keys.of_ours, key);
    if (other != scope && is_known) return &keys;
  }
  return nullptr;
}

}  // namespace

Status check_key(KeyScope scope, std::string_view key) {
  const Scope& here = scope_of(scope);
  if (contains(here.supported, key)) return {};
  if (is_of_upstream(here, key)) {
    return unsupported(quoted(scope, key) + " is one of Litestream's that is not supported yet");
  }
  if (contains(here.of_ours, key)) return unsupported(quoted(scope, key) + " is not supported yet");
  if (key == "<<") return unsupported("merge keys ('<<') are not supported; use an alias (*name)");
  if (const Scope* other = other_scope_with(scope, key)) {
    return invalid_argument(quoted(scope, key) + " does not belong here; it belongs " +
                            other->name);
  }
  const bool is_given_by_call =
      scope == KeyScope::kOptionsJson && (contains(kDatabase, key) || contains(kReplica, key));
  if (is_given_by_call)
    return invalid_argument(quoted(scope, key) + " is given by the call's arguments");
  std::string message = "unknown " + quoted(scope, key);
  const std::string_view nearest = nearest_key(here.supported, key);
  if (!nearest.empty()) message += " (did you mean '" + std::string(nearest) + "'?)";
  return invalid_argument(std::move(message));
}

}  // namespace litestream
