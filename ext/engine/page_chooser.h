// Decides from headers and page indexes, newest file first, which file of a restore plan supplies
// each page. What is superseded need then be neither read nor decompressed.
//
// Rules: the first file that has a page wins it, unless a newer file cut that page off the database
// (its commit is smaller); such a page counts only if a file at least as new as the cut has it.
// Memory: one bit per page. Threading: thread-compatible; files are added in one order.
#pragma once

#include <cstdint>
#include <optional>
#include <vector>

#include "ext/base/status.h"
#include "ext/engine/restore_plan.h"
#include "ext/ltx/contents.h"
#include "ext/ltx/types.h"

namespace litestream {

struct DatabaseShape {
  uint32_t page_size = 0;   // bytes
  uint32_t page_count = 0;  // size of the database, lock page included
  uint64_t size_bytes() const { return uint64_t{page_size} * page_count; }
};

// How many pages files of that size together can hold.
uint64_t pages_stored_max(uint64_t size_bytes);

class PageChooser {
 public:
  // `page_count_max`: what the database can have at most, going by what there is of it.
  explicit PageChooser(uint64_t page_count_max) : page_count_max_(page_count_max) {}

  // The next older file; the first one given is the plan's last. Sets (*wins)[n] for each entry n
  // of its index that it supplies. Corrupt: header against name, page size, an impossible number of
  // pages. PositionMismatch: the file added before was made for another database than this one.
  Status add(const LtxContents& contents, const LtxFileInfo& info, std::vector<bool>* wins);

  bool begun() const { return last_.has_value(); }
  // Once begun.
  const DatabaseShape& shape() const { return shape_; }
  // The plan's last file has no chain checksum: only whole files can be verified.
  bool needs_whole_files() const { return !last_->chain.known; }
  // Of the database at the end; 0: not known from the chain.
  Checksum expected_checksum() const { return last_->chain.known ? last_->chain.after : 0; }
  // Every page has its supplier; older files have nothing to add.
  bool is_complete() const { return begun() && remaining_ == 0; }
  // A page above `known` without one; 0 if there is none.
  Pgno first_missing(Pgno known = 0) const;
  // The smallest the database was after any of the files added: what older states had above it is
  // gone.
  Pgno smallest_page_count() const { return limit_; }

 private:
  Status begin(const LtxHeader& last);
  Status check_header(const LtxHeader& header, const LtxFileInfo& info) const;
  Status check_continuation(const LtxHeader& header) const;
  bool is_taken(Pgno pgno) const { return (taken_[pgno / 64] >> (pgno % 64) & 1) != 0; }

  const uint64_t page_count_max_;
  DatabaseShape shape_;
  std::optional<LtxHeader> last_;   // of the plan's last file
  std::optional<LtxHeader> newer_;  // of the file added before
  uint64_t remaining_ = 0;          // pages without a supplier
  Pgno limit_ = 0;  // the smallest database since the file at hand: larger pages were cut off
  std::vector<uint64_t> taken_;
};

}  // namespace litestream
