// Decides, from headers and page indexes alone, which file of a range supplies each page.
//
// Rules: inputs go from oldest to newest without a gap and share a page size. Of all files that
// hold a page the newest wins. A page that some file of the range cut off the database (its commit
// is smaller) counts only if a file at least as new as that one supplies it again. Every page that
// the range itself must supply is there, or the plan is Corrupt: all of 1..commit if the range
// starts with a snapshot, else the pages above the smallest commit in it.
//
// Memory: the compact indexes of the inputs and one bit per entry. Threading: immutable once made.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <vector>

#include "ext/base/status.h"
#include "ext/ltx/contents.h"
#include "ext/ltx/header.h"
#include "ext/ltx/page_index.h"

namespace litestream {

// Header of the file that replaces `headers` (oldest first, at least one): min of the first, max,
// commit and timestamp of the last, nothing about WAL and node, and the chain checksums around the
// whole where they are known. PositionMismatch if one does not continue the one before (a gap in
// TXIDs, nothing newer in it, or a chain checksum of another database); Corrupt if page sizes
// differ or a header is not valid.
Result<LtxHeader> merge_headers(std::span<const LtxHeader> headers);

class MergePlan {
 public:
  // Errors: those of merge_headers, and Corrupt naming a page that no input supplies.
  static Result<MergePlan> create(std::vector<LtxContents> inputs);

  const LtxHeader& header() const { return header_; }  // of the merged file
  size_t input_count() const { return inputs_.size(); }
  const LtxContents& input(size_t number) const { return inputs_[number].contents; }
  size_t page_count() const { return page_count_; }  // of the merged file
  // How many pages of it one input supplies; 0: the input need not be read at all.
  size_t winner_count(size_t number) const { return inputs_[number].winner_count; }

  // Walks the entries of one input that win, in ascending order. The plan must outlive it and stay
  // where it is.
  class Winners {
   public:
    Winners(const MergePlan& plan, size_t number);
    bool next();  // false at the end
    const PageIndexEntry& entry() const { return cursor_.entry(); }

   private:
    const std::vector<bool>* wins_;
    PageIndex::Cursor cursor_;
  };

 private:
  struct Input {
    LtxContents contents;
    std::vector<bool> wins;  // per entry of the index
    size_t winner_count = 0;
  };
  MergePlan() = default;
  Status choose_winners();
  // For each input: the smallest commit of it and all newer inputs.
  std::vector<Pgno> page_limits() const;

  LtxHeader header_;
  std::vector<Input> inputs_;
  size_t page_count_ = 0;
};

}  // namespace litestream
