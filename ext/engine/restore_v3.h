// Restores what Litestream 0.3 left behind: a generation's newest snapshot and the WALs after it.
//
// A generation counts its WALs from 0. A snapshot of index i precedes WAL i, which comes in
// segments that follow each other from offset 0; each WAL is applied whole before the next.
// What is verified: LZ4 frames, that segments and WALs follow each other without a hole, the page
// size, and that every byte of every WAL belongs to a committed transaction (WAL checksums).
// What cannot be seen, for want of anything that tells: segments lost from the end of a WAL.
// Threading: pure over its arguments; everything happens on the calling thread.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ext/base/file_system.h"
#include "ext/base/status.h"
#include "ext/engine/restore.h"
#include "ext/store/ltx_store.h"

namespace litestream {

struct V3Target {
  std::string generation;          // empty: the one that was written last, as far as the time goes
  std::optional<int64_t> time_ms;  // only files stored at or before it; none: everything
};

struct V3Plan {
  std::string generation;
  V3File snapshot;
  std::vector<V3File> segments;  // in (index, offset) order
  int64_t created_at_ms = 0;     // when the last of the files was stored
  uint64_t size_bytes = 0;       // of all files together, compressed
};

// NotFound: no generation, not that one, or nothing at or before the time (the message names what
// there is).
// Corrupt: a WAL between is missing, or does not begin at its beginning.
Result<V3Plan> plan_restore_v3(LtxStore& store, const V3Target& target);

struct V3RestoreResult {
  std::string restored_path;  // `output` as given
  V3Plan plan;
  uint64_t size_bytes = 0;
};

// As restore_database(); options.stream.parallelism and store_lag_ms do not matter here. While it
// runs, one decompressed WAL stands in an unnamed temporary file beside the output.
Result<V3RestoreResult> restore_v3(LtxStore& store, FileSystem& fs, const V3Target& target,
                                   const std::string& output, const RestoreOptions& options);

}  // namespace litestream
