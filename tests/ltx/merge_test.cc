// Merging: against a model that applies every file in turn.
#include "ext/ltx/merger.h"

#include <catch2/catch.hpp>
#include <map>
#include <set>

#include "ext/ltx/encoder.h"
#include "tests/support/ltx_literals.h"
#include "tests/support/prng.h"

namespace litestream {
namespace {

using test::ByteVector;
using test::LtxLiteral;

LtxContents contents_of(const ByteVector& file) {
  BytesReader reader(file);
  auto contents = read_ltx_contents(reader);
  INFO(contents.status().message());
  REQUIRE(contents.ok());
  return std::move(contents).value();
}

// Files in memory; counts what is read of each.
class MemoryReaders final : public MergeReaders, private RandomReader {
 public:
  explicit MemoryReaders(const std::vector<ByteVector>& files)
      : files_(files), bytes_read(files.size()), calls(files.size()) {}
  Result<RandomReader*> reader_of(size_t number) override {
    current_ = number;
    return static_cast<RandomReader*>(this);
  }

 private:
  Result<size_t> read_at(uint64_t offset_bytes, MutableBytes out) override {
    bytes_read[current_] += out.size();
    ++calls[current_];
    return BytesReader(files_[current_]).read_at(offset_bytes, out);
  }
  Result<uint64_t> size_bytes() override { return uint64_t{files_[current_].size()}; }
  const std::vector<ByteVector>& files_;
  size_t current_ = 0;

 public:
  std::vector<size_t> bytes_read;
  std::vector<size_t> calls;
};

std::vector<ByteVector> write_all(const std::vector<LtxLiteral>& literals) {
  std::vector<ByteVector> files;
  for (const LtxLiteral& literal : literals) files.push_back(test::write_ltx(literal));
  return files;
}

Result<MergePlan> plan_of(const std::vector<ByteVector>& files) {
  std::vector<LtxContents> inputs;
  for (const ByteVector& file : files) inputs.push_back(contents_of(file));
  return MergePlan::create(std::move(inputs));
}

Result<MergePlan> plan_of(const std::vector<LtxLiteral>& literals) {
  return plan_of(write_all(literals));
}

// The merged range as a literal (of the chosen pages).
LtxLiteral merge(const std::vector<ByteVector>& files, const MergeReadOptions& options = {}) {
  const auto plan = plan_of(files);
  INFO(plan.status().message());
  REQUIRE(plan.ok());
  MemoryReaders readers(files);
  PageMerger merger(*plan, readers, options);
  LtxLiteral merged;
  merged.header = plan->header();
  while (true) {
    const auto view = merger.next();
    INFO(view.status().message());
    REQUIRE(view.ok());
    if (!view->has_value()) break;
    merged.pages.emplace_back((*view)->pgno,
                              ByteVector((*view)->page.begin(), (*view)->page.end()));
  }
  REQUIRE(merged.pages.size() == plan->page_count());
  return merged;
}

Status plan_error(const std::vector<LtxLiteral>& literals) {
  const auto plan = plan_of(literals);
  REQUIRE_FALSE(plan.ok());
  return plan.status();
}

// A history as SQLite makes it: pages that a growth adds are in the file that grows.
std::vector<LtxLiteral> random_history(test::Prng& random, uint32_t page_size, size_t count) {
  std::vector<LtxLiteral> history;
  Pgno commit = static_cast<Pgno>(random.between(1, 30));
  history.push_back(test::snapshot_literal(page_size, commit, 1, 1));
  for (size_t i = 1; i < count; ++i) {
    const Pgno before = commit;
    if (random.chance(3)) commit = static_cast<Pgno>(random.between(1, 60));
    std::set<Pgno> pgnos;
    for (Pgno pgno = before + 1; pgno <= commit; ++pgno) pgnos.insert(pgno);
    for (uint64_t k = random.below(8); k > 0; --k) {
      pgnos.insert(static_cast<Pgno>(random.between(1, commit)));
    }
    const uint64_t txid = i + 1;
    history.push_back(
        test::change_literal(page_size, commit, txid, txid, {pgnos.begin(), pgnos.end()}));
  }
  test::set_chain(history);
  return history;
}

TEST_CASE("merge: random ranges of random histories equal applying every file") {
  test::Prng random = test::Prng::announced("merge", 21);
  for (int round = 0; round < 300; ++round) {
    const size_t count = random.between(1, 25);
    const std::vector<LtxLiteral> history = random_history(random, 512, count);
    const size_t first = random.chance(2) ? 0 : random.below(count);
    const size_t last = random.between(first, count - 1);
    const std::span<const LtxLiteral> all(history);
    const ByteVector base = test::database_after(all.first(first));
    const ByteVector expected = test::database_after(all.first(last + 1));

    MergeReadOptions options;
    options.buffer_bytes_total = random.below(20'000);
    options.read_bytes_max = random.below(3000);
    options.gap_bytes_max = random.chance(2) ? 0 : random.below(2000);
    const std::vector<LtxLiteral> range(history.begin() + static_cast<ptrdiff_t>(first),
                                        history.begin() + static_cast<ptrdiff_t>(last) + 1);
    const LtxLiteral merged = merge(write_all(range), options);
    INFO("round " << round);
    REQUIRE(test::database_after({&merged, 1}, base) == expected);
    REQUIRE(merged.header.min_txid == history[first].header.min_txid);
    REQUIRE(merged.header.max_txid == history[last].header.max_txid);
    REQUIRE(merged.header.chain.known);
    REQUIRE(merged.header.chain.after == test::database_checksum(expected, 512));
    REQUIRE(merged.header.chain.before == (first == 0 ? 0 : test::database_checksum(base, 512)));
  }
}

TEST_CASE("merge: merging merged files gives the same pages") {
  test::Prng random = test::Prng::announced("merge twice", 22);
  for (int round = 0; round < 100; ++round) {
    const std::vector<LtxLiteral> history = random_history(random, 512, 12);
    std::vector<ByteVector> coarse;
    for (size_t at = 0; at < history.size();) {
      const size_t end = std::min<size_t>(history.size(), at + random.between(1, 5));
      const std::vector<LtxLiteral> range(history.begin() + static_cast<ptrdiff_t>(at),
                                          history.begin() + static_cast<ptrdiff_t>(end));
      coarse.push_back(test::write_ltx(merge(write_all(range))));
      at = end;
    }
    const LtxLiteral once = merge(write_all(history));
    const LtxLiteral twice = merge(coarse);
    REQUIRE(once.header == twice.header);
    REQUIRE(once.pages == twice.pages);
  }
}

TEST_CASE("merge: superseded pages are not read, and runs are read at once") {
  std::vector<LtxLiteral> history{test::snapshot_literal(4096, 50, 1),
                                  test::change_literal(4096, 50, 2, 2, {3, 9}),
                                  test::change_literal(4096, 50, 3, 3, {3, 9, 20})};
  const std::vector<ByteVector> files = write_all(history);
  const auto plan = plan_of(files);
  REQUIRE(plan.ok());
  CHECK(plan->page_count() == 50);
  CHECK(plan->winner_count(0) == 47);
  CHECK(plan->winner_count(1) == 0);
  CHECK(plan->winner_count(2) == 3);
  MemoryReaders readers(files);
  PageMerger merger(*plan, readers);
  for (auto view = merger.next(); view.ok() && view->has_value(); view = merger.next()) {
  }
  const size_t frame_bytes = (files[0].size() - 24 - 6 - 100) / 50;
  CHECK(readers.calls[0] == 4);
  CHECK(readers.bytes_read[0] < 48 * frame_bytes);
  CHECK(readers.calls[1] == 0);
  CHECK(readers.calls[2] == 1);

  MemoryReaders remote(files);
  PageMerger with_gaps(*plan, remote, {.gap_bytes_max = 2 * frame_bytes});
  size_t pages = 0;
  for (auto view = with_gaps.next(); view.ok() && view->has_value(); view = with_gaps.next()) {
    ++pages;
  }
  CHECK(pages == 50);
  CHECK(remote.calls[0] == 1);
}

TEST_CASE("merge: a page cut off by a shrink does not come back") {
  const LtxLiteral snapshot = test::snapshot_literal(512, 120, 1);
  const LtxLiteral shrink = test::change_literal(512, 50, 2, 2, {1});
  std::vector<Pgno> grown;
  for (Pgno pgno = 51; pgno <= 120; ++pgno) grown.push_back(pgno);
  const LtxLiteral growth = test::change_literal(512, 120, 3, 3, grown);
  const LtxLiteral merged = merge(write_all({snapshot, shrink, growth}));
  const std::vector<LtxLiteral> all{snapshot, shrink, growth};
  CHECK(test::database_after({&merged, 1}) == test::database_after(all));

  grown.erase(grown.begin() + 49);
  const LtxLiteral incomplete = test::change_literal(512, 120, 3, 3, grown);
  for (const auto& inputs : {std::vector<LtxLiteral>{snapshot, shrink, incomplete},
                             std::vector<LtxLiteral>{shrink, incomplete}}) {
    const Status status = plan_error(inputs);
    CHECK(status.code() == StatusCode::kCorrupt);
    CHECK(status.message() == "page 100 of 120 is in none of the files");
  }
  // Alone it may well be right: its base is not known here.
  CHECK(plan_of(std::vector<LtxLiteral>{incomplete}).ok());
}

TEST_CASE("merge: growth without its pages") {
  const LtxLiteral snapshot = test::snapshot_literal(512, 5, 1);
  CHECK(plan_error({snapshot, test::change_literal(512, 7, 2, 2, {7})}).message() ==
        "page 6 of 7 is in none of the files");
  CHECK(plan_error({snapshot, test::change_literal(512, 7, 2, 2, {6})}).message() ==
        "page 7 of 7 is in none of the files");
  CHECK(
      plan_of(std::vector<LtxLiteral>{snapshot, test::change_literal(512, 7, 2, 2, {6, 7})}).ok());
  const LtxLiteral emptied = test::change_literal(512, 0, 2, 2, {});
  CHECK(merge(write_all({snapshot, emptied})).pages.empty());
  CHECK(plan_error({snapshot, emptied, test::change_literal(512, 1, 3, 3, {})}).message() ==
        "page 1 of 1 is in none of the files");
}

TEST_CASE("merge: completeness skips the lock page") {
  const uint32_t page_size = 65536;
  const Pgno lock = lock_page(page_size);
  const LtxLiteral before = test::change_literal(page_size, lock - 1, 2, 2, {lock - 1});
  const LtxLiteral at = test::change_literal(page_size, lock, 3, 3, {});
  const LtxLiteral after = test::change_literal(page_size, lock + 2, 3, 3, {lock + 1, lock + 2});
  CHECK(plan_of(std::vector<LtxLiteral>{before, at}).ok());
  CHECK(plan_of(std::vector<LtxLiteral>{before, after}).ok());
  const LtxLiteral hole = test::change_literal(page_size, lock + 2, 3, 3, {lock + 2});
  CHECK(plan_error({before, hole}).message() == "page 16386 of 16387 is in none of the files");
  const LtxLiteral on_lock = test::change_literal(page_size, lock, 2, 2, {lock - 1});
  CHECK(plan_of(std::vector<LtxLiteral>{on_lock, after}).ok());
}

TEST_CASE("merge: overlapping ranges, and ranges that do not fit") {
  const LtxLiteral snapshot = test::snapshot_literal(512, 5, 4);
  CHECK(merge(write_all({snapshot, test::change_literal(512, 5, 3, 9, {2})})).header.max_txid ==
        Txid{9});
  CHECK(plan_error({snapshot, test::change_literal(512, 5, 6, 9, {2})}).code() ==
        StatusCode::kPositionMismatch);
  CHECK(plan_error({snapshot, test::change_literal(512, 5, 3, 4, {2})}).code() ==
        StatusCode::kPositionMismatch);
  CHECK(plan_error({snapshot, test::change_literal(1024, 5, 5, 5, {2})}).code() ==
        StatusCode::kCorrupt);
  CHECK(MergePlan::create({}).status().code() == StatusCode::kInvalidArgument);

  const uint64_t top = ~uint64_t{0};
  const LtxLiteral highest = test::change_literal(512, 5, top, top, {1}, 1);
  CHECK(plan_of(std::vector<LtxLiteral>{test::change_literal(512, 5, 3, top - 1, {1}, 1), highest})
            .ok());
  CHECK(plan_error({highest, test::change_literal(512, 5, 2, 2, {1})}).code() ==
        StatusCode::kPositionMismatch);
}

TEST_CASE("merge: checksums around the range") {
  std::vector<LtxLiteral> history{test::snapshot_literal(512, 5, 1),
                                  test::change_literal(512, 5, 2, 2, {2}),
                                  test::change_literal(512, 5, 3, 3, {3})};
  test::set_chain(history);
  auto forged = history;
  forged[2].header.chain.before ^= 1;
  CHECK(plan_error(forged).code() == StatusCode::kPositionMismatch);

  auto unknown_first = history;
  unknown_first[0].header.chain = {};
  CHECK(plan_of(unknown_first)->header().chain ==
        ChainChecksum{true, 0, history[2].header.chain.after});
  unknown_first.erase(unknown_first.begin());
  unknown_first[0].header.chain = {};
  CHECK_FALSE(plan_of(unknown_first)->header().chain.known);
  auto unknown_last = history;
  unknown_last[2].header.chain = {};
  CHECK_FALSE(plan_of(unknown_last)->header().chain.known);

  for (LtxLiteral& literal : history) {
    literal.header.flags = 0;
    literal.header.chain = {};
    literal.header.pre_apply_checksum = literal.header.is_snapshot() ? 0 : uint64_t{1} << 63;
    literal.post_apply_checksum = uint64_t{1} << 63;
  }
  CHECK(plan_of(history)->header().flags == kLtxFlagNoChecksum);
  history[1].header.pre_apply_checksum |= 1;
  CHECK(plan_error(history).code() == StatusCode::kPositionMismatch);
}

TEST_CASE("merge: header of the result") {
  LtxLiteral first = test::change_literal(512, 5, 2, 2, {2});
  first.header.wal_offset = 32;
  first.header.wal_size = 1;
  first.header.wal_salt1 = 7;
  first.header.node_id = 9;
  LtxLiteral second = test::change_literal(512, 6, 3, 3, {6});
  second.header.wal_offset = 64;
  const LtxHeader header = plan_of(std::vector<LtxLiteral>{first, second})->header();
  LtxHeader expected;
  expected.page_size = 512;
  expected.commit = 6;
  expected.min_txid = Txid{2};
  expected.max_txid = Txid{3};
  expected.timestamp = second.header.timestamp;
  CHECK(header == expected);
}

TEST_CASE("merge: winners of one input in its own order") {
  const std::vector<ByteVector> files =
      write_all({test::snapshot_literal(512, 9, 1), test::change_literal(512, 9, 2, 2, {2, 5})});
  const auto plan = plan_of(files);
  REQUIRE(plan.ok());
  PageDecompressor decompressor;
  ByteVector page(512);
  std::map<Pgno, size_t> source;
  for (size_t number = 0; number < 2; ++number) {
    BytesReader file(files[number]);
    WinnerReader winners(*plan, number, 1000);
    CHECK_FALSE(winners.is_loaded());
    CHECK_FALSE(winners.read(decompressor, page).ok());
    while (winners.next_pgno() != 0) {
      if (!winners.is_loaded()) REQUIRE(winners.load(file).ok());
      const auto view = winners.read(decompressor, page);
      REQUIRE(view.ok());
      source[view->pgno] = number;
      CHECK(page == test::make_page(512, view->pgno, number == 0 ? 0 : 2));
    }
    winners.release();
  }
  CHECK(source == std::map<Pgno, size_t>{
                      {1, 0}, {2, 1}, {3, 0}, {4, 0}, {5, 1}, {6, 0}, {7, 0}, {8, 0}, {9, 0}});
}

TEST_CASE("merge: a damaged page is an error that stays") {
  std::vector<ByteVector> files = write_all({test::snapshot_literal(512, 3, 1)});
  const auto plan = plan_of(files);
  REQUIRE(plan.ok());
  files[0][100 + 10 + 3 + 512 + 3] ^= 1;  // page number in the second frame's header
  MemoryReaders readers(files);
  PageMerger merger(*plan, readers);
  REQUIRE(merger.next().ok());
  const auto damaged = merger.next();
  CHECK(damaged.status().code() == StatusCode::kCorrupt);
  CHECK(damaged.status().message().starts_with("page 2: "));
  CHECK(merger.next().status().message() == damaged.status().message());
}

}  // namespace
}  // namespace litestream
