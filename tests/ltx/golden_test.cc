// Facts of other implementations, and the worked example of FORMAT.md.
#include <catch2/catch.hpp>
#include <cstdio>
#include <fstream>
#include <sstream>

#include "ext/ltx/decoder.h"
#include "ext/ltx/encoder.h"
#include "tests/support/ltx_literals.h"

namespace litestream {
namespace {

using test::ByteVector;

// The file checksum of upstream's own golden files (superfly/ltx, encoder_golden_test.go): pages of
// 512 bytes whose byte i is seed + i % 7, each compressed by upstream to kBlockBytes bytes.
struct Golden {
  LtxHeader header;
  std::vector<Pgno> pgnos;
  Checksum post_apply_checksum;
  Checksum file_checksum;
};

constexpr uint32_t kBlockBytes = 31;

Checksum file_checksum_of(const Golden& golden) {
  Crc64 crc;
  crc.update(encode_header(golden.header));
  ByteVector index;
  uint64_t offset = kLtxHeaderBytes;
  for (const Pgno pgno : golden.pgnos) {
    ByteVector page_header;
    test::literal_detail::put(page_header, pgno, 4);
    test::literal_detail::put(page_header, 1, 2);
    test::literal_detail::put(page_header, kBlockBytes, 4);
    crc.update(page_header);
    ByteVector page(512);
    for (size_t i = 0; i < page.size(); ++i) page[i] = static_cast<uint8_t>(pgno + i % 7);
    crc.update(page);
    uint8_t entry[kPageIndexEntryBytesMax];
    const size_t used = encode_page_index_entry({pgno, offset, 10 + kBlockBytes}, entry);
    index.insert(index.end(), entry, entry + used);
    offset += 10 + kBlockBytes;
  }
  index.push_back(0);
  ByteVector end(6);
  test::literal_detail::put_all(end, index);
  test::literal_detail::put(end, index.size(), 8);
  test::literal_detail::put(end, golden.post_apply_checksum, 8);
  crc.update(end);
  return crc.checksum();
}

Golden golden(uint64_t min_txid, uint64_t max_txid, Pgno commit, std::vector<Pgno> pgnos) {
  Golden file{{}, std::move(pgnos), 0, 0};
  file.header.flags = 0;
  file.header.page_size = 512;
  file.header.commit = commit;
  file.header.min_txid = Txid{min_txid};
  file.header.max_txid = Txid{max_txid};
  file.header.timestamp = 1000;
  return file;
}

TEST_CASE("golden: upstream's file checksums") {
  Golden change = golden(2, 3, 16, {2, 5, 9, 16});
  change.header.pre_apply_checksum = kChecksumFlag | 1;
  change.post_apply_checksum = kChecksumFlag | 2;
  change.file_checksum = 0xe27f4c18f0da2c10;
  Golden snapshot = golden(1, 4, 6, {1, 2, 3, 4, 5, 6});
  snapshot.post_apply_checksum = kChecksumFlag | 3;
  snapshot.file_checksum = 0xd926967672f7ca53;
  for (const Golden& file : {change, snapshot}) {
    REQUIRE(validate_header(file.header).ok());
    CHECK(file_checksum_of(file) == file.file_checksum);
  }
}

// "offset  16 bytes in hex", as FORMAT.md shows them.
std::string hex_dump(Bytes bytes) {
  std::string out;
  for (size_t at = 0; at < bytes.size(); ++at) {
    char text[32];
    if (at % 16 == 0) {
      (void)snprintf(text, sizeof text, "%s%04zx ", at == 0 ? "" : "\n", at);
      out += text;
    }
    (void)snprintf(text, sizeof text, " %02x", bytes[at]);
    out += text;
  }
  return out + "\n";
}

TEST_CASE("golden: the worked example of FORMAT.md is what we write") {
  test::LtxLiteral literal = test::snapshot_literal(512, 1, 2);
  literal.pages[0].second = ByteVector(512, 0x41);
  test::set_chain({&literal, 1});
  test::VectorSink sink;
  LtxEncoder encoder;
  REQUIRE(encoder.begin(literal.header, sink).ok());
  REQUIRE(encoder.add_page(1, literal.pages[0].second).ok());
  REQUIRE(encoder.finish().ok());

  std::ifstream in(LITESTREAM_SOURCE_DIR "/ext/ltx/FORMAT.md");
  std::ostringstream text;
  text << in.rdbuf();
  const std::string document = text.str();
  const std::string fence = "```hex\n";
  const size_t begin = document.find(fence);
  REQUIRE(begin != std::string::npos);
  const size_t end = document.find("```", begin + fence.size());
  REQUIRE(end != std::string::npos);
  CHECK(document.substr(begin + fence.size(), end - begin - fence.size()) == hex_dump(sink.bytes));
}

}  // namespace
}  // namespace litestream
