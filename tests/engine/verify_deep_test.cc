// Deep and live verification over a store in memory: what is sound stays without findings, and each
// kind of damage has one.
#include "ext/engine/verify_deep.h"

#include <catch2/catch.hpp>

#include "ext/engine/restore_pins.h"
#include "ext/ltx/checksum.h"
#include "tests/engine/restore_support.h"

namespace litestream {
namespace {

using test::ByteVector;
using test::kPageSize;
using test::MemoryStore;
using test::ReplicaHistory;
using test::StoreCall;

ReplicaHistory nine_commits() {
  ReplicaHistory history(kPageSize);
  history.commit(5, {});
  for (Pgno i = 1; i <= 8; ++i) history.commit(4 + i, {i});
  return history;
}

// Snapshots at 1, 4 and 7.
void fill(const ReplicaHistory& history, MemoryStore& store) {
  for (const uint64_t txid : {1u, 4u, 7u}) history.put(store, 9, 1, txid);
  for (uint64_t txid = 2; txid <= 9; ++txid) history.put(store, 0, txid, txid);
}

Status sound(const std::string&) { return {}; }

TEST_CASE("deep: the newest point of each snapshot is restored") {
  const ReplicaHistory history = nine_commits();
  MemoryStore store;
  fill(history, store);
  const std::vector<Txid> expected = {Txid{3}, Txid{6}, Txid{9}};
  CHECK(deep_points(store.files()) == expected);
  const test::TempDir dir(test::TempDir::Place::kMemory);
  std::vector<ByteVector> seen;
  size_t count = 0;
  for (const int parallelism : {1, 4}) {
    StreamOptions options;
    options.parallelism = parallelism;
    seen.clear();
    const auto findings = verify_deep(
        store, test::files(), dir.file("db"),
        [&](const std::string& path) {
          seen.push_back(test::read_all(path));
          return Status();
        },
        options, &count);
    REQUIRE(findings.ok());
    CHECK(findings->empty());
    CHECK(count == 3);
    CHECK(seen == std::vector<ByteVector>{history.image(3), history.image(6), history.image(9)});
    CHECK(test::is_empty(dir));
  }
}

TEST_CASE("deep: without snapshots of level 9, whole databases of other levels") {
  const ReplicaHistory history = nine_commits();
  MemoryStore store;
  for (uint64_t txid = 1; txid <= 9; ++txid) history.put(store, 0, txid, txid);
  CHECK(deep_points(store.files()) == std::vector<Txid>{Txid{9}});
  CHECK(deep_points({}).empty());
}

TEST_CASE("deep: damage, a missing file and a database that SQLite refuses are findings") {
  const ReplicaHistory history = nine_commits();
  const test::TempDir dir(test::TempDir::Place::kMemory);
  const auto findings_of = [&](MemoryStore& store, auto check) {
    auto findings = verify_deep(store, test::files(), dir.file("db"), check, {});
    REQUIRE(findings.ok());
    CHECK(test::is_empty(dir));
    return *findings;
  };
  MemoryStore damaged;
  fill(history, damaged);
  std::string bytes = damaged.bytes(ReplicaHistory::info(0, 5, 5));
  bytes[200] = static_cast<char>(bytes[200] ^ 1);
  damaged.set_bytes(ReplicaHistory::info(0, 5, 5), bytes);
  const auto found = findings_of(damaged, sound);
  REQUIRE(found.size() == 1);
  CHECK(found[0].find("restore 0000000000000006: ") == 0);

  MemoryStore refused;
  fill(history, refused);
  CHECK(findings_of(refused, [](const std::string&) { return corrupt("not ok"); }).size() == 3);
}

TEST_CASE("deep: a store that does not answer is an error, not a finding") {
  const ReplicaHistory history = nine_commits();
  MemoryStore store;
  fill(history, store);
  store.set_hook([](test::StoreCall call, const LtxFileInfo*) {
    return call == test::StoreCall::kRead ? unavailable("no route") : Status();
  });
  const test::TempDir dir;
  CHECK(verify_deep(store, test::files(), dir.file("db"), sound, {}).status().code() ==
        StatusCode::kUnavailable);
  CHECK(test::is_empty(dir));
}

PageSums sums_of(const ByteVector& image, uint64_t txid) {
  PageSums sums(kPageSize);
  sums.set_txid(Txid{txid});
  for (size_t at = 0; at < image.size(); at += kPageSize) {
    const Pgno pgno = static_cast<Pgno>(at / kPageSize + 1);
    sums.set(pgno, page_checksum(pgno, Bytes(image).subspan(at, kPageSize)));
  }
  return sums;
}

TEST_CASE("live: equal at the same TXID, and every kind of difference is told") {
  const ReplicaHistory history = nine_commits();
  MemoryStore store;
  fill(history, store);
  for (uint64_t txid = 1; txid <= 9; ++txid) {
    const auto findings = compare_with_live(store, sums_of(history.image(txid), txid), {});
    REQUIRE(findings.ok());
    CHECK(findings->empty());
  }
  ByteVector other = history.image(9);
  other[3 * kPageSize + 17] ^= 4;
  auto findings = compare_with_live(store, sums_of(other, 9), {});
  REQUIRE(findings.ok());
  REQUIRE(findings->size() == 1);
  CHECK(findings->at(0).find("1 pages") == 0);
  CHECK(findings->at(0).find(": 4") != std::string::npos);
  // Another size, and the state of another TXID.
  findings = compare_with_live(store, sums_of(history.image(8), 9), {});
  REQUIRE(findings.ok());
  CHECK(findings->size() == 2);
  CHECK(compare_with_live(store, sums_of(other, 99), {}).status().code() ==
        StatusCode::kInvalidArgument);
}

TEST_CASE("live: a file that retention takes meanwhile costs a look for another way") {
  const ReplicaHistory history = nine_commits();
  MemoryStore store;
  fill(history, store);
  history.put(store, 1, 8, 9);
  const PageSums live = sums_of(history.image(9), 9);
  bool was_pinned = false;
  store.set_hook([&](StoreCall call, const LtxFileInfo* file) {
    if (call != StoreCall::kOpen || file->level != 1) return Status();
    was_pinned = restore_pins().is_pinned(store.url(), *file);
    store.erase(*file);
    return Status();
  });
  const auto findings = compare_with_live(store, live, {});
  REQUIRE(findings.ok());
  CHECK(findings->empty());
  CHECK(was_pinned);
  CHECK(restore_pins().count() == 0);
}

}  // namespace
}  // namespace litestream
