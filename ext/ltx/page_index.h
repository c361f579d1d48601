// The page index of an LTX file: where each page's frame stands. In memory it is kept in a few
// bytes per page, because a merge holds the indexes of all its inputs at once.
//
// Frames stand back to back behind the header in every file that follows the format, so only page
// numbers and lengths are kept; an encoded index that says otherwise is Corrupt.
// Threading: PageIndex is immutable after building; a Cursor is thread-compatible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <vector>

#include "ext/base/bytes.h"
#include "ext/base/status.h"
#include "ext/ltx/header.h"
#include "ext/ltx/sequential_reader.h"
#include "ext/ltx/types.h"

namespace litestream {

struct PageIndexEntry {
  Pgno pgno = 0;
  uint64_t offset_bytes = 0;  // of the frame in the file
  uint32_t size_bytes = 0;    // of the frame, its page header included
  bool operator==(const PageIndexEntry&) const = default;
};

class PageIndex {
 public:
  // `pgno` must be larger than the one before.
  void append(Pgno pgno, uint32_t frame_bytes);
  void clear();

  size_t count() const { return count_; }
  // Just behind the last frame.
  uint64_t frames_end_bytes() const { return frames_end_bytes_; }

  // Walks the entries. The index must outlive the cursor and stay unchanged.
  class Cursor {
   public:
    explicit Cursor(const PageIndex& index) : index_(&index) {}
    // Steps to the next entry (at first: to the first). False at the end.
    bool next();
    // Of the last next() that returned true.
    const PageIndexEntry& entry() const { return entry_; }
    // Number of that entry, from 0.
    size_t ordinal() const { return ordinal_; }

   private:
    const PageIndex* index_;
    size_t position_ = 0;
    size_t ordinal_ = static_cast<size_t>(-1);
    PageIndexEntry entry_{0, kLtxHeaderBytes, 0};
  };

 private:
  std::vector<uint8_t> steps_;  // per page: varints of the step in page number and of the length
  size_t count_ = 0;
  Pgno last_ = 0;
  uint64_t frames_end_bytes_ = kLtxHeaderBytes;
};

// Three varints of at most 5, 10 and 5 bytes.
inline constexpr size_t kPageIndexEntryBytesMax = 20;
// The encoded index ends with a zero byte and its own length, 8 bytes.
inline constexpr size_t kPageIndexLengthBytes = 8;

// Writes one entry to `out`, which has room for kPageIndexEntryBytesMax; returns its length.
size_t encode_page_index_entry(const PageIndexEntry& entry, uint8_t* out);

// Decodes the varints and the zero byte, which must fill what `in` has from its position to its
// end, in a file with this header. Corrupt unless the pages obey PageOrder, the varints are minimal
// and the frames fill the file up to the zero page header before the index. Allocates no more than
// the encoded bytes justify.
Result<PageIndex> decode_page_index(SequentialReader& in, const LtxHeader& header);

}  // namespace litestream
