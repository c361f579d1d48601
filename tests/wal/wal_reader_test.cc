#include "ext/wal/wal_reader.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <vector>

#include "ext/base/limits.h"
#include "tests/support/prng.h"
#include "tests/support/wal_builder.h"

using namespace litestream;
using litestream::test::BuiltFrame;
using litestream::test::MemoryReader;
using litestream::test::Prng;
using litestream::test::WalBuilder;

namespace {

struct Seen {
  uint32_t frame_no = 0;
  uint32_t pgno = 0;
  uint32_t commit = 0;
  std::vector<uint8_t> page;
};

class Collector final : public WalFrameVisitor {
 public:
  Status on_frame(uint32_t frame_no, uint32_t pgno, uint32_t commit, Bytes page) override {
    if (frame_no == fail_at_frame) return cancelled("enough");
    seen.push_back({frame_no, pgno, commit, {page.begin(), page.end()}});
    return {};
  }
  std::vector<Seen> seen;
  uint32_t fail_at_frame = 0;
};

WalHeader header_of(const WalBuilder& wal) { return *decode_wal_header(wal.bytes()); }
WalIndex index_of(const WalBuilder& wal, uint32_t mx_frame) {
  return *decode_wal_index(wal.index_bytes(mx_frame));
}
WalPosition position_at(const WalBuilder& wal, uint32_t frame) {
  if (frame == 0) return wal_start(header_of(wal));
  const BuiltFrame& built = wal.frames()[frame - 1];
  return {{wal.salt1(), wal.salt2()}, frame, {built.checksum1, built.checksum2}};
}

void require_frames(const WalBuilder& wal, uint32_t first, const std::vector<Seen>& seen) {
  for (size_t i = 0; i < seen.size(); ++i) {
    const BuiltFrame& built = wal.frames()[first - 1 + i];
    REQUIRE(seen[i].frame_no == first + i);
    REQUIRE(seen[i].pgno == built.pgno);
    REQUIRE(seen[i].commit == built.commit);
    REQUIRE(seen[i].page == built.page);
  }
}

// Transactions of 1, 2, 3, 1, ... frames.
WalBuilder small_wal(uint32_t page_size, bool big_endian, uint32_t frame_count) {
  WalBuilder wal(page_size, big_endian);
  uint32_t in_transaction = 0;
  uint32_t length = 1;
  for (uint32_t n = 1; n <= frame_count; ++n) {
    const bool ends = ++in_transaction == length || n == frame_count;
    wal.add_frame(n % 5 + 1, ends ? n + 5 : 0, static_cast<uint8_t>(n));
    if (!ends) continue;
    in_transaction = 0;
    length = length % 3 + 1;
  }
  return wal;
}

uint64_t commits_between(const WalBuilder& wal, uint32_t after, uint32_t upto) {
  uint64_t count = 0;
  for (uint32_t n = after + 1; n <= upto; ++n) count += wal.frames()[n - 1].commit != 0;
  return count;
}

StatusCode scan_code(const WalBuilder& wal, std::vector<uint8_t> bytes, uint32_t from,
                     uint32_t mx_frame) {
  MemoryReader reader(std::move(bytes));
  Collector collector;
  const auto result =
      scan_wal(reader, header_of(wal), position_at(wal, from), index_of(wal, mx_frame), collector);
  return result.status().code();
}

}  // namespace

TEST_CASE("scan_wal: resumes at every commit, in both byte orders and every page size") {
  for (uint32_t page_size = 512; page_size <= 65536; page_size *= 2) {
    for (const bool big_endian : {false, true}) {
      const WalBuilder wal = small_wal(page_size, big_endian, 17);
      MemoryReader reader(wal.bytes());
      for (uint32_t from = 0; from <= 17; ++from) {
        if (from > 0 && wal.frames()[from - 1].commit == 0) continue;
        for (uint32_t to = from; to <= 17; ++to) {
          if (to > 0 && wal.frames()[to - 1].commit == 0) continue;
          Collector collector;
          const auto result = scan_wal(reader, header_of(wal), position_at(wal, from),
                                       index_of(wal, to), collector);
          CAPTURE(page_size, big_endian, from, to);
          REQUIRE(result.ok());
          REQUIRE(result->end == position_at(wal, to));
          REQUIRE(result->frame_count == to - from);
          REQUIRE(result->commit_count == commits_between(wal, from, to));
          REQUIRE_FALSE(result->chain_broken);
          REQUIRE(collector.seen.size() == to - from);
          require_frames(wal, from + 1, collector.seen);
        }
      }
    }
  }
}

TEST_CASE("scan_wal: several blocks, in steps of random length") {
  Prng random = Prng::announced("scan_wal steps", 41);
  const WalBuilder wal = small_wal(4096, false, 700);  // 2.8 MiB
  MemoryReader reader(wal.bytes());
  WalPosition position = position_at(wal, 0);
  Collector collector;
  while (position.frame < 700) {
    auto to = static_cast<uint32_t>(random.between(position.frame + 1, 700));
    while (wal.frames()[to - 1].commit == 0) ++to;
    const auto result = scan_wal(reader, header_of(wal), position, index_of(wal, to), collector);
    REQUIRE(result.ok());
    position = result->end;
  }
  REQUIRE(collector.seen.size() == 700);
  require_frames(wal, 1, collector.seen);
}

TEST_CASE("scan_wal: page numbers around the lock page pass through for every page size") {
  for (uint32_t page_size = 512; page_size <= 65536; page_size *= 2) {
    const uint32_t lock = lock_page(page_size);
    WalBuilder wal(page_size, true);
    wal.add_frame(lock - 1, 0, 1);
    wal.add_frame(lock, 0, 2);
    wal.add_frame(lock + 1, lock + 1, 3);
    MemoryReader reader(wal.bytes());
    Collector collector;
    const auto result =
        scan_wal(reader, header_of(wal), position_at(wal, 0), index_of(wal, 3), collector);
    REQUIRE(result.ok());
    require_frames(wal, 1, collector.seen);
    REQUIRE(find_last_commit(reader)->page_count == lock + 1);
  }
}

TEST_CASE("scan_wal: an index without frames, or without new ones, visits nothing") {
  const WalBuilder wal = small_wal(512, false, 3);
  MemoryReader nothing({});
  Collector collector;
  const auto empty =
      scan_wal(nothing, header_of(wal), position_at(wal, 0), index_of(wal, 0), collector);
  REQUIRE(empty.ok());
  REQUIRE(empty->end == position_at(wal, 0));
  const auto same =
      scan_wal(nothing, header_of(wal), position_at(wal, 3), index_of(wal, 3), collector);
  REQUIRE(same.ok());
  REQUIRE(same->end == position_at(wal, 3));
  REQUIRE(collector.seen.empty());
}

TEST_CASE("scan_wal: other lives of the file are told apart") {
  const WalBuilder wal = small_wal(512, false, 6);
  MemoryReader reader(wal.bytes());
  Collector collector;
  const WalHeader header = header_of(wal);
  const WalIndex index = index_of(wal, 6);

  SECTION("the index ends before the position") {
    REQUIRE(scan_code(wal, wal.bytes(), 6, 3) == StatusCode::kPositionMismatch);
    REQUIRE(scan_code(wal, wal.bytes(), 6, 0) == StatusCode::kPositionMismatch);
  }
  SECTION("the position has other salts") {
    WalPosition other = position_at(wal, 3);
    other.salts.salt2 ^= 1;
    REQUIRE(scan_wal(reader, header, other, index, collector).status().code() ==
            StatusCode::kPositionMismatch);
  }
  SECTION("the same frame number with another checksum") {
    WalPosition other = position_at(wal, 6);
    other.checksum.s1 ^= 1;
    REQUIRE(scan_wal(reader, header, other, index, collector).status().code() ==
            StatusCode::kPositionMismatch);
  }
  SECTION("header and index were read at different moments") {
    WalHeader other = header;
    other.salts.salt1 += 1;
    REQUIRE(scan_wal(reader, other, position_at(wal, 3), index, collector).status().code() ==
            StatusCode::kBusy);
  }
  SECTION("the chain holds but the index names another checksum") {
    WalIndex other = index;
    other.frame_checksum.s2 ^= 1;
    REQUIRE(scan_wal(reader, header, position_at(wal, 3), other, collector).status().code() ==
            StatusCode::kBusy);
  }
  SECTION("header and index disagree about the format") {
    WalHeader other = header;
    other.page_size = 1024;
    REQUIRE(scan_wal(reader, other, position_at(wal, 3), index, collector).status().code() ==
            StatusCode::kCorrupt);
    other = header;
    other.big_endian_checksums = true;
    REQUIRE(scan_wal(reader, other, position_at(wal, 3), index, collector).status().code() ==
            StatusCode::kCorrupt);
  }
  REQUIRE(collector.seen.size() <= 3);
}

TEST_CASE("scan_wal: impossible frames are corrupt") {
  const std::vector<uint8_t> page(512, 1);
  SECTION("page number 0") {
    WalBuilder wal(512, false);
    wal.add_frame(0, 1, page);
    REQUIRE(scan_code(wal, wal.bytes(), 0, 1) == StatusCode::kCorrupt);
  }
  SECTION("page number beyond SQLite's limit") {
    WalBuilder wal(512, false);
    wal.add_frame(UINT32_MAX, 1, page);
    REQUIRE(scan_code(wal, wal.bytes(), 0, 1) == StatusCode::kCorrupt);
  }
  SECTION("database size beyond SQLite's limit") {
    WalBuilder wal(512, false);
    wal.add_frame(1, UINT32_MAX, page);
    REQUIRE(scan_code(wal, wal.bytes(), 0, 1) == StatusCode::kCorrupt);
    WalBuilder most(512, false);
    most.add_frame(kPageCountMax, kPageCountMax, page);
    REQUIRE(scan_code(most, most.bytes(), 0, 1) == StatusCode::kOk);
  }
  SECTION("the last frame ends no transaction") {
    WalBuilder wal(512, false);
    wal.add_frame(1, 1, page);
    wal.add_frame(2, 0, page);
    REQUIRE(scan_code(wal, wal.bytes(), 0, 2) == StatusCode::kCorrupt);
  }
  SECTION("the file ends before mxFrame, at any byte") {
    const WalBuilder wal = small_wal(512, false, 3);
    for (size_t size = 0; size < wal.bytes().size(); ++size) {
      const auto cut = wal.bytes().begin() + static_cast<ptrdiff_t>(size);
      REQUIRE(scan_code(wal, {wal.bytes().begin(), cut}, 0, 3) == StatusCode::kCorrupt);
    }
  }
  SECTION("an index that promises four billion frames") {
    const WalBuilder wal = small_wal(512, false, 3);
    MemoryReader reader(wal.bytes());
    Collector collector;
    WalIndex index = index_of(wal, 3);
    index.mx_frame = UINT32_MAX;
    REQUIRE(
        scan_wal(reader, header_of(wal), position_at(wal, 0), index, collector).status().code() ==
        StatusCode::kCorrupt);
  }
}

// SQLite before 3.50: a transaction that spilled, rolled back to a savepoint and committed leaves
// committed frames whose salts and checksums are zero. SQLite reads them by the wal-index, so they
// count.
TEST_CASE("scan_wal: frames without checksums below mxFrame are committed") {
  WalBuilder wal(1024, false);
  wal.add_frame(1, 1, 1);
  wal.add_unchained_frame(2, 0, 2);
  wal.add_unchained_frame(3, 3, 3);
  wal.add_frame(2, 3, 4);
  MemoryReader reader(wal.bytes());
  Collector collector;
  const auto result =
      scan_wal(reader, header_of(wal), position_at(wal, 0), index_of(wal, 3), collector);
  REQUIRE(result.ok());
  REQUIRE(result->chain_broken);
  REQUIRE(result->commit_count == 2);
  REQUIRE(result->end == position_at(wal, 3));
  require_frames(wal, 1, collector.seen);

  // What comes after is chained to the index's checksum: nothing is broken any more.
  Collector after;
  const auto next = scan_wal(reader, header_of(wal), result->end, index_of(wal, 4), after);
  REQUIRE(next.ok());
  REQUIRE_FALSE(next->chain_broken);
  REQUIRE(after.seen.size() == 1);
  require_frames(wal, 4, after.seen);

  // Without an index SQLite's own recovery drops everything from there on.
  REQUIRE(find_last_commit(reader)->last_commit == position_at(wal, 1));
}

TEST_CASE("scan_wal: a flipped byte breaks the chain, never silently") {
  const WalBuilder wal = small_wal(512, false, 3);
  for (size_t at = kWalHeaderBytes; at < wal.bytes().size(); ++at) {
    std::vector<uint8_t> bytes = wal.bytes();
    bytes[at] ^= 0x40;
    MemoryReader reader(bytes);
    Collector collector;
    const auto result =
        scan_wal(reader, header_of(wal), position_at(wal, 0), index_of(wal, 3), collector);
    CAPTURE(at);
    if (result.ok()) {
      REQUIRE(result->chain_broken);
      REQUIRE(result->end == position_at(wal, 3));
    }
  }
}

TEST_CASE("scan_wal: the visitor's error ends the scan") {
  const WalBuilder wal = small_wal(512, false, 6);
  MemoryReader reader(wal.bytes());
  Collector collector;
  collector.fail_at_frame = 4;
  const auto result =
      scan_wal(reader, header_of(wal), position_at(wal, 0), index_of(wal, 6), collector);
  REQUIRE(result.status().code() == StatusCode::kCancelled);
  REQUIRE(collector.seen.size() == 3);
}

namespace {

// A WAL of which only the frames from `first` on exist: the rest is a hole of terabytes.
class FarReader final : public RandomReader {
 public:
  FarReader(uint64_t start_bytes, std::vector<uint8_t> content)
      : start_bytes_(start_bytes), content_(std::move(content)) {}
  Result<size_t> read_at(uint64_t offset_bytes, MutableBytes out) override {
    REQUIRE(offset_bytes >= start_bytes_);
    return content_.read_at(offset_bytes - start_bytes_, out);
  }
  Result<uint64_t> size_bytes() override { return start_bytes_ + content_.content.size(); }

 private:
  uint64_t start_bytes_;
  MemoryReader content_;
};

}  // namespace

TEST_CASE("scan_wal: frames beyond 4 GiB and up to the last possible number") {
  for (const uint32_t skipped : {70'000u, 0x7fffffffu, UINT32_MAX - 4}) {
    for (const uint32_t page_size : {4096u, 65536u}) {
      // The same chain as frames 1..4, moved to skipped+1..skipped+4.
      const WalBuilder wal = small_wal(page_size, false, 4);
      FarReader reader(wal_frame_offset(skipped + 1, page_size),
                       {wal.bytes().begin() + kWalHeaderBytes, wal.bytes().end()});
      WalPosition from = position_at(wal, 0);
      from.frame = skipped;
      WalIndex index = index_of(wal, 4);
      index.mx_frame = skipped + 4;
      Collector collector;
      const auto result = scan_wal(reader, header_of(wal), from, index, collector);
      CAPTURE(skipped, page_size);
      REQUIRE(result.ok());
      REQUIRE_FALSE(result->chain_broken);
      REQUIRE(collector.seen.size() == 4);
      REQUIRE(collector.seen[3].frame_no == skipped + 4);
      REQUIRE(collector.seen[3].page == wal.frames()[3].page);
      REQUIRE(*frame_matches(reader, page_size, result->end));
      uint32_t last = 0;
      REQUIRE(scan_frame_headers(reader, page_size, skipped + 1, skipped + 4,
                                 [&](uint32_t frame_no, const WalFrameHeader&) {
                                   last = frame_no;
                                   return Status();
                                 })
                  .ok());
      REQUIRE(last == skipped + 4);
    }
  }
}

TEST_CASE("find_last_commit: a tail torn at any byte ends at the last whole transaction") {
  for (const bool big_endian : {false, true}) {
    const WalBuilder wal = small_wal(512, big_endian, 7);
    for (size_t size = 0; size <= wal.bytes().size(); ++size) {
      const auto cut = wal.bytes().begin() + static_cast<ptrdiff_t>(size);
      MemoryReader reader({wal.bytes().begin(), cut});
      const auto result = find_last_commit(reader);
      CAPTURE(big_endian, size);
      if (size < kWalHeaderBytes) {
        REQUIRE(result.status().code() == StatusCode::kNotFound);
        continue;
      }
      uint32_t last = 0;
      for (uint32_t n = 1; n <= (size - 32) / 536; ++n) {
        if (wal.frames()[n - 1].commit != 0) last = n;
      }
      REQUIRE(result.ok());
      REQUIRE(result->header == header_of(wal));
      REQUIRE(result->last_commit == position_at(wal, last));
      REQUIRE(result->commit_count == commits_between(wal, 0, last));
      REQUIRE(result->page_count == (last == 0 ? 0 : wal.frames()[last - 1].commit));
    }
  }
}

TEST_CASE("find_last_commit: a flipped byte ends the log before its transaction") {
  const WalBuilder wal = small_wal(512, true, 7);
  for (size_t at = kWalHeaderBytes; at < wal.bytes().size(); ++at) {
    const auto broken = static_cast<uint32_t>((at - 32) / 536 + 1);
    uint32_t last = 0;
    for (uint32_t n = 1; n < broken; ++n) {
      if (wal.frames()[n - 1].commit != 0) last = n;
    }
    for (const uint8_t mask : {uint8_t{1}, uint8_t{0x80}}) {
      std::vector<uint8_t> bytes = wal.bytes();
      bytes[at] ^= mask;
      MemoryReader reader(bytes);
      CAPTURE(at);
      REQUIRE(find_last_commit(reader)->last_commit == position_at(wal, last));
    }
  }
}

TEST_CASE("find_last_commit: leftovers of an earlier life with other salts do not count") {
  const WalBuilder old_life = small_wal(512, false, 9);
  WalBuilder wal(512, false, 5, 6);
  wal.add_frame(1, 1, 1);
  std::vector<uint8_t> bytes = wal.bytes();
  bytes.insert(bytes.end(), old_life.bytes().begin() + static_cast<ptrdiff_t>(bytes.size()),
               old_life.bytes().end());
  MemoryReader reader(bytes);
  const auto result = find_last_commit(reader);
  REQUIRE(result->last_commit == position_at(wal, 1));
  REQUIRE(result->commit_count == 1);
}

TEST_CASE("find_last_commit: a file that is no WAL is corrupt") {
  MemoryReader reader(std::vector<uint8_t>(4096, 0));
  REQUIRE(find_last_commit(reader).status().code() == StatusCode::kCorrupt);
}

TEST_CASE("frame_matches: salts, checksum, frame number, end of file") {
  const WalBuilder wal = small_wal(512, false, 6);
  MemoryReader reader(wal.bytes());
  for (uint32_t frame = 0; frame <= 6; ++frame) {
    WalPosition position = position_at(wal, frame);
    REQUIRE(*frame_matches(reader, 512, position));
    position.salts.salt1 ^= 1;
    REQUIRE_FALSE(*frame_matches(reader, 512, position));
    position = position_at(wal, frame);
    position.checksum.s2 ^= 1;
    REQUIRE_FALSE(*frame_matches(reader, 512, position));
    position = position_at(wal, frame);
    position.frame = frame + 1;
    REQUIRE_FALSE(*frame_matches(reader, 512, position));
  }
  MemoryReader nothing({});
  REQUIRE_FALSE(*frame_matches(nothing, 512, position_at(wal, 0)));
  REQUIRE(frame_matches(reader, 500, position_at(wal, 1)).status().code() ==
          StatusCode::kInvalidArgument);
}

TEST_CASE("scan_frame_headers: a range, its edges, and errors") {
  const WalBuilder wal = small_wal(65536, true, 20);  // several blocks
  MemoryReader reader(wal.bytes());
  std::map<uint32_t, uint32_t> pages;
  const auto collect = [&](uint32_t frame_no, const WalFrameHeader& frame) {
    pages[frame_no] = frame.pgno;
    return Status();
  };
  REQUIRE(scan_frame_headers(reader, 65536, 3, 18, collect).ok());
  REQUIRE(pages.size() == 16);
  for (const auto& [frame_no, pgno] : pages) REQUIRE(pgno == wal.frames()[frame_no - 1].pgno);
  REQUIRE(pages.begin()->first == 3);

  REQUIRE(scan_frame_headers(reader, 65536, 5, 4, collect).ok());
  REQUIRE(scan_frame_headers(reader, 65536, 0, 4, collect).code() == StatusCode::kInvalidArgument);
  REQUIRE(scan_frame_headers(reader, 65536, 20, 21, collect).code() == StatusCode::kCorrupt);
  REQUIRE(scan_frame_headers(reader, 65536, 1, 2, [](uint32_t, const WalFrameHeader&) {
            return cancelled("stop");
          }).code() == StatusCode::kCancelled);
}
