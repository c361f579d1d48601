#include "ext/ltx/lz4_frame_reader.h"

#include <lz4frame.h>

namespace litestream {
namespace {

constexpr size_t kInputBytes = 256 << 10;

}  // namespace

Lz4FrameReader::Lz4FrameReader(RandomReader& compressed)
    : compressed_(compressed), input_(new uint8_t[kInputBytes]) {}

Lz4FrameReader::~Lz4FrameReader() { LZ4F_freeDecompressionContext(context_); }

Status Lz4FrameReader::refill() {
  if (input_start_ < input_end_ || at_file_end_) return {};
  LS_ASSIGN_OR_RETURN(const size_t got,
                      compressed_.read_at(position_bytes_, {input_.get(), kInputBytes}));
  input_start_ = 0;
  input_end_ = got;
  position_bytes_ += got;
  at_file_end_ = got < kInputBytes;
  return {};
}

Result<size_t> Lz4FrameReader::read(MutableBytes out) {
  if (context_ == nullptr) {
    const size_t code = LZ4F_createDecompressionContext(&context_, LZ4F_VERSION);
    if (LZ4F_isError(code) != 0) return internal_error("LZ4 frame decoder: out of memory");
  }
  size_t produced = 0;
  while (produced < out.size() && !at_frame_end_) {
    LS_RETURN_IF_ERROR(refill());
    size_t source_bytes = input_end_ - input_start_;
    size_t target_bytes = out.size() - produced;
    const size_t hint = LZ4F_decompress(context_, out.data() + produced, &target_bytes,
                                        input_.get() + input_start_, &source_bytes, nullptr);
    if (LZ4F_isError(hint) != 0) return corrupt("compressed data is damaged");
    input_start_ += source_bytes;
    produced += target_bytes;
    at_frame_end_ = hint == 0;
    if (source_bytes == 0 && target_bytes == 0 && !at_frame_end_) {
      return corrupt("compressed data is cut off");
    }
  }
  if (at_frame_end_) {
    LS_RETURN_IF_ERROR(refill());
    if (input_start_ < input_end_) return corrupt("bytes after the compressed data");
  }
  return produced;
}

}  // namespace litestream
