// Reads the pages that a MergePlan chose: of one input (restore: any order will do), or of all
// inputs in ascending page order (compaction). Superseded pages are never decompressed, and read
// only where they stand between two wanted ones and the caller allows it.
//
// Reads of a page go by the index; the file checksum of the inputs is not verified here. Whoever
// has no chain checksum to compare the result with verifies the inputs first (verify_ltx).
// Threading: thread-compatible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <queue>
#include <vector>

#include "ext/base/bytes.h"
#include "ext/base/status.h"
#include "ext/ltx/decoder.h"
#include "ext/ltx/merge_plan.h"
#include "ext/ltx/page_codec.h"

namespace litestream {

struct MergeReadOptions {
  // Bytes kept buffered over all inputs together. Each input gets its share, and at least room for
  // the frame it is reading.
  size_t buffer_bytes_total = 16 << 20;
  // Of one read, at most.
  size_t read_bytes_max = 1 << 20;
  // Superseded bytes between two wanted pages that may be read along to save a request. 0: none,
  // right for local files.
  size_t gap_bytes_max = 0;
};

// The winning pages of one input, ascending.
class WinnerReader {
 public:
  // `plan` must outlive the object. `buffer_bytes` bounds one read, except that a frame is always
  // read whole.
  WinnerReader(const MergePlan& plan, size_t input, size_t buffer_bytes, size_t gap_bytes_max = 0);

  // Number of the page that read() yields next; 0: no more.
  Pgno next_pgno() const { return at_end_ ? 0 : winners_.entry().pgno; }
  // Whether its frame is in memory. If not, load() it before read().
  bool is_loaded() const;
  // One read of that frame and of those after it that fit. Must not be called at the end. Errors of
  // the reader.
  Status load(RandomReader& reader);
  // Decompresses it into `page` (page_size bytes) and steps on. The view's block lives until the
  // next call of load() or release(). Corrupt, naming the page, if the frame is not what the index
  // says; then calling again fails the same way.
  Result<LtxPageView> read(PageDecompressor& decompressor, MutableBytes page);
  // Gives memory back that is used up and larger than this input's share.
  void release();

 private:
  size_t run_bytes() const;

  MergePlan::Winners winners_;
  size_t buffer_bytes_;
  size_t gap_bytes_max_;
  bool at_end_;
  std::vector<uint8_t> buffer_;
  uint64_t buffer_offset_bytes_ = 0;  // of buffer_ in the file
};

// Gives out a reader for an input when one is needed, so that the caller decides how many are open.
class MergeReaders {
 public:
  virtual ~MergeReaders() = default;
  // The file of plan.input(number). Stays valid until the next call.
  virtual Result<RandomReader*> reader_of(size_t number) = 0;
};

// All pages of the plan, ascending.
class PageMerger {
 public:
  // Both must outlive the object.
  PageMerger(const MergePlan& plan, MergeReaders& readers, const MergeReadOptions& options = {});

  // The next page, or nullopt after the last; valid until the next call. Errors are final.
  Result<std::optional<LtxPageView>> next();
  // The input that the last page came from.
  size_t latest_input() const { return latest_; }

 private:
  Result<LtxPageView> read_from(WinnerReader& input, size_t number);

  struct Head {
    Pgno pgno = 0;
    size_t input = 0;
    bool operator>(const Head& other) const { return pgno > other.pgno; }
  };

  MergeReaders& readers_;
  std::vector<WinnerReader> inputs_;
  std::priority_queue<Head, std::vector<Head>, std::greater<>> heads_;
  PageDecompressor decompressor_;
  std::vector<uint8_t> page_;
  size_t latest_ = 0;  // input of the page yielded last
  Status failure_;
};

}  // namespace litestream
