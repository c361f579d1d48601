#include "ext/wal/wal_index.h"

#include <cstring>
#include <string>

#include "ext/base/limits.h"

namespace litestream {
namespace {

// Offsets within one copy of the header, then within the whole.
constexpr size_t kVersionAt = 0;
constexpr size_t kChangeCounterAt = 8;
constexpr size_t kIsInitAt = 12;
constexpr size_t kBigEndianAt = 13;
constexpr size_t kPageSizeAt = 14;
constexpr size_t kMxFrameAt = 16;
constexpr size_t kPageCountAt = 20;
constexpr size_t kFrameChecksumAt = 24;
constexpr size_t kSaltsAt = 32;
constexpr size_t kChecksumAt = 40;
constexpr size_t kBackfillAt = 2 * kWalIndexCopyBytes;
constexpr size_t kReadMarksAt = kBackfillAt + 4;
static_assert(kChecksumAt + 8 == kWalIndexCopyBytes);
static_assert(kReadMarksAt + 5 * 4 <= kWalIndexHeaderBytes);

constexpr bool kHostIsBig = std::endian::native == std::endian::big;

template <typename T>
T load_native(const uint8_t* p) {
  T v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

// 65536 does not fit into 16 bits: it is stored as 1.
uint32_t decode_page_size(uint16_t stored) {
  return (stored & 0xfe00u) | ((stored & 0x0001u) << 16);
}

}  // namespace

Result<WalIndex> decode_wal_index(Bytes first_136_bytes) {
  if (first_136_bytes.size() < kWalIndexHeaderBytes) {
    return corrupt("wal-index: " + std::to_string(first_136_bytes.size()) + " bytes, needs " +
                   std::to_string(kWalIndexHeaderBytes));
  }
  const uint8_t* p = first_136_bytes.data();
  if (std::memcmp(p, p + kWalIndexCopyBytes, kWalIndexCopyBytes) != 0) {
    return busy("wal-index: header is being written");
  }
  if (p[kIsInitAt] == 0) return not_found("wal-index: not initialised");
  const WalChecksum stored = {load_native<uint32_t>(p + kChecksumAt),
                              load_native<uint32_t>(p + kChecksumAt + 4)};
  if (wal_checksum({}, first_136_bytes.first(kChecksumAt), kHostIsBig) != stored) {
    return busy("wal-index: header checksum does not match");
  }
  const auto version = load_native<uint32_t>(p + kVersionAt);
  if (version != kWalFormatVersion) {
    return corrupt("wal-index: unknown version " + std::to_string(version));
  }
  WalIndex index;
  index.change_counter = load_native<uint32_t>(p + kChangeCounterAt);
  index.big_endian_checksums = p[kBigEndianAt] != 0;
  index.page_size = decode_page_size(load_native<uint16_t>(p + kPageSizeAt));
  index.mx_frame = load_native<uint32_t>(p + kMxFrameAt);
  index.page_count = load_native<uint32_t>(p + kPageCountAt);
  index.frame_checksum = {load_native<uint32_t>(p + kFrameChecksumAt),
                          load_native<uint32_t>(p + kFrameChecksumAt + 4)};
  index.salts = {load_be32(p + kSaltsAt), load_be32(p + kSaltsAt + 4)};
  index.backfill_count = load_native<uint32_t>(p + kBackfillAt);
  for (size_t i = 0; i < index.read_marks.size(); ++i) {
    index.read_marks[i] = load_native<uint32_t>(p + kReadMarksAt + 4 * i);
  }
  // Built over an empty WAL the header knows no page size yet.
  if (index.mx_frame > 0 && !is_page_size(index.page_size)) {
    return corrupt("wal-index: impossible page size " + std::to_string(index.page_size));
  }
  return index;
}

}  // namespace litestream
