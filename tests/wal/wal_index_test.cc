#include "ext/wal/wal_index.h"

#include <catch2/catch.hpp>
#include <vector>

#include "tests/support/wal_builder.h"

using namespace litestream;
using litestream::test::WalBuilder;

namespace {

WalBuilder two_frames(uint32_t page_size, bool big_endian) {
  WalBuilder wal(page_size, big_endian, 0x11223344, 0x99aabbcc);
  wal.add_frame(1, 0, 1);
  wal.add_frame(2, 2, 2);
  return wal;
}

// Both copies of the header from the first one.
std::vector<uint8_t> with_both_copies(std::vector<uint8_t> copy, const std::vector<uint8_t>& all) {
  WalBuilder::seal_index_copy(copy);
  std::vector<uint8_t> out = copy;
  out.insert(out.end(), copy.begin(), copy.end());
  out.insert(out.end(), all.begin() + 96, all.end());
  return out;
}

}  // namespace

TEST_CASE("wal-index: every field, every page size, both byte orders of the WAL") {
  for (uint32_t page_size = 512; page_size <= 65536; page_size *= 2) {
    for (const bool big_endian : {false, true}) {
      const WalBuilder wal = two_frames(page_size, big_endian);
      const auto index = decode_wal_index(wal.index_bytes(2));
      REQUIRE(index.ok());
      REQUIRE(index->change_counter == 99);
      REQUIRE(index->big_endian_checksums == big_endian);
      REQUIRE(index->page_size == page_size);
      REQUIRE(index->mx_frame == 2);
      REQUIRE(index->page_count == 2);
      REQUIRE(index->frame_checksum ==
              WalChecksum{wal.frames()[1].checksum1, wal.frames()[1].checksum2});
      REQUIRE(index->salts == WalSalts{0x11223344, 0x99aabbcc});
      REQUIRE(index->salts == decode_wal_header(wal.bytes())->salts);
      REQUIRE(index->backfill_count == 3);
      REQUIRE(index->read_marks == std::array<uint32_t, 5>{0, 2, 4, 6, kWalReadMarkUnused});
    }
  }
}

TEST_CASE("wal-index: a writer in between is Busy, whichever bit shows it") {
  std::vector<uint8_t> bytes = two_frames(4096, false).index_bytes(2);
  for (size_t bit = 0; bit < 8 * 2 * kWalIndexCopyBytes; ++bit) {
    const auto mask = static_cast<uint8_t>(1u << (bit % 8));
    bytes[bit / 8] ^= mask;
    CAPTURE(bit);
    REQUIRE(decode_wal_index(bytes).status().code() == StatusCode::kBusy);
    bytes[bit / 8] ^= mask;
  }
  // The same wrong bit in both copies: only the checksum can tell. The isInit byte is another case.
  for (size_t bit = 0; bit < 8 * kWalIndexCopyBytes; ++bit) {
    if (bit / 8 == 12) continue;
    const auto mask = static_cast<uint8_t>(1u << (bit % 8));
    for (const size_t copy : {size_t{0}, kWalIndexCopyBytes}) bytes[copy + bit / 8] ^= mask;
    CAPTURE(bit);
    REQUIRE(decode_wal_index(bytes).status().code() == StatusCode::kBusy);
    for (const size_t copy : {size_t{0}, kWalIndexCopyBytes}) bytes[copy + bit / 8] ^= mask;
  }
  REQUIRE(decode_wal_index(bytes).ok());
}

TEST_CASE("wal-index: not initialised, too short, impossible values") {
  REQUIRE(decode_wal_index(std::vector<uint8_t>(136, 0)).status().code() == StatusCode::kNotFound);
  const std::vector<uint8_t> good = two_frames(4096, false).index_bytes(2);
  for (const size_t size : {size_t{0}, size_t{48}, size_t{96}, size_t{135}}) {
    REQUIRE(decode_wal_index(Bytes(good).first(size)).status().code() == StatusCode::kCorrupt);
  }

  std::vector<uint8_t> copy(good.begin(), good.begin() + 48);
  WalBuilder::put_native32(copy, 0, 3007001);
  REQUIRE(decode_wal_index(with_both_copies(copy, good)).status().code() == StatusCode::kCorrupt);

  copy.assign(good.begin(), good.begin() + 48);
  copy[14] = 0;
  copy[15] = 0;
  REQUIRE(decode_wal_index(with_both_copies(copy, good)).status().code() == StatusCode::kCorrupt);
  // Over an empty WAL SQLite knows no page size yet: fine.
  WalBuilder::put_native32(copy, 16, 0);
  const auto empty = decode_wal_index(with_both_copies(copy, good));
  REQUIRE(empty.ok());
  REQUIRE(empty->mx_frame == 0);
  REQUIRE(empty->page_size == 0);
}
