// Reads a whole LTX file from front to back and verifies all of it.
//
// Memory: one read-ahead buffer and one page, whatever the size of the file.
// Threading: thread-compatible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "ext/base/bytes.h"
#include "ext/base/status.h"
#include "ext/ltx/checksum.h"
#include "ext/ltx/header.h"
#include "ext/ltx/page_codec.h"
#include "ext/ltx/page_order.h"
#include "ext/ltx/sequential_reader.h"
#include "ext/ltx/types.h"

namespace litestream {

// One page as readers yield it. Valid until the reader's next call.
struct LtxPageView {
  Pgno pgno = 0;
  Bytes page;   // page_size bytes
  Bytes block;  // its LZ4 block as stored; empty if an old file stored something else
};

inline constexpr size_t kLtxReadAheadBytesDefault = 256 << 10;

class LtxDecoder {
 public:
  // Reads the header. `reader` must outlive the object; it is asked in ascending order for
  // `read_ahead_bytes` at a time. Corrupt if the header is not valid; errors of the reader.
  static Result<std::unique_ptr<LtxDecoder>> open(
      RandomReader& reader, size_t read_ahead_bytes = kLtxReadAheadBytesDefault);

  const LtxHeader& header() const { return header_; }

  // The next page, or nullopt after the last. nullopt means that the file is verified: order and
  // completeness of pages, page index, nothing after the trailer, file checksum, and for snapshots
  // the database checksum. Until then pages are as trustworthy as the disk. Corrupt names the page
  // where there is one. After an error or nullopt, every call returns the same.
  Result<std::optional<LtxPageView>> next();

  // Valid once next() returned nullopt.
  const LtxTrailer& trailer() const { return trailer_; }
  uint64_t page_count() const { return page_count_; }
  uint64_t size_bytes() const { return in_.end_bytes(); }
  // Of the whole database; 0 unless the file is a snapshot.
  Checksum database_checksum() const { return database_checksum_; }

 private:
  LtxDecoder(RandomReader& reader, const LtxHeader& header, uint64_t size_bytes,
             size_t read_ahead_bytes);
  Result<std::optional<LtxPageView>> read_frame();
  Result<LtxPageView> read_block(Pgno pgno);
  Result<LtxPageView> read_old_frame(Pgno pgno);
  void note_page(Pgno pgno, uint64_t frame_bytes);
  Status read_index();
  Status read_trailer();
  Status verify_database_checksum() const;

  const LtxHeader header_;
  SequentialReader in_;
  PageDecompressor decompressor_;
  std::vector<uint8_t> page_;
  PageOrder order_;
  Crc64 file_crc_;
  // The index that the pages met so far call for, as a digest: a file may have more pages than we
  // want to remember.
  Crc64 index_crc_;
  uint64_t index_bytes_ = 0;
  uint64_t page_count_ = 0;
  Checksum database_checksum_ = 0;
  LtxTrailer trailer_;
  bool done_ = false;
  Status failure_;
};

struct LtxSummary {
  LtxHeader header;
  LtxTrailer trailer;
  uint64_t page_count = 0;
  uint64_t size_bytes = 0;
  Checksum database_checksum = 0;  // 0 unless the file is a snapshot
};

// Verifies a whole file with LtxDecoder.
Result<LtxSummary> verify_ltx(RandomReader& reader,
                              size_t read_ahead_bytes = kLtxReadAheadBytesDefault);

}  // namespace litestream
