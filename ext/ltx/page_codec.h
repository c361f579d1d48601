// One page between its plain and its compressed form. Written: LZ4 blocks. Read: LZ4 blocks, and
// the LZ4 frames of old files. Threading: thread-compatible; each object keeps state that is reused
// from page to page.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "ext/base/bytes.h"
#include "ext/base/limits.h"
#include "ext/base/status.h"
#include "ext/ltx/types.h"

struct LZ4F_dctx_s;

namespace litestream {

// Page header: page number (4 bytes), flags (2 bytes); with kPageFlagSize the size (4 bytes)
// follows.
inline constexpr size_t kPageHeaderBytes = 6;
inline constexpr size_t kPageSizeFieldBytes = 4;
inline constexpr size_t kSizedPageHeaderBytes = kPageHeaderBytes + kPageSizeFieldBytes;
inline constexpr uint16_t kPageFlagSize = 0x1;

// What compressing may make of a page at worst.
constexpr uint32_t block_bytes_max(uint32_t page_size) { return page_size + page_size / 255 + 16; }
// An LZ4 frame adds its own header, block sizes and checksums.
constexpr uint32_t page_frame_bytes_max(uint32_t page_size) {
  return static_cast<uint32_t>(kSizedPageHeaderBytes) + block_bytes_max(page_size) + 256;
}
static_assert(block_bytes_max(kPageSizeBytesMax) <= kCompressedPageBytesMax);

class PageCompressor {
 public:
  // `acceleration` as in LZ4: 1 compresses best, larger is faster.
  explicit PageCompressor(int acceleration);

  // Writes the block to `out`, which has room for block_bytes_max(page.size()); returns its size.
  // The same page always becomes the same block.
  Result<size_t> compress(Bytes page, MutableBytes out);

 private:
  const int acceleration_;
  std::unique_ptr<uint64_t[]> state_;
};

class PageDecompressor {
 public:
  PageDecompressor() = default;
  ~PageDecompressor();
  PageDecompressor(const PageDecompressor&) = delete;
  PageDecompressor& operator=(const PageDecompressor&) = delete;

  // Corrupt unless `block` is one LZ4 block of exactly page.size() bytes.
  static Status decompress_block(Bytes block, MutableBytes page);
  // Corrupt unless `input` starts with one LZ4 frame of exactly page.size() bytes. Returns the
  // frame's length. Allocates at most what one frame may ask for (some MiB), once.
  Result<size_t> decompress_frame(Bytes input, MutableBytes page);

 private:
  Status prepare_frame_context();
  LZ4F_dctx_s* context_ = nullptr;
};

// Where the compressed bytes of a page stand in its frame, and how the frame says so.
struct PageFrame {
  Pgno pgno = 0;
  Bytes block;  // empty for an old frame without size
};

// Decodes a whole frame of known length: page header, size, and the page into `page` (page_size
// bytes). Corrupt, naming the page, unless all of `frame` is used and holds page `expected`.
Result<PageFrame> decode_page_frame(Bytes frame, Pgno expected, PageDecompressor& decompressor,
                                    MutableBytes page);

}  // namespace litestream
