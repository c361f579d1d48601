// Keeps a copy of a database current with a replica, one bounded step at a time, while SQLite's
// readers use the copy.
//
// How a step changes the copy: (1) the new pages are gathered in an unnamed temporary file, checked
// against the chain; (2) SQLite's write lock on the copy is taken, the record of follow_state.h and
// a rollback journal with the old pages are made durable, readers go on; (3) readers are shut out
// by SQLite's exclusive lock, the pages are written and synced, the journal is removed, the lock is
// let go. A reader sees the state before or the one after. If the follower dies in (3), the journal
// is hot: whatever SQLite opens the copy next puts the old pages back, as after a crash of its own.
//
// Catching up: by raw files, else by files of any level, else (a gap, another history, too far
// behind) by comparing the newest restorable point with the copy page by page; if there is none
// beyond the copy: an error that names the gap.
// Threading: pure over its arguments; the callbacks run on the calling thread.
#pragma once

#include <cstdint>
#include <string>

#include "ext/base/clock.h"
#include "ext/base/file_system.h"
#include "ext/base/status.h"
#include "ext/engine/database_stream.h"
#include "ext/engine/follow_copy.h"
#include "ext/engine/restore.h"
#include "ext/store/ltx_store.h"

namespace litestream {

struct FollowOptions {
  StreamOptions stream;
  // How long readers of the copy are waited for.
  int64_t lock_wait_ms = 5000;
  // Files of one step, together; at least one file is taken.
  uint64_t step_bytes_max = uint64_t{256} << 20;
};

struct FollowResult {
  Txid txid;  // where the copy stands
  int64_t created_at_ms = 0;
  uint64_t size_bytes = 0;    // of the copy
  uint64_t page_count = 0;    // pages written by this step
  bool is_current = false;    // the replica had nothing more when it was looked at
  bool was_restored = false;  // the copy is new
};

// Restores the newest point to `output`, which must not exist, as a copy to be followed. Errors as
// restore_database.
Result<FollowResult> start_following(LtxStore& store, FileSystem& fs, const std::string& output,
                                     const RestoreOptions& options);

// One step. `output` is the path of `copy`.
// NotFound: no record beside it, or transactions are missing from the replica. PositionMismatch:
// the copy was changed by somebody else, or follows another replica. Busy: readers or another
// follower are in the way; try again. Corrupt, Cancelled, Io.
Result<FollowResult> follow_step(LtxStore& store, FileSystem& fs, FollowCopy& copy,
                                 const std::string& output, const FollowOptions& options);

}  // namespace litestream
