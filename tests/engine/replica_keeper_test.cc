// The keeper over simulated hours: what it does when, that it rests when there is nothing to do,
// and that it survives everything a store and a process can do to it.
#include "ext/engine/replica_keeper.h"

#include <catch2/catch.hpp>

#include "tests/engine/levels_support.h"

namespace litestream::test {
namespace {

constexpr int64_t kSecondMs = 1000;
constexpr int64_t kMinuteMs = 60 * kSecondMs;
constexpr int64_t kHourMs = 60 * kMinuteMs;

uint64_t lists(const LevelsWorld& world) { return world.replica.call_count(StoreCall::kList); }

TEST_CASE("keeper: levels in their rhythm, one file per window, on the clock's multiples") {
  LevelsWorld world;
  world.begin();
  world.live(20 * kMinuteMs, 2 * kSecondMs);
  world.require_newest();
  const auto level_1 = files_of(world.replica, 1);
  REQUIRE(level_1.size() == 40);
  for (size_t i = 0; i < level_1.size(); ++i) {
    const uint64_t first = i == 0 ? 2 : level_1[i - 1].max_txid.value + 1;
    REQUIRE(level_1[i].min_txid == Txid{first});
    const int64_t window = interval_number(level_1[i].created_at_ms, 30'000);
    REQUIRE(interval_number(world.time_of(level_1[i].min_txid.value), 30'000) == window);
    REQUIRE(interval_number(world.time_of(level_1[i].max_txid.value + 1), 30'000) > window);
  }
  REQUIRE(files_of(world.replica, 2).size() == 4);
  REQUIRE(files_of(world.replica, 3).empty());
  const KeeperStatus status = world.keeper->status();
  REQUIRE(status.levels[1].compaction_count == 40);
  REQUIRE(status.levels[1].merged_count == level_1.back().max_txid.value - 1);
  REQUIRE(status.levels[2].compaction_count == 4);
  REQUIRE(status.last_error.empty());
  REQUIRE(status.warning.empty());
  // Five minutes of raw files, and what the next looks leave.
  const size_t raw = files_of(world.replica, 0).size();
  REQUIRE(raw >= 5 * 30);
  REQUIRE(raw <= 6 * 30 + 8);
  REQUIRE(lists(world) == 10);  // once per level, at the start
  REQUIRE(world.keeper->spool_keep_after() == level_1.back().max_txid);
}

TEST_CASE("keeper: B15 an idle replica asks for nothing, and wakes nobody in the end") {
  LevelsWorld world;
  world.begin();
  world.live(10 * kMinuteMs, kSecondMs);
  world.idle(3 * 24 * kHourMs);
  world.require_newest();
  REQUIRE(files_of(world.replica, 0).size() == 1);  // the newest stays, whatever retention says
  REQUIRE(world.keeper->next_due_ms() == INT64_MAX);
  const uint64_t calls = world.replica.call_count();
  world.idle(30 * 24 * kHourMs);
  REQUIRE(world.replica.call_count() == calls);
  // From the next transaction on it goes on as before.
  world.live(2 * kMinuteMs, kSecondMs);
  world.require_all_points();
}

TEST_CASE("keeper: B15 after the last commit only what is due wakes, not a rhythm") {
  LevelsWorld world;
  world.begin();
  world.live(2 * kMinuteMs, kSecondMs);
  world.idle(kMinuteMs);
  world.run_count = 0;
  world.idle(kHourMs);
  // Levels 2 and 3, level 0 file by file as it grows old (retention looks every 15 seconds at most
  // and has minutes to go), and the snapshot's retention once.
  CHECK(world.run_count <= 24);
  REQUIRE(files_of(world.replica, 0).size() == 1);
  world.run_count = 0;
  world.write();
  world.idle(kHourMs);
  CHECK(world.run_count <= 8);
}

TEST_CASE("keeper: a process that lives for seconds only still keeps order") {
  LevelsWorld world;
  world.begin();
  for (int i = 0; i < 300; ++i) {
    world.start();
    (void)world.run_if_due().ok();
    world.clock.advance(5 * kSecondMs);
    world.write();
    (void)world.run_if_due().ok();
    world.clock.advance(25 * kSecondMs);
  }
  world.require_all_points();
  REQUIRE(files_of(world.replica, 0).size() < 30);
  REQUIRE(files_of(world.replica, 1).size() > 200);
  REQUIRE(files_of(world.replica, 2).size() > 20);
}

TEST_CASE("keeper: a snapshot once per interval if there is news, merged or asked for") {
  LevelsWorld world(small_options());
  world.begin();
  world.live(9 * kHourMs, kMinuteMs);
  REQUIRE(world.keeper->status().snapshot_count == 2);
  REQUIRE(files_of(world.replica, 9).size() >= 2);
  for (const LtxFileInfo& file : files_of(world.replica, 9)) {
    if (file.max_txid == Txid{1}) continue;
    const int64_t late = world.time_of(file.max_txid.value) % (4 * kHourMs);
    REQUIRE((late < kMinuteMs || late > 4 * kHourMs - 2 * kMinuteMs));
  }
  world.idle(24 * kHourMs);
  REQUIRE(world.keeper->status().snapshot_count == 3);  // the last news, once
  // Where the database is read faster than a remote replica, somebody else is to write it.
  world.input.database_bytes = 1 << 20;
  world.write();
  world.idle(4 * kHourMs);
  REQUIRE(world.keeper->status().snapshot_count == 3);
  REQUIRE(world.keeper->status().snapshot_wish == SnapshotWish::kDue);
  world.write();
  world.snapshot();
  REQUIRE(world.keeper->next_due_ms() <= world.clock.monotonic);
  REQUIRE(world.run().ok());
  REQUIRE(world.keeper->status().snapshot_wish == SnapshotWish::kNone);
  world.require_all_points();
}

TEST_CASE("keeper: on request") {
  LevelsWorld world;
  world.begin();
  for (int i = 0; i < 5; ++i) world.write();
  REQUIRE(*world.keeper->compact(1, world.input) == 5);
  REQUIRE(*world.keeper->compact(1, world.input) == 0);
  REQUIRE(*world.keeper->compact(2, world.input) == 1);
  REQUIRE(names_of(files_of(world.replica, 2)) == "2:2-6");
  for (const int level : {-1, 0, 4, 9}) {
    REQUIRE_THAT(world.keeper->compact(level, world.input).status().message(),
                 Catch::Contains("levels 1 to 3"));
  }
  REQUIRE(*world.keeper->snapshot(world.input) == Txid{6});
  const auto report = world.keeper->verify(world.input);
  REQUIRE(report.ok());
  REQUIRE(report->ok());
  const KeeperStatus status = world.keeper->status();
  REQUIRE(status.verify.ok);
  REQUIRE(status.verify.at_ms == world.clock.wall);
  REQUIRE(status.verify.file_count == world.replica.files().size());
  LevelsWorld empty;
  REQUIRE(empty.keeper->snapshot(empty.input).status().code() == StatusCode::kNotFound);
}

// Asked again and again it must not wait for a run of its own to learn what has grown old.
TEST_CASE("keeper: retention on request works without a run in between") {
  LevelsWorld world;
  world.begin();
  for (int i = 0; i < 5; ++i) world.write();
  REQUIRE(*world.keeper->compact(1, world.input) == 5);
  REQUIRE(*world.keeper->enforce_retention() == 0);
  for (int minute = 0; minute < 12; ++minute) {
    world.clock.advance(kMinuteMs);
    REQUIRE(world.keeper->enforce_retention().ok());
  }
  REQUIRE(names_of(files_of(world.replica, 0)) == "0:6-6");
}

TEST_CASE("keeper: validation runs by itself") {
  DatabaseOptions options;
  options.validation_interval_ms = 10 * kMinuteMs;
  LevelsWorld world(options);
  world.begin();
  world.live(25 * kMinuteMs, 10 * kSecondMs);
  REQUIRE(world.keeper->status().verify.ok);
  REQUIRE(world.keeper->status().verify.at_ms > 0);
  REQUIRE(world.clock.wall - world.keeper->status().verify.at_ms < 10 * kMinuteMs);
}

TEST_CASE("keeper: retention that is off deletes nothing") {
  DatabaseOptions options = small_options();
  options.retention_enabled = false;
  LevelsWorld world(options);
  world.begin();
  world.live(20 * kHourMs, 2 * kMinuteMs);
  REQUIRE(world.replica.call_count(StoreCall::kRemove) == 0);
  REQUIRE(files_of(world.replica, 0).size() == 600);
  world.require_newest();
}

TEST_CASE("keeper: what a verify finds is in the status until one finds nothing") {
  LevelsWorld world;
  world.begin();
  world.live(2 * kMinuteMs, kSecondMs);
  world.write();
  const LtxFileInfo damaged = files_of(world.replica, 1).front();
  const std::string sound = world.replica.bytes(damaged);
  std::string bytes = sound;
  bytes[bytes.size() / 2] ^= 1;
  world.replica.set_bytes(damaged, bytes);
  REQUIRE(world.keeper->status().warning.empty());
  REQUIRE_FALSE(world.keeper->verify(world.input)->ok());
  REQUIRE_THAT(world.keeper->status().warning,
               Catch::Contains("errors, first " + world.replica.path_of(damaged)));
  world.replica.set_bytes(damaged, sound);
  REQUIRE(world.keeper->verify(world.input)->ok());
  REQUIRE(world.keeper->status().warning.empty());
}

TEST_CASE("keeper: a lease that is lost stops every write") {
  LevelsWorld world;
  world.begin();
  world.live(kMinuteMs, kSecondMs);
  world.lease = position_mismatch("another host took over");
  world.may_fail = true;
  const auto files = names_of(world.replica.files());
  world.idle(2 * kHourMs);
  REQUIRE(names_of(world.replica.files()) == files);
  REQUIRE_THAT(world.keeper->status().last_error, Catch::Contains("another host"));
  REQUIRE(world.run_count < 300);  // with a backoff
}

TEST_CASE("keeper: a lease that goes during a merge keeps its result from being published") {
  const bool is_snapshot = GENERATE(false, true);
  LevelsWorld world;
  world.begin();
  for (int i = 0; i < 20; ++i) world.write();
  const auto files = names_of(world.replica.files());
  // It is there when the work begins, and gone when the last byte is written.
  world.replica.set_hook([&](StoreCall call, const LtxFileInfo*) {
    if (call == StoreCall::kAppend) world.lease = position_mismatch("another host took over");
    REQUIRE(call != StoreCall::kCommit);
    return Status();
  });
  const Status status = is_snapshot ? world.keeper->snapshot(world.input).status()
                                    : world.keeper->compact(1, world.input).status();
  REQUIRE(status.code() == StatusCode::kPositionMismatch);
  REQUIRE_THAT(status.message(), Catch::Contains("another host"));
  REQUIRE(names_of(world.replica.files()) == files);
  world.replica.set_hook(nullptr);
  world.lease = {};
  REQUIRE(world.keeper->compact(1, world.input).ok());
  world.require_all_points();
}

TEST_CASE("keeper: a lease that goes during a long removal ends it") {
  LevelsWorld world;
  world.begin();
  for (int i = 0; i < 900; ++i) {
    world.clock.advance(100);
    world.write();
  }
  REQUIRE(world.keeper->compact(1, world.input).ok());
  REQUIRE(world.run().ok());
  world.clock.advance(2 * world.options.l0_retention_ms);
  const size_t before = files_of(world.replica, 0).size();
  REQUIRE(before > 800);
  world.replica.set_hook([&](StoreCall call, const LtxFileInfo*) {
    if (call == StoreCall::kRemove) world.lease = position_mismatch("another host took over");
    return Status();
  });
  REQUIRE(world.keeper->enforce_retention().status().code() == StatusCode::kPositionMismatch);
  const size_t left = files_of(world.replica, 0).size();
  REQUIRE(left < before);
  REQUIRE(before - left <= 200);
  world.replica.set_hook(nullptr);
  world.require_all_points();
}

TEST_CASE("keeper: one job at a time, one big job in the process") {
  LevelsWorld world;
  world.begin();
  world.write();
  world.input.cancel = [&] {
    REQUIRE(world.keeper->run(world.input).code() == StatusCode::kBusy);
    REQUIRE(world.keeper->verify(world.input).status().code() == StatusCode::kBusy);
    return true;
  };
  REQUIRE(world.keeper->compact(1, world.input).status().code() == StatusCode::kCancelled);
  world.input.cancel = nullptr;
  {
    const auto pass = world.gate.try_enter();
    REQUIRE(pass);
    REQUIRE_FALSE(world.gate.try_enter());
    REQUIRE(world.keeper->snapshot(world.input).status().code() == StatusCode::kBusy);
    REQUIRE(world.keeper->verify(world.input).status().code() == StatusCode::kBusy);
    REQUIRE(world.keeper->compact(1, world.input).ok());  // a small one
  }
  REQUIRE(world.keeper->verify(world.input).ok());
}

TEST_CASE("keeper: progress is told per kind of job and never runs backwards") {
  LevelsWorld world;
  world.begin();
  for (int i = 0; i < 50; ++i) world.write();
  std::map<std::string, std::pair<uint64_t, uint64_t>> seen;
  world.input.progress = [&](const char* kind, uint64_t done, uint64_t total) {
    REQUIRE(done <= total);
    auto& last = seen[kind];
    REQUIRE(done >= last.first);
    last = {done, total};
  };
  REQUIRE(world.keeper->compact(1, world.input).ok());
  REQUIRE(world.keeper->snapshot(world.input).ok());
  REQUIRE(world.keeper->verify(world.input).ok());
  REQUIRE(seen.size() == 3);
  for (const auto& [kind, last] : seen) {
    INFO(kind);
    REQUIRE(last.first == last.second);
    REQUIRE(last.second > 0);
  }
}

// The store fails at every single call of an hour's work, for a moment or until a new process
// comes.
TEST_CASE("keeper: any call may fail, and the process may die there") {
  const bool dies = GENERATE(false, true);
  for (uint64_t number = 1; number < 1200; number += dies ? 7 : 5) {
    DatabaseOptions options = small_options();
    options.level_interval_ms = {30'000, 120'000};
    options.snapshot_interval_ms = options.snapshot_retention_ms = 5 * kMinuteMs;
    options.l0_retention_ms = kMinuteMs;
    LevelsWorld world(options);
    world.may_fail = true;
    world.begin();
    world.live(90 * kSecondMs, 10 * kSecondMs);
    bool dead = false;
    uint64_t calls = 0;
    world.replica.set_hook([&](StoreCall call, const LtxFileInfo*) {
      if (call == StoreCall::kAppend || call == StoreCall::kCreate) return Status();
      dead = dead || ++calls == number;
      const bool fails = dies ? dead : calls == number;
      return fails ? unavailable("no answer") : Status();
    });
    for (int i = 0; i < 20 && !dead; ++i) {
      world.clock.advance(10 * kSecondMs);
      world.commit();
      if (!world.upload(0, world.newest(), world.newest()).ok()) break;
      (void)world.run_if_due().ok();
    }
    world.replica.set_hook(nullptr);
    if (dies) world.start();
    // What was not acknowledged is sent again.
    REQUIRE(world.upload(0, world.newest(), world.newest()).ok());
    world.live(8 * kMinuteMs, 10 * kSecondMs);
    INFO("call " << number << ": " << world.keeper->status().last_error);
    REQUIRE(world.keeper->status().last_error.empty());
    REQUIRE(world.keeper->status().snapshot_wish != SnapshotWish::kHealing);
    world.require_newest();
    world.require_all_points();
    REQUIRE(world.keeper->verify(world.input)->ok());
    if (calls < number) break;
  }
}

TEST_CASE("keeper: lost replies and late listings") {
  for (const int lag : {1, 3}) {
    LevelsWorld world(small_options());
    world.may_fail = true;
    world.begin();
    world.replica.set_listing_lag(lag);
    for (int i = 0; i < 60; ++i) {
      if (i % 7 == 3) world.replica.lose_next_commit_reply();
      world.clock.advance(10 * kSecondMs);
      world.commit();
      if (!world.upload(0, world.newest(), world.newest()).ok()) {
        REQUIRE(world.upload(0, world.newest(), world.newest()).ok());
      }
      if (i % 5 == 2) world.replica.lose_next_commit_reply();
      (void)world.run_if_due().ok();
      if (i % 20 == 19) world.start();
    }
    world.live(10 * kMinuteMs, 10 * kSecondMs);
    REQUIRE(world.keeper->status().last_error.empty());
    REQUIRE(world.keeper->status().snapshot_wish == SnapshotWish::kNone);
    world.require_newest();
    world.require_all_points();
  }
}

TEST_CASE("keeper: a new term lists again and believes only that") {
  LevelsWorld world;
  world.begin();
  world.live(5 * kMinuteMs, kSecondMs);
  // Meanwhile another writer compacted and went on.
  const uint64_t end = files_of(world.replica, 1).back().max_txid.value;
  world.commit();
  world.replica.put(world.info(0, world.newest(), world.newest()),
                    world.file(world.newest(), world.newest()));
  world.replica.put(world.info(1, end + 1, world.newest()), world.file(end + 1, world.newest()));
  const uint64_t before = lists(world);
  world.keeper->note_new_term();
  REQUIRE(world.keeper->next_due_ms() <= world.clock.monotonic);
  REQUIRE(world.run().ok());
  REQUIRE(lists(world) == before + 10);
  REQUIRE(world.listed->cache().newest(1) == Txid{world.newest()});
  world.live(5 * kMinuteMs, kSecondMs);
  world.require_all_points();
}

}  // namespace
}  // namespace litestream::test
