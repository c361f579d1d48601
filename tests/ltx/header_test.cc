// Header and trailer: bytes against a second implementation, and every rule broken once.
#include "ext/ltx/header.h"

#include <catch2/catch.hpp>
#include <functional>
#include <limits>

#include "ext/ltx/checksum.h"
#include "tests/support/ltx_literals.h"

namespace litestream {
namespace {

LtxHeader full_header() {
  LtxHeader header;
  header.page_size = 4096;
  header.commit = 0x01020304;
  header.min_txid = Txid{0x1112131415161718};
  header.max_txid = Txid{0x2122232425262728};
  header.timestamp = -5;
  header.wal_offset = 0x3132333435363738;
  header.wal_size = 0x4142434445464748;
  header.wal_salt1 = 0x51525354;
  header.wal_salt2 = 0x61626364;
  header.node_id = 0xF1F2F3F4F5F6F7F8;
  header.chain = {true, kChecksumFlag | 17, kChecksumFlag | 18};
  return header;
}

TEST_CASE("header: bytes are those of the format") {
  const LtxHeader header = full_header();
  const auto encoded = encode_header(header);
  CHECK(test::ByteVector(encoded.begin(), encoded.end()) ==
        test::literal_detail::header_bytes(header));
  CHECK(decode_header(encoded).value() == header);
}

TEST_CASE("header: without a chain checksum the reserved bytes are zero") {
  LtxHeader header = full_header();
  header.chain = {};
  const auto encoded = encode_header(header);
  CHECK(std::all_of(encoded.begin() + 80, encoded.end(), [](uint8_t b) { return b == 0; }));
  CHECK(decode_header(encoded).value() == header);
}

TEST_CASE("header: reserved bytes of other writers are unknown, not an error") {
  auto encoded = encode_header(full_header());
  encoded[80] = 'X';
  CHECK_FALSE(decode_header(encoded).value().chain.known);
}

TEST_CASE("header: flags 0 asks for checksums, except before a snapshot") {
  LtxHeader header = full_header();
  header.flags = 0;
  CHECK(validate_header(header).code() == StatusCode::kCorrupt);
  header.pre_apply_checksum = 5;
  CHECK(validate_header(header).code() == StatusCode::kCorrupt);
  header.pre_apply_checksum = kChecksumFlag | 5;
  CHECK(validate_header(header).ok());
  header.min_txid = Txid{1};
  CHECK(validate_header(header).code() == StatusCode::kCorrupt);
  header.pre_apply_checksum = 0;
  CHECK(validate_header(header).ok());
}

TEST_CASE("header: every rule") {
  struct Case {
    const char* word;  // in the message
    std::function<void(LtxHeader&)> spoil;
  };
  const Case cases[] = {
      {"flags", [](LtxHeader& h) { h.flags = 1; }},
      {"flags", [](LtxHeader& h) { h.flags = 0x80000002; }},
      {"page_size", [](LtxHeader& h) { h.page_size = 0; }},
      {"page_size", [](LtxHeader& h) { h.page_size = 256; }},
      {"page_size", [](LtxHeader& h) { h.page_size = 4097; }},
      {"page_size", [](LtxHeader& h) { h.page_size = 131072; }},
      {"commit", [](LtxHeader& h) { h.commit = 0xFFFFFFFF; }},
      {"min_txid", [](LtxHeader& h) { h.min_txid = Txid{}; }},
      {"max_txid", [](LtxHeader& h) { h.max_txid = Txid{}; }},
      {"max_txid", [](LtxHeader& h) { h.max_txid = Txid{h.min_txid.value - 1}; }},
      {"pre_apply_checksum", [](LtxHeader& h) { h.pre_apply_checksum = kChecksumFlag; }},
      {"pre_apply_checksum", [](LtxHeader& h) { h.pre_apply_checksum = 1; }},
      {"wal_offset", [](LtxHeader& h) { h.wal_offset = 0; }},
      {"wal_offset", [](LtxHeader& h) { h.wal_offset = uint64_t{1} << 63; }},
      {"wal_size", [](LtxHeader& h) { h.wal_size = uint64_t{1} << 63; }},
      {"wal_offset", [](LtxHeader& h) { h.wal_offset = h.wal_salt1 = h.wal_salt2 = 0; }},
      {"chain", [](LtxHeader& h) { h.chain.before = 1; }},
      {"chain", [](LtxHeader& h) { h.chain.after = 0; }},
      {"chain", [](LtxHeader& h) { h.chain.after = 1; }},
  };
  REQUIRE(validate_header(full_header()).ok());
  for (const Case& broken : cases) {
    LtxHeader header = full_header();
    broken.spoil(header);
    const Status status = validate_header(header);
    INFO(broken.word << ": " << status.message());
    CHECK(status.code() == StatusCode::kCorrupt);
    CHECK(status.message().find(broken.word) != std::string::npos);
    CHECK_FALSE(decode_header(encode_header(header)).ok());
  }
  LtxHeader header = full_header();
  header.chain.before = 0;
  header.commit = 0;
  CHECK(validate_header(header).ok());
}

TEST_CASE("header: too short or another magic") {
  const auto encoded = encode_header(full_header());
  for (size_t length = 0; length < encoded.size(); ++length) {
    CHECK(decode_header(Bytes(encoded).first(length)).status().code() == StatusCode::kCorrupt);
  }
  for (size_t i = 0; i < 4; ++i) {
    auto other = encoded;
    other[i] ^= 1;
    CHECK(decode_header(other).status().code() == StatusCode::kCorrupt);
  }
}

TEST_CASE("trailer: checksums must fit the flags") {
  LtxHeader header = full_header();
  const LtxTrailer plain{0, kChecksumFlag | 9};
  CHECK(decode_trailer(header, encode_trailer(plain)).value() == plain);
  CHECK_FALSE(validate_trailer(header, {kChecksumFlag, kChecksumFlag}).ok());
  CHECK_FALSE(validate_trailer(header, {1, kChecksumFlag}).ok());
  CHECK_FALSE(validate_trailer(header, {0, 9}).ok());
  header.flags = 0;
  CHECK_FALSE(validate_trailer(header, plain).ok());
  CHECK_FALSE(validate_trailer(header, {7, kChecksumFlag}).ok());
  CHECK(validate_trailer(header, {kChecksumFlag | 7, kChecksumFlag}).ok());
  CHECK_FALSE(decode_trailer(header, Bytes(encode_trailer(plain)).first(15)).ok());
}

}  // namespace
}  // namespace litestream
