#include "ext/sqlite/source_database.h"

#include <unistd.h>

#include <cstring>

#include "ext/base/clock.h"
#include "ext/base/descriptors.h"
#include "ext/base/file_system.h"
#include "ext/base/limits.h"
#include "ext/wal/wal_format.h"

namespace litestream {
namespace {

constexpr int kShmRegionBytes = 32768;
constexpr int kIndexAttemptsMax = 100;
constexpr int kReadAttemptsMax = 20;
constexpr useconds_t kStepUs = 50;
// Two connections, a reader, a job with its files; and some for the application, which would
// otherwise be the one to meet the limit.
constexpr int kDescriptorsFreeMin = 48;

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

FileIdentities identities_of(const std::string& path) {
  FileIdentities files{};
  constexpr const char* kSuffixes[] = {"", "-wal", "-shm"};
  for (size_t i = 0; i < files.size(); ++i) {
    const auto stat = posix_file_system().stat(path + kSuffixes[i]);
    if (stat.ok()) files[i] = {stat->device, stat->inode};
  }
  return files;
}

// Whether committed frames in the WAL carry no checksums: SQLite's savepoint bug (before 3.50).
bool has_unchained_frames(RandomReader& wal, const WalIndex& index, uint32_t page_size_bytes) {
  for (uint32_t frame = 1; frame <= index.mx_frame; ++frame) {
    uint8_t header[kWalFrameHeaderBytes];
    if (!read_exactly(wal, wal_frame_offset(frame, page_size_bytes), header).ok()) return false;
    if (decode_frame_header(header).salts == WalSalts()) return true;
  }
  return false;
}

// The last connection to close leaves the WAL alone, because what is in it may not be captured yet.
// But recovery would end before frames without checksums, and pages that are older in the WAL than
// in the database file would win: such a WAL must not be what is left. The next start compares.
void checkpoint_at_close_if_unchained(sqlite3* db, RandomReader& wal, uint32_t page_size_bytes,
                                      const std::string& path, const FileIdentities& opened) {
  // Other files at these paths by now are not ours to checkpoint or to delete.
  if (opened[0].second == 0 || identities_of(path) != opened) return;
  const auto index = read_wal_index(db);
  if (!index.ok() || !has_unchained_frames(wal, *index, page_size_bytes)) return;
  sqlite3_db_config(db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, nullptr);
}

class SqliteReader final : public SourceReader {
 public:
  SqliteReader(OwnConnection connection, std::string path, const FileIdentities& opened,
               const WalIndex& index, uint32_t page_size_bytes, uint32_t page_count,
               SqliteFileReader wal, SqliteFileReader database)
      : connection_(std::move(connection)),
        path_(std::move(path)),
        opened_(opened),
        index_(index),
        page_size_bytes_(page_size_bytes),
        page_count_(page_count),
        wal_(wal),
        database_(database) {}
  ~SqliteReader() override {
    checkpoint_at_close_if_unchained(connection_.get(), wal_, page_size_bytes_, path_, opened_);
  }
  const WalIndex& index() const override { return index_; }
  uint32_t page_size_bytes() const override { return page_size_bytes_; }
  uint32_t page_count() const override { return page_count_; }
  RandomReader& wal() override { return wal_; }
  RandomReader& database() override { return database_; }

 private:
  OwnConnection connection_;
  const std::string path_;
  const FileIdentities opened_;
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
  // They read the schema page and nothing else, and there are many of them.
  LS_RETURN_IF_ERROR(connection.exec("PRAGMA cache_size=2"));
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
  LS_RETURN_IF_ERROR(require_free_descriptors(kDescriptorsFreeMin));
  LS_RETURN_IF_ERROR(prepare(guard_, may_set_wal));
  LS_RETURN_IF_ERROR(begin_read(guard_));
  LS_ASSIGN_OR_RETURN(const int64_t page_size, guard_.query_int("PRAGMA page_size"));
  LS_ASSIGN_OR_RETURN(const int64_t page_count, guard_.query_int("PRAGMA page_count"));
  if (!is_page_size(static_cast<uint64_t>(page_size))) return corrupt("impossible page size");
  if (page_count <= 0) return not_found(path_ + " has no pages yet");
  page_size_bytes_ = static_cast<uint32_t>(page_size);
  opened_ = identities_of(path_);
  return adopt_guard_files();
}

// Not before it is needed: SQLite keeps the descriptors of closed connections as long as others of
// the process hold locks, and gives them to the next one. So relief gets that of the reader which
// the start has closed by then.
Status SqliteSource::open_relief() {
  if (relief_.is_open()) return {};
  OwnConnection connection;
  LS_RETURN_IF_ERROR(prepare(connection, false));
  relief_ = std::move(connection);
  return {};
}

Status SqliteSource::adopt_guard_files() {
  LS_ASSIGN_OR_RETURN(guard_wal_, file_of(guard_.get(), SQLITE_FCNTL_JOURNAL_POINTER));
  LS_ASSIGN_OR_RETURN(guard_database_, file_of(guard_.get(), SQLITE_FCNTL_FILE_POINTER));
  return {};
}

void SqliteSource::close(bool captured_all) {
  if (captured_all && guard_.is_open()) {
    sqlite3_db_config(guard_.get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 0, nullptr);
  } else if (guard_wal_.file() != nullptr) {
    checkpoint_at_close_if_unchained(guard_.get(), guard_wal_, page_size_bytes_, path_, opened_);
  }
  guard_wal_ = SqliteFileReader();
  guard_database_ = SqliteFileReader();
  opened_ = {};
  relief_.close();
  if (guard_.is_open()) (void)guard_.exec("ROLLBACK").ok();
  guard_.close();
}

Result<WalIndex> SqliteSource::read_index() { return read_wal_index(guard_.get()); }

Status SqliteSource::advance() {
  LS_RETURN_IF_ERROR(open_relief().with_context("advance"));
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

// By path: SQLite has no call for it, and no lock of SQLite's is on this file. Another file by that
// name would do no harm.
void SqliteSource::start_wal_writeback() { start_file_writeback(path_ + "-wal"); }

Result<CheckpointOutcome> SqliteSource::relief_checkpoint() {
  LS_RETURN_IF_ERROR(open_relief());
  // A connection that has not read yet reports OK with -1 frames and does nothing.
  LS_RETURN_IF_ERROR(relief_.exec("SELECT count(*) FROM sqlite_schema"));
  return checkpoint(relief_.get(), SQLITE_CHECKPOINT_PASSIVE);
}

Result<bool> SqliteSource::relief_lock_writes(int64_t wait_us) {
  LS_RETURN_IF_ERROR(open_relief());
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
  LS_RETURN_IF_ERROR(open_relief());
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
      std::move(connection), path_, opened_, index, page_size_bytes_, page_count, wal, database);
  return reader;
}

}  // namespace litestream
