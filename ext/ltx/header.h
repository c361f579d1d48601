// The LTX file header, the chain checksum in its reserved bytes, and the trailer. Byte tables:
// FORMAT.md.
// Source: the published LTX specification, format version 3.
// Threading: immutable values, pure functions.
#pragma once

#include <array>
#include <cstdint>

#include "ext/base/bytes.h"
#include "ext/ltx/types.h"

namespace litestream {

inline constexpr size_t kLtxHeaderBytes = 100;
inline constexpr size_t kLtxTrailerBytes = 16;
inline constexpr uint32_t kLtxFlagNoChecksum = 0x2;

// Whole-database checksums around one file ("LSC1" in bytes 80..99); known is false for files of
// other writers, whose reserved bytes hold zeros or something else.
struct ChainChecksum {
  bool known = false;
  Checksum before = 0;  // of the database the file applies to; 0 for an empty database
  Checksum after = 0;   // of the database after applying it
  bool operator==(const ChainChecksum&) const = default;
};

struct LtxHeader {
  uint32_t flags = kLtxFlagNoChecksum;
  uint32_t page_size = 0;  // bytes
  uint32_t commit = 0;     // database size after the file, in pages
  Txid min_txid;
  Txid max_txid;
  int64_t timestamp = 0;            // milliseconds since the Unix epoch
  uint64_t pre_apply_checksum = 0;  // 0 with kLtxFlagNoChecksum
  uint64_t wal_offset = 0;          // bytes; 0 for snapshots and compactions
  uint64_t wal_size = 0;            // bytes
  uint32_t wal_salt1 = 0;
  uint32_t wal_salt2 = 0;
  uint64_t node_id = 0;
  ChainChecksum chain;
  bool operator==(const LtxHeader&) const = default;

  // min_txid 1: the file stands alone and holds every page.
  bool is_snapshot() const { return min_txid == Txid{1}; }
};

// The last 16 bytes.
struct LtxTrailer {
  Checksum post_apply_checksum = 0;  // of the database; 0 with kLtxFlagNoChecksum
  Checksum file_checksum = 0;        // of everything before it, pages decompressed
  bool operator==(const LtxTrailer&) const = default;
};

// Corrupt (naming the field) unless every rule of the format about one header holds.
Status validate_header(const LtxHeader& header);
std::array<uint8_t, kLtxHeaderBytes> encode_header(const LtxHeader& header);
// Decodes and validates. `bytes` must be at least kLtxHeaderBytes long, else Corrupt.
Result<LtxHeader> decode_header(Bytes bytes);

// Corrupt unless both checksums have the form that the header's flags ask for. Whether they are
// right only a reader of the whole file can say.
Status validate_trailer(const LtxHeader& header, const LtxTrailer& trailer);
std::array<uint8_t, kLtxTrailerBytes> encode_trailer(const LtxTrailer& trailer);
// Decodes and validates the first kLtxTrailerBytes of `bytes`; Corrupt if there are fewer.
Result<LtxTrailer> decode_trailer(const LtxHeader& header, Bytes bytes);

}  // namespace litestream
