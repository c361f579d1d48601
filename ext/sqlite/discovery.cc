#include "ext/sqlite/sqlite_api.h"

#include "ext/sqlite/discovery.h"

#include <algorithm>
#include <string_view>

#include "ext/base/log.h"
#include "ext/sqlite/own_connection.h"

namespace litestream {
namespace {

constexpr std::string_view kMagic("SQLite format 3\0", 16);
constexpr size_t kSeenMax = 200'000;

bool is_unchanged(const FileStat& a, const FileStat& b) {
  return a.device == b.device && a.inode == b.inode && a.size_bytes == b.size_bytes &&
         a.mtime_ns == b.mtime_ns;
}

}  // namespace

Result<bool> is_database_file(const std::string& path) {
  LS_ASSIGN_OR_RETURN(const OwnConnection connection, OwnConnection::open_unread(path));
  sqlite3_file* file = nullptr;
  const int code = sqlite3_file_control(connection.get(), "main", SQLITE_FCNTL_FILE_POINTER, &file);
  if (code != SQLITE_OK || file == nullptr || file->pMethods == nullptr) {
    return sqlite_status(code == SQLITE_OK ? SQLITE_CANTOPEN : code, connection.get(),
                         "open " + path);
  }
  uint8_t head[kMagic.size()];
  LS_ASSIGN_OR_RETURN(const size_t size, SqliteFileReader(file).read_at(0, head));
  return size == sizeof head && std::equal(kMagic.begin(), kMagic.end(), head);
}

bool Discovery::probe(FileSystem& fs, const std::string& path) {
  const auto stat = fs.stat(path);
  if (!stat.ok()) return false;  // gone in the meantime
  const auto known = seen_.find(path);
  if (known != seen_.end()) {
    const bool is_same_file =
        known->second.stat.device == stat->device && known->second.stat.inode == stat->inode;
    // Once a database, a file stays one; what was none is looked at again when it changed.
    if (known->second.is_database && is_same_file) return true;
    if (is_unchanged(known->second.stat, *stat)) return known->second.is_database;
  }
  const auto is_database = is_database_file(path);
  if (!is_database.ok()) {
    log_message(LogLevel::kWarning, "litestream: a 'dir' entry matches, but " +
                                        is_database.status().message() + "; it is left out");
  }
  const bool answer = is_database.ok() && *is_database;
  if (seen_.size() >= kSeenMax) seen_.clear();
  seen_.insert_or_assign(path, Seen{*stat, answer});
  return answer;
}

Result<std::vector<DatabaseOptions>> Discovery::find(FileSystem& fs,
                                                     const DirectoryOptions& directory) {
  LS_ASSIGN_OR_RETURN(const auto files, matching_files(fs, directory));
  std::vector<DatabaseOptions> databases;
  for (const std::string& relative : files) {
    if (!probe(fs, path_join(directory.dir, relative))) continue;
    LS_ASSIGN_OR_RETURN(DatabaseOptions options, options_in_directory(directory, relative));
    databases.push_back(std::move(options));
  }
  return databases;
}

}  // namespace litestream
