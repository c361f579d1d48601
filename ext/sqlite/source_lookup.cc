#include "ext/sqlite/source_lookup.h"

#include <sys/sysmacros.h>
#include <unistd.h>

#include <cstdio>

#include "ext/config/store_urls.h"
#include "ext/config/url.h"
#include "ext/store/counting_store.h"
#include "ext/store/store_factory.h"

namespace litestream {
namespace {

constexpr size_t kLocksBytesMax = 16 << 20;

Result<ReplicaSource> source_of(const std::string& database, const ReplicaOptions& replica,
                                std::shared_ptr<Replicator> replicator) {
  ReplicaSource source;
  source.database = database;
  source.replica_name = replica.name;
  source.type = replica.type;
  LS_ASSIGN_OR_RETURN(source.store, open_replica(posix_file_system(), replica));
  source.url = redact_url(source.store->url());
  source.replicator = std::move(replicator);
  // What this process writes it knows without asking.
  if (source.replicator != nullptr) {
    if (LtxStore* listed = source.replicator->listed_replica(replica.name)) {
      source.store = std::shared_ptr<LtxStore>(source.replicator, listed);
    }
  }
  return source;
}

Status append_sources(const KnownDatabase& known, const std::string& shown,
                      std::vector<ReplicaSource>* out) {
  for (const ReplicaOptions& replica : known.options.replicas) {
    LS_ASSIGN_OR_RETURN(auto source, source_of(shown, replica, known.replicator));
    source.options = known.options;
    out->push_back(std::move(source));
  }
  return {};
}

// "1: POSIX  ADVISORY  WRITE 3456 08:01:131090 0 EOF"
std::string lock_text(const DatabaseIdentity& identity) {
  char wanted[64];
  std::snprintf(wanted, sizeof wanted, " %02x:%02x:%llu ", ::major(identity.device),
                ::minor(identity.device), static_cast<unsigned long long>(identity.inode));
  return wanted;
}

bool has_lock(const std::string& locks, const DatabaseIdentity& identity) {
  return locks.find(lock_text(identity)) != std::string::npos;
}

bool has_foreign_lock(const std::string& locks, const DatabaseIdentity& identity) {
  const std::string wanted = lock_text(identity);
  const std::string own = " " + std::to_string(::getpid());
  for (size_t at = locks.find(wanted); at != std::string::npos; at = locks.find(wanted, at + 1)) {
    if (!std::string_view(locks).substr(0, at).ends_with(own)) return true;
  }
  return false;
}

}  // namespace

Result<std::unique_ptr<LtxStore>> open_replica(FileSystem& fs, const ReplicaOptions& replica) {
  const StoreSpec spec{replica.url, replica.settings, replica.ambient_credentials};
  LS_ASSIGN_OR_RETURN(auto store, open_store(fs, spec));
  return count_operations(std::move(store));
}

Result<std::vector<ReplicaSource>> all_replica_sources() {
  std::vector<ReplicaSource> sources;
  for (const KnownDatabase& known : Registry::instance().known()) {
    LS_RETURN_IF_ERROR(append_sources(known, known.path, &sources));
  }
  return sources;
}

Result<std::vector<ReplicaSource>> replica_sources_of(const std::string& database) {
  std::vector<ReplicaSource> sources;
  if (is_replica_url(database)) {
    LS_ASSIGN_OR_RETURN(const ReplicaOptions replica, replica_of_url(database));
    LS_ASSIGN_OR_RETURN(auto source, source_of(database, replica, nullptr));
    sources.push_back(std::move(source));
    return sources;
  }
  LS_ASSIGN_OR_RETURN(const KnownDatabase known, Registry::instance().find(database));
  LS_RETURN_IF_ERROR(append_sources(known, database, &sources));
  return sources;
}

Result<std::shared_ptr<Replicator>> running_database(const ConnectionState& connection,
                                                     const std::optional<std::string>& path) {
  Registry& registry = Registry::instance();
  if (path) {
    LS_ASSIGN_OR_RETURN(const KnownDatabase known, registry.find(*path));
    if (known.replicator != nullptr) return known.replicator;
    return not_found("'" + *path + "' is not replicated by this process; call litestream_start()");
  }
  if (connection.main_path.empty()) {
    return invalid_argument("an in-memory or temporary database cannot be replicated");
  }
  if (auto running = registry.running(connection.main_path)) return running;
  return not_found(connection.main_path +
                   " is not replicated by this process; call litestream_replicate() first");
}

bool is_live_database(const std::string& path) {
  const DatabaseIdentity identity = identity_of(path);
  if (!identity.exists()) return false;
  for (const KnownDatabase& known : Registry::instance().known()) {
    if (identity_of(resolved_path(known.path)) == identity) return true;
  }
  const auto locks = read_small_file(posix_file_system(), "/proc/locks", kLocksBytesMax);
  // Without that file nothing proves that the database is idle.
  if (!locks.ok()) return true;
  const DatabaseIdentity shm = identity_of(path + "-shm");
  return has_lock(*locks, identity) || (shm.exists() && has_lock(*locks, shm));
}

bool is_open_elsewhere(const std::string& path) {
  const auto locks = read_small_file(posix_file_system(), "/proc/locks", kLocksBytesMax);
  if (!locks.ok()) return false;
  const DatabaseIdentity shm = identity_of(path + "-shm");
  return has_foreign_lock(*locks, identity_of(path)) ||
         (shm.exists() && has_foreign_lock(*locks, shm));
}

}  // namespace litestream
