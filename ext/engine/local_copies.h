// Copies of replica files on the local disk, so that compaction need not download what this process
// has just written or sent: the L0 files of the spool, and a bounded cache of compacted files.
//
// A cached file is believed only by the object that wrote it, for as long as it lives; what earlier
// processes left is cleared away first. Nothing here is needed: every failure means "not there".
// Threading: thread-compatible.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <tuple>

#include "ext/store/ltx_store.h"

namespace litestream {

inline constexpr uint64_t kLocalCopiesBytesMax = 64 << 20;

class LocalCopies {
 public:
  // `local`: the spool; level 0 is only read, levels 1..8 hold the cache. May be null (no copies),
  // else must outlive the object.
  explicit LocalCopies(LtxStore* local, uint64_t cache_bytes_max = kLocalCopiesBytesMax)
      : local_(local), cache_bytes_max_(cache_bytes_max) {}

  // The store where a copy of `file` may be, nullptr: nowhere. A spooled file may have gone, or be
  // another one: the reader verifies it.
  LtxStore* find(const LtxFileInfo& file) const;
  // Starts a copy that becomes one at keep(); nullptr if there is no room.
  std::unique_ptr<LtxWriter> start(const LtxFileInfo& file);
  // The writer of start() was committed; `file` with its size.
  void keep(const LtxFileInfo& file);
  // No longer needed: copies of `level` that end at or before `end`.
  void drop(int level, Txid end);
  uint64_t cache_bytes() const { return cache_bytes_; }

 private:
  using Key = std::tuple<int, Txid, Txid>;
  void clear_left_overs();
  static Key key_of(const LtxFileInfo& f) { return {f.level, f.min_txid, f.max_txid}; }

  LtxStore* const local_;
  const uint64_t cache_bytes_max_;
  bool is_clean_ = false;
  uint64_t cache_bytes_ = 0;
  std::map<Key, LtxFileInfo> cached_;
};

}  // namespace litestream
