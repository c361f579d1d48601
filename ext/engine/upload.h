// Copies finished L0 files from the spool to the replica, in TXID order, each exactly once.
// Threading: free functions; the caller runs one upload per replica at a time.
#pragma once

#include <functional>
#include <string>

#include "ext/engine/lease.h"
#include "ext/engine/snapshot_pages.h"
#include "ext/engine/sync_turns.h"
#include "ext/store/ltx_store.h"

namespace litestream {

// Byte for byte. AlreadyExists: the target has other content under that name.
Status copy_file(LtxStore& from, const LtxFileInfo& file, LtxStore& to, const CancelCheck& cancel,
                 SyncTurns* turns);

// One run of uploads to one replica: what the caller knows, and what came of it.
struct UploadRun {
  Txid uploaded;              // newest L0 file there; moves with every file, also before an error
  Checksum end_checksum = 0;  // of the database at `uploaded`; 0: not known
  Txid covered;               // what the replica can restore besides, by a snapshot
  LeaseKeeper* lease = nullptr;  // may be null
  SyncTurns* turns = nullptr;    // of whom the end of each file waits for; may be null
  CancelCheck cancel;
  std::function<void(Txid reached)> on_file;  // after each file that is durable there; may be empty
  uint64_t file_count_max = UINT64_MAX;       // then the run ends; more is left for the next
  uint64_t file_count = 0, byte_count = 0;    // uploaded
  std::string gap;  // not empty: only a snapshot leads on, because of this
};

// Copies every spooled file beyond `run->uploaded`, each under the lease. NotFound with `run->gap`:
// the spool misses files, or its next one was made for another database than the replica holds
// (nothing of it is uploaded then). PositionMismatch: another writer uses the replica.
Status upload_spool(LtxStore& spool, LtxStore& replica, UploadRun* run);

// Runs `write`, a create-only write of `file`. If the name is taken, the file that is there serves
// when it is sound, and is removed and written again when it is damaged. `may_remove` (may be
// empty) is asked before that; an error ends it.
Status replace_if_damaged(LtxStore& store, const LtxFileInfo& file,
                          const std::function<Status()>& write,
                          const std::function<Status()>& may_remove);

// Removes spooled files that the replica has and that nothing local needs any more: all up to
// `keep_after`, but never the newest. Returns the bytes that remain in the spool.
Result<uint64_t> trim_spool(LtxStore& spool, Txid keep_after);

// Bytes of the spooled files that end beyond `replica_newest`.
Result<uint64_t> unsent_bytes(LtxStore& spool, Txid replica_newest);

}  // namespace litestream
