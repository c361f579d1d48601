// From what a user wrote ("app.db", "file:///backup", NULL) to a database or a replica.
// Threading: thread-safe.
#pragma once

#include "ext/sqlite/sqlite_api.h"

#include <memory>
#include <string>
#include <vector>

#include "ext/sqlite/registry.h"
#include "ext/store/ltx_store.h"

namespace litestream {

// One replica of one database, as the tables show it.
struct ReplicaSource {
  std::string database;      // what to echo
  std::string replica_name;  // "file"
  std::string type;
  std::string url;                         // canonical, without secrets
  DatabaseOptions options;                 // of its database; defaults for a URL
  std::shared_ptr<Replicator> replicator;  // null unless started by this process
  std::shared_ptr<LtxStore> store;
};

// The store of a replica, its operations counted. Errors of open_store().
Result<std::unique_ptr<LtxStore>> open_replica(FileSystem& fs, const ReplicaOptions& replica);

// All replicas of all known databases, and of the connection's own database if it is replicated.
Result<std::vector<ReplicaSource>> all_replica_sources();
// Of one database path or replica URL. NotFound lists the known ones.
Result<std::vector<ReplicaSource>> replica_sources_of(const std::string& database);

// The running replicator for a `db` argument: a path, or the connection's main database.
Result<std::shared_ptr<Replicator>> running_database(const ConnectionState& connection,
                                                     const std::optional<std::string>& path);

// Whether some process has the file open as a SQLite database: a lock on it or on its -shm. Looks
// at /proc/locks; opening the file ourselves could drop the locks of this process.
bool is_live_database(const std::string& path);
// Whether another process than this one has a lock on it or on its -shm right now; false if that
// cannot be known.
bool is_open_elsewhere(const std::string& path);

}  // namespace litestream
