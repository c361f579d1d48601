// CRC-64/ISO against its definition, over all the ways it can be computed.
#include "ext/ltx/checksum.h"

#include <catch2/catch.hpp>
#include <vector>

#include "tests/support/ltx_literals.h"
#include "tests/support/prng.h"

namespace litestream {
namespace {

uint64_t crc64(Bytes bytes) {
  Crc64 crc;
  crc.update(bytes);
  return crc.value();
}

// Bit by bit, from the definition.
uint64_t crc64_bits(Bytes bytes) {
  uint64_t state = ~uint64_t{0};
  for (const uint8_t byte : bytes) {
    state ^= byte;
    for (int bit = 0; bit < 8; ++bit) {
      state = (state & 1) != 0 ? (state >> 1) ^ 0xD800000000000000 : state >> 1;
    }
  }
  return ~state;
}

TEST_CASE("crc64: published check value") {
  CHECK(crc64({}) == 0);
  CHECK(crc64(as_bytes("123456789")) == 0xB90956C775A41001);
  CHECK(crc64_bits(as_bytes("123456789")) == 0xB90956C775A41001);
}

TEST_CASE("crc64: all ways agree for every length and alignment") {
  test::Prng random = test::Prng::announced("crc64", 7);
  std::vector<uint8_t> data(5000);
  for (uint8_t& byte : data) byte = static_cast<uint8_t>(random.next());
  const bool clmul = crc64_clmul_available();
  const bool wide = crc64_wide_available();
  for (size_t round = 0; round < 3000; ++round) {
    const size_t length = round < 700 ? round : random.below(4096);
    const size_t start = random.below(64);
    const Bytes bytes(data.data() + start, length);
    const uint64_t state = random.next();
    const uint64_t expected = crc64_bytewise(state, bytes);
    INFO("length " << length << " start " << start);
    REQUIRE(crc64_portable(state, bytes) == expected);
    if (clmul) REQUIRE(crc64_clmul(state, bytes) == expected);
    if (wide) REQUIRE(crc64_wide(state, bytes) == expected);
    if (round % 50 == 0) REQUIRE(crc64(bytes) == crc64_bits(bytes));
  }
}

TEST_CASE("crc64: pieces give the same as the whole") {
  test::Prng random = test::Prng::announced("crc64 pieces", 8);
  const std::string text = random.bytes(20'000);
  const uint64_t expected = crc64(as_bytes(text));
  for (int round = 0; round < 50; ++round) {
    Crc64 crc;
    for (size_t at = 0; at < text.size();) {
      const size_t count = std::min<size_t>(random.below(1500), text.size() - at);
      crc.update(as_bytes(text).subspan(at, count));
      at += count;
    }
    REQUIRE(crc.value() == expected);
    REQUIRE(crc.checksum() == (expected | kChecksumFlag));
  }
}

TEST_CASE("page checksum: page number, then page, bit 63 set") {
  const test::ByteVector page = test::make_page(4096, 77);
  test::ByteVector both{0, 0, 0, 77};
  both.insert(both.end(), page.begin(), page.end());
  CHECK(page_checksum(77, page) == (crc64_bits(both) | kChecksumFlag));
}

TEST_CASE("database checksum: pages toggle in any order and out again") {
  const test::LtxLiteral literal = test::snapshot_literal(512, 9, 1);
  const test::ByteVector database = test::database_after({&literal, 1});
  Checksum sum = kChecksumFlag;
  for (size_t i = literal.pages.size(); i-- > 0;) {
    sum = toggle_page(sum, page_checksum(literal.pages[i].first, literal.pages[i].second));
  }
  CHECK(sum == test::database_checksum(database, 512));
  for (const auto& [pgno, page] : literal.pages) sum = toggle_page(sum, page_checksum(pgno, page));
  CHECK(sum == kChecksumFlag);
}

}  // namespace
}  // namespace litestream
