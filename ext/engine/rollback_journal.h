// A rollback journal as SQLite writes it: old pages of a database, so that whoever finds the
// journal after a crash (any SQLite that opens the database) puts them back.
//
// Use: create, add every page that will change or be cut off, seal; change the database and sync
// it; remove. Until seal() returned the database must not be touched; remove() is the commit.
// Source: SQLite's published "Database File Format", section 3.
// Threading: thread-compatible. The caller holds SQLite's write lock on the database throughout.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ext/base/bytes.h"
#include "ext/base/file_system.h"
#include "ext/base/status.h"
#include "ext/ltx/types.h"

namespace litestream {

class RollbackJournal {
 public:
  // "<database>-journal". `page_count`: of the database as it is now. One that lies there already
  // is replaced: SQLite put back what was in it when the caller took the lock, or there was nothing
  // in it yet when its writer died. `fs` must outlive the object.
  static Result<std::unique_ptr<RollbackJournal>> create(FileSystem& fs,
                                                         const std::string& database_path,
                                                         uint32_t page_size, uint32_t page_count,
                                                         uint32_t nonce);
  // Not sealed: removes the file. Sealed: leaves it, since the database may have been changed.
  ~RollbackJournal();
  RollbackJournal(const RollbackJournal&) = delete;
  RollbackJournal& operator=(const RollbackJournal&) = delete;

  // One page as it is now, at most once, never the lock page.
  Status add(Pgno pgno, Bytes page);
  // The journal and its name survive power loss from here on.
  Status seal();
  // The change is final, also after power loss. Also for giving up before the database was changed.
  Status remove();

 private:
  RollbackJournal(FileSystem& fs, std::string path, std::unique_ptr<WritableFile> file,
                  uint32_t nonce)
      : fs_(fs), path_(std::move(path)), file_(std::move(file)), nonce_(nonce) {}
  Status flush();

  FileSystem& fs_;
  const std::string path_;
  std::unique_ptr<WritableFile> file_;
  const uint32_t nonce_;
  uint32_t record_count_ = 0;
  std::vector<uint8_t> buffer_;
  bool sealed_ = false;
};

}  // namespace litestream
