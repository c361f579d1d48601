// Who may write to a replica that several hosts can reach: E2 to E4, and what a lease does around
// lost replies, restarts and idleness. Two keepers are two hosts; each has a clock of its own.
#include <catch2/catch.hpp>

#include "ext/engine/lease.h"
#include "ext/engine/upload.h"
#include "tests/sim/sim_clock.h"
#include "tests/support/ltx_literals.h"
#include "tests/support/memory_store.h"
#include "tests/support/temp_dir.h"

namespace litestream::test {
namespace {

struct Host {
  explicit Host(LtxStore& store, const std::string& record = "")
      : keeper(store, posix_file_system(), clock, "same-name:1", record) {}
  SimClock clock;
  LeaseKeeper keeper;
};

StatusCode code_of(const Status& status) { return status.code(); }

}  // namespace

TEST_CASE("lease: one holds it, the other waits a whole TTL of its own clock") {
  MemoryStore store;
  Host a(store);
  Host b(store);
  REQUIRE(a.keeper.ensure().ok());
  REQUIRE(code_of(b.keeper.ensure()) == StatusCode::kBusy);
  b.clock.advance(kLeaseTtlMs - 1);
  REQUIRE(code_of(b.keeper.ensure()) == StatusCode::kBusy);
  // The first renews in between: the watch starts over.
  a.clock.advance(kLeaseTtlMs / 2 + 1);
  REQUIRE(a.keeper.ensure().ok());
  b.clock.advance(2);
  REQUIRE(code_of(b.keeper.ensure()) == StatusCode::kBusy);
  b.clock.advance(kLeaseTtlMs);
  REQUIRE(b.keeper.ensure().ok());
  // The first is told, for good.
  a.clock.advance(kLeaseTtlMs);
  REQUIRE(code_of(a.keeper.ensure()) == StatusCode::kPositionMismatch);
  REQUIRE(code_of(a.keeper.ensure()) == StatusCode::kPositionMismatch);
}

TEST_CASE("lease: E3, wall clocks ten minutes apart decide nothing") {
  for (const int64_t skew_ms : {-600'000, 600'000}) {
    MemoryStore store;
    Host a(store);
    Host b(store);
    b.clock.jump_wall(skew_ms);
    REQUIRE(a.keeper.ensure().ok());
    REQUIRE(code_of(b.keeper.ensure()) == StatusCode::kBusy);
    b.clock.advance(kLeaseTtlMs - 1);
    REQUIRE(code_of(b.keeper.ensure()) == StatusCode::kBusy);
    b.clock.advance(1);
    REQUIRE(b.keeper.ensure().ok());
  }
}

TEST_CASE("lease: it is not written again before half of it is over") {
  MemoryStore store;
  Host a(store);
  REQUIRE(a.keeper.ensure().ok());
  const uint64_t calls = store.call_count(StoreCall::kLease);
  for (int i = 0; i < 100; ++i) {
    a.clock.advance(kLeaseTtlMs / 2 / 100);
    REQUIRE(a.keeper.ensure().ok());
    REQUIRE(a.keeper.confirm().ok());
  }
  REQUIRE(store.call_count(StoreCall::kLease) == calls);
  a.clock.advance(1);
  REQUIRE(a.keeper.ensure().ok());
  REQUIRE(store.call_count(StoreCall::kLease) == calls + 1);
}

TEST_CASE("lease: one that lapsed while idle is renewed if nobody took it") {
  MemoryStore store;
  Host a(store);
  REQUIRE(a.keeper.ensure().ok());
  a.clock.advance(100 * kLeaseTtlMs);
  REQUIRE(a.keeper.ensure().ok());
}

TEST_CASE("lease: a lost reply is not taken for another writer, whatever its name") {
  MemoryStore store;
  Host a(store);
  REQUIRE(a.keeper.ensure().ok());
  a.clock.advance(kLeaseTtlMs);
  store.lose_next_lease_reply();
  REQUIRE(code_of(a.keeper.ensure()) == StatusCode::kUnavailable);
  REQUIRE(a.keeper.ensure().ok());

  // A first write whose reply was lost is one's own, too, but only a TTL later: nothing tells.
  MemoryStore fresh;
  Host c(fresh);
  fresh.lose_next_lease_reply();
  REQUIRE_FALSE(c.keeper.ensure().ok());
  REQUIRE(code_of(c.keeper.ensure()) == StatusCode::kBusy);
  c.clock.advance(kLeaseTtlMs);
  REQUIRE(c.keeper.ensure().ok());
}

TEST_CASE("lease: a process that follows on the same host need not wait") {
  const TempDir dir;
  MemoryStore store;
  {
    Host before(store, dir.file("lease"));
    REQUIRE(before.keeper.ensure().ok());
  }
  Host after(store, dir.file("lease"));
  REQUIRE(after.keeper.ensure().ok());
  // Somebody else wrote in between: the record is not theirs.
  Host other(store);
  REQUIRE(code_of(other.keeper.ensure()) == StatusCode::kBusy);
  other.clock.advance(kLeaseTtlMs);
  REQUIRE(other.keeper.ensure().ok());
  Host late(store, dir.file("lease"));
  REQUIRE(code_of(late.keeper.ensure()) == StatusCode::kBusy);
}

TEST_CASE("lease: E4, a store without conditional writes is used without one, and known to be") {
  MemoryStore store;
  store.set_lease_supported(false);
  Host a(store);
  Host b(store);
  REQUIRE(a.keeper.ensure().ok());
  REQUIRE(b.keeper.ensure().ok());
  REQUIRE_FALSE(a.keeper.is_fenced());
  REQUIRE(Host(store).keeper.is_fenced());  // not asked yet
}

// The owner is stopped while an upload is under way and wakes up after another has taken over.
TEST_CASE("lease: E2, what a stopped owner sends late is not called durable, and nothing follows") {
  MemoryStore store;
  MemoryStore spool;
  for (uint64_t txid = 2; txid <= 4; ++txid) {
    LtxFileInfo file{0, Txid{txid}, Txid{txid}, 0, 1'700'000'000'000};
    const ByteVector bytes = write_ltx(change_literal(512, 4, txid, txid, {2}));
    spool.put(file, std::string(bytes.begin(), bytes.end()));
  }
  Host stale(store);
  Host fresh(store);
  REQUIRE(stale.keeper.ensure().ok());
  store.set_hook([&](StoreCall call, const LtxFileInfo* file) {
    if (call != StoreCall::kCommit || file->min_txid != Txid{3}) return Status();
    store.set_hook({});
    (void)fresh.keeper.ensure();
    stale.clock.advance(2 * kLeaseTtlMs);
    fresh.clock.advance(2 * kLeaseTtlMs);
    return fresh.keeper.ensure();
  });
  UploadRun run;
  run.uploaded = Txid{1};
  run.lease = &stale.keeper;
  std::vector<uint64_t> told;
  run.on_file = [&](Txid reached) { told.push_back(reached.value); };
  REQUIRE(code_of(upload_spool(spool, store, &run)) == StatusCode::kPositionMismatch);
  REQUIRE(told == std::vector<uint64_t>{2});
  REQUIRE(run.uploaded == Txid{2});
  for (const LtxFileInfo& file : store.files()) REQUIRE(file.max_txid <= Txid{3});
  // Nor does it overwrite what the new owner writes under the same name.
  store.erase({0, Txid{3}, Txid{3}, 0, 0});
  store.put({0, Txid{3}, Txid{3}, 0, 0}, "the new owner's");
  run = UploadRun{};
  run.uploaded = Txid{2};
  REQUIRE(code_of(upload_spool(spool, store, &run)) == StatusCode::kPositionMismatch);
  REQUIRE(store.bytes({0, Txid{3}, Txid{3}, 0, 0}) == "the new owner's");
}

}  // namespace litestream::test
