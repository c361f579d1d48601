// Which files of a replica, applied in which order, give the database at one point. Pure: works on
// a listing, reads nothing.
//
// A file with min_txid 1 holds a whole database. Any other file of levels 0..8 continues every
// state from min_txid - 1 up to max_txid - 1. A point (TXID) is restorable when it is the max_txid
// of a file that a chain of files reaches. Files may overlap and come in any order; entries that
// cannot be (level out of range, min above max, a level 9 file not from 1) are left out.
// Threading: pure functions.
#pragma once

#include <cstdint>
#include <span>
#include <vector>

#include "ext/base/status.h"
#include "ext/ltx/types.h"

namespace litestream {

struct RestoreTarget {
  enum class Kind { kNewest, kTxid, kTime };
  Kind kind = Kind::kNewest;
  Txid txid;            // kTxid: exactly this point
  int64_t time_ms = 0;  // kTime: the newest point at or before it, milliseconds since the epoch

  static RestoreTarget newest() { return {}; }
  static RestoreTarget at_txid(Txid txid) { return {Kind::kTxid, txid, 0}; }
  static RestoreTarget at_time(int64_t time_ms) { return {Kind::kTime, Txid{}, time_ms}; }
};

struct RestorePoint {
  Txid txid;
  int64_t created_at_ms = 0;  // of the lowest level that has a file ending here
  int level = 0;              // that level
  bool operator==(const RestorePoint&) const = default;
};

struct RestorePlan {
  std::vector<LtxFileInfo> files;  // in the order of application; the first has min_txid 1
  Txid txid;                       // what the files lead to
  int64_t created_at_ms = 0;
  uint64_t size_bytes = 0;  // of all files together
};

// The plan for `target`, or why there is none:
// NotFound: the replica is empty, or files are missing on the way (the message names the gap and
// the restorable points around it). InvalidArgument: the target lies inside a file's range, or
// before or after everything restorable (the message names the neighbours, or the earliest and
// latest points). A newest or time target is never answered with an earlier state because of a gap,
// nor because a file of a finer level is missing inside the range of a coarser one: the levels tell
// what expired from what is missing, as nothing but the oldest files of a level expire.
// O(n log n).
Result<RestorePlan> plan_restore(std::span<const LtxFileInfo> files, const RestoreTarget& target);

// Every point that plan_restore can reach, newest first. O(n log n).
std::vector<RestorePoint> restore_points(std::span<const LtxFileInfo> files);

// TXIDs that no file holds although files around them call for them.
struct RestoreGap {
  Txid first;
  Txid last;
  bool operator==(const RestoreGap&) const = default;
};
// Every such hole behind the earliest restorable point (or from TXID 1 if there is none), oldest
// first. Points that were given up by compaction are no gaps. O(n log n).
std::vector<RestoreGap> restore_gaps(std::span<const LtxFileInfo> files);

// "0000000000000005 (2026-01-03T04:05:06.789Z)"
std::string describe_point(const RestorePoint& point);

}  // namespace litestream
