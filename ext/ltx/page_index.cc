#include "ext/ltx/page_index.h"

#include <limits>
#include <string>

#include "ext/ltx/page_codec.h"
#include "ext/ltx/page_order.h"

namespace litestream {

namespace {

size_t encode_varint(uint64_t value, uint8_t* out) {
  size_t count = 0;
  for (; value >= 0x80; value >>= 7) out[count++] = static_cast<uint8_t>(value | 0x80);
  out[count++] = static_cast<uint8_t>(value);
  return count;
}

// Takes one minimal varint off the front of `bytes`; false if there is none up to `value_max`.
bool take_varint(Bytes& bytes, uint64_t value_max, uint64_t& value) {
  constexpr size_t kVarintBytesMax = 10;
  value = 0;
  for (size_t i = 0; i < bytes.size() && i < kVarintBytesMax; ++i) {
    const uint64_t bits = bytes[i] & 0x7F;
    const unsigned shift = static_cast<unsigned>(7 * i);
    if (bits << shift >> shift != bits) return false;
    value |= bits << shift;
    if ((bytes[i] & 0x80) != 0) continue;
    if (i > 0 && bits == 0) return false;
    bytes = bytes.subspan(i + 1);
    return value <= value_max;
  }
  return false;
}

// Our own bytes: trusted.
uint32_t step_varint(const std::vector<uint8_t>& steps, size_t& position) {
  uint32_t value = 0;
  for (unsigned shift = 0;; shift += 7) {
    const uint8_t byte = steps[position++];
    value |= static_cast<uint32_t>(byte & 0x7F) << shift;
    if ((byte & 0x80) == 0) return value;
  }
}

Status damaged(uint64_t offset_bytes) {
  return corrupt("page index is damaged at offset " + std::to_string(offset_bytes));
}

// Takes one entry off the front of `bytes`; false if there is none.
bool take_entry(Bytes& bytes, PageIndexEntry& entry) {
  uint64_t pgno = 0;
  uint64_t size = 0;
  if (!take_varint(bytes, std::numeric_limits<Pgno>::max(), pgno) ||
      !take_varint(bytes, std::numeric_limits<uint64_t>::max(), entry.offset_bytes) ||
      !take_varint(bytes, std::numeric_limits<uint32_t>::max(), size)) {
    return false;
  }
  entry.pgno = static_cast<Pgno>(pgno);
  entry.size_bytes = static_cast<uint32_t>(size);
  return true;
}

}  // namespace

void PageIndex::append(Pgno pgno, uint32_t frame_bytes) {
  uint8_t step[10];
  size_t used = encode_varint(pgno - last_, step);
  used += encode_varint(frame_bytes, step + used);
  steps_.insert(steps_.end(), step, step + used);
  ++count_;
  last_ = pgno;
  frames_end_bytes_ += frame_bytes;
}

void PageIndex::clear() {
  steps_.clear();
  count_ = 0;
  last_ = 0;
  frames_end_bytes_ = kLtxHeaderBytes;
}

bool PageIndex::Cursor::next() {
  if (position_ == index_->steps_.size()) return false;
  entry_.offset_bytes += entry_.size_bytes;
  entry_.pgno += step_varint(index_->steps_, position_);
  entry_.size_bytes = step_varint(index_->steps_, position_);
  ++ordinal_;
  return true;
}

size_t encode_page_index_entry(const PageIndexEntry& entry, uint8_t* out) {
  size_t used = encode_varint(entry.pgno, out);
  used += encode_varint(entry.offset_bytes, out + used);
  return used + encode_varint(entry.size_bytes, out + used);
}

Result<PageIndex> decode_page_index(SequentialReader& in, const LtxHeader& header) {
  constexpr size_t kEntryBytesPeeked = 3 * 10;
  const uint64_t index_offset = in.position_bytes();
  const uint32_t frame_bytes_max = page_frame_bytes_max(header.page_size);
  PageIndex index;
  PageOrder order(header);
  while (true) {
    LS_ASSIGN_OR_RETURN(const Bytes bytes, in.peek_up_to(kEntryBytesPeeked));
    if (!bytes.empty() && bytes[0] == 0) break;
    Bytes rest = bytes;
    PageIndexEntry entry;
    if (!take_entry(rest, entry)) return damaged(in.position_bytes());
    const Status accepted = order.accept(entry.pgno);
    if (!accepted.ok()) return accepted.with_context("page index");
    if (entry.offset_bytes != index.frames_end_bytes() ||
        entry.size_bytes <= kSizedPageHeaderBytes || entry.size_bytes > frame_bytes_max) {
      return corrupt("page index: page " + std::to_string(entry.pgno) + " is not where it must be");
    }
    index.append(entry.pgno, entry.size_bytes);
    in.consume(bytes.size() - rest.size());
  }
  in.consume(1);
  if (in.position_bytes() != in.end_bytes()) return damaged(in.position_bytes());
  const Status complete = order.finish();
  if (!complete.ok()) return complete.with_context("page index");
  if (index.frames_end_bytes() + kPageHeaderBytes != index_offset) {
    return corrupt("page index does not end where the pages end");
  }
  return index;
}

}  // namespace litestream
