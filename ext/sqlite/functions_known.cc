// Functions that change which databases are known while the process runs.
#include "ext/sqlite/functions.h"

#include <algorithm>

#include "ext/base/clock.h"
#include "ext/base/json.h"
#include "ext/config/store_urls.h"
#include "ext/config/url.h"
#include "ext/sqlite/registry.h"
#include "ext/sqlite/source_lookup.h"

namespace litestream {
namespace {

constexpr size_t kReplicaCountMax = 16;

std::string json_array(const std::vector<std::string>& texts) {
  std::string out = "[";
  for (const std::string& text : texts) out += (out.size() > 1 ? "," : "") + json_quote(text);
  return out + "]";
}

// One URL, or a JSON array of them.
Result<std::vector<std::string>> parse_urls(const std::string& text) {
  std::vector<std::string> urls;
  if (!text.starts_with('[')) {
    urls.push_back(text);
    return urls;
  }
  LS_ASSIGN_OR_RETURN(const DocumentNode array, parse_json(text));
  for (const DocumentNode& item : array.items) {
    if (item.kind != DocumentNode::Kind::kScalar || !item.quoted) {
      return invalid_argument("the replica URLs must be strings");
    }
    urls.push_back(item.scalar);
  }
  if (urls.empty() || urls.size() > kReplicaCountMax) {
    return invalid_argument("a database needs 1 to 16 replicas");
  }
  return urls;
}

// Replicas named after their types; a second one of a type is "s3-2".
Result<std::vector<ReplicaOptions>> replicas_of(const std::vector<std::string>& urls) {
  std::vector<ReplicaOptions> replicas;
  for (const std::string& text : urls) {
    LS_ASSIGN_OR_RETURN(ReplicaOptions replica, replica_of_url(text));
    int same_count = 1;
    for (const ReplicaOptions& other : replicas) {
      if (other.url == replica.url) return invalid_argument("a replica is given twice");
      same_count += other.type == replica.type ? 1 : 0;
    }
    if (same_count > 1) replica.name += "-" + std::to_string(same_count);
    replicas.push_back(std::move(replica));
  }
  return replicas;
}

}  // namespace

// litestream_discover(): looks again into the directories of the configuration that are watched.
Status run_discover(SqlCall& call) {
  LS_ASSIGN_OR_RETURN(const auto changes, Registry::instance().discover());
  call.result_text("{\"found\":" + json_array(changes.found) +
                   ",\"gone\":" + json_array(changes.gone) + "}");
  return {};
}

// litestream_register(path, url or array of urls [, options]): known from now on, not started.
Status run_register(SqlCall& call) {
  LS_ASSIGN_OR_RETURN(const std::string path, call.text(0, "the database"));
  LS_ASSIGN_OR_RETURN(const std::string text, call.text(1, "the replica URL"));
  LS_ASSIGN_OR_RETURN(const auto json, call.optional_text(2, "the options"));
  DatabaseOptions options;
  if (json) LS_RETURN_IF_ERROR(apply_options_json(*json, &options));
  LS_ASSIGN_OR_RETURN(options.path, absolute_path(path));
  LS_ASSIGN_OR_RETURN(const auto urls, parse_urls(text));
  LS_ASSIGN_OR_RETURN(options.replicas, replicas_of(urls));
  LS_RETURN_IF_ERROR(validate_options(options));
  LS_ASSIGN_OR_RETURN(const std::string shown, canonical_replica_url(options.replicas[0].url));
  LS_RETURN_IF_ERROR(Registry::instance().add_known(std::move(options)));
  call.result_text(redact_url(shown));
  return {};
}

// litestream_unregister(path): stops the database if it runs, and forgets it.
Status run_unregister(SqlCall& call) {
  LS_ASSIGN_OR_RETURN(const std::string path, call.text(0, "the database"));
  Registry& registry = Registry::instance();
  LS_ASSIGN_OR_RETURN(const KnownDatabase known, registry.find(path));
  if (known.replicator == nullptr) return registry.forget_known(path);
  LS_ASSIGN_OR_RETURN(const Txid txid, stop_replication(*known.replicator, call.cancel_check()));
  LS_RETURN_IF_ERROR(registry.forget_known(path));
  call.result_txid(txid);
  return {};
}

// litestream_stop_all(): every database that this process replicates, all at the same time.
Status run_stop_all(SqlCall& call) {
  struct Stopping {
    std::string path;
    std::shared_ptr<Replicator> replicator;
    int64_t deadline_ms = 0;
  };
  constexpr int64_t kGraceMs = 5000;  // for closing the connections after the deadline
  std::vector<Stopping> stopping;
  for (const KnownDatabase& known : Registry::instance().known()) {
    if (known.replicator == nullptr || known.replicator->stopped()) continue;
    const int64_t timeout_ms = known.options.shutdown_sync_timeout_ms;
    Registry::instance().disarm(known.replicator->database_path());
    known.replicator->request_stop(timeout_ms);
    stopping.push_back(
        {known.path, known.replicator, system_clock().monotonic_ms() + timeout_ms + kGraceMs});
  }
  std::string out = "[";
  for (const Stopping& each : stopping) {
    const int64_t left_ms = std::max<int64_t>(each.deadline_ms - system_clock().monotonic_ms(), 0);
    const auto txid = each.replicator->wait_stopped(left_ms, call.cancel_check());
    if (txid.status().code() == StatusCode::kCancelled) return txid.status();
    out += (out.size() > 1 ? "," : "") + ("{\"path\":" + json_quote(each.path));
    const bool has_txid = txid.ok() && *txid != Txid{};
    out += ",\"txid\":" + (has_txid ? json_quote(format_txid(*txid)) : "null") +
           ",\"error\":" + (txid.ok() ? "null" : json_quote(txid.status().message())) + "}";
  }
  call.result_text(out + "]");
  return {};
}

}  // namespace litestream
