// Writes the database of a replica, at one point, to a new file.
//
// The file appears under its name when it is complete, verified and durable, and not before; a
// failed, cancelled or killed restore leaves nothing under that name. Left-overs of killed restores
// to the same name are removed by the next one.
// Threading: pure over its arguments; two restores to one name at once: one of them fails.
#pragma once

#include <cstdint>
#include <functional>
#include <string>

#include "ext/base/clock.h"
#include "ext/base/file_system.h"
#include "ext/base/status.h"
#include "ext/engine/database_stream.h"
#include "ext/engine/restore_plan.h"
#include "ext/store/ltx_store.h"

namespace litestream {

// A restored database that is not published yet.
struct RestoredDatabase {
  Txid txid;
  int64_t created_at_ms = 0;
  DatabaseShape shape;
  Checksum checksum = 0;       // of the whole database
  std::string temporary_path;  // complete and durable under this name
};

struct RestoreOptions {
  // Replace an existing output, and remove -wal, -shm and -journal files beside it. The caller has
  // made sure that no process has it open.
  bool overwrite = false;
  // Called with the path of the finished temporary file before it is published; an error stops the
  // restore. For PRAGMA integrity_check.
  std::function<Status(const std::string& temporary_path)> check;
  // Called with page 1, which may be changed, before it is written.
  std::function<void(MutableBytes page)> edit_page_one;
  // Called after `check`; an error stops the restore.
  std::function<Status(const RestoredDatabase& restored)> before_publish;
  StreamOptions stream;
  // How long, all in all, a file is waited for that the store lists but does not hand out yet.
  int64_t store_lag_ms = 0;
  // Larger databases are written past the page cache, unless `check` is going to read them.
  uint64_t direct_from_bytes = uint64_t{512} << 20;
  Sleeper* sleeper = &system_sleeper();
};

struct RestoreResult {
  std::string restored_path;  // `output` as given
  Txid txid;
  int64_t created_at_ms = 0;  // of that point
  uint64_t size_bytes = 0;
};

// Restores `target` to `output`, whose folder must exist. If a file of the plan is damaged or gone,
// another way to the same point is tried; without one the error is about the first such file and
// names its path.
// AlreadyExists: the output or a file that SQLite would take for its journal is there. Busy:
// another restore to this name runs. NotFound, InvalidArgument: as plan_restore, or no folder.
// Corrupt, PositionMismatch: as stream_database. Cancelled. Io.
Result<RestoreResult> restore_database(LtxStore& store, FileSystem& fs, const RestoreTarget& target,
                                       const std::string& output, const RestoreOptions& options);

}  // namespace litestream
