// What a replicator has done since this process started it, for metrics.
// Threading: values.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

#include "ext/base/limits.h"
#include "ext/ltx/types.h"

namespace litestream {

// Of one replica. Times are wall time in milliseconds, 0: unknown.
struct ReplicaCounters {
  std::string name;
  uint64_t upload_count = 0;  // L0 files copied to it
  uint64_t upload_bytes = 0;
  uint64_t upload_us = 0;
  uint64_t upload_error_count = 0;
  int64_t oldest_restorable_at_ms = 0;  // the earliest moment that can be restored
  // Files and bytes per level as last listed; a negative count: not known.
  std::array<int64_t, kLevelMax + 1> file_count{};
  std::array<int64_t, kLevelMax + 1> file_bytes{};
};

struct ReplicatorCounters {
  uint64_t wal_bytes = 0;         // of the frames that were captured
  uint64_t sync_count = 0;        // captures that found something
  uint64_t sync_error_count = 0;  // captures, L0 writes and openings that failed
  uint64_t sync_us = 0;           // spent capturing and writing L0 files
  bool disk_full = false;         // the last L0 file could not be written for want of space
  // Checkpoints of ours, by mode: 0 PASSIVE, 1 TRUNCATE.
  std::array<uint64_t, 2> checkpoint_count{};
  std::array<uint64_t, 2> checkpoint_error_count{};
  std::array<uint64_t, 2> checkpoint_us{};
  // Finished compactions, by the level they wrote; 0 is not used.
  std::array<uint64_t, kCompactionLevelMax + 1> compaction_count{};
  std::array<uint64_t, kCompactionLevelMax + 1> compaction_us{};
  uint64_t compaction_error_count = 0;
  uint64_t compaction_verify_error_count = 0;
  // L0 files on the replicas as retention last saw them.
  uint64_t l0_eligible_count = 0;
  uint64_t l0_not_compacted_count = 0;
  uint64_t l0_too_recent_count = 0;
  uint64_t snapshot_count = 0;  // level 9 files written
  uint64_t snapshot_us = 0;
  int64_t last_snapshot_at_ms = 0;       // wall time; 0: none since the start
  uint64_t retention_deleted_count = 0;  // files removed from replicas
  uint64_t validation_count = 0;
  uint64_t validation_error_count = 0;
  int64_t last_validation_at_ms = 0;  // wall time; 0: none since the start
  bool last_validation_ok = false;
  std::vector<ReplicaCounters> replicas;
};

}  // namespace litestream
