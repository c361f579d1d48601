// Writes LTX files: header, pages in ascending order, then at finish() the page index and trailer.
//
// Invariant: what finish() accepted is a valid file; nothing is retried, so any error leaves the
// sink's content worthless and every later call fails with that error until begin().
// Memory: one buffer, one LZ4 state, and about three bytes per page for the index; all of it is
// reused by the next begin(). Nothing is allocated per page beyond the growth of that index.
// Threading: thread-compatible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "ext/base/bytes.h"
#include "ext/base/status.h"
#include "ext/ltx/checksum.h"
#include "ext/ltx/header.h"
#include "ext/ltx/page_codec.h"
#include "ext/ltx/page_index.h"
#include "ext/ltx/page_order.h"
#include "ext/ltx/types.h"

namespace litestream {

inline constexpr int kLtxAccelerationDefault = 1;

class LtxEncoder {
 public:
  // `acceleration` is LZ4's: 1 compresses best; around 4, capture is about three times as fast and
  // files a few per cent larger.
  explicit LtxEncoder(int acceleration = kLtxAccelerationDefault);

  // Starts a file with this header; `sink` must outlive finish(). May be called again at any time:
  // the unfinished file is forgotten. InvalidArgument if the header is not valid or its flags are
  // not kLtxFlagNoChecksum.
  Status begin(const LtxHeader& header, ByteSink& sink);

  // Adds one page of page_size bytes. InvalidArgument, naming the page, if it is not in ascending
  // order, beyond commit, the lock page, or leaves a hole in a snapshot. Else errors of the sink.
  Status add_page(Pgno pgno, Bytes page);
  // The same for a page whose LZ4 block is at hand, which saves compressing it again. The caller
  // guarantees that `block` decompresses to `page` (LtxPageView of a reader does).
  Status add_compressed_page(Pgno pgno, Bytes page, Bytes block);

  // Writes the rest. InvalidArgument if a snapshot is incomplete.
  Status finish();

  // Of the file so far, handed to the sink or still buffered; after finish() its final size.
  uint64_t size_bytes() const { return size_bytes_; }
  size_t page_count() const { return index_.count(); }
  // Valid after finish().
  Checksum file_checksum() const { return file_checksum_; }

 private:
  Status check_page(Pgno pgno, Bytes page);
  Status reserve_frame();
  Status close_frame(Pgno pgno, Bytes page, size_t block_bytes);
  Status write(Bytes bytes);
  Status write_index();
  Status flush();
  Status fail(Status status);
  uint8_t* buffer_end() { return buffer_.get() + buffered_; }

  PageCompressor compressor_;
  std::unique_ptr<uint8_t[]> buffer_;  // left as it comes: small files touch little of it
  size_t buffer_bytes_ = 0;
  size_t buffered_ = 0;

  Status failure_;  // Ok while a file is being written
  ByteSink* sink_ = nullptr;
  uint32_t page_size_ = 0;
  PageOrder order_;
  PageIndex index_;
  Crc64 crc_;
  uint64_t size_bytes_ = 0;
  Checksum file_checksum_ = 0;
};

}  // namespace litestream
