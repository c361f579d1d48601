// Copies finished L0 files from the spool to the replica, in TXID order, each exactly once.
// Threading: free functions; the caller runs one upload per replica at a time.
#pragma once

#include "ext/engine/snapshot_pages.h"
#include "ext/store/ltx_store.h"

namespace litestream {

// Byte for byte. AlreadyExists: the target has other content under that name.
Status copy_file(LtxStore& from, const LtxFileInfo& file, LtxStore& to, const CancelCheck& cancel);

// Copies every spooled file beyond `replica_newest`. Updates it after each file, also when an error
// ends the run. PositionMismatch: another writer uses the replica.
// `covered`: what the replica can restore besides, by a snapshot. `*gap`: the spool misses files
// between that and the next one, so only a snapshot leads on.
Status upload_spool(LtxStore& spool, LtxStore& replica, Txid* replica_newest, Txid covered,
                    bool* gap, const CancelCheck& cancel);

// Runs `write`, a create-only write of `file`. If the name is taken, the file that is there serves
// when it is sound, and is removed and written again when it is damaged.
Status replace_if_damaged(LtxStore& store, const LtxFileInfo& file,
                          const std::function<Status()>& write);

// Removes spooled files that the replica has and that nothing local needs any more: all up to
// `keep_after`, but never the newest. Returns the bytes that remain in the spool.
Result<uint64_t> trim_spool(LtxStore& spool, Txid keep_after);

// Bytes of the spooled files that end beyond `replica_newest`.
Result<uint64_t> unsent_bytes(LtxStore& spool, Txid replica_newest);

}  // namespace litestream
