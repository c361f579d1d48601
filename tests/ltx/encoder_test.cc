// The encoder: its files are read back, its refusals are final.
#include "ext/ltx/encoder.h"

#include <catch2/catch.hpp>

#include "ext/ltx/contents.h"
#include "ext/ltx/decoder.h"
#include "tests/support/ltx_literals.h"
#include "tests/support/prng.h"

namespace litestream {
namespace {

using test::ByteVector;
using test::LtxLiteral;
using test::VectorSink;

ByteVector encode(const LtxLiteral& literal, LtxEncoder& encoder) {
  VectorSink sink;
  REQUIRE(encoder.begin(literal.header, sink).ok());
  for (const auto& [pgno, page] : literal.pages) REQUIRE(encoder.add_page(pgno, page).ok());
  REQUIRE(encoder.finish().ok());
  REQUIRE(encoder.size_bytes() == sink.bytes.size());
  REQUIRE(encoder.page_count() == literal.pages.size());
  return sink.bytes;
}

void require_decodes_to(const ByteVector& file, const LtxLiteral& literal) {
  BytesReader reader(file);
  auto decoder = LtxDecoder::open(reader);
  REQUIRE(decoder.ok());
  REQUIRE(decoder.value()->header() == literal.header);
  for (const auto& [pgno, page] : literal.pages) {
    const auto view = decoder.value()->next();
    INFO(view.status().message());
    REQUIRE(view.ok());
    REQUIRE(view->has_value());
    REQUIRE((*view)->pgno == pgno);
    REQUIRE(ByteVector((*view)->page.begin(), (*view)->page.end()) == page);
  }
  const auto end = decoder.value()->next();
  INFO(end.status().message());
  REQUIRE(end.ok());
  REQUIRE_FALSE(end->has_value());
}

ByteVector random_page(test::Prng& random, uint32_t page_size) {
  ByteVector page = test::make_page(page_size, static_cast<Pgno>(random.next()));
  if (random.chance(3)) return page;
  const size_t noise = random.below(page_size);
  for (size_t i = 0; i < noise; ++i) page[i] = static_cast<uint8_t>(random.next());
  return page;
}

TEST_CASE("encoder: random files of every page size come back") {
  test::Prng random = test::Prng::announced("encoder", 11);
  for (uint32_t page_size = 512; page_size <= 65536; page_size *= 2) {
    LtxEncoder encoder(static_cast<int>(random.between(1, 8)));
    for (int round = 0; round < 12; ++round) {
      const bool is_snapshot = random.chance(2);
      const Pgno count = static_cast<Pgno>(random.below(page_size < 8192 ? 300 : 12));
      LtxLiteral literal = test::snapshot_literal(page_size, is_snapshot ? count : 0, 9);
      if (!is_snapshot) literal.header.min_txid = Txid{5};
      if (!is_snapshot) literal.header.commit = 4'000'000;
      Pgno pgno = 0;
      for (Pgno i = 0; i < count && !is_snapshot; ++i) {
        pgno += static_cast<Pgno>(random.between(1, 5000));
        if (pgno != lock_page(page_size)) literal.pages.emplace_back(pgno, ByteVector());
      }
      for (auto& entry : literal.pages) entry.second = random_page(random, page_size);
      require_decodes_to(encode(literal, encoder), literal);
    }
  }
}

TEST_CASE("encoder: the same file has the same bytes, whatever was written before") {
  const LtxLiteral first = test::snapshot_literal(4096, 40, 1);
  const LtxLiteral second = test::change_literal(512, 9, 2, 2, {1, 5});
  LtxEncoder reused;
  const ByteVector expected = encode(first, reused);
  encode(second, reused);
  CHECK(encode(first, reused) == expected);
  LtxEncoder fresh;
  CHECK(encode(first, fresh) == expected);
}

TEST_CASE("encoder: pages around the lock page") {
  for (uint32_t page_size = 512; page_size <= 65536; page_size *= 2) {
    const Pgno lock = lock_page(page_size);
    LtxEncoder encoder;
    const LtxLiteral literal =
        test::change_literal(page_size, lock + 2, 2, 2, {lock - 1, lock + 1, lock + 2});
    const ByteVector file = encode(literal, encoder);
    require_decodes_to(file, literal);
    BytesReader reader(file);
    auto indexed = LtxIndexedFile::open(reader);
    REQUIRE(indexed.ok());
    CHECK(indexed->contents().index.count() == 3);

    VectorSink sink;
    REQUIRE(encoder.begin(literal.header, sink).ok());
    const Status status = encoder.add_page(lock, test::make_page(page_size, lock));
    CHECK(status.code() == StatusCode::kInvalidArgument);
    CHECK(status.message().find("is the lock page") != std::string::npos);
  }
}

TEST_CASE("encoder: compressed pages pass through unchanged") {
  const LtxLiteral literal = test::snapshot_literal(1024, 20, 3);
  LtxEncoder encoder;
  const ByteVector file = encode(literal, encoder);
  BytesReader reader(file);
  auto decoder = LtxDecoder::open(reader);
  REQUIRE(decoder.ok());
  VectorSink copy;
  REQUIRE(encoder.begin(literal.header, copy).ok());
  while (true) {
    const auto view = decoder.value()->next();
    REQUIRE(view.ok());
    if (!view->has_value()) break;
    REQUIRE(encoder.add_compressed_page((*view)->pgno, (*view)->page, (*view)->block).ok());
  }
  REQUIRE(encoder.finish().ok());
  CHECK(copy.bytes == file);
  CHECK(encoder.file_checksum() == decoder.value()->trailer().file_checksum);

  REQUIRE(encoder.begin(literal.header, copy).ok());
  CHECK_FALSE(encoder.add_compressed_page(1, literal.pages[0].second, {}).ok());
  REQUIRE(encoder.begin(literal.header, copy).ok());
  const ByteVector huge(block_bytes_max(1024) + 1);
  CHECK_FALSE(encoder.add_compressed_page(1, literal.pages[0].second, huge).ok());
}

TEST_CASE("encoder: wrong pages are refused and the refusal is final") {
  const LtxLiteral change = test::change_literal(512, 9, 2, 2, {});
  const LtxLiteral snapshot = test::snapshot_literal(512, 3, 2);
  const ByteVector page = test::make_page(512, 1);
  struct Case {
    const LtxLiteral& literal;
    std::vector<Pgno> pgnos;  // the last one is wrong
  };
  const Case cases[] = {{change, {0}},      {change, {10}},          {change, {4, 4}},
                        {change, {4, 3}},   {snapshot, {2}},         {snapshot, {1, 3}},
                        {snapshot, {1, 1}}, {snapshot, {1, 2, 3, 4}}};
  LtxEncoder encoder;
  for (const Case& wrong : cases) {
    VectorSink sink;
    REQUIRE(encoder.begin(wrong.literal.header, sink).ok());
    for (size_t i = 0; i + 1 < wrong.pgnos.size(); ++i) {
      REQUIRE(encoder.add_page(wrong.pgnos[i], page).ok());
    }
    const Status refused = encoder.add_page(wrong.pgnos.back(), page);
    INFO(refused.message());
    CHECK(refused.code() == StatusCode::kInvalidArgument);
    CHECK(encoder.finish().message() == refused.message());
    CHECK(encoder.add_page(9, page).message() == refused.message());
  }
}

TEST_CASE("encoder: misuse") {
  VectorSink sink;
  LtxEncoder encoder;
  const ByteVector page = test::make_page(512, 1);
  CHECK(encoder.add_page(1, page).code() == StatusCode::kInvalidArgument);
  CHECK(encoder.finish().code() == StatusCode::kInvalidArgument);

  LtxHeader header = test::snapshot_literal(512, 1, 1).header;
  header.page_size = 500;
  CHECK(encoder.begin(header, sink).code() == StatusCode::kInvalidArgument);
  header.page_size = 512;
  header.flags = 0;
  CHECK(encoder.begin(header, sink).code() == StatusCode::kInvalidArgument);
  header.flags = kLtxFlagNoChecksum;
  REQUIRE(encoder.begin(header, sink).ok());
  CHECK(encoder.add_page(1, Bytes(page).first(511)).code() == StatusCode::kInvalidArgument);

  REQUIRE(encoder.begin(header, sink).ok());
  CHECK(encoder.finish().message() == "LTX encoder: page 1 is missing from the snapshot");
  CHECK(sink.bytes.empty());

  REQUIRE(encoder.begin(header, sink).ok());
  REQUIRE(encoder.add_page(1, page).ok());
  REQUIRE(encoder.finish().ok());
  const size_t size = sink.bytes.size();
  CHECK_FALSE(encoder.add_page(1, page).ok());
  CHECK_FALSE(encoder.finish().ok());
  CHECK(sink.bytes.size() == size);
}

class FailingSink final : public ByteSink {
 public:
  explicit FailingSink(int calls_left) : calls_left_(calls_left) {}
  Status append(Bytes) override { return --calls_left_ < 0 ? io_error("disk full") : Status(); }

 private:
  int calls_left_;
};

TEST_CASE("encoder: an error of the sink surfaces, whichever call meets it") {
  LtxLiteral literal = test::snapshot_literal(4096, 200, 1);
  test::Prng random(5);
  for (auto& entry : literal.pages) {
    for (uint8_t& byte : entry.second) byte = static_cast<uint8_t>(random.next());
  }
  LtxEncoder encoder;
  int failures = 0;
  for (int calls = 0;; ++calls) {
    FailingSink sink(calls);
    Status status = encoder.begin(literal.header, sink);
    for (const auto& [pgno, page] : literal.pages) {
      if (status.ok()) status = encoder.add_page(pgno, page);
    }
    const Status finished = encoder.finish();
    if (finished.ok()) break;
    ++failures;
    CHECK(finished.code() == StatusCode::kIo);
  }
  CHECK(failures > 3);
}

}  // namespace
}  // namespace litestream
