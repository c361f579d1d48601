// What the engine needs from SQLite, and the only place where a layer depends on one to its right:
// declared here, implemented by ext/sqlite with real connections and by a fake in tests.
//
// The implementation keeps two connections, `guard` and `relief` (CAPTURE protocol): at every
// moment between open() and close() one of them is inside a read transaction, so that
//   - no frame that was not yet captured can be reset out of the WAL, and
//   - "the newest frame up to a chosen frame, else the database file" is an exact snapshot.
// Threading: replicator thread only, except that a SourceReader may be handed to one other thread.
// Errors: Busy (try again), Io, InvalidArgument (cannot be replicated; says why), NotFound (no such
// file), Unsupported.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "ext/base/bytes.h"
#include "ext/base/status.h"
#include "ext/wal/wal_index.h"

namespace litestream {

// A read transaction on a connection of its own, for jobs that take long. Frames up to index()
// (as read after the transaction began) and, below them, the database file cannot change in a way
// that SnapshotPages would not notice.
class SourceReader {
 public:
  virtual ~SourceReader() = default;  // ends the transaction and closes the connection
  virtual const WalIndex& index() const = 0;
  virtual uint32_t page_size_bytes() const = 0;
  virtual uint32_t page_count() const = 0;  // of the database at index()
  virtual RandomReader& wal() = 0;
  virtual RandomReader& database() = 0;
};

struct CheckpointOutcome {
  bool ran = false;  // result code OK and frame counts reported
  int64_t log_frame_count = -1;
  int64_t checkpointed_frame_count = -1;
  bool complete() const { return ran && log_frame_count == checkpointed_frame_count; }
};

class SourceDatabase {
 public:
  virtual ~SourceDatabase() = default;

  // Opens both connections, sets WAL mode when `may_set_wal`, takes the first mark. The file is
  // never created; NotFound if it is missing or has no pages yet.
  virtual Status open(bool may_set_wal) = 0;
  // Lets go. `captured_all`: the last connection may checkpoint and delete the WAL.
  virtual void close(bool captured_all) = 0;

  virtual uint32_t page_size_bytes() const = 0;
  // The wal-index as it is now. mx_frame 0 means: nothing in the WAL counts.
  virtual Result<WalIndex> read_index() = 0;
  virtual RandomReader& wal() = 0;       // through the connection that holds the mark
  virtual RandomReader& database() = 0;  // likewise

  // Relief begins at the newest mark, guard ends, they swap. Only after a capture that reached
  // what read_index() said after the guard's mark was taken.
  virtual Status advance() = 0;
  // Asks the operating system to begin writing the WAL to the disk and does not wait: before a
  // checkpoint, which has to wait for that. A hint; may do nothing.
  virtual void start_wal_writeback() {}
  // PASSIVE checkpoint by relief, outside any transaction of its own.
  virtual Result<CheckpointOutcome> relief_checkpoint() = 0;
  // BEGIN IMMEDIATE by relief, tried for `wait_us` microseconds; false: somebody writes.
  virtual Result<bool> relief_lock_writes(int64_t wait_us) = 0;
  virtual Status relief_unlock_writes() = 0;  // ROLLBACK
  // Guard ends its read, runs PASSIVE, begins its read again. Only while relief holds the write
  // lock and everything is captured.
  virtual Result<CheckpointOutcome> guard_checkpoint_and_renew() = 0;
  // One TRUNCATE attempt without waiting. Only while parked; false: somebody was in the way.
  virtual Result<bool> relief_truncate() = 0;

  // A new connection inside a read transaction of its own.
  virtual Result<std::unique_ptr<SourceReader>> open_reader() = 0;
};

}  // namespace litestream
