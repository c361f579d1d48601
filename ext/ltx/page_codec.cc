#include "ext/ltx/page_codec.h"

#include <lz4.h>
#include <lz4frame.h>

#include <string>

namespace litestream {

namespace {

const char* as_chars(const uint8_t* p) { return reinterpret_cast<const char*>(p); }
char* as_chars(uint8_t* p) { return reinterpret_cast<char*>(p); }

size_t state_words() { return (static_cast<size_t>(LZ4_sizeofState()) + 7) / 8; }

}  // namespace

PageCompressor::PageCompressor(int acceleration)
    : acceleration_(acceleration), state_(new uint64_t[state_words()]()) {}

Result<size_t> PageCompressor::compress(Bytes page, MutableBytes out) {
  const int written = LZ4_compress_fast_extState(
      state_.get(), as_chars(page.data()), as_chars(out.data()), static_cast<int>(page.size()),
      static_cast<int>(out.size()), acceleration_);
  if (written <= 0) return internal_error("LZ4 did not compress a page");
  return static_cast<size_t>(written);
}

PageDecompressor::~PageDecompressor() { LZ4F_freeDecompressionContext(context_); }

Status PageDecompressor::decompress_block(Bytes block, MutableBytes page) {
  if (block.size() > block_bytes_max(static_cast<uint32_t>(page.size()))) {
    return corrupt("compressed size " + std::to_string(block.size()) + " is too large");
  }
  const int got =
      LZ4_decompress_safe(as_chars(block.data()), as_chars(page.data()),
                          static_cast<int>(block.size()), static_cast<int>(page.size()));
  if (got < 0 || static_cast<size_t>(got) != page.size()) {
    return corrupt("compressed data is damaged");
  }
  return {};
}

Status PageDecompressor::prepare_frame_context() {
  if (context_ != nullptr) {
    LZ4F_resetDecompressionContext(context_);
    return {};
  }
  const size_t code = LZ4F_createDecompressionContext(&context_, LZ4F_VERSION);
  if (LZ4F_isError(code) != 0) return internal_error("LZ4 frame decoder: out of memory");
  return {};
}

Result<size_t> PageDecompressor::decompress_frame(Bytes input, MutableBytes page) {
  LS_RETURN_IF_ERROR(prepare_frame_context());
  size_t consumed = 0;
  size_t produced = 0;
  while (true) {
    size_t source_bytes = input.size() - consumed;
    size_t target_bytes = page.size() - produced;
    const size_t hint = LZ4F_decompress(context_, page.data() + produced, &target_bytes,
                                        input.data() + consumed, &source_bytes, nullptr);
    if (LZ4F_isError(hint) != 0) return corrupt("compressed data is damaged");
    consumed += source_bytes;
    produced += target_bytes;
    if (hint == 0) break;
    if (source_bytes == 0 && target_bytes == 0) {
      return corrupt("compressed data is too long or cut off");
    }
  }
  if (produced != page.size()) return corrupt("compressed data is shorter than a page");
  return consumed;
}

Result<PageFrame> decode_page_frame(Bytes frame, Pgno expected, PageDecompressor& decompressor,
                                    MutableBytes page) {
  const std::string context = "page " + std::to_string(expected);
  if (frame.size() < kSizedPageHeaderBytes) return corrupt(context + ": frame is too short");
  const Pgno pgno = load_be32(frame.data());
  const uint16_t flags = load_be16(frame.data() + 4);
  if (pgno != expected || (flags & ~kPageFlagSize) != 0) {
    return corrupt(context + ": page header does not match the page index");
  }
  if (flags == kPageFlagSize) {
    const Bytes block = frame.subspan(kSizedPageHeaderBytes);
    if (load_be32(frame.data() + kPageHeaderBytes) != block.size()) {
      return corrupt(context + ": size does not match the page index");
    }
    const Status status = PageDecompressor::decompress_block(block, page);
    if (!status.ok()) return status.with_context(context);
    return PageFrame{pgno, block};
  }
  const Bytes compressed = frame.subspan(kPageHeaderBytes);
  const Result<size_t> consumed = decompressor.decompress_frame(compressed, page);
  if (!consumed.ok()) return consumed.status().with_context(context);
  if (*consumed != compressed.size()) return corrupt(context + ": bytes after the compressed data");
  return PageFrame{pgno, {}};
}

}  // namespace litestream
