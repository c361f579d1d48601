// The registry's set of known databases: configured, found in directories, registered by hand.
#include "ext/sqlite/sqlite_api.h"

#include <algorithm>
#include <set>

#include "ext/base/log.h"
#include "ext/sqlite/registry.h"

namespace litestream {
namespace {

bool is_same_file(const std::string& a, const std::string& b) {
  const std::string first = resolved_path(a);
  const std::string second = resolved_path(b);
  return first == second ||
         (identity_of(first).exists() && identity_of(first) == identity_of(second));
}

bool contains(const std::vector<DatabaseOptions>& databases, const std::string& path) {
  return std::any_of(databases.begin(), databases.end(),
                     [&](const DatabaseOptions& options) { return options.path == path; });
}

}  // namespace

// With mutex_ held.
Registry::Sets Registry::known_sets() const {
  Sets sets;
  if (config_) sets.push_back(&config_->databases);
  sets.push_back(&found_);
  sets.push_back(&registered_);
  return sets;
}

// With discovery_mutex_ held. `is_first`: of a configuration that is being loaded; one that finds
// nothing, and does not watch, is then an error. Else only directories that are watched are read;
// the others keep what they had.
Result<std::vector<DatabaseOptions>> Registry::find_in_directories(const Config& config,
                                                                   bool is_first) {
  std::set<std::string> taken;  // by an entry of its own, or an earlier directory
  for (const DatabaseOptions& options : config.databases) taken.insert(resolved_path(options.path));
  std::vector<DatabaseOptions> all;
  for (const DirectoryOptions& directory : config.directories) {
    auto found = discovery_.find(posix_file_system(), directory);
    const std::string where = config.path + ":" + std::to_string(directory.line) + ": key 'dir'";
    if (!found.ok()) {
      const bool may_appear = found.status().code() == StatusCode::kNotFound && directory.watch;
      if (may_appear) continue;
      return found.status().with_context(where);
    }
    if (is_first && found->empty() && !directory.watch) {
      return not_found(where + ": no SQLite database in " + directory.dir + " matches '" +
                       directory.pattern + "'; to wait for one, add 'watch: true'");
    }
    for (DatabaseOptions& options : *found) {
      if (taken.insert(resolved_path(options.path)).second) all.push_back(std::move(options));
    }
  }
  return all;
}

Result<Registry::Discovered> Registry::discover() {
  const std::lock_guard discovery_lock(discovery_mutex_);
  const auto config = this->config();
  Discovered changes;
  if (!config || config->directories.empty()) return changes;
  Config watched = *config;
  std::erase_if(watched.directories, [](const auto& directory) { return !directory.watch; });
  LS_ASSIGN_OR_RETURN(auto now, find_in_directories(watched, false));
  const std::lock_guard lock(mutex_);
  for (const DatabaseOptions& options : now) {
    if (contains(found_, options.path)) continue;
    changes.found.push_back(options.path);
    found_.push_back(options);
  }
  // Only a file that is not there is gone: one that cannot be read for a moment is not.
  std::erase_if(found_, [&](const DatabaseOptions& options) {
    if (contains(now, options.path) || identity_of(options.path).exists()) return false;
    changes.gone.push_back(options.path);
    return true;
  });
  return changes;
}

Status Registry::add_known(DatabaseOptions options) {
  for (const KnownDatabase& row : known()) {
    if (is_same_file(row.path, options.path)) {
      return already_exists("'" + options.path + "' is known already");
    }
  }
  const std::lock_guard lock(mutex_);
  registered_.push_back(std::move(options));
  return {};
}

Status Registry::forget_known(const std::string& path) {
  LS_ASSIGN_OR_RETURN(const KnownDatabase known_database, find(path));
  const std::lock_guard lock(mutex_);
  const auto is_it = [&](const DatabaseOptions& options) {
    return is_same_file(options.path, known_database.path);
  };
  if (config_) std::erase_if(config_->databases, is_it);
  std::erase_if(found_, is_it);
  std::erase_if(registered_, is_it);
  std::erase_if(running_, [&](const auto& running) {
    return running->replicator->stopped() && is_same_file(running->path, known_database.path);
  });
  return {};
}

}  // namespace litestream
