#include "ext/wal/wal_format.h"

#include <catch2/catch.hpp>
#include <vector>

#include "ext/base/limits.h"
#include "tests/support/prng.h"
#include "tests/support/wal_builder.h"

using namespace litestream;
using litestream::test::Prng;
using litestream::test::WalBuilder;

namespace {

const uint32_t kAllPageSizes[] = {512, 1024, 2048, 4096, 8192, 16384, 32768, 65536};

}  // namespace

TEST_CASE("wal header: every page size in both byte orders") {
  for (const uint32_t page_size : kAllPageSizes) {
    for (const bool big_endian : {false, true}) {
      const WalBuilder wal(page_size, big_endian, 0xfffffff0, 2);
      const auto header = decode_wal_header(wal.bytes());
      REQUIRE(header.ok());
      REQUIRE(header->page_size == page_size);
      REQUIRE(header->big_endian_checksums == big_endian);
      REQUIRE(header->checkpoint_sequence == 7);
      REQUIRE(header->salts == WalSalts{0xfffffff0, 2});
      REQUIRE(header->checksum == WalChecksum{wal.header_checksum1(), wal.header_checksum2()});
    }
  }
}

TEST_CASE("wal header: any flipped bit is corrupt") {
  for (const bool big_endian : {false, true}) {
    std::vector<uint8_t> bytes = WalBuilder(4096, big_endian).bytes();
    for (size_t bit = 0; bit < 8 * kWalHeaderBytes; ++bit) {
      const auto mask = static_cast<uint8_t>(1u << (bit % 8));
      bytes[bit / 8] ^= mask;
      CAPTURE(bit);
      REQUIRE(decode_wal_header(bytes).status().code() == StatusCode::kCorrupt);
      bytes[bit / 8] ^= mask;
    }
    REQUIRE(decode_wal_header(bytes).ok());
  }
}

TEST_CASE("wal header: too short, and page sizes with a right checksum but impossible") {
  const std::vector<uint8_t> bytes = WalBuilder(512, false).bytes();
  for (size_t size = 0; size < kWalHeaderBytes; ++size) {
    REQUIRE(decode_wal_header(Bytes(bytes).first(size)).status().code() == StatusCode::kCorrupt);
  }
  for (const uint32_t page_size : {0u, 1u, 256u, 513u, 3072u, 131072u, 0x80000000u}) {
    const WalBuilder wal(page_size, false);
    const Status status = decode_wal_header(wal.bytes()).status();
    REQUIRE(status.code() == StatusCode::kCorrupt);
    REQUIRE(status.message().find("page size") != std::string::npos);
  }
}

TEST_CASE("wal frame header: fields are where the format puts them") {
  WalBuilder wal(512, true, 11, 22);
  wal.add_frame(0x01020304, 0x0a0b0c0d, 5);
  const WalFrameHeader frame = decode_frame_header(wal.bytes().data() + kWalHeaderBytes);
  REQUIRE(frame.pgno == 0x01020304);
  REQUIRE(frame.commit == 0x0a0b0c0d);
  REQUIRE(frame.salts == WalSalts{11, 22});
  REQUIRE(frame.checksum == WalChecksum{wal.frames()[0].checksum1, wal.frames()[0].checksum2});
}

TEST_CASE("wal checksum: by hand, in steps, and over frames") {
  // s1 = 1 + 0, s2 = 2 + 1; then s1 = 1 + 3 + 3, s2 = 3 + 4 + 7.
  const std::vector<uint8_t> big = {0, 0, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4};
  REQUIRE(wal_checksum({}, big, true) == WalChecksum{7, 14});
  const std::vector<uint8_t> little = {1, 0, 0, 0, 2, 0, 0, 0, 3, 0, 0, 0, 4, 0, 0, 0};
  REQUIRE(wal_checksum({}, little, false) == WalChecksum{7, 14});
  REQUIRE(wal_checksum({}, little, true) != WalChecksum{7, 14});

  const WalChecksum half = wal_checksum({}, Bytes(big).first(8), true);
  REQUIRE(wal_checksum(half, Bytes(big).subspan(8), true) == WalChecksum{7, 14});
  REQUIRE(wal_checksum({3, 4}, {}, true) == WalChecksum{3, 4});

  for (const bool big_endian : {false, true}) {
    WalBuilder wal(1024, big_endian);
    wal.add_frame(9, 0, 1);
    wal.add_frame(10, 10, 2);
    WalChecksum running = {wal.header_checksum1(), wal.header_checksum2()};
    for (uint32_t n = 1; n <= 2; ++n) {
      const size_t at = static_cast<size_t>(wal_frame_offset(n, 1024));
      running = wal_frame_checksum(running, wal.bytes().data() + at, wal.frames()[n - 1].page,
                                   big_endian);
      REQUIRE(running == WalChecksum{wal.frames()[n - 1].checksum1, wal.frames()[n - 1].checksum2});
    }
  }
}

TEST_CASE("wal checksum: every length and place in memory, against the definition") {
  Prng prng = Prng::announced("wal_checksum", 17);
  std::vector<uint8_t> bytes(9000);
  for (uint8_t& byte : bytes) byte = static_cast<uint8_t>(prng.next());
  const auto by_definition = [](WalChecksum sum, Bytes input, bool big_endian) {
    const auto word = [&](size_t at) {
      const uint32_t big = load_be32(&input[at]);
      return big_endian ? big : __builtin_bswap32(big);
    };
    for (size_t at = 0; at < input.size(); at += 8) {
      sum.s1 += word(at) + sum.s2;
      sum.s2 += word(at + 4) + sum.s1;
    }
    return sum;
  };
  for (size_t size = 0; size <= 8800; size += size < 2200 ? 8 : 520) {
    const Bytes input = Bytes(bytes).subspan(size % 61, size);
    const WalChecksum seed{static_cast<uint32_t>(prng.next()), static_cast<uint32_t>(prng.next())};
    for (const bool big_endian : {false, true}) {
      const bool same =
          wal_checksum(seed, input, big_endian) == by_definition(seed, input, big_endian);
      INFO(size << " bytes, big-endian: " << big_endian);
      REQUIRE(same);
    }
  }
}

TEST_CASE("wal frame offset: first frames, and far beyond 4 GiB") {
  static_assert(wal_frame_offset(1, 512) == 32);
  static_assert(wal_frame_offset(2, 512) == 32 + 536);
  static_assert(wal_frame_offset(1, 65536) == 32);
  static_assert(wal_frame_offset(65537, 65536) == 32 + 65536ull * 65560);
  static_assert(wal_frame_offset(65537, 65536) > UINT32_MAX);
  static_assert(wal_frame_offset(UINT32_MAX, 65536) == 32 + 4294967294ull * 65560);
  for (const uint32_t page_size : kAllPageSizes) {
    const uint32_t n = UINT32_MAX;
    REQUIRE(wal_frame_offset(n, page_size) - wal_frame_offset(n - 1, page_size) ==
            page_size + kWalFrameHeaderBytes);
  }
}
