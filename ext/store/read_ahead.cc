#include "ext/store/read_ahead.h"

#include <algorithm>
#include <cstring>

namespace litestream {
namespace {

// A job may have kFilesOpenMax of these open at once.
constexpr size_t kBlockBytesMin = 64 << 10;
constexpr size_t kBlockBytesMax = 512 << 10;

}  // namespace

Status ReadAhead::load(uint64_t offset_bytes) {
  const bool goes_on = !block_.empty() && offset_bytes == block_begin_ + block_.size();
  block_bytes_ = goes_on ? std::min(block_bytes_ * 2, kBlockBytesMax) : kBlockBytesMin;
  size_t wanted = block_bytes_;
  if (size_is_known_) {
    wanted = static_cast<size_t>(std::min<uint64_t>(wanted, size_bytes_ - offset_bytes));
  }
  block_.resize(wanted);
  block_begin_ = offset_bytes;
  const auto range = tree_.read(path_, offset_bytes, block_, &version_);
  if (!range.ok()) {
    block_.clear();
    return range.status();
  }
  block_.resize(range->byte_count);
  if (size_is_known_ && size_bytes_ != range->file_size_bytes) {
    block_.clear();
    return corrupt(tree_.url() + "/" + path_ + " changed its size while it was read");
  }
  size_is_known_ = true;
  size_bytes_ = range->file_size_bytes;
  return {};
}

Result<uint64_t> ReadAhead::size_bytes() {
  if (!size_is_known_) LS_RETURN_IF_ERROR(load(0));
  return size_bytes_;
}

Result<size_t> ReadAhead::read_at(uint64_t offset_bytes, MutableBytes out) {
  size_t done = 0;
  while (done < out.size()) {
    const uint64_t offset = offset_bytes + done;
    if (size_is_known_ && offset >= size_bytes_) break;
    const bool is_here = offset >= block_begin_ && offset < block_begin_ + block_.size();
    if (!is_here) LS_RETURN_IF_ERROR(load(offset));
    if (block_.empty()) break;
    const size_t at = static_cast<size_t>(offset - block_begin_);
    const size_t count = std::min(out.size() - done, block_.size() - at);
    std::memcpy(out.data() + done, block_.data() + at, count);
    done += count;
  }
  return done;
}

}  // namespace litestream
