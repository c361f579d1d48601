// CRC-64/ISO (reflected, polynomial 0xD800000000000000, initial and final inversion) and what the
// format builds from it. The fastest way the processor offers is chosen at run time.
// Threading: Crc64 is thread-compatible, functions are pure.
#pragma once

#include <cstdint>

#include "ext/base/bytes.h"
#include "ext/ltx/types.h"

namespace litestream {

// Set on every stored checksum, so that 0 can mean "unknown".
inline constexpr Checksum kChecksumFlag = uint64_t{1} << 63;

class Crc64 {
 public:
  void update(Bytes bytes);
  // CRC of everything so far; updating may go on.
  uint64_t value() const { return ~state_; }
  // value() as it is stored.
  Checksum checksum() const { return value() | kChecksumFlag; }

 private:
  uint64_t state_ = ~uint64_t{0};
};

// Of one page: CRC over the big-endian page number, then the page.
Checksum page_checksum(Pgno pgno, Bytes page);

// Whole-database checksum: start with kChecksumFlag (the empty database) and toggle the checksum of
// every page except the lock page. Toggling a page's old checksum takes it out again.
constexpr Checksum toggle_page(Checksum database, Checksum page) {
  return (database ^ page) | kChecksumFlag;
}

// The ways to compute it, each a step of the raw state (before the final inversion), for tests and
// benchmarks. Crc64 uses the last of them that is available.
uint64_t crc64_bytewise(uint64_t state, Bytes bytes);
uint64_t crc64_portable(uint64_t state, Bytes bytes);
bool crc64_clmul_available();
// Requires crc64_clmul_available().
uint64_t crc64_clmul(uint64_t state, Bytes bytes);
bool crc64_wide_available();
// Two lanes to a register. Requires crc64_wide_available().
uint64_t crc64_wide(uint64_t state, Bytes bytes);

}  // namespace litestream
