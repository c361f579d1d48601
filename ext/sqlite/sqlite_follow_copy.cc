#include "ext/sqlite/sqlite_follow_copy.h"

namespace litestream {

// The first read of the copy rolls a hot journal back; BEGIN IMMEDIATE contains one.
Status SqliteFollowCopy::begin() {
  LS_ASSIGN_OR_RETURN(connection_, OwnConnection::open(path_, ""));
  const Status locked = connection_.exec("BEGIN IMMEDIATE");
  if (!locked.ok()) return locked.with_context(path_);
  LS_ASSIGN_OR_RETURN(const std::string mode, connection_.query_text("PRAGMA journal_mode"));
  if (mode != "delete") {
    return position_mismatch(path_ + " is in journal mode " + mode +
                             ": somebody else has changed it; remove it to start again");
  }
  LS_ASSIGN_OR_RETURN(const int64_t page_size, connection_.query_int("PRAGMA page_size"));
  page_size_bytes_ = static_cast<uint32_t>(page_size);
  sqlite3_file* file = nullptr;
  const int code =
      sqlite3_file_control(connection_.get(), "main", SQLITE_FCNTL_FILE_POINTER, &file);
  if (code != SQLITE_OK || file == nullptr || file->pMethods == nullptr) {
    return unsupported("SQLite gives no file handle; this VFS cannot be followed");
  }
  file_ = SqliteFileReader(file);
  return {};
}

// SQLite itself would take this lock at the commit of a change; ours does not go through its pager.
// ROLLBACK lets go of it: SQLite unlocks what the file handle holds, not what it remembers.
Result<bool> SqliteFollowCopy::shut_out_readers(int64_t wait_ms) {
  for (int64_t waited_ms = 0;; ++waited_ms) {
    const int code = file_.file()->pMethods->xLock(file_.file(), SQLITE_LOCK_EXCLUSIVE);
    if (code == SQLITE_OK) return true;
    if ((code & 0xff) != SQLITE_BUSY) return sqlite_status(code, nullptr, "lock " + path_);
    if (waited_ms >= wait_ms) return false;
    sqlite3_sleep(1);
  }
}

Status SqliteFollowCopy::write_at(uint64_t offset_bytes, Bytes bytes) {
  const int code =
      file_.file()->pMethods->xWrite(file_.file(), bytes.data(), static_cast<int>(bytes.size()),
                                     static_cast<sqlite3_int64>(offset_bytes));
  return sqlite_status(code, nullptr, "write " + path_);
}

Status SqliteFollowCopy::truncate(uint64_t size_bytes) {
  const int code =
      file_.file()->pMethods->xTruncate(file_.file(), static_cast<sqlite3_int64>(size_bytes));
  return sqlite_status(code, nullptr, "truncate " + path_);
}

Status SqliteFollowCopy::sync() {
  const int code = file_.file()->pMethods->xSync(file_.file(), SQLITE_SYNC_NORMAL);
  return sqlite_status(code, nullptr, "sync " + path_);
}

void SqliteFollowCopy::end() {
  if (!connection_.is_open()) return;
  file_ = SqliteFileReader();
  (void)connection_.exec("ROLLBACK").ok();
  connection_.close();
}

}  // namespace litestream
