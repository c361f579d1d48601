#include "ext/engine/stream_assemble.h"

#include <algorithm>
#include <cstring>

#include "ext/base/limits.h"
#include "ext/ltx/checksum.h"

namespace litestream {

AssembleWork::AssembleWork(std::shared_ptr<StreamState> state)
    : state_(std::move(state)),
      page_size_(state_->chooser.shape().page_size),
      page_count_(state_->chooser.shape().page_count),
      block_pages_(static_cast<Pgno>(kCopyChunkBytes / page_size_)) {}

Status AssembleWork::start() {
  if (started_) return {};
  started_ = true;
  if (state_->base && state_->chooser.needs_whole_files()) {
    LS_ASSIGN_OR_RETURN(decoder_, LtxDecoder::open(state_->base->reader(), kCopyChunkBytes));
    return {};
  }
  if (state_->base) sources_.emplace_back(&*state_->base);
  for (const auto& file : state_->standing) sources_.emplace_back(file.get());
  return {};
}

// Of the oldest file; null if only take() reads it.
Result<RandomReader*> AssembleWork::reader_of_worker() {
  const std::lock_guard lock(mutex_);
  LS_RETURN_IF_ERROR(start());
  if (!state_->base || decoder_ != nullptr) return static_cast<RandomReader*>(nullptr);
  if (state_->base->memory != nullptr) return &state_->base->reader();
  if (readers_.empty()) {
    readers_.push_back(std::move(state_->base->remote));
  } else {
    LS_ASSIGN_OR_RETURN(auto reader, state_->open_base());
    readers_.push_back(std::move(reader));
  }
  return readers_.back().get();
}

MutableBytes AssembleWork::page_of(Block* block, Pgno pgno) const {
  return block->pages.bytes().subspan(size_t{pgno - block->first} * page_size_, page_size_);
}

void AssembleWork::choose_entries(Source* source, Pgno last, std::vector<PageIndexEntry>* entries) {
  const std::vector<bool>& wins = source->file->wins;
  entries->clear();
  while (true) {
    if (!source->has_entry) source->has_entry = source->cursor.next();
    if (!source->has_entry || source->cursor.entry().pgno > last) return;
    if (wins[source->cursor.ordinal()]) entries->push_back(source->cursor.entry());
    source->has_entry = false;
  }
}

Status AssembleWork::decode_entries(Block* block) {
  const std::vector<bool>& wins = state_->base->wins;
  while (true) {
    if (!decoded_) {
      LS_ASSIGN_OR_RETURN(decoded_, decoder_->next());
      if (!decoded_) return {};
      ++ordinal_;
      block->base_bytes += kSizedPageHeaderBytes + decoded_->block.size();
    }
    if (decoded_->pgno > block->last) return {};
    // More pages than the index has: the decoder says so when it comes to the index.
    if (ordinal_ <= wins.size() && wins[ordinal_ - 1] && decoded_->pgno >= block->first) {
      std::memcpy(page_of(block, decoded_->pgno).data(), decoded_->page.data(), page_size_);
      block->decoded.push_back(decoded_->pgno);
    }
    decoded_.reset();
  }
}

// Reads on to the end of the file, where its checksum is.
Status AssembleWork::finish_whole() {
  if (decoder_ == nullptr || finished_) return {};
  finished_ = true;
  uint64_t unchecked_bytes = 0;
  while (true) {
    LS_ASSIGN_OR_RETURN(decoded_, decoder_->next());
    if (!decoded_) break;
    unchecked_bytes += page_size_;
    if (unchecked_bytes < kCopyChunkBytes) continue;
    unchecked_bytes = 0;
    LS_RETURN_IF_ERROR(state_->check());
  }
  const bool is_last = decoder_->header().max_txid == state_->plan.txid;
  if (is_last) state_->set_expected(decoder_->trailer().post_apply_checksum);
  return {};
}

// False: no more blocks.
Result<bool> AssembleWork::take(Block* block) {
  LS_RETURN_IF_ERROR(state_->check());
  const std::lock_guard lock(mutex_);
  if (next_ > page_count_) {
    LS_RETURN_IF_ERROR(finish_whole());
    return false;
  }
  block->first = next_;
  block->last =
      static_cast<Pgno>(std::min<uint64_t>(page_count_, uint64_t{next_} + block_pages_ - 1));
  next_ = block->last + 1;
  block->base_bytes = 0;
  block->decoded.clear();
  block->entries.resize(sources_.size());
  block->pages.resize(size_t{block->last - block->first + 1} * page_size_);
  for (size_t i = 0; i < sources_.size(); ++i) {
    choose_entries(&sources_[i], block->last, &block->entries[i]);
  }
  if (decoder_ != nullptr) LS_RETURN_IF_ERROR(decode_entries(block));
  return true;
}

Status AssembleWork::take_page(Pgno pgno, Bytes page, Tools* tools) {
  const Checksum checksum = page_checksum(pgno, page);
  tools->checksum = toggle_page(tools->checksum, checksum);
  if (state_->output.takes_blocks()) return {};
  return state_->from_sink(state_->output.add_page(pgno, page, checksum));
}

Status AssembleWork::fill_from_source(size_t number, RandomReader& reader, Block* block,
                                      Tools* tools) {
  const std::vector<PageIndexEntry>& entries = block->entries[number];
  if (entries.empty()) return {};
  const auto take = [&](const PageIndexEntry& entry, Bytes frame) -> Status {
    const MutableBytes page = page_of(block, entry.pgno);
    LS_RETURN_IF_ERROR(decode_page_frame(frame, entry.pgno, tools->decompressor, page).status());
    return take_page(entry.pgno, page, tools);
  };
  const size_t index = sources_[number].file->index;
  const Status status = tools->frames.read(reader, entries, take);
  if (!status.ok()) state_->fail(status, index);
  if (index == 0) block->base_bytes = entries.back().offset_bytes - entries.front().offset_bytes;
  return status;
}

Status AssembleWork::fill_from_pool(Block* block, Tools* tools) {
  if (state_->pool == nullptr) return {};
  Status damaged;
  const auto take = [&](Pgno pgno, Bytes frame) -> Status {
    const MutableBytes page = page_of(block, pgno);
    damaged = decode_page_frame(frame, pgno, tools->decompressor, page).status();
    LS_RETURN_IF_ERROR(damaged);
    return take_page(pgno, page, tools);
  };
  const Status status = state_->pool->read(block->first, block->last, &tools->pool_reader, take);
  return damaged.ok() ? state_->from_sink(status) : damaged;
}

// Every page of the block has its supplier, so nothing of the block before stays.
Status AssembleWork::fill(RandomReader* base_reader, Block* block, Tools* tools) {
  const Pgno lock = lock_page(page_size_);
  if (block->first <= lock && lock <= block->last) {
    const MutableBytes page = page_of(block, lock);
    std::fill(page.begin(), page.end(), uint8_t{0});
  }
  for (size_t i = 0; i < block->entries.size(); ++i) {
    PlanFile* const file = sources_[i].file;
    RandomReader& reader = file->index == 0 ? *base_reader : file->reader();
    LS_RETURN_IF_ERROR(fill_from_source(i, reader, block, tools));
  }
  for (const Pgno pgno : block->decoded) {
    LS_RETURN_IF_ERROR(take_page(pgno, page_of(block, pgno), tools));
  }
  const Status status = fill_from_pool(block, tools);
  // Which file the page came from is not known any more.
  if (!status.ok()) state_->fail(status);
  return status;
}

Status AssembleWork::run_blocks(Tools* tools) {
  LS_ASSIGN_OR_RETURN(RandomReader* const base_reader, reader_of_worker());
  Block block;
  while (true) {
    LS_ASSIGN_OR_RETURN(const bool has_block, take(&block));
    if (!has_block) return {};
    LS_RETURN_IF_ERROR(fill(base_reader, &block, tools));
    if (state_->output.takes_blocks()) {
      LS_RETURN_IF_ERROR(
          state_->from_sink(state_->output.write_block(block.first, block.pages.bytes())));
    }
    state_->done_bytes += block.base_bytes;
  }
}

void AssembleWork::work(int) {
  Tools tools;
  const Status status = run_blocks(&tools);
  if (!status.ok()) {
    // What has no other file to blame came up with the oldest.
    state_->fail(status, 0);
    return;
  }
  state_->add_checksum(tools.checksum);
}

}  // namespace litestream
