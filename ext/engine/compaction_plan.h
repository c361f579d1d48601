// Decides which files of a replica become the next file of a level. Pure: works on a listing.
//
// The inputs are the files of the level below, beyond what the level has, as one unbroken chain.
// Where a file of that level is missing, files of still lower levels take its place. One output
// covers one window: the inputs whose last commit lies in the same multiple of the level's
// interval. A window is ready when it is over. Whole databases (min_txid 1) are never inputs: they
// stay where they are, or are snapshots.
//
// A hole in the chain is an error, unless a whole database covers it: then the output ends before
// the hole, and the next one begins where the whole database leads on.
//
// Times may be wrong. A file whose time lies in the future belongs to the window of the file before
// it (the first, of the file after it), and a window never comes before that of an older file. What
// comes late to a window that the level has already goes into the next file, so that a straggler
// makes none of its own.
//
// Threading: pure function.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "ext/base/status.h"
#include "ext/ltx/types.h"

namespace litestream {

// Inputs of one output; more make several outputs.
inline constexpr size_t kMergeFilesMax = 4096;

struct CompactionRequest {
  int level = 1;               // to be written, 1..8
  int64_t interval_ms = 0;     // of that level, > 0
  int64_t now_wall_ms = 0;     // milliseconds since the epoch
  bool whole_backlog = false;  // merge everything that is there, ready or not, into one file
  size_t file_count_max = kMergeFilesMax;
};

struct CompactionGroup {
  int level = 1;
  std::vector<LtxFileInfo> files;         // inputs, oldest first
  std::vector<LtxFileInfo> predecessors;  // files that end where the first input begins
  std::vector<LtxFileInfo> wholes;        // whole databases that end at the end of an input
  uint64_t size_bytes = 0;                // of the inputs
};

struct CompactionPlan {
  std::optional<CompactionGroup> group;  // nullopt: nothing is ready
  bool is_waiting = false;               // there is something, in a window that is not over
};

// PositionMismatch: a hole that no whole database covers; the message names the TXIDs. O(n log n).
Result<CompactionPlan> plan_compaction(std::span<const LtxFileInfo> files,
                                       const CompactionRequest& request);

}  // namespace litestream
