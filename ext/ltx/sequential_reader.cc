#include "ext/ltx/sequential_reader.h"

#include <algorithm>
#include <cstring>
#include <string>

namespace litestream {

Result<size_t> BytesReader::read_at(uint64_t offset_bytes, MutableBytes out) {
  if (offset_bytes >= bytes_.size()) return size_t{0};
  const Bytes rest = bytes_.subspan(static_cast<size_t>(offset_bytes));
  const size_t count = std::min(out.size(), rest.size());
  if (count > 0) std::memcpy(out.data(), rest.data(), count);
  return count;
}

SequentialReader::SequentialReader(RandomReader& reader, uint64_t begin_bytes, uint64_t end_bytes,
                                   size_t buffer_bytes)
    : reader_(reader),
      end_bytes_(std::max(begin_bytes, end_bytes)),
      capacity_bytes_(
          static_cast<size_t>(std::min<uint64_t>(buffer_bytes, end_bytes_ - begin_bytes))),
      buffer_(new uint8_t[std::max<size_t>(capacity_bytes_, 1)]),
      position_bytes_(begin_bytes) {}

Status SequentialReader::fill(size_t wanted) {
  const size_t kept = filled_ - start_;
  const uint64_t read_from = position_bytes_ + kept;
  const uint64_t left = end_bytes_ - read_from;
  if (wanted > capacity_bytes_ && left > capacity_bytes_ - kept) {
    return internal_error("read-ahead buffer is too small");
  }
  if (left == 0) return {};
  std::memmove(buffer_.get(), buffer_.get() + start_, kept);
  start_ = 0;
  filled_ = kept;
  const size_t count = static_cast<size_t>(std::min<uint64_t>(capacity_bytes_ - kept, left));
  LS_RETURN_IF_ERROR(read_exactly(reader_, read_from, MutableBytes(buffer_.get() + kept, count)));
  filled_ += count;
  return {};
}

Result<Bytes> SequentialReader::peek(size_t count) {
  LS_ASSIGN_OR_RETURN(const Bytes bytes, peek_up_to(count));
  if (bytes.size() == count) return bytes;
  return corrupt("file ends early, at offset " + std::to_string(end_bytes_));
}

}  // namespace litestream
