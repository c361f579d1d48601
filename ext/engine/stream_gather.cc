#include "ext/engine/stream_gather.h"

#include <algorithm>

#include "ext/base/limits.h"
#include "ext/ltx/checksum.h"
#include "ext/ltx/decoder.h"

namespace litestream {
namespace {

constexpr size_t kTicketFilesMax = 256;
constexpr uint64_t kTicketBytesMax = 1 << 20;
// From here on a file in a folder is worth an open descriptor.
constexpr uint64_t kStandingBytesMin = 256 << 10;
constexpr int kRecompression = 4;  // of pages that old files store in another form

// The stored form of a page whose file stores it in another.
Result<size_t> encode_frame(const LtxPageView& view, std::vector<uint8_t>* frame) {
  frame->resize(kSizedPageHeaderBytes + block_bytes_max(static_cast<uint32_t>(view.page.size())));
  const MutableBytes block = MutableBytes(*frame).subspan(kSizedPageHeaderBytes);
  size_t size = view.block.size();
  if (view.block.empty()) {
    PageCompressor compressor(kRecompression);
    LS_ASSIGN_OR_RETURN(size, compressor.compress(view.page, block));
  } else {
    std::copy(view.block.begin(), view.block.end(), block.begin());
  }
  store_be32(frame->data(), view.pgno);
  store_be16(frame->data() + 4, kPageFlagSize);
  store_be32(frame->data() + kPageHeaderBytes, static_cast<uint32_t>(size));
  return kSizedPageHeaderBytes + size;
}

}  // namespace

void GatherWork::stop() {
  const std::lock_guard lock(mutex_);
  state_->stop();
  turned_.notify_all();
}

void GatherWork::fail(const Status& status, size_t index) {
  const std::lock_guard lock(mutex_);
  state_->fail(status, index);
  turned_.notify_all();
}

bool GatherWork::may_stand(size_t index) const {
  return index != 0 && standing_count_ < state_->standing_count_max &&
         state_->plan.files[index].size_bytes >= kStandingBytesMin;
}

std::optional<GatherWork::Ticket> GatherWork::take_ticket() {
  const std::lock_guard lock(mutex_);
  if (next_ == 0 || complete_ || state_->stopped()) return std::nullopt;
  Ticket ticket{tickets_++, next_, next_, may_stand(next_ - 1)};
  uint64_t bytes = 0;
  while (ticket.begin > 0 && ticket.end - ticket.begin < kTicketFilesMax) {
    const LtxFileInfo& info = state_->plan.files[ticket.begin - 1];
    // A large file, and the oldest, which is used otherwise, have a ticket of their own.
    const bool alone =
        info.size_bytes >= kCopyChunkBytes || ticket.begin == 1 || may_stand(ticket.begin - 1);
    const bool is_first = ticket.begin == ticket.end;
    if (!is_first && (alone || bytes + info.size_bytes > kTicketBytesMax)) break;
    --ticket.begin;
    bytes += info.size_bytes;
    if (alone) break;
  }
  next_ = ticket.begin;
  if (ticket.stands) ++standing_count_;
  return ticket;
}

void GatherWork::work(int) {
  Tools tools;
  if (state_->pool != nullptr) tools.pool.emplace(*state_->pool);
  while (const auto ticket = take_ticket()) {
    const Status status = handle(*ticket, &tools);
    if (!status.ok()) {
      // Only a poll of the caller's own thread ends here unrecorded.
      if (!state_->failure()) fail(status, ticket->begin);
      return;
    }
  }
  if (tools.pool) state_->pool->absorb(&*tools.pool);
  state_->add_checksum(tools.checksum);
}

Status GatherWork::fetch(PlanFile* file, bool stands) {
  if (file->index == 0) {
    const std::lock_guard lock(mutex_);
    LS_ASSIGN_OR_RETURN(file->remote, state_->open_base());
  }
  LS_RETURN_IF_ERROR(open_plan_file(state_->store, state_->plan.files[file->index], stands, file));
  LS_ASSIGN_OR_RETURN(file->contents, file->memory ? read_ltx_contents(file->bytes)
                                                   : read_ltx_contents(file->reader()));
  return {};
}

Status GatherWork::handle(const Ticket& ticket, Tools* tools) {
  std::vector<PlanFile> files;
  files.reserve(ticket.end - ticket.begin);
  MutableBytes room;
  if (ticket.end - ticket.begin > 1)
    room = tools->files.make_room(kTicketBytesMax + kTicketFilesMax);
  for (size_t i = ticket.end; i-- > ticket.begin;) {
    LS_RETURN_IF_ERROR(state_->check());
    PlanFile& file = files.emplace_back();
    file.index = i;
    file.room = room;
    const Status status = fetch(&file, ticket.stands);
    if (!status.ok()) {
      fail(status, i);
      return status;
    }
    room = room.subspan(std::min(room.size(), file.bytes.size() + 1));
  }
  LS_RETURN_IF_ERROR(decide_in_turn(ticket, &files));
  for (PlanFile& file : files) {
    LS_RETURN_IF_ERROR(state_->check());
    const size_t index = file.index;
    const Status status = deliver(std::move(file), ticket.stands, tools);
    if (!status.ok()) {
      fail(status, index);
      return status;
    }
    state_->done_bytes += index == 0 ? 0 : state_->plan.files[index].size_bytes;
  }
  return {};
}

// Files that are not needed any more are dropped from `files`.
Status GatherWork::decide_in_turn(const Ticket& ticket, std::vector<PlanFile>* files) {
  std::unique_lock lock(mutex_);
  turned_.wait(lock, [&] { return turn_ == ticket.turn || state_->stopped(); });
  if (state_->stopped()) return cancelled("stopped");
  size_t needed = 0;
  for (; needed < files->size() && !complete_; ++needed) {
    PlanFile& file = (*files)[needed];
    const Status status = decide(&file);
    if (!status.ok()) {
      state_->fail(status, file.index);
      turned_.notify_all();
      return status;
    }
    complete_ = state_->chooser.is_complete();
  }
  files->resize(needed);
  ++turn_;
  turned_.notify_all();
  return {};
}

Status GatherWork::decide(PlanFile* file) {
  PageChooser& chooser = state_->chooser;
  const bool is_last = !chooser.begun();
  LS_RETURN_IF_ERROR(chooser.add(file->contents, state_->plan.files[file->index], &file->wins));
  if (!is_last) return {};
  state_->set_expected(chooser.expected_checksum());
  return state_->from_sink(state_->output.begin(chooser.shape()));
}

Status GatherWork::deliver(PlanFile file, bool stands, Tools* tools) {
  if (file.index == 0) {
    const std::lock_guard lock(mutex_);
    state_->base = std::move(file);
    return {};
  }
  const bool is_whole = state_->chooser.needs_whole_files();
  if (stands && !is_whole) {
    file.remote = std::make_unique<LockedReader>(std::move(file.remote));
    const std::lock_guard lock(mutex_);
    state_->standing.push_back(std::make_unique<PlanFile>(std::move(file)));
    return {};
  }
  tools->page.resize(state_->chooser.shape().page_size);
  return is_whole ? deliver_whole(&file, tools) : deliver_indexed(&file, tools);
}

Status GatherWork::flush_batch(PlanFile* file, Tools* tools) {
  const auto take = [&](const PageIndexEntry& entry, Bytes frame) {
    return take_frame(entry, frame, tools);
  };
  LS_RETURN_IF_ERROR(state_->check());
  LS_RETURN_IF_ERROR(tools->frames.read(file->reader(), tools->batch, take));
  tools->batch.clear();
  return {};
}

Status GatherWork::deliver_indexed(PlanFile* file, Tools* tools) {
  tools->batch.clear();
  PageIndex::Cursor cursor(file->contents.index);
  while (cursor.next()) {
    if (!file->wins[cursor.ordinal()]) continue;
    const PageIndexEntry& entry = cursor.entry();
    if (file->memory != nullptr) {
      const Bytes frame =
          file->bytes.subspan(static_cast<size_t>(entry.offset_bytes), entry.size_bytes);
      LS_RETURN_IF_ERROR(take_frame(entry, frame, tools));
      continue;
    }
    const bool is_far =
        !tools->batch.empty() &&
        entry.offset_bytes + entry.size_bytes - tools->batch.front().offset_bytes > kCopyChunkBytes;
    if (is_far) LS_RETURN_IF_ERROR(flush_batch(file, tools));
    tools->batch.push_back(entry);
  }
  return flush_batch(file, tools);
}

Status GatherWork::take_frame(const PageIndexEntry& entry, Bytes frame, Tools* tools) {
  if (tools->pool) return state_->from_sink(tools->pool->add(entry.pgno, frame));
  LS_RETURN_IF_ERROR(
      decode_page_frame(frame, entry.pgno, tools->decompressor, tools->page).status());
  const Checksum checksum = page_checksum(entry.pgno, tools->page);
  tools->checksum = toggle_page(tools->checksum, checksum);
  return state_->from_sink(state_->output.add_page(entry.pgno, tools->page, checksum));
}

Status GatherWork::take_page(const LtxPageView& view, Tools* tools) {
  if (tools->pool) {
    LS_ASSIGN_OR_RETURN(const size_t size, encode_frame(view, &tools->frame));
    return state_->from_sink(tools->pool->add(view.pgno, Bytes(tools->frame).first(size)));
  }
  const Checksum checksum = page_checksum(view.pgno, view.page);
  tools->checksum = toggle_page(tools->checksum, checksum);
  return state_->from_sink(state_->output.add_page(view.pgno, view.page, checksum));
}

// Every byte of the file is read and checked on the way.
Status GatherWork::deliver_whole(PlanFile* file, Tools* tools) {
  LS_ASSIGN_OR_RETURN(const auto decoder, LtxDecoder::open(file->reader(), kCopyChunkBytes));
  uint64_t unchecked_bytes = 0;
  for (size_t ordinal = 0;; ++ordinal) {
    LS_ASSIGN_OR_RETURN(const std::optional<LtxPageView> view, decoder->next());
    if (!view) break;
    // More pages than the index has: the decoder says so when it comes to the index.
    if (ordinal < file->wins.size() && file->wins[ordinal]) {
      LS_RETURN_IF_ERROR(take_page(*view, tools));
    }
    unchecked_bytes += view->page.size();
    if (unchecked_bytes < kCopyChunkBytes) continue;
    unchecked_bytes = 0;
    LS_RETURN_IF_ERROR(state_->check());
  }
  const bool is_last = decoder->header().max_txid == state_->plan.txid;
  if (is_last) state_->set_expected(decoder->trailer().post_apply_checksum);
  return {};
}

}  // namespace litestream
