// What happens between "replicate this database" and the first capture: find out what the replica
// and the local folder hold, and bring position, page checksums and replica to one point.
//
//   nothing anywhere          -> snapshot 1..1: the first contact is TXID 1
//   position still in the WAL -> continue there
//   clean shutdown, same file -> continue with the next commit
//   anything else             -> compare page checksums; the pages that differ become one ordinary
//                                L0 file with the next TXID (never a reused one)
//   nothing to compare with   -> a snapshot with the next TXID
//
// With several replicas the one that reaches furthest is the base; each of the others goes on from
// the spool if that leads from where it stands, else it needs a snapshot. A replica that cannot be
// reached joins later (join_replica).
//
// Runs on a worker thread with a reader of its own while the replicator holds its mark.
// Errors: InvalidArgument/Unsupported with what to do (another database's files, another page
// size), those of stores and readers, Cancelled.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "ext/base/file_system.h"
#include "ext/engine/lease.h"
#include "ext/engine/page_sums.h"
#include "ext/engine/position.h"
#include "ext/engine/snapshot_pages.h"
#include "ext/engine/source_database.h"
#include "ext/store/ltx_store.h"

namespace litestream {

struct StartReplica {
  LtxStore* store = nullptr;
  LeaseKeeper* lease = nullptr;
};

struct StartInput {
  SourceReader* reader = nullptr;
  std::vector<StartReplica> replicas;
  LtxStore* spool = nullptr;
  FileSystem* fs = nullptr;
  int64_t marked_at_ms = 0;  // wall time when the reader took its mark: the time of its content
  std::string database_path;
  std::string state_path;
  std::string pages_path;
  // A replica that cannot be reached may hold TXIDs that nobody else knows of any more, after a
  // power loss. So without this a start that cannot just go on where it stopped waits for all of
  // them.
  bool may_leave_out = false;
  int capture_acceleration = 4;  // of a difference, as of captured pages
  int level_acceleration = 1;    // of a snapshot
  CancelCheck cancel;
};

// How a replica stands to the position.
struct ReplicaStart {
  Status reached;               // not ok: why not; the rest means nothing then
  Txid newest;                  // of all its files
  Checksum end_checksum = 0;    // of the database there; 0: not known
  bool needs_snapshot = false;  // it cannot restore the position without one
  std::string why;              // then: the reason
};

struct StartResult {
  Position position;
  PageSums sums;
  std::vector<ReplicaStart> replicas;  // as in the input
  std::string how;                     // "first snapshot", "continued", ... for the log
};

// Busy also: another writer holds the lease of one of the replicas.
Result<StartResult> run_start(const StartInput& input);

// A replica that was not reached at the start, looked at while capture is at `position` with these
// page checksums in the spool. PositionMismatch: it is ahead; only a new start can deal with that.
Result<ReplicaStart> join_replica(const StartReplica& replica, LtxStore& spool, Txid position,
                                  Checksum checksum_at_position);

// The URLs of all replicas, for LocalState.replica_url.
std::string replica_urls(const std::vector<StartReplica>& replicas);

// Facts of the database file for the clean-shutdown record; NotFound without a file.
Result<LocalState::CleanFile> clean_file_of(FileSystem& fs, const std::string& database_path,
                                            Checksum page_one, int64_t now_ms);

// Applies the files' pages to `sums`, oldest first; each must continue sums.txid().
// PositionMismatch: a gap, or a chain checksum that does not fit.
Status roll_forward(PageSums* sums, LtxStore& store, std::vector<LtxFileInfo> files,
                    const CancelCheck& cancel);

}  // namespace litestream
