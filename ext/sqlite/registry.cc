#include "ext/sqlite/sqlite_api.h"

#include "ext/sqlite/registry.h"

#include <pthread.h>

#include <algorithm>
#include <cstdlib>

#include "ext/base/log.h"
#include "ext/sqlite/source_database.h"
#include "ext/sqlite/source_lookup.h"
#include "ext/store/file_store.h"
#include "ext/store/store_factory.h"

namespace litestream {
namespace {

std::atomic<Registry*> current{nullptr};
std::mutex creation_mutex;

constexpr size_t kRunningMax = 100'000;
constexpr int64_t kForkWaitMs = 2000;

bool same_replicas(const DatabaseOptions& a, const DatabaseOptions& b) {
  return std::equal(a.replicas.begin(), a.replicas.end(), b.replicas.begin(), b.replicas.end(),
                    [](const auto& x, const auto& y) { return x.url == y.url; });
}

}  // namespace

std::string meta_path_of(const std::string& database_path, const std::string& meta_path) {
  if (!meta_path.empty()) return meta_path;
  return path_join(path_directory(database_path),
                   "." + path_basename(database_path) + "-litestream");
}

DatabaseIdentity identity_of(const std::string& path) {
  if (path.empty()) return {};
  const auto stat = posix_file_system().stat(path);
  if (!stat.ok()) return {};
  return {stat->device, stat->inode};
}

std::string resolved_path(const std::string& path) {
  FileSystem& fs = posix_file_system();
  if (auto whole = fs.canonical_path(path); whole.ok()) return *whole;
  if (auto folder = fs.canonical_path(path_directory(path)); folder.ok()) {
    return path_join(*folder, path_basename(path));
  }
  return path;
}

std::shared_ptr<Replicator> ConnectionState::replicator() const {
  const std::lock_guard lock(mutex_);
  return replicator_;
}

std::string ConnectionState::last_error() const {
  const std::lock_guard lock(mutex_);
  return last_error_;
}

void ConnectionState::set_last_error(std::string error) {
  const std::lock_guard lock(mutex_);
  last_error_ = std::move(error);
}

void ConnectionState::forget_after_fork() noexcept {
  if (mutex_.try_lock()) {
    replicator_.reset();
    mutex_.unlock();
  }
}

void ConnectionState::set_replicator(std::shared_ptr<Replicator> replicator) {
  const std::lock_guard lock(mutex_);
  replicator_ = std::move(replicator);
}

Registry::Registry() : thread_(system_clock()) {}

Registry& Registry::instance() {
  Registry* registry = current.load(std::memory_order_acquire);
  if (registry != nullptr) return *registry;
  const std::lock_guard lock(creation_mutex);
  registry = current.load(std::memory_order_acquire);
  if (registry == nullptr) {
    static bool handlers_installed = false;
    if (!handlers_installed) {
      handlers_installed = true;
      ::pthread_atfork(before_fork, after_fork_parent, after_fork_child);
      (void)std::atexit([] {
        if (Registry* at_exit = current.load()) at_exit->shutdown();
      });
    }
    registry = new Registry;
    current.store(registry, std::memory_order_release);
  }
  return *registry;
}

// A child must not inherit connections of ours: SQLite in it would count their locks as its own and
// take none. So every replicator lets go first, and opens again in the parent. The mutexes are
// taken so that the child finds them usable.
void Registry::before_fork() {
  if (Registry* registry = current.load()) registry->pause_all();
  creation_mutex.lock();
  if (Registry* registry = current.load()) registry->mutex_.lock();
}

void Registry::pause_all() noexcept {
  std::vector<std::shared_ptr<Replicator>> replicators;
  {
    const std::lock_guard lock(mutex_);
    for (const auto& running : running_) replicators.push_back(running->replicator);
  }
  for (const auto& replicator : replicators) replicator->request_pause();
  const int64_t deadline_ms = system_clock().monotonic_ms() + kForkWaitMs;
  for (const auto& replicator : replicators) {
    const int64_t left_ms = deadline_ms - system_clock().monotonic_ms();
    if (!replicator->wait_paused(std::max<int64_t>(left_ms, 0))) {
      log_message(LogLevel::kWarning, "litestream: " + replicator->database_path() +
                                          ": fork() did not wait for a busy replicator; the child "
                                          "must not open this database");
    }
  }
}

void Registry::after_fork_parent() {
  if (Registry* registry = current.load()) {
    for (const auto& running : registry->running_) running->replicator->resume();
    registry->mutex_.unlock();
  }
  creation_mutex.unlock();
}

// Threads do not exist in the child and descriptors are the parent's: the old registry is left
// behind, never used or destroyed again. Nothing here may wait for a lock some thread held.
void Registry::after_fork_child() {
  if (Registry* registry = current.exchange(nullptr)) {
    registry->mutex_.unlock();
    registry->inert_ = true;
    for (const auto& running : registry->running_) running->replicator->forget_after_fork();
    registry->thread_.forget_after_fork();
    for (const auto& weak : registry->connections_) {
      if (auto connection = weak.lock()) connection->forget_after_fork();
    }
  }
  creation_mutex.unlock();
}

Result<int> Registry::load_config(const std::string& path, const EnvLookup& env,
                                  const DatabaseOptions& defaults) {
  LS_ASSIGN_OR_RETURN(Config config,
                      ::litestream::load_config(posix_file_system(), path, env, defaults));
  const std::lock_guard discovery_lock(discovery_mutex_);
  LS_ASSIGN_OR_RETURN(auto found, find_in_directories(config, true));
  const int count = static_cast<int>(config.databases.size() + found.size());
  const std::lock_guard lock(mutex_);
  config_ = std::move(config);
  found_ = std::move(found);
  return count;
}

std::optional<Config> Registry::config() const {
  const std::lock_guard lock(mutex_);
  return config_;
}

void Registry::set_start_on_open(bool on) {
  const std::lock_guard lock(mutex_);
  start_on_open_ = on;
}

std::optional<DatabaseOptions> Registry::start_on_open(const DatabaseIdentity& identity,
                                                       const std::string& path) const {
  const std::lock_guard lock(mutex_);
  if (!start_on_open_ || !config_ || !identity.exists() || shut_down_) return std::nullopt;
  for (const auto* set : known_sets()) {
    for (const DatabaseOptions& options : *set) {
      if (identity_of(options.path) == identity) return options;
    }
  }
  for (const DirectoryOptions& directory : config_->directories) {
    std::string relative;
    if (!directory.watch || !directory_covers(directory, path, &relative)) continue;
    auto options = options_in_directory(directory, relative);
    if (options.ok()) return std::move(options).value();
  }
  return std::nullopt;
}

// Whether `path`, known to have led to `known`, still leads to the file `wanted`. The number of a
// deleted file's inode is soon given to another file, so that the record alone proves nothing.
bool Registry::still_names(const std::string& path, const DatabaseIdentity& known,
                           const DatabaseIdentity& wanted) {
  return wanted.exists() && known == wanted && identity_of(path) == wanted;
}

bool Registry::is_same(const Running& running, const DatabaseIdentity& identity,
                       const std::string& path) {
  // What stands at its path is what a replicator replicates, also after the file was replaced.
  return running.path == path || still_names(running.path, running.identity, identity);
}

Registry::Running* Registry::find_running(const DatabaseIdentity& identity,
                                          const std::string& path) {
  for (const auto& running : running_) {
    if (running->replicator->letting_go()) continue;
    if (!is_same(*running, identity, path)) continue;
    // It may not have existed when its replication was asked for, or have been another file.
    if (identity.exists() && running->path == path) running->identity = identity;
    return running.get();
  }
  return nullptr;
}

bool Registry::knows(sqlite3* db) const {
  Connections met;
  const std::lock_guard lock(mutex_);
  for (const auto& weak : connections_) {
    auto connection = weak.lock();
    if (!connection) continue;
    met.push_back(std::move(connection));
    if (met.back()->db == db && met.back()->registration_count > 0) return true;
  }
  return false;
}

// An error that ended replication stays until somebody starts it again.
bool Registry::has_failed(const DatabaseIdentity& identity) const {
  return std::any_of(running_.begin(), running_.end(), [&](const auto& running) {
    return running->identity == identity &&
           running->replicator->status().phase == ReplicatorStatus::Phase::kFailed;
  });
}

void Registry::connection_opened(const std::shared_ptr<ConnectionState>& connection) {
  Connections met;
  const std::lock_guard lock(mutex_);
  std::erase_if(connections_, [](const auto& weak) { return weak.expired(); });
  connections_.push_back(connection);
  if (shut_down_ || !connection->identity.exists()) return;
  Running* running = find_running(connection->identity, connection->main_path);
  if (running != nullptr) {
    running->slot->stop_at(kNeverMs);
    if (running->replicator->hold()) {
      connection->set_replicator(running->replicator);
      return;
    }
  }
  if (has_failed(connection->identity)) return;
  // It let go when its last connection closed, or is about to: the new one waits for its lock.
  for (const auto& [identity, request] : armed_) {
    if (request.path != connection->main_path &&
        !still_names(request.path, identity, connection->identity)) {
      continue;
    }
    forget_stopped();
    const auto created = create(request, &met);
    if (!created.ok()) log_message(LogLevel::kError, created.status().message());
    return;
  }
}

void Registry::connection_closed(ConnectionState* connection) {
  const auto replicator = connection->replicator();
  if (replicator == nullptr) return;
  const std::lock_guard lock(mutex_);
  for (const auto& running : running_) {
    if (running->replicator != replicator) continue;
    if (replicator->release() > 0 || running->pinned) return;
    running->slot->stop_at(system_clock().monotonic_ms() + replicator->options().linger_ms);
  }
}

void Registry::forget_stopped() {
  std::erase_if(running_, [](const auto& running) { return running->replicator->stopped(); });
}

Result<std::shared_ptr<Replicator>> Registry::start(const StartRequest& request) {
  const DatabaseIdentity identity = identity_of(request.path);
  Connections met;
  const std::lock_guard lock(mutex_);
  if (shut_down_ || inert_) return unavailable("this process is shutting down");
  forget_stopped();
  if (Running* running = find_running(identity, request.path)) {
    if (!same_replicas(running->replicator->options(), request.options)) {
      return invalid_argument(request.path + " is already replicated to " +
                              running->replicator->replica().url() +
                              "; call litestream_stop() first");
    }
    running->pinned = running->pinned || request.pinned;
    return running->replicator;
  }
  if (running_.size() >= kRunningMax) return unavailable("too many databases are replicated");
  LS_ASSIGN_OR_RETURN(auto replicator, create(request, &met));
  std::erase_if(armed_, [&](const auto& armed) {
    return armed.first == identity || armed.second.path == request.path;
  });
  if (identity.exists()) {
    armed_.emplace_back(identity, request);
    armed_.back().second.asked = false;
  }
  return replicator;
}

void Registry::disarm(const std::string& path) {
  const DatabaseIdentity identity = identity_of(path);
  const std::lock_guard lock(mutex_);
  std::erase_if(armed_, [&](const auto& armed) {
    return armed.first == identity || armed.second.path == path;
  });
}

// With mutex_ held; nothing here waits.
Result<std::shared_ptr<Replicator>> Registry::create(const StartRequest& request,
                                                     Connections* met) {
  FileSystem& fs = posix_file_system();
  auto slot = std::make_shared<ReplicatorThread::Slot>(thread_);
  ReplicatorParts parts;
  parts.fs = &fs;
  parts.clock = &system_clock();
  parts.jobs = &pool_;
  parts.wake = [weak = std::weak_ptr<ReplicatorThread::Slot>(slot)] {
    if (const auto alive = weak.lock()) alive->wake();
  };
  parts.options = request.options;
  parts.database_path = request.path;
  parts.meta_path = meta_path_of(request.path, request.options.meta_path);
  parts.source = std::make_unique<SqliteSource>(request.path, request.vfs);
  for (const ReplicaOptions& replica : request.options.replicas) {
    ReplicaPart part{replica.name, nullptr};
    LS_ASSIGN_OR_RETURN(part.store, open_replica(fs, replica));
    parts.replicas.push_back(std::move(part));
  }
  parts.spool = std::make_unique<FileStore>(fs, parts.meta_path);
  parts.may_set_wal = true;
  parts.wait_for_database = request.pinned;
  parts.keep_trying = !request.asked;
  parts.used_elsewhere = [path = request.path] { return is_open_elsewhere(path); };
  auto running = std::make_unique<Running>();
  running->identity = identity_of(request.path);
  running->path = request.path;
  running->shown_path = request.options.path.empty() ? request.path : request.options.path;
  running->pinned = request.pinned;
  running->request = request;
  running->slot = slot;
  running->replicator = std::make_shared<Replicator>(std::move(parts));
  for (const auto& weak : connections_) {
    auto connection = weak.lock();
    if (!connection) continue;
    met->push_back(connection);
    if (connection->identity != running->identity || !running->identity.exists()) continue;
    connection->set_replicator(running->replicator);
    (void)running->replicator->hold();
  }
  LS_RETURN_IF_ERROR(thread_.add(slot, running->replicator));
  running_.push_back(std::move(running));
  return running_.back()->replicator;
}

std::optional<Registry::StartRequest> Registry::request_of(const std::string& path) const {
  const DatabaseIdentity identity = identity_of(path);
  const std::lock_guard lock(mutex_);
  const Running* running = const_cast<Registry*>(this)->find_running(identity, path);
  if (running == nullptr) return std::nullopt;
  return running->request;
}

std::shared_ptr<Replicator> Registry::running(const std::string& path) const {
  const DatabaseIdentity identity = identity_of(path);
  const std::lock_guard lock(mutex_);
  const Running* running = const_cast<Registry*>(this)->find_running(identity, path);
  return running == nullptr ? nullptr : running->replicator;
}

std::vector<KnownDatabase> Registry::known() const {
  const std::lock_guard lock(mutex_);
  std::vector<KnownDatabase> rows;
  std::vector<const Running*> shown;
  for (const auto* set : known_sets()) {
    for (const DatabaseOptions& options : *set) {
      KnownDatabase row{options.path, options, nullptr};
      const std::string path = resolved_path(options.path);
      const DatabaseIdentity identity = identity_of(path);
      for (const auto& running : running_) {
        if (!is_same(*running, identity, path) || running->replicator->stopped()) continue;
        row.replicator = running->replicator;
        row.options = running->replicator->options();
        shown.push_back(running.get());
      }
      rows.push_back(std::move(row));
    }
  }
  for (const auto& running : running_) {
    if (std::find(shown.begin(), shown.end(), running.get()) != shown.end()) continue;
    rows.push_back({running->shown_path, running->replicator->options(), running->replicator});
  }
  return rows;
}

Result<KnownDatabase> Registry::find(const std::string& path) const {
  const std::string wanted = resolved_path(path);
  const DatabaseIdentity identity = identity_of(wanted);
  std::string names;
  for (KnownDatabase& row : known()) {
    const std::string candidate = resolved_path(row.path);
    if (identity.exists() ? identity_of(candidate) == identity : candidate == wanted) {
      return std::move(row);
    }
    names += (names.empty() ? "" : ", ") + row.path;
  }
  return not_found("unknown database '" + path + "'; " +
                   (names.empty() ? "none is known: call litestream_config() or "
                                    "litestream_replicate() first, or give a replica URL"
                                  : "known: " + names));
}

void Registry::shutdown() noexcept {
  std::vector<std::shared_ptr<Replicator>> replicators;
  {
    const std::lock_guard lock(mutex_);
    if (shut_down_) return;
    shut_down_ = true;
    for (const auto& running : running_) replicators.push_back(running->replicator);
  }
  // Each replicator keeps its own deadline, all of them at the same time; the grace is for closing
  // connections.
  constexpr int64_t kGraceMs = 1000;
  int64_t deadline_ms = 0;
  for (const auto& replicator : replicators) {
    const int64_t timeout_ms = replicator->options().shutdown_sync_timeout_ms;
    replicator->request_stop(timeout_ms);
    deadline_ms = std::max(deadline_ms, system_clock().monotonic_ms() + timeout_ms + kGraceMs);
  }
  bool all_stopped = true;
  for (const auto& replicator : replicators) {
    (void)replicator->wait_stopped(deadline_ms - system_clock().monotonic_ms(), {}).ok();
    all_stopped = all_stopped && replicator->stopped();
  }
  // A thread stuck in the operating system must not keep the host from exiting.
  if (all_stopped) {
    thread_.stop();
  }
  pool_.abandon();
}

}  // namespace litestream
