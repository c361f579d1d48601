// Lets SQLite reset the WAL without losing a commit, and parks an idle mark where it harms nobody:
// the barrier of the capture protocol.
// Threading: replicator thread only.
#pragma once

#include <cstdint>

#include "ext/engine/capture.h"
#include "ext/engine/source_database.h"

namespace litestream {

enum class BarrierOutcome {
  kDone,         // everything is in the database file; the next writer starts the WAL over
  kReaderInWay,  // a reader's mark holds the checkpoint back: try again when it moved
  kWriterInWay,  // writers did not pause within the allowed time
  kFileFirst,    // captured pages depend on the mark: write the L0 file, then try again
};

// `page_count_min`: the WAL length the caller finds worth a barrier; the time this waits for a
// pause between two writers grows with how far beyond it the WAL is. `lock_from_count`: with fewer
// frames in the WAL writers that go on are left alone (kWriterInWay): what they wrote is in the
// database file then but for the last frames, and one barrier in which they wait does for several.
Result<BarrierOutcome> run_barrier(SourceDatabase& source, Capture& capture, int64_t page_count_min,
                                   int64_t lock_from_count);

// For an idle database: one PASSIVE checkpoint and an advance, never the write lock.
Result<BarrierOutcome> park(SourceDatabase& source, Capture& capture);

}  // namespace litestream
