// The pages of a database exactly as they are at a reader's mark, while writers go on: the newest
// frame up to the mark, else the database file. Also the two things made of them: page checksums
// and a snapshot file.
//
// A frame counts only if its header is the same before and after its page was read: on lock 0 a
// writer may reset the WAL meanwhile, and then the page is in the database file.
// Memory: one entry per page in the WAL, one read block. Threading: thread-compatible.
#pragma once

#include <cstdint>
#include <functional>
#include <unordered_map>
#include <vector>

#include "ext/engine/job_control.h"
#include "ext/engine/page_sums.h"
#include "ext/engine/source_database.h"
#include "ext/store/ltx_store.h"

namespace litestream {

class SnapshotPages {
 public:
  // `reader` must outlive the object.
  static Result<SnapshotPages> open(SourceReader& reader);

  uint32_t page_size_bytes() const { return page_size_bytes_; }
  uint32_t page_count() const { return page_count_; }
  // Ascending, without the lock page. The visitor's error ends it.
  using Visitor = std::function<Status(Pgno pgno, Bytes page)>;
  Status for_each(const Visitor& visitor, const CancelCheck& cancel);
  // One page; `out` has page_size bytes.
  Status read_page(Pgno pgno, MutableBytes out);

 private:
  explicit SnapshotPages(SourceReader& reader);
  Result<bool> read_from_wal(Pgno pgno, MutableBytes out);
  Status read_from_database(Pgno pgno, MutableBytes out);
  Status load_block(Pgno pgno);

  SourceReader* reader_;
  uint32_t page_size_bytes_;
  uint32_t page_count_;
  std::unordered_map<Pgno, uint32_t> frame_of_;
  std::vector<uint8_t> frame_buffer_;
  std::vector<uint8_t> block_;
  Pgno block_first_ = 0;      // first page in block_
  uint32_t block_pages_ = 0;  // whole pages in block_
};

// Reads all pages once.
Result<PageSums> sum_pages(SnapshotPages& pages, const CancelCheck& cancel);

// Writes 1..txid at level 9 of `store`. `after`: the database checksum of exactly these pages.
// Progress is told in bytes of the database.
Result<LtxFileInfo> write_snapshot(SnapshotPages& pages, LtxStore& store, Txid txid,
                                   int64_t timestamp_ms, Checksum after, const JobControl& control);

}  // namespace litestream
