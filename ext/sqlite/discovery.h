// The databases behind `dir` entries of a configuration: files whose names match and that SQLite
// takes for databases.
//
// No file is opened behind SQLite's back: a connection of ours opens it, and its first bytes are
// read through SQLite's own handle, without a lock.
// Threading: thread-compatible.
#pragma once

#include "ext/sqlite/sqlite_api.h"

#include <map>
#include <string>
#include <vector>

#include "ext/base/file_system.h"
#include "ext/config/directories.h"

namespace litestream {

// Whether the file begins as a SQLite database does. Errors: it cannot be opened or read.
Result<bool> is_database_file(const std::string& path);

class Discovery {
 public:
  // The databases in `directory`, by path. Files that were looked at before and are unchanged are
  // not opened again; one that cannot be opened is left out, with a line in the log.
  Result<std::vector<DatabaseOptions>> find(FileSystem& fs, const DirectoryOptions& directory);

 private:
  struct Seen {
    FileStat stat;
    bool is_database = false;
  };
  bool probe(FileSystem& fs, const std::string& path);

  std::map<std::string, Seen> seen_;
};

}  // namespace litestream
