// The decoder and the indexed reader on files that another implementation wrote.
#include "ext/ltx/decoder.h"

#include <lz4frame.h>
#include <catch2/catch.hpp>

#include "ext/ltx/contents.h"
#include "tests/support/ltx_literals.h"
#include "tests/support/prng.h"

namespace litestream {
namespace {

using test::ByteVector;
using test::LtxLiteral;
using test::PageForm;

using Pages = std::vector<std::pair<Pgno, ByteVector>>;

Result<Pages> decode_all(const ByteVector& file, size_t read_ahead_bytes = 1) {
  BytesReader reader(file);
  LS_ASSIGN_OR_RETURN(const auto decoder, LtxDecoder::open(reader, read_ahead_bytes));
  Pages pages;
  while (true) {
    LS_ASSIGN_OR_RETURN(const auto view, decoder->next());
    if (!view.has_value()) return pages;
    pages.emplace_back(view->pgno, ByteVector(view->page.begin(), view->page.end()));
  }
}

Result<Pages> read_by_index(const ByteVector& file) {
  BytesReader reader(file);
  LS_ASSIGN_OR_RETURN(LtxIndexedFile indexed, LtxIndexedFile::open(reader));
  Pages pages;
  ByteVector page(indexed.header().page_size);
  PageIndex::Cursor entries = indexed.entries();
  while (entries.next()) {
    LS_RETURN_IF_ERROR(indexed.read_page(entries.entry(), page));
    pages.emplace_back(entries.entry().pgno, page);
  }
  return pages;
}

// Both readers refuse it as Corrupt; the message of the decoder.
std::string require_corrupt(const LtxLiteral& literal) {
  const auto pages = decode_all(test::write_ltx(literal));
  REQUIRE_FALSE(pages.ok());
  REQUIRE(pages.status().code() == StatusCode::kCorrupt);
  return pages.status().message();
}

TEST_CASE("decoder: hand-written files of every page size and form") {
  for (const PageForm form : {PageForm::kBlock, PageForm::kOldFrame}) {
    for (uint32_t page_size = 512; page_size <= 65536; page_size *= 2) {
      LtxLiteral literals[] = {test::snapshot_literal(page_size, 7, 3),
                               test::change_literal(page_size, 90, 4, 6, {1, 8, 9, 77, 90}),
                               test::change_literal(page_size, 3, 7, 7, {})};
      for (LtxLiteral& literal : literals) {
        literal.form = form;
        const ByteVector file = test::write_ltx(literal);
        for (const size_t read_ahead : {size_t{1}, size_t{1} << 20}) {
          const auto pages = decode_all(file, read_ahead);
          INFO(pages.status().message());
          REQUIRE(pages.ok());
          REQUIRE(*pages == literal.pages);
        }
        const auto indexed = read_by_index(file);
        INFO(indexed.status().message());
        REQUIRE(indexed.ok());
        REQUIRE(*indexed == literal.pages);
      }
    }
  }
}

// The LZ4 frames that old versions wrote carry a checksum of their content.
TEST_CASE("decoder: old frames with a content checksum") {
  LtxLiteral literal = test::snapshot_literal(4096, 3, 1);
  literal.form = PageForm::kOldFrame;
  LZ4F_preferences_t preferences{};
  preferences.frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled;
  preferences.frameInfo.blockMode = LZ4F_blockIndependent;
  ByteVector file = test::literal_detail::header_bytes(literal.header);
  ByteVector summed = file;
  ByteVector index;
  for (const auto& [pgno, page] : literal.pages) {
    ByteVector frame;
    test::literal_detail::put(frame, pgno, 4);
    test::literal_detail::put(frame, 0, 2);
    test::literal_detail::put_all(summed, frame);
    test::literal_detail::put_all(summed, page);
    frame.resize(6 + LZ4F_compressFrameBound(page.size(), &preferences));
    frame.resize(6 + LZ4F_compressFrame(frame.data() + 6, frame.size() - 6, page.data(),
                                        page.size(), &preferences));
    test::literal_detail::put_varint(index, pgno);
    test::literal_detail::put_varint(index, file.size());
    test::literal_detail::put_varint(index, frame.size());
    test::literal_detail::put_all(file, frame);
  }
  index.push_back(0);
  ByteVector end(6);
  test::literal_detail::put_all(end, index);
  test::literal_detail::put(end, index.size(), 8);
  test::literal_detail::put(end, 0, 8);
  test::literal_detail::put_all(summed, end);
  test::literal_detail::put_all(file, end);
  test::literal_detail::put(file, test::literal_detail::crc64(0, summed) | uint64_t{1} << 63, 8);

  CHECK(decode_all(file).value() == literal.pages);
  CHECK(read_by_index(file).value() == literal.pages);
  file[100 + 6 + 20] ^= 1;
  CHECK(decode_all(file).status().code() == StatusCode::kCorrupt);
}

TEST_CASE("decoder: a database of no pages") {
  const LtxLiteral snapshot = test::snapshot_literal(512, 0, 1);
  CHECK(decode_all(test::write_ltx(snapshot)).value().empty());
  const LtxLiteral change = test::change_literal(512, 0, 5, 5, {});
  CHECK(read_by_index(test::write_ltx(change)).value().empty());
}

TEST_CASE("decoder: what it reports about a snapshot") {
  LtxLiteral literal = test::snapshot_literal(512, 6, 4);
  test::set_chain({&literal, 1});
  const ByteVector file = test::write_ltx(literal);
  BytesReader reader(file);
  const auto summary = verify_ltx(reader);
  REQUIRE(summary.ok());
  CHECK(summary->header == literal.header);
  CHECK(summary->page_count == 6);
  CHECK(summary->size_bytes == file.size());
  CHECK(summary->database_checksum == literal.header.chain.after);
  CHECK(summary->trailer.file_checksum == load_be64(file.data() + file.size() - 8));
}

TEST_CASE("decoder: files with upstream's own checksums") {
  LtxLiteral snapshot = test::snapshot_literal(512, 6, 4);
  snapshot.header.flags = 0;
  snapshot.post_apply_checksum = test::database_checksum(test::database_after({&snapshot, 1}), 512);
  CHECK(decode_all(test::write_ltx(snapshot)).value() == snapshot.pages);
  snapshot.post_apply_checksum ^= 4;
  CHECK(require_corrupt(snapshot) == "post_apply_checksum does not match the pages");
  snapshot.post_apply_checksum = 0;
  require_corrupt(snapshot);

  LtxLiteral change = test::change_literal(512, 6, 5, 5, {2});
  change.header.flags = 0;
  change.header.pre_apply_checksum = uint64_t{1} << 63 | 1;
  change.post_apply_checksum = uint64_t{1} << 63 | 2;
  CHECK(decode_all(test::write_ltx(change)).value() == change.pages);
  change.header.flags = kLtxFlagNoChecksum;
  require_corrupt(change);
}

TEST_CASE("decoder: a wrong chain checksum of a snapshot") {
  LtxLiteral literal = test::snapshot_literal(512, 6, 4);
  test::set_chain({&literal, 1});
  literal.header.chain.after ^= 1;
  CHECK(require_corrupt(literal) == "chain checksum does not match the pages");
}

TEST_CASE("decoder: pages out of order, beyond commit, missing, or the lock page") {
  const Pgno lock = lock_page(65536);
  struct Case {
    LtxLiteral literal;
    const char* message;
  };
  std::vector<Case> cases{
      {test::change_literal(512, 9, 2, 2, {4, 3}), "page 3 follows page 4"},
      {test::change_literal(512, 9, 2, 2, {4, 4}), "page 4 follows page 4"},
      {test::change_literal(512, 9, 2, 2, {10}), "page 10 is beyond the database size of 9 pages"},
      {test::change_literal(65536, lock + 1, 2, 2, {lock}), "page 16385 is the lock page"},
      {test::snapshot_literal(512, 4, 1), "page 3 is missing from the snapshot"},
      {test::snapshot_literal(512, 4, 1), "page 4 is missing from the snapshot"},
      {test::snapshot_literal(512, 4, 1), "page 1 is missing from the snapshot"}};
  cases[4].literal.pages.erase(cases[4].literal.pages.begin() + 2);
  cases[5].literal.pages.pop_back();
  cases[6].literal.pages.clear();
  for (const Case& wrong : cases) {
    CHECK(require_corrupt(wrong.literal) == wrong.message);
    CHECK(read_by_index(test::write_ltx(wrong.literal)).status().code() == StatusCode::kCorrupt);
  }
}

TEST_CASE("decoder: pages of the wrong size") {
  for (const PageForm form : {PageForm::kBlock, PageForm::kOldFrame}) {
    for (const size_t bytes : {511, 513, 100, 5000}) {
      LtxLiteral literal = test::snapshot_literal(512, 3, 1);
      literal.form = form;
      literal.pages[1].second.resize(bytes);
      INFO(bytes);
      CHECK(require_corrupt(literal).starts_with("page 2: "));
      CHECK(read_by_index(test::write_ltx(literal)).status().code() == StatusCode::kCorrupt);
    }
  }
}

TEST_CASE("decoder: an index that does not match the pages, with a right file checksum") {
  LtxLiteral literal = test::change_literal(512, 9, 2, 2, {2, 5});
  const ByteVector right = test::write_ltx(literal);
  const uint64_t index_bytes = load_be64(right.data() + right.size() - 24);
  const size_t begin = right.size() - 24 - index_bytes;
  const ByteVector varints(right.begin() + static_cast<ptrdiff_t>(begin), right.end() - 24);
  for (size_t i = 0; i < varints.size(); ++i) {
    literal.index = varints;
    (*literal.index)[i] ^= 1;
    CHECK(require_corrupt(literal) == "page index does not match the pages");
  }
  literal.index = ByteVector{0};
  require_corrupt(literal);
  literal.index = varints;
  literal.index->push_back(0);
  require_corrupt(literal);
  CHECK_FALSE(read_by_index(test::write_ltx(literal)).ok());
}

TEST_CASE("decoder: bytes after the end") {
  LtxLiteral literal = test::snapshot_literal(512, 2, 1);
  literal.after_trailer = {0};
  CHECK(require_corrupt(literal) == "1 bytes after the end of the LTX file");
  CHECK_FALSE(read_by_index(test::write_ltx(literal)).ok());
}

TEST_CASE("decoder: an error or the end is said again") {
  const ByteVector file = test::write_ltx(test::snapshot_literal(512, 1, 1));
  BytesReader reader(file);
  auto decoder = LtxDecoder::open(reader);
  REQUIRE(decoder.ok());
  REQUIRE((*decoder)->next()->has_value());
  for (int i = 0; i < 3; ++i) REQUIRE_FALSE((*decoder)->next()->has_value());

  const ByteVector cut(file.begin(), file.end() - 1);
  BytesReader cut_reader(cut);
  decoder = LtxDecoder::open(cut_reader);
  REQUIRE(decoder.ok());
  REQUIRE((*decoder)->next()->has_value());
  const std::string message = (*decoder)->next().status().message();
  CHECK_FALSE(message.empty());
  CHECK((*decoder)->next().status().message() == message);
}

// A reader that fails at the n-th call.
class FailingReader final : public RandomReader {
 public:
  FailingReader(Bytes bytes, int calls_left) : inner_(bytes), calls_left_(calls_left) {}
  Result<size_t> read_at(uint64_t offset_bytes, MutableBytes out) override {
    if (--calls_left_ < 0) return unavailable("store is down");
    return inner_.read_at(offset_bytes, out);
  }
  Result<uint64_t> size_bytes() override {
    if (--calls_left_ < 0) return unavailable("store is down");
    return inner_.size_bytes();
  }

 private:
  BytesReader inner_;
  int calls_left_;
};

TEST_CASE("decoder: an error of the reader keeps its code, whichever call meets it") {
  const ByteVector file = test::write_ltx(test::snapshot_literal(65536, 12, 1));
  int failures = 0;
  for (int calls = 0;; ++calls) {
    FailingReader reader(file, calls);
    const auto summary = verify_ltx(reader, 1);
    if (summary.ok()) break;
    ++failures;
    CHECK(summary.status().code() == StatusCode::kUnavailable);
  }
  CHECK(failures > 5);
  for (int calls = 0; calls < 4; ++calls) {
    FailingReader reader(file, calls);
    CHECK(read_ltx_contents(reader).status().code() == StatusCode::kUnavailable);
  }
}

TEST_CASE("indexed file: entries of another file are refused") {
  const ByteVector file = test::write_ltx(test::snapshot_literal(512, 3, 1));
  BytesReader reader(file);
  auto indexed = LtxIndexedFile::open(reader);
  REQUIRE(indexed.ok());
  ByteVector page(512);
  PageIndex::Cursor entries = indexed->entries();
  REQUIRE(entries.next());
  PageIndexEntry entry = entries.entry();
  CHECK(indexed->read_page(entry, page).ok());
  CHECK_FALSE(indexed->read_page(entry, MutableBytes(page).first(511)).ok());
  for (const PageIndexEntry& wrong :
       {PageIndexEntry{2, entry.offset_bytes, entry.size_bytes},
        PageIndexEntry{1, entry.offset_bytes + 1, entry.size_bytes},
        PageIndexEntry{1, entry.offset_bytes, entry.size_bytes - 1},
        PageIndexEntry{1, entry.offset_bytes, 3}, PageIndexEntry{1, entry.offset_bytes, 1u << 30},
        PageIndexEntry{1, file.size() - 5, entry.size_bytes},
        PageIndexEntry{1, uint64_t{1} << 60, entry.size_bytes}}) {
    CHECK_FALSE(indexed->read_page(wrong, page).ok());
  }
}

}  // namespace
}  // namespace litestream
