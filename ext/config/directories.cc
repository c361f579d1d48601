#include "ext/config/directories.h"

#include <fnmatch.h>

#include <algorithm>

#include "ext/config/store_urls.h"
#include "ext/config/url.h"

namespace litestream {
namespace {

constexpr size_t kEntryCountMax = 100'000;
constexpr int kFolderDepthMax = 32;
constexpr std::string_view kLocalFolderSuffix = "-litestream";

bool is_companion(std::string_view name) {
  return name.ends_with("-wal") || name.ends_with("-shm") || name.ends_with("-journal");
}

// ".app.db-litestream" is ours, whatever lies in it.
bool is_local_folder(std::string_view name) {
  return name.starts_with('.') && name.ends_with(kLocalFolderSuffix);
}

bool name_matches(const std::string& pattern, const std::string& name) {
  return !is_companion(name) && ::fnmatch(pattern.c_str(), name.c_str(), 0) == 0;
}

class Walk {
 public:
  Walk(FileSystem& fs, const DirectoryOptions& directory) : fs_(fs), directory_(directory) {}

  Status visit(const std::string& relative_folder, int depth) {
    const std::string folder =
        relative_folder.empty() ? directory_.dir : path_join(directory_.dir, relative_folder);
    auto entries = fs_.list_directory(folder);
    if (!entries.ok()) {
      // Folders come and go while we look; only the outermost must be there.
      if (depth > 0 && entries.status().code() == StatusCode::kNotFound) return {};
      return entries.status();
    }
    entry_count_ += entries->size();
    if (entry_count_ > kEntryCountMax) {
      return unsupported(directory_.dir + " has more than 100000 entries: narrow 'dir'");
    }
    for (const DirectoryEntry& entry : *entries) {
      const std::string relative =
          relative_folder.empty() ? entry.name : path_join(relative_folder, entry.name);
      if (entry.is_directory) {
        LS_RETURN_IF_ERROR(visit_below(entry.name, relative, depth));
      } else if (name_matches(directory_.pattern, entry.name)) {
        const auto stat = fs_.stat(path_join(directory_.dir, relative));
        if (stat.ok() && stat->is_regular) found_.push_back(relative);
      }
    }
    return {};
  }

  std::vector<std::string> take() && {
    std::sort(found_.begin(), found_.end());
    return std::move(found_);
  }

 private:
  Status visit_below(const std::string& name, const std::string& relative, int depth) {
    if (!directory_.recursive || is_local_folder(name)) return {};
    if (is_link(relative)) return {};
    if (depth + 1 >= kFolderDepthMax) {
      return unsupported(directory_.dir + " has folders more than 32 levels deep");
    }
    return visit(relative, depth + 1);
  }

  // A link may lead around in a circle, or out of the folder.
  bool is_link(const std::string& relative) {
    const std::string path = path_join(directory_.dir, relative);
    const auto whole = fs_.canonical_path(path);
    const auto parent = fs_.canonical_path(path_directory(path));
    return !whole.ok() || !parent.ok() || *whole != path_join(*parent, path_basename(path));
  }

  FileSystem& fs_;
  const DirectoryOptions& directory_;
  size_t entry_count_ = 0;
  std::vector<std::string> found_;
};

}  // namespace

Result<std::vector<std::string>> matching_files(FileSystem& fs, const DirectoryOptions& directory) {
  Walk walk(fs, directory);
  LS_RETURN_IF_ERROR(walk.visit("", 0));
  return std::move(walk).take();
}

bool directory_covers(const DirectoryOptions& directory, const std::string& path,
                      std::string* relative) {
  const auto folder = absolute_path(directory.dir);
  if (!folder.ok()) return false;
  const std::string prefix = *folder == "/" ? *folder : *folder + "/";
  if (!path.starts_with(prefix) || path.size() == prefix.size()) return false;
  *relative = path.substr(prefix.size());
  const std::string below = path_directory(*relative);
  if (below != "." && !directory.recursive) return false;
  for (size_t at = 0; at < below.size();) {
    const size_t end = std::min(below.find('/', at), below.size());
    if (is_local_folder(std::string_view(below).substr(at, end - at))) return false;
    at = end + 1;
  }
  return name_matches(directory.pattern, path_basename(path));
}

Result<DatabaseOptions> options_in_directory(const DirectoryOptions& directory,
                                             const std::string& relative) {
  DatabaseOptions options = directory.options;
  options.path = path_join(directory.dir, relative);
  if (!directory.meta_dir.empty()) {
    const std::string name = "." + path_basename(relative) + std::string(kLocalFolderSuffix);
    const std::string below = path_directory(relative);
    options.meta_path =
        path_join(below == "." ? directory.meta_dir : path_join(directory.meta_dir, below), name);
  }
  for (ReplicaOptions& replica : options.replicas) {
    LS_ASSIGN_OR_RETURN(replica.url, url_below(replica.url, relative));
  }
  return options;
}

}  // namespace litestream
