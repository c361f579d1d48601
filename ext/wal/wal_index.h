// The header of SQLite's wal-index (the start of the -shm file): what is committed, and what is
// already backfilled. Source: SQLite's published "WAL-mode File Format", section wal-index.
//
// The wal-index is shared memory of the host, in the host's byte order; whoever calls has copied
// its first bytes out, without a lock. Two copies of the header and a checksum tell whether a
// writer was in between.
// Threading: immutable values, pure functions.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>

#include "ext/base/bytes.h"
#include "ext/base/status.h"
#include "ext/wal/wal_format.h"

namespace litestream {

inline constexpr size_t kWalIndexHeaderBytes = 136;
inline constexpr size_t kWalIndexCopyBytes = 48;
// A read mark that nobody uses.
inline constexpr uint32_t kWalReadMarkUnused = 0xffffffff;

struct WalIndex {
  uint32_t change_counter = 0;        // grows with every transaction
  bool big_endian_checksums = false;  // as in WalHeader
  uint32_t page_size = 0;             // bytes; may be 0 while mx_frame is 0
  uint32_t mx_frame = 0;              // last committed frame; 0 = the WAL holds nothing
  uint32_t page_count = 0;            // database size in pages after frame mx_frame
  WalChecksum frame_checksum;         // of frame mx_frame; says nothing while mx_frame is 0
  WalSalts salts;                     // same numbers as in WalHeader
  uint32_t backfill_count = 0;        // frames already copied into the database file
  std::array<uint32_t, 5> read_marks{};
  bool operator==(const WalIndex&) const = default;
};

// `first_136_bytes` holds at least kWalIndexHeaderBytes, else Corrupt.
// Busy: the two copies differ, or the checksum is wrong (a writer is in between: try again).
// NotFound: not initialised; SQLite rebuilds it at the next access of a connection.
// Corrupt: a consistent header with an impossible version or page size.
Result<WalIndex> decode_wal_index(Bytes first_136_bytes);

}  // namespace litestream
