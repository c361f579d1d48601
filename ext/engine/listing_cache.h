// What a replica holds, level by level, as its one writer knows it. Each level is listed once and
// then kept current by our own writes and removals; it is listed again only when it is in doubt: a
// call whose reply was lost, a listed file that is not there, a new term as the writer. In steady
// state nothing is listed.
//
// A listing may be late: for kListingLagMs after an acknowledged write or removal of ours that one
// is believed more than a listing that does not show it. A file that was known before keeps its
// time: ours is of the header, a store may only know when the object was written.
//
// Threading: thread-safe. Only files(), all_files() and refresh() use the store, without a lock
// held.
#pragma once

#include <array>
#include <cstdint>
#include <deque>
#include <mutex>
#include <optional>
#include <vector>

#include "ext/base/clock.h"
#include "ext/base/limits.h"
#include "ext/base/status.h"
#include "ext/ltx/types.h"
#include "ext/store/ltx_store.h"

namespace litestream {

inline constexpr int64_t kListingLagMs = 60'000;

class ListingCache {
 public:
  // `clock` must outlive the cache.
  explicit ListingCache(const Clock& clock) : clock_(clock) {}

  // --- from memory, for tables and schedules ---
  // Sorted by (min_txid, max_txid); empty when the level was never listed.
  std::vector<LtxFileInfo> known(int level) const;
  std::vector<LtxFileInfo> all_known() const;  // 9 first, then 0..8
  // Every level was listed, and none is in doubt.
  bool is_complete() const;
  Txid newest(int level) const;  // largest max_txid; none if the level is empty
  Txid newest() const;           // of all levels
  size_t count(int level) const;
  uint64_t list_count() const;  // listings made so far, all levels together

  // --- with the store where memory does not do ---
  // Errors: those of the listing; what was known stays known.
  Result<std::vector<LtxFileInfo>> files(LtxStore& origin, int level);
  Result<std::vector<LtxFileInfo>> all_files(LtxStore& origin);  // 9 first, then 0..8
  // Lists every level now.
  Status refresh(LtxStore& origin);

  // --- what the writer did ---
  void note_written(const LtxFileInfo& file);  // acknowledged; size and header time as written
  void note_removed(const LtxFileInfo& file);
  void note_doubt(int level);
  // All of it is in doubt and nothing of ours is believed: somebody else may have written.
  void forget();

 private:
  struct Own {  // an acknowledged write or removal
    LtxFileInfo file;
    bool written = false;
    int64_t at_ms = 0;  // monotonic
    uint64_t serial = 0;
  };
  struct Level {
    bool known = false;
    uint64_t doubt_serial = 0;  // not 0: in doubt since
    std::vector<LtxFileInfo> files;
    std::deque<Own> recent;  // oldest first; one entry per file
    Txid newest;
  };

  Level& at(int level) { return levels_[static_cast<size_t>(level)]; }
  const Level& at(int level) const { return levels_[static_cast<size_t>(level)]; }
  void note(const LtxFileInfo& file, bool written);
  void adopt(Level& level, std::vector<LtxFileInfo> listed, uint64_t begun_serial);
  std::optional<std::vector<LtxFileInfo>> if_certain(int level) const;
  Result<std::vector<LtxFileInfo>> list(LtxStore& origin, int level);

  const Clock& clock_;
  mutable std::mutex mutex_;
  std::array<Level, kLevelMax + 1> levels_;
  uint64_t serial_ = 0;
  uint64_t list_count_ = 0;
};

}  // namespace litestream
