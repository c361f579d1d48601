// Pages captured from the WAL that wait for their L0 file: the newest version of each.
//
// Up to `bytes_max` page bytes are kept in memory; beyond that an entry only names its frame, and
// the file must be written while the mark that protects the frame is held. One object per file: its
// entries are allocated together and go together.
// Threading: thread-compatible.
#pragma once

#include <cstdint>
#include <memory>
#include <memory_resource>
#include <unordered_map>
#include <vector>

#include "ext/base/bytes.h"
#include "ext/ltx/types.h"

namespace litestream {

class PendingPages {
 public:
  struct Page {
    Pgno pgno = 0;
    // Frame in the WAL generation captured last, or kReadAtMark; 0: the bytes are in memory.
    uint32_t frame = 0;
    const uint8_t* bytes = nullptr;  // page_size bytes, valid until the next put
    Checksum sum = 0;                // known for pages that only name a frame
  };

  // Instead of a frame: whatever a reader at the mark sees.
  static constexpr uint32_t kReadAtMark = UINT32_MAX;

  PendingPages(uint32_t page_size_bytes, size_t bytes_max);
  // From now on; what is in memory stays there.
  void set_bytes_max(size_t bytes_max);

  void put(Pgno pgno, uint32_t frame, Bytes page);
  bool empty() const { return entries_.empty(); }
  bool contains(Pgno pgno) const { return entries_.contains(pgno); }
  size_t page_count() const { return entries_.size(); }
  size_t bytes_in_memory() const { return slot_count_used_ * page_size_bytes_; }
  // Some pages only name a frame: write the file before the mark moves.
  bool needs_mark() const { return frame_count_ > 0; }
  // Ascending page numbers, those above `commit` left out.
  std::vector<Page> sorted(uint32_t commit) const;

 private:
  struct Entry {
    uint32_t slot = kNoSlot;
    uint32_t frame = 0;
    Checksum sum = 0;
  };
  static constexpr uint32_t kNoSlot = UINT32_MAX;
  uint8_t* slot_bytes(uint32_t slot) const;
  bool take_slot(uint32_t* slot);

  const uint32_t page_size_bytes_;
  const uint32_t slots_per_block_;
  uint32_t slot_count_max_;
  std::pmr::monotonic_buffer_resource entry_memory_;
  std::pmr::unordered_map<Pgno, Entry> entries_{&entry_memory_};
  std::vector<std::unique_ptr<uint8_t[]>> blocks_;
  uint32_t slot_count_used_ = 0;
  size_t frame_count_ = 0;
};

}  // namespace litestream
