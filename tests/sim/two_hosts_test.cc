// Two hosts, each with its own copy of a database and its own local folder, one replica whose store
// has a lease: E1 between hosts, E2 and E3 with whole replicators.
#include <catch2/catch.hpp>
#include <map>

#include "ext/engine/database_stream.h"
#include "ext/engine/replicator.h"
#include "ext/engine/restore_plan.h"
#include "ext/store/file_store.h"
#include "tests/sim/fake_source.h"
#include "tests/sim/sim_environment.h"
#include "tests/support/temp_dir.h"

namespace litestream::test {
namespace {

using Phase = ReplicatorStatus::Phase;

class NumberedHost final : private SimHost {
 public:
  explicit NumberedHost(MemoryStore& store)
      : database_({512, false, false, 6}, random_, clock),
        disk_(posix_file_system()),
        fs_(disk_, dir_.file("app.db"), database_),
        store_(store) {
    database_.connect();
  }
  ~NumberedHost() override { kill(); }

  void start() {
    ReplicatorParts parts;
    parts.fs = &fs_;
    parts.clock = &clock;
    parts.jobs = &jobs_;
    parts.sync_turn_wait_max_ms = 0;
    parts.wake = [] {};
    parts.options.sync_interval_ms = 50;
    parts.keep_trying = true;
    parts.database_path = dir_.file("app.db");
    parts.meta_path = dir_.file("meta");
    parts.source =
        std::make_unique<FakeSource>(database_, static_cast<SimHost&>(*this), SourceDefect::kNone);
    parts.replicas.push_back({"memory", std::make_unique<SimStore>(store_)});
    parts.spool = std::make_unique<FileStore>(fs_, dir_.file("meta"));
    replicator = std::make_shared<Replicator>(std::move(parts));
  }
  void kill() {
    while (!jobs_.empty()) (void)jobs_.take(0);
    replicator.reset();
  }
  void commit() {
    database_.commit({{2}, database_.page_count(), false});
    if (replicator) replicator->note_commit();
  }
  // `ms` of this host's time, in small steps.
  void run(int64_t ms) {
    for (int64_t passed = 0; passed < ms; passed += 50) {
      replicator->step();
      while (!jobs_.empty()) jobs_.take(0)();
      clock.advance(50);
    }
  }
  Phase phase() const { return replicator->status().phase; }
  Version version_of_page_2() const { return database_.current()[1]; }

  SimClock clock;
  std::shared_ptr<Replicator> replicator;

 private:
  Status pause(const char*) override { return {}; }

  Prng random_{7};
  TempDir dir_{TempDir::Place::kMemory};
  SimDatabase database_;
  FaultFileSystem disk_;
  SimFileSystem fs_;
  MemoryStore& store_;
  SimJobs jobs_;
};

struct VersionSink final : PageSink {
  std::map<Pgno, Version> versions;
  Status begin(const DatabaseShape&) override { return {}; }
  Status add_page(Pgno pgno, Bytes page, Checksum) override {
    versions[pgno] = sim_page_version(pgno, page).value_or(0);
    return {};
  }
};

Version newest_version_of_page_2(MemoryStore& store) {
  const auto plan = plan_restore(store.files(), RestoreTarget::newest());
  REQUIRE(plan.ok());
  VersionSink sink;
  const auto streamed = stream_database(store, *plan, sink, {});
  INFO(streamed.status().message());
  REQUIRE(streamed.ok());
  return sink.versions[2];
}

}  // namespace

TEST_CASE(
    "E1: of two hosts one uploads; the other says who, and takes over within a TTL and a bit") {
  MemoryStore store;
  NumberedHost a(store);
  NumberedHost b(store);
  a.start();
  a.run(1000);
  b.start();
  b.run(1000);
  REQUIRE(a.phase() == Phase::kRunning);
  REQUIRE(b.phase() == Phase::kStandby);
  REQUIRE(b.replicator->status().last_error.find("holds the lease") != std::string::npos);
  for (int i = 0; i < 100; ++i) {
    a.commit();
    b.commit();
    a.run(1000);
    b.run(1000);
  }
  // A hundred seconds and the owner at work: the lease was renewed, the other waits on.
  REQUIRE(b.phase() == Phase::kStandby);
  REQUIRE(newest_version_of_page_2(store) == a.version_of_page_2());
  const size_t file_count = store.files().size();

  a.kill();
  b.run(kLeaseTtlMs + 10'000);
  REQUIRE(b.phase() == Phase::kRunning);
  b.commit();
  b.run(1000);
  REQUIRE(store.files().size() > file_count);
  REQUIRE(newest_version_of_page_2(store) == b.version_of_page_2());
  // Every point from before is still there and restores.
  for (const RestorePoint& point : restore_points(store.files())) {
    const auto plan = plan_restore(store.files(), RestoreTarget::at_txid(point.txid));
    VersionSink sink;
    REQUIRE(stream_database(store, *plan, sink, {}).ok());
  }
  // The first host comes back as a standby.
  a.start();
  a.run(1000);
  REQUIRE(a.phase() == Phase::kStandby);
}

TEST_CASE("E2: an owner that was stopped past its lease gives up and overwrites nothing") {
  MemoryStore store;
  NumberedHost a(store);
  NumberedHost b(store);
  a.start();
  a.commit();
  a.run(1000);
  b.start();
  b.run(kLeaseTtlMs + 10'000);  // stands for SIGSTOP: the first host does nothing meanwhile
  REQUIRE(b.phase() == Phase::kRunning);
  b.commit();
  b.run(1000);
  std::map<std::string, std::string> before;
  for (const LtxFileInfo& file : store.files()) before[store.path_of(file)] = store.bytes(file);

  a.clock.advance(kLeaseTtlMs + 11'000);  // SIGCONT
  a.commit();
  a.run(2000);
  REQUIRE(a.phase() == Phase::kFailed);
  REQUIRE(a.replicator->status().last_error.find("another writer") != std::string::npos);
  for (const auto& [path, bytes] : before) {
    INFO(path);
    bool found = false;
    for (const LtxFileInfo& file : store.files()) {
      if (store.path_of(file) == path) found = store.bytes(file) == bytes;
    }
    CHECK(found);
  }
  REQUIRE(newest_version_of_page_2(store) == b.version_of_page_2());
}

TEST_CASE("E3: clocks ten minutes apart give nobody a lease that another one has") {
  for (const int64_t skew_ms : {-600'000, 600'000}) {
    MemoryStore store;
    NumberedHost a(store);
    NumberedHost b(store);
    b.clock.jump_wall(skew_ms);
    a.start();
    a.run(1000);
    b.start();
    for (int i = 0; i < 60; ++i) {
      a.commit();
      a.run(1000);
      b.run(1000);
      REQUIRE(a.phase() == Phase::kRunning);
      REQUIRE(b.phase() == Phase::kStandby);
    }
  }
}

}  // namespace litestream::test
