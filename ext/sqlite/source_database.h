// SourceDatabase on real SQLite connections: guard, relief, and readers. The protocol and the
// reasons for every step: ext/README.md, "The capture protocol".
// Threading: replicator thread only; a reader may move to one other thread.
#pragma once

#include "ext/sqlite/own_connection.h"

#include <array>
#include <string>
#include <utility>

#include "ext/engine/source_database.h"

namespace litestream {

// Device and inode of a database, its -wal and its -shm; 0: no such file.
using FileIdentities = std::array<std::pair<uint64_t, uint64_t>, 3>;

class SqliteSource final : public SourceDatabase {
 public:
  // `path` absolute; `vfs` the name of the host connection's VFS, or empty.
  SqliteSource(std::string path, std::string vfs);
  ~SqliteSource() override;

  Status open(bool may_set_wal) override;
  void close(bool captured_all) override;
  uint32_t page_size_bytes() const override { return page_size_bytes_; }
  Result<WalIndex> read_index() override;
  RandomReader& wal() override { return guard_wal_; }
  RandomReader& database() override { return guard_database_; }
  Status advance() override;
  void start_wal_writeback() override;
  Result<CheckpointOutcome> relief_checkpoint() override;
  Result<bool> relief_lock_writes(int64_t wait_us) override;
  Status relief_unlock_writes() override;
  Result<CheckpointOutcome> guard_checkpoint_and_renew() override;
  Result<bool> relief_truncate() override;
  Result<std::unique_ptr<SourceReader>> open_reader() override;

 private:
  Status prepare(OwnConnection& connection, bool may_set_wal);
  Status open_relief();
  Status adopt_guard_files();

  const std::string path_;
  const std::string vfs_;
  uint32_t page_size_bytes_ = 0;
  FileIdentities opened_{};
  OwnConnection guard_;   // inside a read transaction from open() to close()
  OwnConnection relief_;  // outside one, but for moments; opened at first use
  SqliteFileReader guard_wal_;
  SqliteFileReader guard_database_;
};

// Begins a read transaction that really holds a mark. Busy: try again.
Status begin_read(OwnConnection& connection);

// The wal-index header through the connection's own shared memory; the connection has read.
Result<WalIndex> read_wal_index(sqlite3* db);

}  // namespace litestream
