// The fixed records of SQLite's write-ahead log: its header, its frame headers, and the running
// checksum that chains them. Source: SQLite's published "WAL-mode File Format".
//
// A WAL is one header and then frames; a frame is a frame header and one page. All integers are
// big-endian; only the checksum reads its input in the byte order that the header's magic names.
// Threading: immutable values, pure functions.
#pragma once

#include <cstddef>
#include <cstdint>

#include "ext/base/bytes.h"
#include "ext/base/status.h"

namespace litestream {

inline constexpr size_t kWalHeaderBytes = 32;
inline constexpr size_t kWalFrameHeaderBytes = 24;
inline constexpr uint32_t kWalMagicLittleEndian = 0x377f0682;  // checksum input is little-endian
inline constexpr uint32_t kWalMagicBigEndian = 0x377f0683;     // checksum input is big-endian
inline constexpr uint32_t kWalFormatVersion = 3007000;

// Chosen anew at every reset of the WAL; frames carrying others belong to an earlier life of the
// file. Compare for equality only: there is no order between them.
struct WalSalts {
  uint32_t salt1 = 0;
  uint32_t salt2 = 0;
  bool operator==(const WalSalts&) const = default;
};

// Running checksum. As a seed it is the checksum of everything before.
struct WalChecksum {
  uint32_t s1 = 0;
  uint32_t s2 = 0;
  bool operator==(const WalChecksum&) const = default;
};

struct WalHeader {
  bool big_endian_checksums = false;
  uint32_t page_size = 0;  // bytes
  uint32_t checkpoint_sequence = 0;
  WalSalts salts;
  WalChecksum checksum;  // seed of frame 1
  bool operator==(const WalHeader&) const = default;
};

struct WalFrameHeader {
  uint32_t pgno = 0;    // page number, from 1
  uint32_t commit = 0;  // database size in pages if this frame ends a transaction, else 0
  WalSalts salts;
  WalChecksum checksum;  // of this frame; seed of the next
  bool operator==(const WalFrameHeader&) const = default;
};

// `bytes` holds at least kWalHeaderBytes from the start of the file. Corrupt if it is shorter, or
// for a wrong magic, version, page size or checksum.
Result<WalHeader> decode_wal_header(Bytes bytes);

// The caller guarantees kWalFrameHeaderBytes at `p`. Checks nothing: a frame header means something
// only together with its salts and checksum.
WalFrameHeader decode_frame_header(const uint8_t* p);

// The checksum of `bytes` continued from `seed`. The length must be a multiple of 8; a rest is
// ignored. `big_endian`: the byte order of the input words, WalHeader::big_endian_checksums.
WalChecksum wal_checksum(WalChecksum seed, Bytes bytes, bool big_endian);

// The checksum of one frame: `frame_header` (at least its first 8 bytes), then its page.
WalChecksum wal_frame_checksum(WalChecksum seed, const uint8_t* frame_header, Bytes page,
                               bool big_endian);

// Byte offset of a frame's header in the WAL. Frames count from 1; frame 0 has no place.
constexpr uint64_t wal_frame_offset(uint32_t frame_no_1_based, uint32_t page_size) {
  return kWalHeaderBytes +
         (uint64_t{frame_no_1_based} - 1) * (uint64_t{page_size} + kWalFrameHeaderBytes);
}

}  // namespace litestream
