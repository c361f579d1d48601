#include "ext/engine/frame_pool.h"

#include <algorithm>
#include <cstring>
#include <iterator>

#include "ext/base/limits.h"

namespace litestream {
namespace {

constexpr uint64_t kOffsetMask = (uint64_t{1} << 56) - 1;

}  // namespace

FramePool::FramePool(FileSystem& fs, std::string spill_path, size_t memory_bytes_max,
                     int writer_count)
    : fs_(fs),
      spill_path_(std::move(spill_path)),
      chunk_count_max_(std::max<size_t>(
          1, memory_bytes_max / kCopyChunkBytes / static_cast<size_t>(writer_count))) {}

Result<FramePool::Spill*> FramePool::add_spill() {
  const std::lock_guard lock(mutex_);
  const std::string what = "temporary file for changed pages";
  auto spill = std::make_unique<Spill>();
  auto writer = DurableFile::create(fs_, spill_path_);
  if (!writer.ok()) return writer.status().with_context(what);
  auto reader = fs_.open_readable((*writer)->temporary_path());
  if (!reader.ok()) return reader.status().with_context(what);
  const Status removed = fs_.remove((*writer)->temporary_path());
  if (!removed.ok()) return removed.with_context(what);
  spill->writer = std::move(writer).value();
  spill->reader = std::move(reader).value();
  spill->number = spills_.size();
  spills_.push_back(std::move(spill));
  return spills_.back().get();
}

// Everything in memory, sorted by page.
Status FramePool::Writer::write_run() {
  const auto first = places_.begin() + static_cast<ptrdiff_t>(spilled_count_);
  std::sort(first, places_.end(), [](const Place& a, const Place& b) { return a.pgno < b.pgno; });
  if (spill_ == nullptr) {
    LS_ASSIGN_OR_RETURN(spill_, pool_.add_spill());
  }
  std::vector<uint8_t> buffer;
  buffer.reserve(kCopyChunkBytes);
  const auto write = [&]() -> Status {
    LS_RETURN_IF_ERROR(spill_->writer->write_at(spill_->size_bytes, buffer));
    spill_->size_bytes += buffer.size();
    buffer.clear();
    return {};
  };
  for (; spilled_count_ < places_.size(); ++spilled_count_) {
    Place& place = places_[spilled_count_];
    if (buffer.size() + place.size_bytes > kCopyChunkBytes) LS_RETURN_IF_ERROR(write());
    const uint8_t* const frame = place.memory;
    place.memory = nullptr;
    place.file = spill_->number & 0xff;
    place.offset_bytes = (spill_->size_bytes + buffer.size()) & kOffsetMask;
    buffer.insert(buffer.end(), frame, frame + place.size_bytes);
  }
  used_bytes_ = 0;
  return write();
}

Status FramePool::Writer::add(Pgno pgno, Bytes frame) {
  if (frame.size() > kCopyChunkBytes) return internal_error("a page frame of this size");
  const size_t left_bytes = (kCopyChunkBytes - used_bytes_ % kCopyChunkBytes) % kCopyChunkBytes;
  if (left_bytes < frame.size()) used_bytes_ += left_bytes;
  if (used_bytes_ == pool_.chunk_count_max_ * kCopyChunkBytes) LS_RETURN_IF_ERROR(write_run());
  if (used_bytes_ == chunks_.size() * kCopyChunkBytes) {
    chunks_.emplace_back(new uint8_t[kCopyChunkBytes]);
  }
  uint8_t* const to = chunks_[used_bytes_ / kCopyChunkBytes].get() + used_bytes_ % kCopyChunkBytes;
  std::memcpy(to, frame.data(), frame.size());
  places_.push_back(
      {.memory = to, .size_bytes = static_cast<uint32_t>(frame.size()), .pgno = pgno});
  used_bytes_ += frame.size();
  return {};
}

void FramePool::absorb(Writer* writer) {
  const std::lock_guard lock(mutex_);
  places_.insert(places_.end(), writer->places_.begin(), writer->places_.end());
  std::move(writer->chunks_.begin(), writer->chunks_.end(), std::back_inserter(chunks_));
  writer->places_.clear();
  writer->chunks_.clear();
}

void FramePool::seal() {
  std::sort(places_.begin(), places_.end(),
            [](const Place& a, const Place& b) { return a.pgno < b.pgno; });
}

Status FramePool::read(Pgno first, Pgno last, Reader* reader, const Take& take) const {
  const auto begin = std::lower_bound(places_.begin(), places_.end(), first,
                                      [](const Place& p, Pgno pgno) { return p.pgno < pgno; });
  const auto end = std::upper_bound(begin, places_.end(), last,
                                    [](Pgno pgno, const Place& p) { return pgno < p.pgno; });
  std::vector<Place>& places = reader->places_;
  places.clear();
  for (auto place = begin; place != end; ++place) {
    if (place->memory == nullptr) {
      places.push_back(*place);
      continue;
    }
    LS_RETURN_IF_ERROR(take(place->pgno, {place->memory, place->size_bytes}));
  }
  std::sort(places.begin(), places.end(), [](const Place& a, const Place& b) {
    return std::pair(uint64_t{a.file}, uint64_t{a.offset_bytes}) <
           std::pair(uint64_t{b.file}, uint64_t{b.offset_bytes});
  });
  for (size_t i = 0; i < places.size();) {
    const uint64_t offset = places[i].offset_bytes;
    uint64_t end_bytes = offset;
    size_t after = i;
    // Within one run the pages of a range stand side by side.
    while (after < places.size() && places[after].file == places[i].file &&
           places[after].offset_bytes == end_bytes &&
           end_bytes + places[after].size_bytes - offset <= kCopyChunkBytes) {
      end_bytes += places[after++].size_bytes;
    }
    reader->buffer_.resize(static_cast<size_t>(end_bytes - offset));
    LS_RETURN_IF_ERROR(read_exactly(*spills_[places[i].file]->reader, offset, reader->buffer_));
    for (; i < after; ++i) {
      const size_t at = static_cast<size_t>(places[i].offset_bytes - offset);
      const Bytes frame = Bytes(reader->buffer_).subspan(at, places[i].size_bytes);
      LS_RETURN_IF_ERROR(take(places[i].pgno, frame));
    }
  }
  return {};
}

}  // namespace litestream
