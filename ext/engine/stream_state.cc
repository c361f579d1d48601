#include "ext/engine/stream_state.h"

#include "ext/base/limits.h"

namespace litestream {

static_assert(kCopyChunkBytes >= 4 * kCompressedPageBytesMax);

Status StreamOutput::begin(const DatabaseShape& shape) {
  const std::shared_lock lock(door_);
  if (shut_) return cancelled("interrupted");
  return blocks_ != nullptr ? blocks_->begin(shape) : pages_->begin(shape);
}

Status StreamOutput::add_page(Pgno pgno, Bytes page, Checksum checksum) {
  const std::shared_lock lock(door_);
  if (shut_) return cancelled("interrupted");
  const std::lock_guard one(one_page_);
  return pages_->add_page(pgno, page, checksum);
}

Status StreamOutput::write_block(Pgno first, Bytes pages) {
  const std::shared_lock lock(door_);
  if (shut_) return cancelled("interrupted");
  return blocks_->write_block(first, pages);
}

void StreamOutput::shut() {
  const std::unique_lock lock(door_);
  shut_ = true;
}

Status open_plan_file(LtxStore& store, const LtxFileInfo& info, bool on_demand, PlanFile* file) {
  if (file->remote == nullptr) {
    LS_ASSIGN_OR_RETURN(file->remote, store.open(info));
  }
  if (on_demand || info.size_bytes >= kCopyChunkBytes) return {};
  // One byte more, so that a file larger than its listing shows; it is read on demand after all.
  const size_t wanted = static_cast<size_t>(info.size_bytes) + 1;
  const MutableBytes room =
      file->room.size() >= wanted ? file->room.first(wanted) : file->buffer.make_room(wanted);
  LS_ASSIGN_OR_RETURN(const size_t got, file->remote->read_at(0, room));
  if (got == room.size()) return {};
  if (got < info.size_bytes) {
    return not_found(std::to_string(got) + " of its " + std::to_string(info.size_bytes) +
                     " bytes are there");
  }
  file->bytes = room.first(got);
  file->memory = std::make_unique<BytesReader>(file->bytes);
  file->remote.reset();
  return {};
}

StreamState::StreamState(LtxStore& plan_store, const RestorePlan& restore_plan, PageSink* pages,
                         BlockSink* blocks)
    : store(plan_store),
      plan(restore_plan),
      output(pages, blocks),
      chooser(pages_stored_max(restore_plan.size_bytes)) {}

Result<std::unique_ptr<RandomReader>> StreamState::open_base() {
  if (base_readers.empty()) return store.open(plan.files[0]);
  std::unique_ptr<RandomReader> reader = std::move(base_readers.back());
  base_readers.pop_back();
  return reader;
}

Status StreamState::check() {
  if (stopped_) return cancelled("stopped");
  return poll_now ? poll_now() : Status();
}

void StreamState::fail(const Status& status, std::optional<size_t> index) {
  const std::lock_guard lock(mutex_);
  if (!failure_ && !stopped_) failure_ = StreamFailure{status, index};
  stopped_ = true;
}

std::optional<StreamFailure> StreamState::failure() const {
  const std::lock_guard lock(mutex_);
  return failure_;
}

Status StreamState::from_sink(Status status) {
  if (!status.ok()) sink_failed_ = true;
  return status;
}

void StreamState::add_checksum(Checksum partial) {
  const std::lock_guard lock(mutex_);
  checksum_ = toggle_page(checksum_, partial);
}

Checksum StreamState::checksum() const {
  const std::lock_guard lock(mutex_);
  return checksum_;
}

void StreamState::set_expected(Checksum expected) {
  const std::lock_guard lock(mutex_);
  expected_ = expected;
}

Checksum StreamState::expected() const {
  const std::lock_guard lock(mutex_);
  return expected_;
}

Status FrameReader::read(RandomReader& reader, std::span<const PageIndexEntry> entries,
                         const Take& take) {
  for (size_t i = 0; i < entries.size();) {
    const uint64_t begin = entries[i].offset_bytes;
    uint64_t end = begin + entries[i].size_bytes;
    size_t after = i + 1;
    for (; after < entries.size(); ++after) {
      const PageIndexEntry& entry = entries[after];
      const uint64_t next_end = entry.offset_bytes + entry.size_bytes;
      if (entry.offset_bytes - end > kReadGapBytesMax || next_end - begin > kCopyChunkBytes) break;
      end = next_end;
    }
    const MutableBytes frames = buffer_.make_room(static_cast<size_t>(end - begin));
    LS_RETURN_IF_ERROR(read_exactly(reader, begin, frames));
    for (; i < after; ++i) {
      const size_t at = static_cast<size_t>(entries[i].offset_bytes - begin);
      LS_RETURN_IF_ERROR(take(entries[i], Bytes(frames).subspan(at, entries[i].size_bytes)));
    }
  }
  return {};
}

}  // namespace litestream
