// The nouns of the LTX format that every layer shares.
// Threading: immutable values.
#pragma once

#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "ext/base/status.h"

namespace litestream {

// Transaction id. 0 means "none"; the first is 1. Text form: 16 lower-case hex digits.
struct Txid {
  uint64_t value = 0;
  constexpr Txid() = default;
  constexpr explicit Txid(uint64_t v) : value(v) {}
  constexpr auto operator<=>(const Txid&) const = default;
  constexpr Txid next() const { return Txid{value + 1}; }
};

std::string format_txid(Txid txid);
// Exactly 16 hex digits of either case, not zero. InvalidArgument: "TXIDs are hexadecimal, 16
// digits ...".
Result<Txid> parse_txid(std::string_view text);

using Pgno = uint32_t;      // page number, from 1
using Checksum = uint64_t;  // CRC-64/ISO with bit 63 set; 0 means "unknown"

// One file of a replica as a listing tells it.
struct LtxFileInfo {
  int level = 0;  // 0 raw, 1..8 compactions, 9 snapshots
  Txid min_txid;
  Txid max_txid;
  uint64_t size_bytes = 0;
  int64_t created_at_ms = 0;  // time of the last commit in the file, milliseconds since the epoch
  bool operator==(const LtxFileInfo&) const = default;
};

}  // namespace litestream
