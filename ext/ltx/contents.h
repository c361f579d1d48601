// What can be known of an LTX file without reading its pages: header, page index, trailer. And
// single pages on demand.
//
// These reads do not verify the file checksum, which covers every page: LtxDecoder does.
// Threading: LtxContents is an immutable value; LtxIndexedFile is thread-compatible.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "ext/base/bytes.h"
#include "ext/base/status.h"
#include "ext/ltx/header.h"
#include "ext/ltx/page_codec.h"
#include "ext/ltx/page_index.h"

namespace litestream {

struct LtxContents {
  LtxHeader header;
  PageIndex index;
  LtxTrailer trailer;
  uint64_t size_bytes = 0;  // of the file
};

// Reads and checks everything but the pages. One read for small files, else three or a few more for
// a large index. Corrupt if sizes, index or trailer make no sense; errors of the reader.
Result<LtxContents> read_ltx_contents(RandomReader& reader);
// The same of a whole file in memory.
Result<LtxContents> read_ltx_contents(Bytes file);

// One file, open for reading single pages.
class LtxIndexedFile {
 public:
  // `reader` must outlive the object.
  static Result<LtxIndexedFile> open(RandomReader& reader);

  const LtxContents& contents() const { return contents_; }
  const LtxHeader& header() const { return contents_.header; }
  PageIndex::Cursor entries() const { return PageIndex::Cursor(contents_.index); }

  // Reads the frame of an entry of this file's index and decompresses it into `page`, which has
  // page_size bytes. Corrupt, naming the page, if the frame is not what the index says.
  Status read_page(const PageIndexEntry& entry, MutableBytes page);

 private:
  LtxIndexedFile(RandomReader& reader, LtxContents contents);
  RandomReader* reader_;
  LtxContents contents_;
  std::unique_ptr<PageDecompressor> decompressor_;
  std::vector<uint8_t> frame_;
};

}  // namespace litestream
