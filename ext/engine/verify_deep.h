// Proof that a replica restores, and that it holds what the live database holds.
// Threading: pure over their arguments; options' callbacks run on the calling thread.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <vector>

#include "ext/base/file_system.h"
#include "ext/base/status.h"
#include "ext/engine/database_stream.h"
#include "ext/engine/page_sums.h"
#include "ext/engine/snapshot_pages.h"
#include "ext/store/ltx_store.h"

namespace litestream {

// For each whole database among `files` (snapshots; without any, other files from TXID 1) the
// newest point that is restored from it, oldest first.
std::vector<Txid> deep_points(std::span<const LtxFileInfo> files);

// Restores each of deep_points() in turn to `scratch_path`, which must not exist and is removed
// again; the chain checksum is compared on the way, and `check` (integrity_check) decides about the
// file. Returns what is wrong, in sentences; empty: nothing. `restored_count` (may be null): how
// many points were tried. Cancelled; Unavailable and Io of the store and of the scratch folder.
Result<std::vector<std::string>> verify_deep(
    LtxStore& store, FileSystem& fs, const std::string& scratch_path,
    const std::function<Status(const std::string& path)>& check, const StreamOptions& options,
    size_t* restored_count = nullptr);

// What is live at `txid`, page by page: read at the reader's mark, which may be let go afterwards.
// Writers go on. The caller knows that `reader` began exactly at `txid`.
Result<PageSums> sum_live_database(SourceReader& reader, Txid txid, const CancelCheck& cancel);

// Compares the replica at live.txid(), which must be a restorable point of it, with the live
// database. Returns what is wrong; empty: every page is the same. NotFound, InvalidArgument: no
// such point. Corrupt: a file of the replica is damaged. Else as verify_deep.
Result<std::vector<std::string>> compare_with_live(LtxStore& store, const PageSums& live,
                                                   const StreamOptions& options);

}  // namespace litestream
