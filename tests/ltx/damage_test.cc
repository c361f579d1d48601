// Files damaged at every place: an error or the same pages, never other pages, never a crash.
#include <catch2/catch.hpp>

#include "ext/ltx/contents.h"
#include "ext/ltx/decoder.h"
#include "ext/ltx/encoder.h"
#include "tests/support/ltx_literals.h"

namespace litestream {
namespace {

using test::ByteVector;
using test::LtxLiteral;

using Pages = std::vector<std::pair<Pgno, ByteVector>>;

Result<Pages> decode_all(const ByteVector& file) {
  BytesReader reader(file);
  LS_ASSIGN_OR_RETURN(const auto decoder, LtxDecoder::open(reader));
  Pages pages;
  while (true) {
    LS_ASSIGN_OR_RETURN(const auto view, decoder->next());
    if (!view.has_value()) return pages;
    pages.emplace_back(view->pgno, ByteVector(view->page.begin(), view->page.end()));
  }
}

// Reads what an index offers; only its manners are under test.
Status read_by_index(const ByteVector& file) {
  BytesReader reader(file);
  LS_ASSIGN_OR_RETURN(LtxIndexedFile indexed, LtxIndexedFile::open(reader));
  ByteVector page(indexed.header().page_size);
  PageIndex::Cursor entries = indexed.entries();
  while (entries.next()) LS_RETURN_IF_ERROR(indexed.read_page(entries.entry(), page));
  return {};
}

ByteVector encode(const LtxLiteral& literal) {
  test::VectorSink sink;
  LtxEncoder encoder;
  REQUIRE(encoder.begin(literal.header, sink).ok());
  for (const auto& [pgno, page] : literal.pages) REQUIRE(encoder.add_page(pgno, page).ok());
  REQUIRE(encoder.finish().ok());
  return sink.bytes;
}

std::vector<ByteVector> victims() {
  LtxLiteral snapshot = test::snapshot_literal(512, 3, 7);
  test::set_chain({&snapshot, 1});
  LtxLiteral change = test::change_literal(512, 300, 8, 9, {1, 200, 300});
  LtxLiteral old = test::snapshot_literal(512, 2, 1);
  old.form = test::PageForm::kOldFrame;
  LtxLiteral summed = test::snapshot_literal(512, 1, 1);
  summed.header.flags = 0;
  summed.post_apply_checksum = test::database_checksum(test::database_after({&summed, 1}), 512);
  return {encode(snapshot), encode(change), test::write_ltx(change), test::write_ltx(old),
          test::write_ltx(summed)};
}

TEST_CASE("damage: every bit flipped") {
  for (const ByteVector& file : victims()) {
    const Result<Pages> expected = decode_all(file);
    REQUIRE(expected.ok());
    size_t harmless = 0;
    for (size_t at = 0; at < file.size(); ++at) {
      for (int bit = 0; bit < 8; ++bit) {
        ByteVector damaged = file;
        damaged[at] ^= static_cast<uint8_t>(1 << bit);
        (void)read_by_index(damaged);
        const Result<Pages> pages = decode_all(damaged);
        if (!pages.ok()) {
          REQUIRE(pages.status().code() == StatusCode::kCorrupt);
          continue;
        }
        // A match copied from elsewhere may yield the same bytes; unused bits of an LZ4 frame's
        // header yield the same page.
        INFO("byte " << at << " bit " << bit);
        REQUIRE(*pages == *expected);
        REQUIRE(at >= kLtxHeaderBytes);
        ++harmless;
      }
    }
    CHECK(harmless < file.size() / 4);
  }
}

TEST_CASE("damage: cut off at every length") {
  for (const ByteVector& file : victims()) {
    for (size_t length = 0; length < file.size(); ++length) {
      const ByteVector cut(file.begin(), file.begin() + static_cast<ptrdiff_t>(length));
      INFO("length " << length);
      REQUIRE(decode_all(cut).status().code() == StatusCode::kCorrupt);
      REQUIRE(read_by_index(cut).code() == StatusCode::kCorrupt);
    }
  }
}

TEST_CASE("damage: every byte missing, doubled or zeroed run") {
  for (const ByteVector& file : victims()) {
    for (size_t at = 0; at < file.size(); ++at) {
      ByteVector shorter = file;
      shorter.erase(shorter.begin() + static_cast<ptrdiff_t>(at));
      ByteVector longer = file;
      longer.insert(longer.begin() + static_cast<ptrdiff_t>(at), file[at]);
      ByteVector zeroed = file;
      std::fill(zeroed.begin() + static_cast<ptrdiff_t>(at), zeroed.end(), uint8_t{0});
      for (const ByteVector& damaged : {shorter, longer, zeroed}) {
        (void)read_by_index(damaged);
        INFO("byte " << at);
        REQUIRE(decode_all(damaged).status().code() == StatusCode::kCorrupt);
      }
    }
  }
}

}  // namespace
}  // namespace litestream
