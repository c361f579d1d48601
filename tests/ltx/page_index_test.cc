// The page index and the order of pages.
#include "ext/ltx/page_index.h"

#include <catch2/catch.hpp>

#include "ext/ltx/page_codec.h"
#include "ext/ltx/page_order.h"
#include "tests/support/ltx_literals.h"
#include "tests/support/prng.h"

namespace litestream {
namespace {

using test::ByteVector;

LtxHeader header_of(uint32_t page_size, Pgno commit, uint64_t min_txid) {
  LtxHeader header;
  header.page_size = page_size;
  header.commit = commit;
  header.min_txid = Txid{min_txid};
  header.max_txid = Txid{min_txid};
  return header;
}

struct RawEntry {
  uint64_t pgno;
  uint64_t offset;
  uint64_t size;
};

ByteVector encode_raw(const std::vector<RawEntry>& entries) {
  ByteVector out;
  for (const RawEntry& entry : entries) {
    test::literal_detail::put_varint(out, entry.pgno);
    test::literal_detail::put_varint(out, entry.offset);
    test::literal_detail::put_varint(out, entry.size);
  }
  out.push_back(0);
  return out;
}

// As if the index stood right behind frames that end at `frames_end`.
Result<PageIndex> decode(const ByteVector& encoded, const LtxHeader& header, uint64_t frames_end) {
  const size_t index_offset = static_cast<size_t>(frames_end + kPageHeaderBytes);
  ByteVector file(index_offset);
  file.insert(file.end(), encoded.begin(), encoded.end());
  BytesReader reader(file);
  SequentialReader in(reader, index_offset, file.size(), 64);
  return decode_page_index(in, header);
}

std::vector<PageIndexEntry> list(const PageIndex& index) {
  std::vector<PageIndexEntry> entries;
  PageIndex::Cursor cursor(index);
  while (cursor.next()) {
    REQUIRE(cursor.ordinal() == entries.size());
    entries.push_back(cursor.entry());
  }
  REQUIRE_FALSE(cursor.next());
  return entries;
}

TEST_CASE("page index: survives the compact form and the encoded one") {
  test::Prng random = test::Prng::announced("page index", 3);
  for (int round = 0; round < 200; ++round) {
    PageIndex index;
    std::vector<PageIndexEntry> expected;
    ByteVector encoded;
    Pgno pgno = 0;
    for (uint64_t i = random.below(200); i > 0; --i) {
      pgno += static_cast<Pgno>(random.chance(10) ? 1 + random.below(1 << 22) : 1);
      if (pgno == lock_page(4096)) ++pgno;
      const uint32_t size = static_cast<uint32_t>(random.between(11, page_frame_bytes_max(4096)));
      expected.push_back({pgno, index.frames_end_bytes(), size});
      index.append(pgno, size);
      uint8_t entry[kPageIndexEntryBytesMax];
      const size_t used = encode_page_index_entry(expected.back(), entry);
      encoded.insert(encoded.end(), entry, entry + used);
    }
    encoded.push_back(0);
    REQUIRE(index.count() == expected.size());
    REQUIRE(list(index) == expected);
    const auto decoded = decode(encoded, header_of(4096, pgno + 9, 2), index.frames_end_bytes());
    INFO(decoded.status().message());
    REQUIRE(decoded.ok());
    REQUIRE(list(decoded.value()) == expected);
  }
}

TEST_CASE("page index: the largest entry fits its bound") {
  uint8_t out[kPageIndexEntryBytesMax + 1] = {};
  out[kPageIndexEntryBytesMax] = 0xEE;
  CHECK(encode_page_index_entry({0xFFFFFFFF, ~uint64_t{0}, 0xFFFFFFFF}, out) ==
        kPageIndexEntryBytesMax);
  CHECK(out[kPageIndexEntryBytesMax] == 0xEE);
}

TEST_CASE("page index: what does not add up is refused") {
  const LtxHeader header = header_of(512, 10, 2);
  const uint32_t frame_max = page_frame_bytes_max(512);
  REQUIRE(decode(encode_raw({{2, 100, 50}, {9, 150, frame_max}}), header, 150 + frame_max).ok());
  REQUIRE(decode(encode_raw({}), header, 100).ok());
  const std::vector<RawEntry> bad[] = {
      {{0, 100, 50}},                            // page 0 ends the index: bytes after it
      {{11, 100, 50}},                           // beyond commit
      {{2, 101, 50}},                            // not at the first frame's place
      {{2, 100, 49}},                            // frames end early
      {{2, 100, 51}},                            // frames reach into the index
      {{2, 100, 10}, {3, 110, 40}},              // frame without data
      {{3, 100, 20}, {2, 120, 30}},              // descending
      {{2, 100, 20}, {2, 120, 30}},              // twice
      {{2, 100, 20}, {3, 110, 40}},              // overlapping
      {{0x100000002, 100, 50}},                  // page number above 32 bits
      {{2, 100, uint64_t{1} << 40}},             // absurd size
      {{2, ~uint64_t{0}, 50}},                   // absurd offset
      {{2, 100, uint64_t{0xFFFFFFFFFFFFFFFF}}},  // size that would wrap around
  };
  for (const auto& entries : bad) {
    const auto decoded = decode(encode_raw(entries), header, 150);
    INFO(entries[0].pgno << ' ' << entries[0].offset << ' ' << entries[0].size);
    REQUIRE_FALSE(decoded.ok());
    CHECK(decoded.status().code() == StatusCode::kCorrupt);
  }
  const auto too_large = decode(encode_raw({{2, 100, frame_max + 1}}), header, 100 + frame_max + 1);
  CHECK_FALSE(too_large.ok());
}

TEST_CASE("page index: varints are minimal, end, and stay below 64 bits") {
  const LtxHeader header = header_of(512, 10, 2);
  REQUIRE(decode({2, 100, 50, 0}, header, 150).ok());
  const ByteVector bad[] = {
      {},
      {2},
      {2, 100},
      {2, 100, 50},
      {2, 100, 50, 0, 0},
      {2, 100, 50, 0x80},
      {2, 100, 50, 0x80, 0},
      {0x82, 0, 100, 50, 0},
      {2, 0xE4, 0, 50, 0},
      {2, 100, 0xB2, 0, 0},
      {2, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x7F, 50, 0},
      ByteVector(40, 0xFF),
  };
  for (const ByteVector& encoded : bad) {
    INFO("length " << encoded.size());
    CHECK(decode(encoded, header, 150).status().code() == StatusCode::kCorrupt);
  }
}

TEST_CASE("page order: the lock page is skipped for every page size") {
  for (uint32_t page_size = 512; page_size <= 65536; page_size *= 2) {
    const Pgno lock = lock_page(page_size);
    CHECK((uint64_t{lock} - 1) * page_size == 0x40000000);
    for (const Pgno commit : {lock - 1, lock, lock + 1, lock + 5}) {
      PageOrder snapshot(header_of(page_size, commit, 1));
      Status status;
      for (Pgno pgno = 1; pgno <= commit && status.ok(); ++pgno) {
        if (pgno == commit && pgno != lock) CHECK_FALSE(snapshot.finish().ok());
        if (pgno != lock) status = snapshot.accept(pgno);
      }
      CHECK(status.ok());
      CHECK(snapshot.finish().ok());
    }
    PageOrder change(header_of(page_size, lock + 5, 2));
    CHECK(change.accept(lock - 1).ok());
    const Status refused = change.accept(lock);
    CHECK(refused.code() == StatusCode::kCorrupt);
    CHECK(refused.message() == "page " + std::to_string(lock) + " is the lock page");
    CHECK(change.accept(lock + 1).ok());
    CHECK(change.accept(lock + 5).ok());
    CHECK_FALSE(change.accept(lock + 6).ok());
  }
}

TEST_CASE("page order: a snapshot names the page it misses") {
  PageOrder order(header_of(512, 5, 1));
  CHECK(order.accept(2).message() == "page 1 is missing from the snapshot");
  CHECK(order.accept(1).ok());
  CHECK(order.accept(1).message() == "page 1 follows page 1");
  CHECK(order.accept(2).ok());
  CHECK(order.accept(4).message() == "page 3 is missing from the snapshot");
  CHECK(order.finish().message() == "page 3 is missing from the snapshot");
  CHECK(PageOrder(header_of(512, 0, 1)).finish().ok());
}

}  // namespace
}  // namespace litestream
