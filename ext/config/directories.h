// `dir` entries of litestream.yml: one description for every database in a folder.
//
// Which files of the folder are databases is not decided here: opening one by path would drop the
// locks that SQLite in this process has on it. ext/sqlite asks SQLite.
// Threading: values; the functions read the file system they are given.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ext/base/file_system.h"
#include "ext/base/status.h"
#include "ext/engine/options.h"

namespace litestream {

struct DirectoryOptions {
  std::string dir;      // as written by the user
  std::string pattern;  // of file names: * ? [a-z]
  bool recursive = false;
  bool watch = false;    // databases that appear later are taken up
  std::string meta_dir;  // local folders stand below it; "": beside each database
  int line = 0;
  DatabaseOptions options;  // of every database; path and meta_path empty, URLs without their names
};

// Files of the folder whose names match, relative to it, sorted: regular files and links to them,
// but not -wal, -shm, -journal or what stands in a local folder of ours. Links to folders are not
// followed. NotFound: no such folder. Unsupported: more than 100000 entries, or 32 levels.
Result<std::vector<std::string>> matching_files(FileSystem& fs, const DirectoryOptions& directory);

// Whether the absolute `path` is one that matching_files() would list, by its name alone; then
// `*relative` is how.
bool directory_covers(const DirectoryOptions& directory, const std::string& path,
                      std::string* relative);

// The options of one database in it: path, meta path and the URLs of its replicas (the directory's,
// with `relative` below).
Result<DatabaseOptions> options_in_directory(const DirectoryOptions& directory,
                                             const std::string& relative);

}  // namespace litestream
