// What this process replicates, and on which connections: one per process, immortal.
//
// A database is known by device and inode, whatever path leads to it. "Known" are the databases of
// the loaded configuration and those started by hand; "running" are those with a replicator.
// Threading: thread-safe. mutex_ is a leaf: never held while SQLite, a store or a replicator waits.
// After fork() the child has a new, empty registry; connections it inherited are inert.
#pragma once

#include "ext/sqlite/sqlite_api.h"

#include <atomic>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <vector>

#include "ext/config/litestream_yml.h"
#include "ext/engine/job_pool.h"
#include "ext/engine/replicator.h"
#include "ext/engine/replicator_thread.h"
#include "ext/sqlite/discovery.h"

namespace litestream {

struct DatabaseIdentity {
  uint64_t device = 0;
  uint64_t inode = 0;  // 0: no such file
  bool operator==(const DatabaseIdentity&) const = default;
  bool exists() const { return inode != 0; }
};

DatabaseIdentity identity_of(const std::string& path);
// Absolute, symbolic links resolved as far as the file exists.
std::string resolved_path(const std::string& path);

// The local folder of a database: `meta-path`, or .<file name>-litestream beside it.
std::string meta_path_of(const std::string& database_path, const std::string& meta_path);

// One connection of the application that has our functions. Shared by the registrations on it; the
// last one to go is how we learn that it closed. Holds what its hooks need.
class ConnectionState {
 public:
  std::string main_path;  // absolute; empty for :memory: and temporary databases
  DatabaseIdentity identity;
  // Set by the registry, read by the hooks.
  std::shared_ptr<Replicator> replicator() const;
  void set_replicator(std::shared_ptr<Replicator> replicator);
  void forget_after_fork() noexcept;
  // The sentence behind the last commit that failed with code 19466; empty if none did.
  std::string last_error() const;
  void set_last_error(std::string error);
  sqlite3* db = nullptr;  // the connection; constant once the registry knows it
  // By SQLite, of our functions. At 0 the connection has closed, and another one may have its
  // address, though somebody still looks at this.
  std::atomic<int> registration_count{0};
  // The connection's own thread only, as the next.
  bool hook_installed = false;
  int autocheckpoint_frames = 1000;  // the user's; 0: never

 private:
  mutable std::mutex mutex_;
  std::shared_ptr<Replicator> replicator_;
  std::string last_error_;
};

// A row of "known databases".
struct KnownDatabase {
  std::string path;  // as the config or the caller spelled it
  DatabaseOptions options;
  std::shared_ptr<Replicator> replicator;  // null unless started
};

class Registry {
 public:
  static Registry& instance();

  // Replaces the configured set; running ones keep their options. Number of databases.
  // `env`: of variables in the file; empty: they stay as they are. `defaults`: what keys that the
  // file does not set mean.
  Result<int> load_config(const std::string& path, const EnvLookup& env = process_environment(),
                          const DatabaseOptions& defaults = {});
  std::optional<Config> config() const;
  // What directories of the config that are watched hold now, compared with what they held.
  struct Discovered {
    std::vector<std::string> found;  // paths; known from now on
    std::vector<std::string> gone;   // no longer known, unless they run
  };
  Result<Discovered> discover();
  // Makes one more database known, or forgets one, wherever it came from; neither starts nor stops
  // it. AlreadyExists: it is known. NotFound lists the known ones.
  Status add_known(DatabaseOptions options);
  Status forget_known(const std::string& path);
  // `start_on_open`: databases of the config start as this process opens them.
  void set_start_on_open(bool on);
  // True until loaded() was called once: the environment is looked at for the first connection.
  bool first_load() const { return first_load_; }
  void loaded() { first_load_ = false; }

  // Whether this connection already has our functions; registering again would free what its hooks
  // use.
  bool knows(sqlite3* db) const;
  void connection_opened(const std::shared_ptr<ConnectionState>& connection);
  void connection_closed(ConnectionState* connection);
  // Options to start with when a connection to this database opens, if that is wanted.
  std::optional<DatabaseOptions> start_on_open(const DatabaseIdentity& identity,
                                               const std::string& path) const;

  struct StartRequest {
    std::string path;  // absolute
    DatabaseOptions options;
    std::string vfs;
    bool asked = false;   // the caller waits: what may pass is not waited for without end
    bool pinned = false;  // stays after the last connection closed, waits for a missing file
  };
  // The running replicator of that database, or a new one. InvalidArgument if it runs to another
  // replica. Does not wait.
  Result<std::shared_ptr<Replicator>> start(const StartRequest& request);
  // Later connections no longer start it: litestream_stop.
  void disarm(const std::string& path);
  // What it was started with, to start it again. nullopt if it does not run.
  std::optional<StartRequest> request_of(const std::string& path) const;
  // Null if it does not run.
  std::shared_ptr<Replicator> running(const std::string& path) const;

  // Config order first, then those started by hand.
  std::vector<KnownDatabase> known() const;
  // By identity, or by the spelling when the file does not exist. NotFound lists the known ones.
  Result<KnownDatabase> find(const std::string& path) const;

  // Stops everything and waits within each database's shutdown timeout. For exit.
  void shutdown() noexcept;
  bool inert() const { return inert_; }

 private:
  struct Running {
    DatabaseIdentity identity;
    std::string path;
    std::string shown_path;
    StartRequest request;
    bool pinned = false;
    std::shared_ptr<Replicator> replicator;
    std::shared_ptr<ReplicatorThread::Slot> slot;
  };
  Registry();
  static void before_fork();
  static void after_fork_parent();
  static void after_fork_child();
  static bool still_names(const std::string& path, const DatabaseIdentity& known,
                          const DatabaseIdentity& wanted);
  static bool is_same(const Running& running, const DatabaseIdentity& identity,
                      const std::string& path);
  Running* find_running(const DatabaseIdentity& identity, const std::string& path);
  void forget_stopped();
  // Connections met on the way are kept alive in `*met` until the lock is gone: the last owner of
  // one comes back here when it lets go.
  using Connections = std::vector<std::shared_ptr<ConnectionState>>;
  Result<std::shared_ptr<Replicator>> create(const StartRequest& request, Connections* met);
  bool has_failed(const DatabaseIdentity& identity) const;
  void pause_all() noexcept;

  using Sets = std::vector<const std::vector<DatabaseOptions>*>;
  Sets known_sets() const;
  Result<std::vector<DatabaseOptions>> find_in_directories(const Config& config, bool is_first);

  std::mutex discovery_mutex_;  // taken before mutex_
  Discovery discovery_;         // guarded by discovery_mutex_

  mutable std::mutex mutex_;
  std::optional<Config> config_;
  std::vector<DatabaseOptions> found_;       // by the directories of the config
  std::vector<DatabaseOptions> registered_;  // one by one
  bool start_on_open_ = false;
  bool shut_down_ = false;
  bool inert_ = false;
  std::atomic<bool> first_load_{true};
  std::vector<std::weak_ptr<ConnectionState>> connections_;
  std::vector<std::unique_ptr<Running>> running_;
  // What to start again when a connection opens after the last one had closed.
  std::vector<std::pair<DatabaseIdentity, StartRequest>> armed_;
  JobPool pool_;
  ReplicatorThread thread_;
};

}  // namespace litestream
