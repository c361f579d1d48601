#include "ext/store/spill_buffer.h"

#include <algorithm>
#include <atomic>
#include <cstring>

#include "ext/base/clock.h"

namespace litestream {
namespace {

// Names need only differ: the file has its name for an instant.
std::string spill_name(const void* self) {
  static std::atomic<uint64_t> count{0};
  return ".litestream-spill-" + std::to_string(system_clock().wall_ms()) + "-" +
         std::to_string(reinterpret_cast<uintptr_t>(self)) + "-" + std::to_string(++count);
}

}  // namespace

SpillBuffer::SpillBuffer(FileSystem& fs, std::string directory, size_t memory_bytes_max)
    : fs_(fs), directory_(std::move(directory)), memory_bytes_max_(memory_bytes_max) {}

SpillBuffer::~SpillBuffer() = default;

Status SpillBuffer::spill() {
  const std::string path = path_join(directory_, spill_name(this));
  LS_ASSIGN_OR_RETURN(writer_, fs_.create_new(path));
  auto reader = fs_.open_readable(path);
  const Status removed = fs_.remove(path);
  if (!reader.ok()) return reader.status();
  LS_RETURN_IF_ERROR(removed);
  reader_ = *std::move(reader);
  const std::vector<uint8_t> so_far = std::move(memory_);
  memory_ = {};
  return writer_->append(so_far);
}

Status SpillBuffer::append(Bytes bytes) {
  const std::string what = "a temporary file in " + directory_ + " (TMPDIR names another folder)";
  const bool fits = memory_.size() + bytes.size() <= memory_bytes_max_;
  if (writer_ == nullptr && !fits) LS_RETURN_IF_ERROR(spill().with_context(what));
  if (writer_ != nullptr) {
    LS_RETURN_IF_ERROR(writer_->append(bytes).with_context(what));
  } else {
    memory_.insert(memory_.end(), bytes.begin(), bytes.end());
  }
  size_bytes_ += bytes.size();
  return {};
}

Result<size_t> SpillBuffer::read_at(uint64_t offset_bytes, MutableBytes out) {
  if (reader_ != nullptr) return reader_->read_at(offset_bytes, out);
  if (offset_bytes >= memory_.size()) return size_t{0};
  const auto at = static_cast<size_t>(offset_bytes);
  const size_t count = std::min(out.size(), memory_.size() - at);
  if (count > 0) std::memcpy(out.data(), memory_.data() + at, count);
  return count;
}

}  // namespace litestream
