#include "ext/engine/verify.h"

#include <algorithm>
#include <catch2/catch.hpp>

#include "ext/engine/restore_plan.h"
#include "tests/support/memory_store.h"
#include "tests/support/replica_history.h"

namespace litestream {
namespace {

using test::MemoryStore;
using test::ReplicaHistory;

std::vector<std::string> errors_of(MemoryStore& store) {
  const auto report = verify_replica(store, {});
  INFO(report.status().message());
  REQUIRE(report.ok());
  return report->errors;
}

bool mentions(const std::vector<std::string>& errors, const std::string& text) {
  return std::any_of(errors.begin(), errors.end(),
                     [&](const std::string& e) { return e.find(text) != std::string::npos; });
}

ReplicaHistory small_history(uint32_t page_size = 512, bool with_chain = true) {
  ReplicaHistory history(page_size, with_chain);
  history.commit(4, {});
  for (Pgno i = 0; i < 5; ++i) history.commit(4 + i, {i + 1});
  return history;
}

void fill(const ReplicaHistory& history, MemoryStore& store) {
  history.put(store, 9, 1, 1);
  history.put(store, 9, 1, 4);
  history.put(store, 1, 1, 3);
  history.put(store, 1, 4, 6);
  for (uint64_t txid = 2; txid <= 6; ++txid) history.put(store, 0, txid, txid);
}

TEST_CASE("verify: a sound replica has no errors, with and without chain checksums") {
  for (const bool with_chain : {true, false}) {
    MemoryStore store;
    fill(small_history(512, with_chain), store);
    const auto report = verify_replica(store, {});
    REQUIRE(report.ok());
    CHECK(report->file_count == 9);
    CHECK(report->errors.empty());
  }
}

TEST_CASE("verify: raw files that expired inside compactions are no errors") {
  MemoryStore store;
  const ReplicaHistory history = small_history();
  fill(history, store);
  store.erase(ReplicaHistory::info(0, 2, 2));
  store.erase(ReplicaHistory::info(0, 4, 4));
  store.erase(ReplicaHistory::info(9, 1, 1));
  CHECK(errors_of(store).empty());
}

TEST_CASE("verify: a flipped byte anywhere is found and the file is named") {
  MemoryStore store;
  fill(small_history(), store);
  for (const LtxFileInfo& file : store.files()) {
    const std::string bytes = store.bytes(file);
    for (size_t at = 0; at < bytes.size(); at += 7) {
      CAPTURE(store.path_of(file), at);
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ 0x10);
      store.set_bytes(file, damaged);
      REQUIRE(mentions(errors_of(store), store.path_of(file)));
    }
    store.set_bytes(file, bytes);
  }
  CHECK(errors_of(store).empty());
}

TEST_CASE("verify: missing files are gaps") {
  MemoryStore store;
  const ReplicaHistory history = small_history();
  history.put(store, 9, 1, 1);
  for (const uint64_t txid : {2, 4, 6}) history.put(store, 0, txid, txid);
  const auto errors = errors_of(store);
  CHECK(mentions(errors, "holds 0000000000000003..0000000000000003"));
  CHECK(mentions(errors, "cannot restore 0000000000000006"));
  const std::vector<RestoreGap> gap = {{Txid{3}, Txid{3}}};
  CHECK(restore_gaps(store.files()) == gap);
  // A snapshot makes the end restorable; the gap before it stays reported.
  history.put(store, 9, 1, 6);
  CHECK(errors_of(store).size() == 1);
  CHECK(restore_gaps(store.files()) == gap);
}

TEST_CASE("verify: gaps before the first point and expired ranges are none") {
  std::vector<LtxFileInfo> files = {ReplicaHistory::info(0, 3, 3), ReplicaHistory::info(9, 1, 9),
                                    ReplicaHistory::info(0, 10, 10)};
  CHECK(restore_gaps(files).empty());
  files = {ReplicaHistory::info(9, 1, 2), ReplicaHistory::info(9, 1, 9),
           ReplicaHistory::info(0, 10, 10)};
  CHECK(restore_gaps(files).empty());
  files = {ReplicaHistory::info(0, 5, 5)};
  CHECK(restore_gaps(files) == std::vector<RestoreGap>{{Txid{1}, Txid{4}}});
  CHECK(restore_gaps({}).empty());
}

TEST_CASE("verify: an empty replica is an error") {
  MemoryStore store;
  CHECK(errors_of(store) == std::vector<std::string>{"the replica holds no backup"});
}

TEST_CASE("verify: files of another lineage, name or page size are found") {
  const ReplicaHistory mine = small_history();
  ReplicaHistory other(512);
  other.commit(4, {});
  other.commit(9, {1, 2});
  for (int i = 0; i < 4; ++i) other.commit(9, {3});
  MemoryStore store;
  fill(mine, store);
  other.put(store, 0, 3, 3);
  CHECK(mentions(errors_of(store), "0/0000000000000003-0000000000000003.ltx"));

  fill(mine, store);
  store.put(ReplicaHistory::info(0, 3, 3), mine.file(4, 4));
  CHECK(mentions(errors_of(store), "unlike the file name"));

  fill(mine, store);
  small_history(1024).put(store, 0, 3, 3);
  CHECK(mentions(errors_of(store), "page size"));
}

TEST_CASE("verify: a file that retention takes meanwhile is no error, one that cannot be read is") {
  MemoryStore store;
  const ReplicaHistory history = small_history();
  fill(history, store);
  store.set_hook([&](test::StoreCall call, const LtxFileInfo* file) -> Status {
    if (call == test::StoreCall::kOpen && file->level == 0 && file->max_txid == Txid{2}) {
      store.erase(*file);
    }
    return {};
  });
  CHECK(errors_of(store).empty());
  store.set_hook([&](test::StoreCall call, const LtxFileInfo* file) -> Status {
    const bool hit = call == test::StoreCall::kRead && file->max_txid == Txid{5};
    return hit ? not_found("404") : Status();
  });
  CHECK(mentions(errors_of(store), "0000000000000005-0000000000000005.ltx: 404"));
  store.set_hook([&](test::StoreCall call, const LtxFileInfo*) -> Status {
    return call == test::StoreCall::kRead ? unavailable("503") : Status();
  });
  CHECK(verify_replica(store, {}).status().code() == StatusCode::kUnavailable);
}

TEST_CASE("verify: it can be cancelled") {
  MemoryStore store;
  fill(small_history(), store);
  StreamOptions options;
  int asked = 0;
  options.cancelled = [&] { return ++asked > 5; };
  CHECK(verify_replica(store, options).status().code() == StatusCode::kCancelled);
}

}  // namespace
}  // namespace litestream
