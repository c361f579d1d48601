// Reads a RandomReader from front to back through one bounded buffer.
// Threading: thread-compatible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>

#include "ext/base/bytes.h"
#include "ext/base/status.h"

namespace litestream {

// A RandomReader over memory that the caller keeps alive.
class BytesReader final : public RandomReader {
 public:
  explicit BytesReader(Bytes bytes) : bytes_(bytes) {}
  Result<size_t> read_at(uint64_t offset_bytes, MutableBytes out) override;
  Result<uint64_t> size_bytes() override { return uint64_t{bytes_.size()}; }

 private:
  const Bytes bytes_;
};

class SequentialReader {
 public:
  // Reads [begin_bytes, end_bytes) of `reader`, which must outlive this. peek() can show as much as
  // `buffer_bytes`, which is also the size of one read.
  SequentialReader(RandomReader& reader, uint64_t begin_bytes, uint64_t end_bytes,
                   size_t buffer_bytes);

  // The next `count` bytes, fewer only at the end. Valid until the next call. `count` must not be
  // larger than the buffer.
  Result<Bytes> peek_up_to(size_t count) {
    if (count > filled_ - start_) LS_RETURN_IF_ERROR(fill(count));
    return Bytes(buffer_.get() + start_, count < filled_ - start_ ? count : filled_ - start_);
  }
  // Exactly `count` bytes, else Corrupt.
  Result<Bytes> peek(size_t count);
  // Of what peek() showed.
  void consume(size_t count) {
    start_ += count;
    position_bytes_ += count;
  }

  uint64_t position_bytes() const { return position_bytes_; }
  uint64_t end_bytes() const { return end_bytes_; }

 private:
  Status fill(size_t wanted);

  RandomReader& reader_;
  const uint64_t end_bytes_;
  const size_t capacity_bytes_;
  std::unique_ptr<uint8_t[]> buffer_;
  uint64_t position_bytes_;  // in the file, of buffer_[start_]
  size_t start_ = 0;
  size_t filled_ = 0;
};

}  // namespace litestream
