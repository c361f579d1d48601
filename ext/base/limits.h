// Every limit that input from outside is compared with before it is used to slice, allocate or
// loop. One place, so that their relations can be asserted.
#pragma once

#include <cstddef>
#include <cstdint>

namespace litestream {

inline constexpr uint32_t kPageSizeBytesMin = 512;
inline constexpr uint32_t kPageSizeBytesMax = 65536;
inline constexpr uint64_t kLockByteOffset = 0x40000000;  // SQLite's lock page starts here
// SQLite's own maximum number of pages in a database.
inline constexpr uint32_t kPageCountMax = 0xFFFFFFFEu;

// LZ4_compressBound(65536) = 65536 + 65536/255 + 16.
inline constexpr uint32_t kCompressedPageBytesMax =
    kPageSizeBytesMax + kPageSizeBytesMax / 255 + 16;

inline constexpr int kLevelMax = 9;  // snapshots
inline constexpr int kSnapshotLevel = 9;
inline constexpr int kCompactionLevelMax = 8;

inline constexpr size_t kPathBytesMax = 4096;
inline constexpr size_t kUrlBytesMax = 8192;
inline constexpr size_t kConfigBytesMax = 1 << 20;
inline constexpr size_t kOptionsJsonBytesMax = 64 << 10;
// Entries of one folder or one level that are held in memory at once.
inline constexpr size_t kListEntriesMax = 4'000'000;

inline constexpr size_t kPendingBytesMax = 16 << 20;  // captured pages waiting for their L0 file
inline constexpr size_t kFilesOpenMax = 64;           // replica files open at once in one job
inline constexpr size_t kCopyChunkBytes = 1 << 20;

static_assert(kPageSizeBytesMin < kPageSizeBytesMax);
static_assert(kCompactionLevelMax < kSnapshotLevel && kSnapshotLevel == kLevelMax);
static_assert(kPendingBytesMax >= 64 * kPageSizeBytesMax);

// 512..65536 and a power of two.
constexpr bool is_page_size(uint64_t bytes) {
  return bytes >= kPageSizeBytesMin && bytes <= kPageSizeBytesMax && (bytes & (bytes - 1)) == 0;
}
// The page SQLite keeps for its locks; never stored anywhere.
constexpr uint32_t lock_page(uint32_t page_size_bytes) {
  return static_cast<uint32_t>(kLockByteOffset / page_size_bytes) + 1;
}

}  // namespace litestream
