// A level 9 snapshot made of what the replica has, without reading the database: the newest whole
// database and everything after it, merged up to one point. And what that would cost, compared with
// reading the database at a mark.
// Threading: pure over its arguments.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ext/engine/compactor.h"
#include "ext/engine/local_copies.h"
#include "ext/engine/restore_plan.h"
#include "ext/store/ltx_store.h"

namespace litestream {

// Files of one plan that are merged at once; with more, compaction comes first.
inline constexpr size_t kSnapshotFilesMax = 20'000;

struct SnapshotCosts {
  uint64_t merge_us = 0;  // from the replica's files; UINT64_MAX: not possible
  uint64_t read_us = 0;   // from the database; UINT64_MAX: not possible
  bool merge_is_cheaper() const { return merge_us <= read_us && merge_us != UINT64_MAX; }
};

struct SnapshotCostInput {
  const RestorePlan* plan = nullptr;  // to the point; null: there is none
  bool replica_is_local = false;      // a folder of this machine
  uint64_t spooled_bytes = 0;         // of the plan's files, at hand in the spool
  uint64_t database_bytes = 0;        // 0: it cannot be read
};

// What both ways cost before the upload, which is the same for both. Local: bytes through the page
// cache, pages decompressed and summed, for the database compressed too (speeds: .cc). Remote: what
// has to be downloaded, and a request per file.
SnapshotCosts estimate_snapshot(const SnapshotCostInput& input);

// Writes 1..txid at level 9, `txid` being a restorable point of `files` (a listing of the replica).
// The result is verified against the chain checksum; without one every input is read whole first.
// An existing sound snapshot of that point is taken as it is.
// InvalidArgument, NotFound: no such point, as plan_restore. Unsupported: more than
// kSnapshotFilesMax files. Else as Compactor::merge.
Result<LtxFileInfo> write_replica_snapshot(LtxStore& replica, LocalCopies& local,
                                           std::span<const LtxFileInfo> files, Txid txid,
                                           const JobControl& control, CompactionFailure* failure);

}  // namespace litestream
