// Which files of a replica may go, and removing them.
//
// Nothing here looks at a wall clock. How old a point is, is measured on the monotonic clock of the
// process that watches the replica (TxidHistory); only for what was there before it came are times
// of files used, and there each step from one file to the next counts half the retention at most. A
// wall clock that jumps, of this machine or of the store, therefore never makes history old at
// once.
//
// Snapshot retention: the newest whole database at or before the last point that is old enough, the
// base, stays with everything after it; so a point stays restorable for at least the retention.
// Level 0: what level 1 has had for `l0-retention`. The newest file of every level always stays.
// Whatever is decided is checked against what can be restored before and after.
// Threading: pure functions; TxidHistory is thread-compatible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <span>
#include <vector>

#include "ext/base/status.h"
#include "ext/engine/restore_plan.h"
#include "ext/store/ltx_store.h"

namespace litestream {

// Deletions of one decision.
inline constexpr size_t kRetentionFilesMax = 1000;

// Which TXID was the newest at which time: a bounded record that answers "what is at least this
// old?", never with too new a TXID.
class TxidHistory {
 public:
  // Of the last `span_ms`, as exact as a 128th of it.
  explicit TxidHistory(int64_t span_ms) : step_ms_(span_ms / 128 + 1), span_ms_(span_ms) {}

  // Times never decrease from call to call.
  void note(int64_t monotonic_ms, Txid newest);
  // For the files found at the start: their times tell how long before the newest of them each is,
  // no step longer than `step_max_ms`. Before any note().
  void seed(int64_t monotonic_ms, std::span<const LtxFileInfo> files, int64_t step_max_ms);
  // The newest TXID known to be at least span_ms old; none if none is.
  Txid old_enough(int64_t monotonic_ms) const;
  // When that may be another one, if nothing is noted meanwhile; INT64_MAX: never.
  int64_t next_change_ms(int64_t monotonic_ms) const;

 private:
  struct Entry {
    int64_t at_ms;
    Txid newest;
  };
  int64_t step_ms_;
  int64_t span_ms_;
  std::deque<Entry> entries_;  // both ascending
};

// What a decision goes by. Files that cannot be read are known by `is_unusable`; they carry
// nothing, but may be removed.
struct RetentionView {
  std::span<const LtxFileInfo> files;                   // of all levels
  std::function<bool(const LtxFileInfo&)> is_unusable;  // may be empty
  std::function<bool(const LtxFileInfo&)> is_pinned;    // may be empty
};

struct RetentionDecision {
  std::vector<LtxFileInfo> remove;  // in this order; at most kRetentionFilesMax
  bool more = false;                // there were more
  LtxFileInfo base;                 // snapshot retention: what the oldest points are restored from
  size_t useless_count = 0;         // files that no restore can use, healed, settled or not
};

// `old_enough`: the newest TXID that the retention no longer asks for. `settled`: the newest TXID
// that has been on the replica long enough for no part of it to be on its way still.
// Whole databases before the base go first, then what leads up to it. Files that no restore can
// use, because they are damaged or come after a hole, go when a whole database after them stands
// for what they held.
RetentionDecision decide_snapshot_retention(const RetentionView& view, Txid old_enough,
                                            Txid settled);

// `old_enough`: the newest TXID that is old enough and that level 1 has had long enough.
RetentionDecision decide_level_0_retention(const RetentionView& view, Txid old_enough);

// Removes files, in this order. Returns how many are gone; `*denied` is not Ok if the store kept
// some: the first reason.
Result<size_t> remove_files(LtxStore& store, std::span<const LtxFileInfo> files, Status* denied);

}  // namespace litestream
