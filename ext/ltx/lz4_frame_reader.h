// Reads one LZ4 frame (a whole file of the v0.3 layout) from front to back, decompressed.
// Source: the LZ4 Frame Format. Frame content checksums, where present, are verified.
//
// Memory: two buffers of 256 KiB and what one frame may ask for (some MiB).
// Threading: thread-compatible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "ext/base/bytes.h"
#include "ext/base/status.h"

struct LZ4F_dctx_s;

namespace litestream {

class Lz4FrameReader {
 public:
  // `compressed` must outlive the object.
  explicit Lz4FrameReader(RandomReader& compressed);
  ~Lz4FrameReader();
  Lz4FrameReader(const Lz4FrameReader&) = delete;
  Lz4FrameReader& operator=(const Lz4FrameReader&) = delete;

  // Fills as much of `out` as there is; fewer bytes only at the end of the frame, which is then
  // verified to be the end of the file. Corrupt: not a frame, damaged, cut off, or bytes after it.
  Result<size_t> read(MutableBytes out);
  uint64_t compressed_position_bytes() const { return position_bytes_; }

 private:
  Status refill();
  RandomReader& compressed_;
  LZ4F_dctx_s* context_ = nullptr;
  std::unique_ptr<uint8_t[]> input_;
  size_t input_start_ = 0;
  size_t input_end_ = 0;
  uint64_t position_bytes_ = 0;  // of what was read from the file
  bool at_file_end_ = false;
  bool at_frame_end_ = false;
};

}  // namespace litestream
