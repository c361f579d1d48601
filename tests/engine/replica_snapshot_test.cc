#include "ext/engine/replica_snapshot.h"

#include <catch2/catch.hpp>

#include "tests/engine/levels_support.h"

namespace litestream::test {
namespace {

struct Fixture {
  explicit Fixture(bool with_chain = true, uint64_t seed = 3) : history(512, with_chain) {
    Prng prng(seed);
    for (int i = 0; i < 30; ++i) history.commit_random(prng);
    history.put(replica, 9, 1, 1);
    history.put(replica, 1, 2, 12);
    history.put(replica, 1, 13, 20);
    for (uint64_t txid = 2; txid <= 30; ++txid) history.put(replica, 0, txid, txid);
  }
  Result<LtxFileInfo> snapshot(uint64_t txid) {
    return write_replica_snapshot(replica, local, replica.files(), Txid{txid}, {}, &failure);
  }
  ReplicaHistory history;
  MemoryStore replica;
  LocalCopies local{nullptr};
  CompactionFailure failure;
};

TEST_CASE("replica snapshot: holds the database of its point, made of the replica's own files") {
  const bool with_chain = GENERATE(true, false);
  Fixture f(with_chain);
  for (const uint64_t txid : {12, 25, 30}) {
    const auto written = f.snapshot(txid);
    INFO(f.failure.status.message());
    REQUIRE(written.ok());
    const LtxFileInfo expected = f.history.info(9, 1, txid);
    REQUIRE(written->level == 9);
    REQUIRE(written->max_txid == Txid{txid});
    REQUIRE(written->created_at_ms == expected.created_at_ms);
    REQUIRE(written->size_bytes == f.replica.bytes(expected).size());
    RestorePlan plan{{*written}, Txid{txid}, 0, written->size_bytes};
    REQUIRE(*restore_plan_bytes(f.replica, plan) == f.history.image(txid));
    const auto header = decode_header(as_bytes(f.replica.bytes(expected)));
    REQUIRE(header->timestamp == ReplicaHistory::time_ms(txid));
    REQUIRE(header->chain.known == with_chain);
    if (!with_chain) continue;
    REQUIRE(header->chain.before == 0);
    REQUIRE(header->chain.after == database_checksum(f.history.image(txid), 512));
  }
  // It is taken as it is the next time, without reading anything.
  const uint64_t reads = f.replica.call_count(StoreCall::kRead);
  REQUIRE(f.snapshot(30).ok());
  REQUIRE(f.replica.call_count(StoreCall::kRead) == reads);
}

TEST_CASE("replica snapshot: only restorable points") {
  Fixture f;
  REQUIRE_FALSE(f.snapshot(31).ok());
  f.replica.erase(f.history.info(0, 22, 22));
  REQUIRE(f.snapshot(30).status().code() == StatusCode::kNotFound);
  REQUIRE(f.snapshot(21).ok());
}

TEST_CASE("replica snapshot: a damaged or missing input is found and named, nothing is written") {
  const bool with_chain = GENERATE(true, false);
  for (const bool whole : {true, false}) {
    Fixture f(with_chain);
    const LtxFileInfo victim = whole ? f.history.info(9, 1, 1) : f.history.info(1, 13, 20);
    const std::string sound = f.replica.bytes(victim);
    for (size_t at = 0; at <= sound.size(); at += 37) {
      std::string bytes = sound;
      if (at < bytes.size()) bytes[at] = static_cast<char>(bytes[at] ^ 8);
      if (at >= bytes.size()) bytes.pop_back();
      f.replica.set_bytes(victim, bytes);
      f.failure = {};
      const auto written = f.snapshot(30);
      if (written.ok()) {
        // The damaged page was superseded; the result is right all the same.
        RestorePlan plan{{*written}, Txid{30}, 0, written->size_bytes};
        REQUIRE(*restore_plan_bytes(f.replica, plan) == f.history.image(30));
        f.replica.erase(*written);
        continue;
      }
      INFO(at << ": " << written.status().message());
      REQUIRE(files_of(f.replica, 9).size() == 1);
      REQUIRE(f.failure.culprit);
      REQUIRE(names_of({*f.failure.culprit}) == names_of({victim}));
    }
    f.replica.erase(victim);
    REQUIRE(f.snapshot(30).ok() == !whole);  // level 0 has what level 1 had
  }
}

TEST_CASE("replica snapshot: L0 files come from the spool where it has them") {
  Fixture f;
  MemoryStore spool;
  for (uint64_t txid = 21; txid <= 30; ++txid) f.history.put(spool, 0, txid, txid);
  LocalCopies local(&spool);
  std::vector<std::string> opened;
  f.replica.set_hook([&](StoreCall call, const LtxFileInfo* file) {
    if (call == StoreCall::kOpen) opened.push_back(names_of({*file}));
    return Status();
  });
  REQUIRE(write_replica_snapshot(f.replica, local, f.replica.files(), Txid{30}, {}, nullptr).ok());
  REQUIRE(opened == std::vector<std::string>{"9:1-1", "1:2-12", "1:13-20"});
}

TEST_CASE("replica snapshot: any call may fail, the next try completes") {
  for (uint64_t number = 1;; ++number) {
    Fixture f;
    f.replica.fail_call(number, unavailable("gone for a moment"));
    const bool done = f.snapshot(30).ok();
    if (done) f.replica.fail_call(UINT32_MAX, {});
    const auto again = f.snapshot(30);
    INFO(number << ": " << again.status().message());
    REQUIRE(again.ok());
    REQUIRE(*restore_bytes(f.replica, RestoreTarget::newest()) == f.history.image(30));
    if (done) break;
    REQUIRE(number < 1000);
  }
}

TEST_CASE("replica snapshot: cancelled, it leaves nothing") {
  Fixture f;
  JobControl control;
  control.cancel = [] { return true; };
  const auto written =
      write_replica_snapshot(f.replica, f.local, f.replica.files(), Txid{30}, control, nullptr);
  REQUIRE(written.status().code() == StatusCode::kCancelled);
  REQUIRE(files_of(f.replica, 9).size() == 1);
}

TEST_CASE("replica snapshot: the cheaper way") {
  constexpr uint64_t kGiB = uint64_t{1} << 30;
  RestorePlan plan;
  plan.files.resize(80);
  plan.size_bytes = kGiB * 2 / 3;
  SnapshotCostInput input;
  input.plan = &plan;
  input.database_bytes = kGiB;
  // Decompressing is faster than compressing; downloading is not.
  input.replica_is_local = true;
  REQUIRE(estimate_snapshot(input).merge_is_cheaper());
  input.replica_is_local = false;
  REQUIRE_FALSE(estimate_snapshot(input).merge_is_cheaper());
  // A small base that a great many changes were made to.
  plan.size_bytes = 100 * kGiB;
  input.replica_is_local = true;
  REQUIRE_FALSE(estimate_snapshot(input).merge_is_cheaper());
  // What cannot be done is never cheaper.
  input.database_bytes = 0;
  REQUIRE(estimate_snapshot(input).merge_is_cheaper());
  input.plan = nullptr;
  REQUIRE_FALSE(estimate_snapshot(input).merge_is_cheaper());
  input.plan = &plan;
  plan.files.resize(kSnapshotFilesMax + 1);
  REQUIRE_FALSE(estimate_snapshot(input).merge_is_cheaper());
}

}  // namespace
}  // namespace litestream::test
