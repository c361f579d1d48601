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
// Runs on a worker thread with a reader of its own while the replicator holds its mark.
// Errors: InvalidArgument/Unsupported with what to do (another database's files, another page
// size), those of stores and readers, Cancelled.
#pragma once

#include <memory>
#include <string>

#include "ext/base/file_system.h"
#include "ext/engine/page_sums.h"
#include "ext/engine/position.h"
#include "ext/engine/snapshot_pages.h"
#include "ext/engine/source_database.h"
#include "ext/store/ltx_store.h"

namespace litestream {

struct StartInput {
  SourceReader* reader = nullptr;
  LtxStore* replica = nullptr;
  LtxStore* spool = nullptr;
  FileSystem* fs = nullptr;
  int64_t marked_at_ms = 0;  // wall time when the reader took its mark: the time of its content
  std::string database_path;
  std::string state_path;
  std::string pages_path;
  CancelCheck cancel;
};

struct StartResult {
  Position position;
  PageSums sums;
  Txid replica_txid;            // newest on the replica
  bool needs_snapshot = false;  // the replica cannot restore the position without one
  std::string how;              // "first snapshot", "continued", ... for the log
};

Result<StartResult> run_start(const StartInput& input);

// Facts of the database file for the clean-shutdown record; NotFound without a file.
Result<LocalState::CleanFile> clean_file_of(FileSystem& fs, const std::string& database_path,
                                            Checksum page_one, int64_t now_ms);

// Applies the files' pages to `sums`, oldest first; each must continue sums.txid().
// PositionMismatch: a gap, or a chain checksum that does not fit.
Status roll_forward(PageSums* sums, LtxStore& store, std::vector<LtxFileInfo> files,
                    const CancelCheck& cancel);

}  // namespace litestream
