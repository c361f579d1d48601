// What a step of following is going to change: which files, and what pages come of them. Internal
// to follow. Threading: thread-compatible.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ext/base/bytes.h"
#include "ext/base/file_system.h"
#include "ext/base/status.h"
#include "ext/engine/database_stream.h"
#include "ext/engine/follow_state.h"
#include "ext/engine/frame_pool.h"
#include "ext/engine/restore_plan.h"
#include "ext/store/ltx_store.h"

namespace litestream {

struct FollowPlan {
  std::vector<LtxFileInfo> files;  // oldest first; the first continues `have`
  Txid reach;                      // how far files continue `have`, those of later steps included
};
// Files of levels 0..8 that lead on from `have`, always the one that reaches furthest, as many as
// fit into `bytes_max` (at least one).
FollowPlan plan_follow(std::span<const LtxFileInfo> files, Txid have, uint64_t bytes_max);

// New pages of the copy.
class FollowChanges {
 public:
  FollowChanges(FileSystem& fs, const std::string& beside);

  using Visit = std::function<Status(Pgno pgno, Bytes page)>;
  // In nearly ascending order.
  Status for_each(const Visit& visit);
  bool has_page_one() const { return has_page_one_; }
  Status read_page_one(MutableBytes page);
  uint64_t changed_count() const { return changed_count_; }
  uint32_t page_count() const { return page_count_; }  // of the database afterwards
  Txid txid() const { return txid_; }
  int64_t created_at_ms() const { return created_at_ms_; }
  Checksum expected_checksum() const { return expected_checksum_; }  // 0: not known

 private:
  friend class ChangeGatherer;
  friend class CopyComparer;
  std::unique_ptr<FramePool> pool_;
  std::unique_ptr<FramePool::Writer> writer_;
  FramePool::Reader reader_;
  uint64_t changed_count_ = 0;
  uint32_t page_count_ = 0;
  bool has_page_one_ = false;
  Txid txid_;
  int64_t created_at_ms_ = 0;
  Checksum expected_checksum_ = 0;
};

// Reads the files of `plan`, newest first, and takes what each supplies. PositionMismatch: the
// first was made for another database than `have`. Corrupt, NotFound: with the path of the file.
Result<FollowChanges> gather_changes(LtxStore& store, const FollowPlan& plan,
                                     const FollowPoint& have, uint32_t page_size, FileSystem& fs,
                                     const std::string& output, const StreamOptions& options);

// Restores `plan` into nothing and takes the pages that `copy`, which is at `have`, has otherwise.
// Errors of stream_database; PositionMismatch: another page size.
Result<FollowChanges> compare_with_restore(LtxStore& store, const RestorePlan& plan,
                                           const FollowPoint& have, uint32_t page_size,
                                           RandomReader& copy, FileSystem& fs,
                                           const std::string& output, const StreamOptions& options);

}  // namespace litestream
