#include "ext/sqlite/source_database.h"

#include <unistd.h>

#include <cstring>

#include "ext/base/clock.h"
#include "ext/base/limits.h"

namespace litestream {
namespace {

constexpr int kShmRegionBytes = 32768;
constexpr int kIndexAttemptsMax = 100;
constexpr int kReadAttemptsMax = 20;
constexpr useconds_t kStepUs = 50;

Result<SqliteFileReader> file_of(sqlite3* db, int which) {
  sqlite3_file* file = nullptr;
  const int code = sqlite3_file_control(db, "main", which, &file);
  if (code != SQLITE_OK || file == nullptr || file->pMethods == nullptr) {
    return unsupported("SQLite gives no file handle; this VFS cannot be replicated");
  }
  return SqliteFileReader(file);
}

CheckpointOutcome checkpoint(sqlite3* db, int mode) {
  CheckpointOutcome outcome;
  int log_count = -1;
  int done_count = -1;
  const int code = sqlite3_wal_checkpoint_v2(db, "main", mode, &log_count, &done_count);
  outcome.ran = code == SQLITE_OK && log_count >= 0;
  outcome.log_frame_count = log_count;
  outcome.checkpointed_frame_count = done_count;
  return outcome;
}

class SqliteReader final : public SourceReader {
 public:
  SqliteReader(OwnConnection connection, const WalIndex& index, uint32_t page_size_bytes,
               uint32_t page_count, SqliteFileReader wal, SqliteFileReader database)
      : connection_(std::move(connection)),
        index_(index),
        page_size_bytes_(page_size_bytes),
        page_count_(page_count),
        wal_(wal),
        database_(database) {}
  ~SqliteReader() override {
    // Never the one to delete a WAL: the guard decides that.
    sqlite3_db_config(connection_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  }
  const WalIndex& index() const override { return index_; }
  uint32_t page_size_bytes() const override { return page_size_bytes_; }
  uint32_t page_count() const override { return page_count_; }
  RandomReader& wal() override { return wal_; }
  RandomReader& database() override { return database_; }

 private:
  OwnConnection connection_;
  const WalIndex index_;
  const uint32_t page_size_bytes_;
  const uint32_t page_count_;
  SqliteFileReader wal_;
  SqliteFileReader database_;
};

}  // namespace

Status begin_read(OwnConnection& connection) {
  Status status;
  for (int attempt = 0; attempt < kReadAttemptsMax; ++attempt) {
    if (sqlite3_get_autocommit(connection.get()) != 0) LS_RETURN_IF_ERROR(connection.exec("BEGIN"));
    // A mark exists only after a read of the database; BEGIN alone holds nothing.
    status = connection.exec("SELECT count(*) FROM sqlite_schema");
    if (status.ok() && sqlite3_txn_state(connection.get(), "main") == SQLITE_TXN_READ) return {};
    (void)connection.exec("ROLLBACK").ok();
    if (status.ok()) return internal_error("a read did not begin a transaction");
    if (status.code() != StatusCode::kBusy) return status;
  }
  return status;
}

Result<WalIndex> read_wal_index(sqlite3* db) {
  LS_ASSIGN_OR_RETURN(const SqliteFileReader database, file_of(db, SQLITE_FCNTL_FILE_POINTER));
  sqlite3_file* file = database.file();
  if (file->pMethods->iVersion < 2 || file->pMethods->xShmMap == nullptr) {
    return unsupported("this VFS has no shared memory for the WAL");
  }
  for (int attempt = 0; attempt < kIndexAttemptsMax; ++attempt) {
    void volatile* region = nullptr;
    const int code = file->pMethods->xShmMap(file, 0, kShmRegionBytes, 0, &region);
    if (code != SQLITE_OK) return sqlite_status(code, nullptr, "map the wal-index");
    if (region == nullptr) return busy("the wal-index is not there yet");
    uint8_t copy[kWalIndexHeaderBytes];
    // Writers update the two copies in opposite order, with barriers between; a torn read shows
    // as a difference or a bad checksum and is repeated.
    file->pMethods->xShmBarrier(file);
    std::memcpy(copy, const_cast<const void*>(const_cast<void*>(region)), sizeof copy);
    file->pMethods->xShmBarrier(file);
    auto index = decode_wal_index(copy);
    if (index.ok() || index.status().code() == StatusCode::kCorrupt) return index;
    ::usleep(kStepUs);
  }
  return busy("the wal-index is being rewritten");
}

SqliteSource::SqliteSource(std::string path, std::string vfs)
    : path_(std::move(path)), vfs_(std::move(vfs)) {}

SqliteSource::~SqliteSource() { close(false); }

Status SqliteSource::prepare(OwnConnection& connection, bool may_set_wal) {
  LS_ASSIGN_OR_RETURN(connection, OwnConnection::open(path_, vfs_));
  sqlite3_db_config(connection.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  if (sqlite3_db_readonly(connection.get(), "main") != 0) {
    return invalid_argument(path_ + " is read-only; replication needs to write its -wal and -shm");
  }
  LS_ASSIGN_OR_RETURN(std::string mode, connection.query_text("PRAGMA journal_mode"));
  if (mode != "wal" && may_set_wal) {
    LS_ASSIGN_OR_RETURN(mode, connection.query_text("PRAGMA journal_mode=WAL"));
  }
  if (mode == "wal") return {};
  return invalid_argument(path_ + " is in journal mode '" + mode +
                          "'; replication needs WAL: run PRAGMA journal_mode=WAL");
}

Status SqliteSource::open(bool may_set_wal) {
  close(false);
  LS_RETURN_IF_ERROR(prepare(guard_, may_set_wal));
  LS_RETURN_IF_ERROR(prepare(relief_, false));
  LS_RETURN_IF_ERROR(begin_read(guard_));
  LS_ASSIGN_OR_RETURN(const int64_t page_size, guard_.query_int("PRAGMA page_size"));
  LS_ASSIGN_OR_RETURN(const int64_t page_count, guard_.query_int("PRAGMA page_count"));
  if (!is_page_size(static_cast<uint64_t>(page_size))) return corrupt("impossible page size");
  if (page_count <= 0) return not_found(path_ + " has no pages yet");
  page_size_bytes_ = static_cast<uint32_t>(page_size);
  return adopt_guard_files();
}

Status SqliteSource::adopt_guard_files() {
  LS_ASSIGN_OR_RETURN(guard_wal_, file_of(guard_.get(), SQLITE_FCNTL_JOURNAL_POINTER));
  LS_ASSIGN_OR_RETURN(guard_database_, file_of(guard_.get(), SQLITE_FCNTL_FILE_POINTER));
  return {};
}

void SqliteSource::close(bool captured_all) {
  guard_wal_ = SqliteFileReader();
  guard_database_ = SqliteFileReader();
  if (captured_all && guard_.is_open()) {
    sqlite3_db_config(guard_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, nullptr);
  }
  relief_.close();
  if (guard_.is_open()) (void)guard_.exec("ROLLBACK").ok();
  guard_.close();
}

Result<WalIndex> SqliteSource::read_index() { return read_wal_index(guard_.get()); }

Status SqliteSource::advance() {
  LS_RETURN_IF_ERROR(begin_read(relief_).with_context("advance"));
  const Status ended = guard_.exec("ROLLBACK");
  if (!ended.ok()) {
    // Both hold marks now, which is stricter than needed; keep the older one.
    (void)relief_.exec("ROLLBACK").ok();
    return ended.with_context("advance");
  }
  std::swap(guard_, relief_);
  return adopt_guard_files();
}

Result<CheckpointOutcome> SqliteSource::relief_checkpoint() {
  // A connection that has not read yet reports OK with -1 frames and does nothing.
  LS_RETURN_IF_ERROR(relief_.exec("SELECT count(*) FROM sqlite_schema"));
  return checkpoint(relief_.get(), SQLITE_CHECKPOINT_PASSIVE);
}

Result<bool> SqliteSource::relief_lock_writes(int64_t wait_us) {
  sqlite3_busy_timeout(relief_.get(), 0);
  Status status;
  for (int64_t waited_us = 0; waited_us <= wait_us; waited_us += kStepUs) {
    status = relief_.exec("BEGIN IMMEDIATE");
    if (status.code() != StatusCode::kBusy) break;
    if (waited_us + kStepUs <= wait_us) ::usleep(kStepUs);
  }
  sqlite3_busy_timeout(relief_.get(), 1000);
  if (status.code() == StatusCode::kBusy) return false;
  if (!status.ok()) return status;
  return true;
}

Status SqliteSource::relief_unlock_writes() { return relief_.exec("ROLLBACK"); }

Result<CheckpointOutcome> SqliteSource::guard_checkpoint_and_renew() {
  LS_RETURN_IF_ERROR(guard_.exec("ROLLBACK"));
  const CheckpointOutcome outcome = checkpoint(guard_.get(), SQLITE_CHECKPOINT_PASSIVE);
  LS_RETURN_IF_ERROR(begin_read(guard_).with_context("renew the mark"));
  return outcome;
}

Result<bool> SqliteSource::relief_truncate() {
  LS_RETURN_IF_ERROR(relief_.exec("SELECT count(*) FROM sqlite_schema"));
  sqlite3_busy_timeout(relief_.get(), 0);
  const CheckpointOutcome outcome = checkpoint(relief_.get(), SQLITE_CHECKPOINT_TRUNCATE);
  sqlite3_busy_timeout(relief_.get(), 1000);
  return outcome.ran;
}

Result<std::unique_ptr<SourceReader>> SqliteSource::open_reader() {
  OwnConnection connection;
  LS_RETURN_IF_ERROR(prepare(connection, false));
  LS_RETURN_IF_ERROR(begin_read(connection));
  LS_ASSIGN_OR_RETURN(const WalIndex index, read_wal_index(connection.get()));
  uint32_t page_count = index.page_count;
  if (index.mx_frame == 0) {
    // Nothing in the WAL counts: the database file is the snapshot, the pager knows its length.
    LS_ASSIGN_OR_RETURN(const int64_t count, connection.query_int("PRAGMA page_count"));
    page_count = static_cast<uint32_t>(count);
  }
  LS_ASSIGN_OR_RETURN(const auto wal, file_of(connection.get(), SQLITE_FCNTL_JOURNAL_POINTER));
  LS_ASSIGN_OR_RETURN(const auto database, file_of(connection.get(), SQLITE_FCNTL_FILE_POINTER));
  std::unique_ptr<SourceReader> reader = std::make_unique<SqliteReader>(
      std::move(connection), index, page_size_bytes_, page_count, wal, database);
  return reader;
}

}  // namespace litestream
