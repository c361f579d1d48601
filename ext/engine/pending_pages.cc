#include "ext/engine/pending_pages.h"

#include <algorithm>
#include <cstring>

#include "ext/ltx/checksum.h"

namespace litestream {
namespace {

constexpr uint32_t kBlockBytes = 256 << 10;

}  // namespace

PendingPages::PendingPages(uint32_t page_size_bytes, size_t bytes_max)
    : page_size_bytes_(page_size_bytes),
      slots_per_block_(std::max<uint32_t>(1, kBlockBytes / page_size_bytes)),
      slot_count_max_(static_cast<uint32_t>(bytes_max / page_size_bytes)) {}

void PendingPages::set_bytes_max(size_t bytes_max) {
  slot_count_max_ = static_cast<uint32_t>(bytes_max / page_size_bytes_);
}

uint8_t* PendingPages::slot_bytes(uint32_t slot) const {
  return blocks_[slot / slots_per_block_].get() +
         size_t{slot % slots_per_block_} * page_size_bytes_;
}

bool PendingPages::take_slot(uint32_t* slot) {
  if (slot_count_used_ >= slot_count_max_) return false;
  if (slot_count_used_ / slots_per_block_ >= blocks_.size()) {
    // Left as it comes: of a block that is hardly used, the system gives hardly any memory.
    blocks_.push_back(
        std::make_unique_for_overwrite<uint8_t[]>(size_t{slots_per_block_} * page_size_bytes_));
  }
  *slot = slot_count_used_++;
  return true;
}

void PendingPages::put(Pgno pgno, uint32_t frame, Bytes page) {
  Entry& entry = entries_[pgno];
  if (entry.slot == kNoSlot && entry.frame == 0 && !take_slot(&entry.slot)) {
    entry.frame = frame;
    ++frame_count_;
  }
  if (entry.slot != kNoSlot) {
    std::memcpy(slot_bytes(entry.slot), page.data(), page_size_bytes_);
    return;
  }
  entry.frame = frame;
  entry.sum = page_checksum(pgno, page);
}

std::vector<PendingPages::Page> PendingPages::sorted(uint32_t commit) const {
  std::vector<Page> pages;
  pages.reserve(entries_.size());
  for (const auto& [pgno, entry] : entries_) {
    if (pgno > commit) continue;
    Page page;
    page.pgno = pgno;
    page.frame = entry.frame;
    page.sum = entry.sum;
    if (entry.slot != kNoSlot) page.bytes = slot_bytes(entry.slot);
    pages.push_back(page);
  }
  std::sort(pages.begin(), pages.end(),
            [](const Page& a, const Page& b) { return a.pgno < b.pgno; });
  return pages;
}

}  // namespace litestream
