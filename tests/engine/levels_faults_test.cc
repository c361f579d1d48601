// Faults of compaction, retention and time, each by its number in the list of faults: what provokes
// it, and what must hold all the same.
#include <malloc.h>
#include <catch2/catch.hpp>

#include "ext/engine/compaction_plan.h"
#include "ext/engine/upload.h"
#include "ext/ltx/encoder.h"
#include "ext/store/file_store.h"
#include "tests/engine/levels_support.h"
#include "tests/support/temp_dir.h"

namespace litestream::test {
namespace {

constexpr int64_t kSecondMs = 1000;
constexpr int64_t kMinuteMs = 60 * kSecondMs;
constexpr int64_t kHourMs = 60 * kMinuteMs;
constexpr int64_t kDayMs = 24 * kHourMs;

// The keeper's wish for a snapshot, fulfilled by whoever can read the database.
void heal(LevelsWorld& world) {
  REQUIRE(world.keeper->status().snapshot_wish == SnapshotWish::kHealing);
  REQUIRE_FALSE(world.keeper->status().snapshot_reason.empty());
  world.clock.advance(kSecondMs);
  world.write();
  world.snapshot();
}

TEST_CASE("faults: G1 a source file is gone, nothing with a hole is made of the rest") {
  LevelsWorld world;
  world.begin();
  world.live(4 * kMinuteMs, 10 * kSecondMs);
  const uint64_t compacted = world.listed->cache().newest(1).value;
  world.clock.advance(kSecondMs);
  for (int i = 0; i < 5; ++i) world.write();
  const uint64_t victim = world.newest() - 2;
  world.replica.erase(world.info(0, victim, victim));
  world.spool.erase(world.info(0, victim, victim));
  world.may_fail = true;
  world.clock.advance(kMinuteMs);
  REQUIRE_FALSE(world.run_if_due().ok());
  // Told at once, before anybody restores.
  REQUIRE_THAT(world.keeper->status().warning, Catch::Contains(format_txid(Txid{victim})));
  world.idle(2 * kMinuteMs);
  REQUIRE(world.listed->cache().newest(1).value <= victim - 1);
  for (const LtxFileInfo& file : world.replica.files()) {
    const bool spans = file.level > 0 && file.min_txid.value > 1 && file.max_txid.value >= victim;
    REQUIRE_FALSE(spans);
  }
  heal(world);
  world.may_fail = false;
  world.live(20 * kMinuteMs, 10 * kSecondMs);
  REQUIRE(world.listed->cache().newest(1).value > victim);
  REQUIRE(world.keeper->status().snapshot_wish == SnapshotWish::kNone);
  INFO(world.keeper->status().warning << names_of(world.replica.files()));
  REQUIRE(world.keeper->status().warning.empty());
  world.require_all_points();
  REQUIRE(world.keeper->verify(world.input)->ok());
  REQUIRE(compacted > 1);
}

// Counts what is written and keeps an eye on the heap.
struct Watched {
  std::map<std::string, int> commits;
  size_t heap_before = mallinfo2().uordblks;
  size_t heap_peak = 0;
  void look() { heap_peak = std::max(heap_peak, mallinfo2().uordblks); }
  double peak_mib() const {
    return heap_peak < heap_before ? 0 : static_cast<double>(heap_peak - heap_before) / 1048576;
  }
};

// Pages of noise, so that files are as large as their pages.
class NoiseWriter {
 public:
  NoiseWriter(LtxStore& store, uint32_t page_size) : store_(store), page_(page_size) {}
  void add(int level, uint64_t min, uint64_t max, Pgno commit, Pgno step, int64_t time_ms) {
    LtxHeader header;
    header.page_size = static_cast<uint32_t>(page_.size());
    header.commit = commit;
    header.min_txid = Txid{min};
    header.max_txid = Txid{max};
    header.timestamp = time_ms;
    const auto writer = store_.create({level, header.min_txid, header.max_txid, 0, time_ms});
    REQUIRE(writer.ok());
    REQUIRE(encoder_.begin(header, **writer).ok());
    for (Pgno pgno = min == 1 ? 1 : static_cast<Pgno>(max % step) + 1; pgno <= commit;
         pgno += min == 1 ? 1 : step) {
      for (size_t i = 0; i + 8 <= page_.size(); i += 8) store_be64(page_.data() + i, prng_.next());
      REQUIRE(encoder_.add_page(pgno, page_).ok());
    }
    REQUIRE(encoder_.finish().ok());
    REQUIRE((*writer)->commit().ok());
  }

 private:
  LtxStore& store_;
  ByteVector page_;
  Prng prng_{1};
  LtxEncoder encoder_;
};

TEST_CASE("faults: G2 snapshot and all levels due at one moment, on a large database") {
  constexpr Pgno kPages = 3000;  // of 32 KiB
  const TempDir dir(TempDir::Place::kMemory);
  FileStore folder(posix_file_system(), dir.file("replica"));
  TestClock clock;
  clock.wall = 1'767'398'400'000 - 5 * kMinuteMs;  // before a multiple of everything
  ListedStore listed(folder, clock);
  NoiseWriter writer(listed, 32768);
  writer.add(9, 1, 1, kPages, 1, clock.wall);
  for (uint64_t txid = 2; txid <= 300; ++txid) {
    clock.advance(kSecondMs);
    writer.add(0, txid, txid, kPages, 150, clock.wall);
  }
  DatabaseOptions options;
  options.level_interval_ms = {30'000, 300'000};
  RestorePins pins;
  BigJobGate gate;
  KeeperParts parts{&listed, nullptr, &options, &clock, &pins, &gate, {}};
  ReplicaKeeper keeper(parts);
  clock.advance(kMinuteMs);
  Watched watched;
  std::set<std::string> kinds;
  KeeperInput input;
  input.progress = [&](const char* kind, uint64_t, uint64_t) {
    watched.look();
    kinds.insert(kind);
  };
  for (int i = 0; i < 10; ++i) {
    REQUIRE(keeper.run(input).ok());
    clock.advance(10 * kSecondMs);
  }
  REQUIRE(kinds == std::set<std::string>{"compaction", "snapshot"});
  const KeeperStatus status = keeper.status();
  REQUIRE(status.snapshot_count == 1);
  REQUIRE(status.levels[1].compaction_count == 10);
  REQUIRE(status.levels[1].merged_count == 299);
  REQUIRE(status.levels[2].compaction_count == 1);
  REQUIRE(status.levels[2].read_bytes > 90 << 20);
  INFO(watched.peak_mib() << " MiB");
  REQUIRE(watched.peak_mib() < 32);
  REQUIRE(verify_replica(folder, {})->ok());
}

TEST_CASE("faults: G3 a huge base at level 0 stays where it is") {
  LevelsWorld base;
  base.commit();
  REQUIRE(base.upload(0, 1, 1).ok());
  const uint64_t base_bytes = base.replica.files()[0].size_bytes;
  base.live(2 * kHourMs, 10 * kSecondMs);
  for (const LtxFileInfo& file : base.replica.files()) {
    if (file.level > 0 && file.level < 9) REQUIRE(file.min_txid > Txid{1});
  }
  REQUIRE(files_of(base.replica, 0)[0].min_txid == Txid{1});
  REQUIRE(base_bytes > 0);
  base.require_all_points();
}

TEST_CASE("faults: G4 retention during a slow restore") {
  LevelsWorld world(small_options());
  world.begin();
  world.live(3 * kHourMs, 20 * kSecondMs);
  // The oldest point that needs raw files.
  const uint64_t txid = files_of(world.replica, 0)[1].max_txid.value;
  const auto plan = plan_restore(world.replica.files(), RestoreTarget::at_txid(Txid{txid}));
  REQUIRE(plan.ok());
  const auto needed = plan->files;
  const auto is_there = [&](const LtxFileInfo& file) {
    return find_file(world.replica.files(), file.level, file.min_txid.value, file.max_txid.value) !=
           nullptr;
  };
  {
    const auto pin = world.pins.pin(world.replica.url(), needed);
    // Between two files of the restore hours go by.
    bool waited = false;
    world.replica.set_hook([&](StoreCall call, const LtxFileInfo* file) {
      if (call != StoreCall::kOpen || waited || file->level != 0) return Status();
      waited = true;
      world.replica.set_hook(nullptr);
      world.live(12 * kHourMs, 5 * kMinuteMs);
      return Status();
    });
    const auto bytes = restore_plan_bytes(world.replica, *plan);
    REQUIRE(waited);
    INFO(bytes.status().message());
    REQUIRE(bytes.ok());
    const bool same = *bytes == world.history.image(txid);
    REQUIRE(same);
    REQUIRE(std::all_of(needed.begin(), needed.end(), is_there));
  }
  world.live(kHourMs, 5 * kMinuteMs);
  REQUIRE_FALSE(std::all_of(needed.begin(), needed.end(), is_there));
  // Somebody whose plan is out of date gets an error, and another plan or another error.
  REQUIRE(restore_plan_bytes(world.replica, *plan).status().code() == StatusCode::kNotFound);
  REQUIRE_FALSE(world.restore(RestoreTarget::at_txid(Txid{txid})).ok());
}

TEST_CASE("faults: G5 a single old snapshot is never removed") {
  LevelsWorld world(small_options());
  world.options.snapshot_interval_ms = 0;  // only when needed
  world.start();
  world.begin();
  world.live(3 * kDayMs, 30 * kMinuteMs);
  REQUIRE(names_of(files_of(world.replica, 9)) == "9:1-1");
  world.idle(30 * kDayMs);
  world.require_all_points();
  REQUIRE(names_of(files_of(world.replica, 9)) == "9:1-1");
}

// Every point that level 1 or a snapshot listed stays for `age_ms` of real time.
void require_kept(LevelsWorld& world, const std::vector<RestorePoint>& before, int64_t age_ms) {
  const auto after = restore_points(world.replica.files());
  for (const RestorePoint& point : before) {
    const bool is_raw = point.level == 0;
    const bool is_due = world.age_of(point.txid.value) >= age_ms;
    if (is_raw || is_due) continue;
    const auto found = std::find_if(after.begin(), after.end(),
                                    [&](const auto& p) { return p.txid == point.txid; });
    INFO(describe_point(point) << " aged " << world.age_of(point.txid.value) / kMinuteMs << " min");
    REQUIRE(found != after.end());
  }
}

TEST_CASE("faults: G6 the clock jumps 30 days ahead and back") {
  const bool restarts = GENERATE(false, true);
  LevelsWorld world(small_options());
  world.begin();
  // A point is safe for its retention; in a process that has not seen it begin, for half of it.
  const int64_t kept_ms = restarts ? 2 * kHourMs : 4 * kHourMs;
  std::vector<RestorePoint> before;
  for (int i = 0; i < 34 * 6; ++i) {
    if (i == 60) world.clock.wall += 30 * kDayMs;
    if (restarts && (i == 66 || i == 100)) world.start();
    if (i == 90) world.clock.wall -= 30 * kDayMs;
    world.live(10 * kMinuteMs, 2 * kMinuteMs);
    require_kept(world, before, kept_ms);
    before = restore_points(world.replica.files());
    if (i % 30 == 0) world.require_all_points(false);
  }
  // And it does not keep everything for ever either.
  REQUIRE(world.replica.files().size() < 500);
  REQUIRE(files_of(world.replica, 9).size() <= 3);
}

TEST_CASE("faults: G7 the clock steps back between two commits") {
  LevelsWorld world(small_options());
  world.begin();
  std::vector<std::pair<int64_t, uint64_t>> commits;  // what a user might ask for
  const auto write = [&](int count) {
    for (int i = 0; i < count; ++i) {
      world.clock.advance(30 * kSecondMs);
      world.write();
      (void)world.run_if_due().ok();
      commits.emplace_back(world.clock.wall, world.newest());
    }
  };
  write(100);
  world.clock.wall -= kHourMs / 2;
  write(100);
  const auto answers = [&] {
    std::map<int64_t, std::optional<uint64_t>> out;
    const auto files = world.replica.files();
    for (const auto& [time_ms, txid] : commits) {
      for (const int64_t at : {time_ms - 1, time_ms, time_ms + 7000}) {
        const auto plan = plan_restore(files, RestoreTarget::at_time(at));
        out[at] = plan.ok() ? std::optional(plan->txid.value) : std::nullopt;
        if (!plan.ok()) continue;
        REQUIRE(plan->created_at_ms <= at);
        world.require_plan(*plan);  // one state, up to a TXID
      }
    }
    return out;
  };
  const auto before = answers();
  world.live(40 * kMinuteMs, 20 * kSecondMs);  // compacted, raw files gone
  const auto after = answers();
  int same = 0;
  int rounded = 0;
  for (const auto& [time_ms, txid] : after) {
    const auto was = before.at(time_ms);
    if (!txid || !was) continue;  // said so
    // The same, or rounded down to a point that is left.
    REQUIRE(*txid <= *was);
    (*txid == *was ? same : rounded) += 1;
  }
  REQUIRE(same > 0);
  REQUIRE(rounded > 0);
}

// A store whose listings tell the time of arrival by a clock of its own.
class SkewedStore final : public LtxStore {
 public:
  SkewedStore(LtxStore& below, int64_t skew_ms) : below_(below), skew_ms_(skew_ms) {}
  const std::string& type() const override { return below_.type(); }
  const std::string& url() const override { return below_.url(); }
  Result<std::vector<LtxFileInfo>> list(int level) override {
    LS_ASSIGN_OR_RETURN(auto files, below_.list(level));
    for (LtxFileInfo& file : files) file.created_at_ms += skew_ms_;
    return files;
  }
  Result<std::unique_ptr<RandomReader>> open(const LtxFileInfo& file) override {
    return below_.open(file);
  }
  Result<std::unique_ptr<LtxWriter>> create(const LtxFileInfo& file) override {
    return below_.create(file);
  }
  Result<std::vector<LtxFileInfo>> remove(std::span<const LtxFileInfo> files,
                                          Status* why) override {
    return below_.remove(files, why);
  }
  Result<std::vector<GenerationInfo>> list_generations() override {
    return below_.list_generations();
  }
  std::string path_of(const LtxFileInfo& file) const override { return below_.path_of(file); }

 private:
  LtxStore& below_;
  const int64_t skew_ms_;
};

TEST_CASE("faults: G8 the store's clock is ten minutes off") {
  std::map<int64_t, std::string> left;
  for (const int64_t skew_ms : {-10 * kMinuteMs, int64_t{0}, 10 * kMinuteMs}) {
    LevelsWorld world(small_options());
    SkewedStore skewed(world.replica, skew_ms);
    world.origin = &skewed;
    world.start();
    world.begin();
    for (int i = 0; i < 12; ++i) {
      world.live(kHourMs, kMinuteMs);
      if (i == 5) world.start();
    }
    // Whatever a listing says, only snapshots, levels and raw files that are old enough are gone.
    world.require_all_points();
    REQUIRE(files_of(world.replica, 9).size() <= 3);
    left[skew_ms] = names_of(files_of(world.replica, 9)) + " | " +
                    names_of(files_of(world.replica, 3)) + " | " +
                    names_of(files_of(world.replica, 0));
  }
  REQUIRE(left[-10 * kMinuteMs] == left[0]);
  REQUIRE(left[10 * kMinuteMs] == left[0]);
}

TEST_CASE("faults: G9 every recorded commit time, before and after compaction and expiry") {
  LevelsWorld world(small_options());
  world.clock.advance(kHourMs);
  world.begin();
  const int64_t first_ms = world.clock.wall;
  for (int round = 0; round < 30; ++round) {
    world.live(5 * kMinuteMs, 7 * kSecondMs);
    const auto files = world.replica.files();
    const auto points = restore_points(files);
    for (uint64_t txid = world.newest(); txid > 0; txid -= std::min<uint64_t>(txid, 7)) {
      const int64_t time_ms = world.time_of(txid);
      if (time_ms < points.back().created_at_ms) continue;
      world.require_time(files, points, time_ms, true);
    }
  }
  // Before the first backup there is nothing, and it says so.
  const auto early = world.restore(RestoreTarget::at_time(first_ms - 1));
  REQUIRE_FALSE(early.ok());
  REQUIRE_THAT(early.status().message(), Catch::Contains("before the first backup"));
}

TEST_CASE("faults: G10 a time beyond a missing file is an error, not an earlier state") {
  LevelsWorld world;
  world.begin();
  world.live(2 * kMinuteMs, 10 * kSecondMs);
  const auto raw = files_of(world.replica, 0);
  const LtxFileInfo victim = raw[raw.size() - 2];
  auto files = world.replica.files();
  std::erase_if(files, [&](const LtxFileInfo& file) {
    return file.level < 9 && file.min_txid <= victim.min_txid && file.max_txid >= victim.max_txid;
  });
  const auto plan = plan_restore(files, RestoreTarget::at_time(world.clock.wall));
  REQUIRE(plan.status().code() == StatusCode::kNotFound);
  REQUIRE_THAT(plan.status().message(), Catch::Contains(format_txid(victim.min_txid)));
}

TEST_CASE("faults: G11 the upload lags: the spool keeps what the replica and level 1 lack") {
  LevelsWorld world;
  world.begin();
  world.live(3 * kMinuteMs, 5 * kSecondMs);
  const uint64_t uploaded = world.newest();
  for (int i = 0; i < 20; ++i) {  // the store is away
    world.clock.advance(5 * kSecondMs);
    world.commit();
    world.spool.put(world.info(0, world.newest(), world.newest()),
                    world.file(world.newest(), world.newest()));
    (void)world.run_if_due().ok();
  }
  const Txid keep_after = std::min(Txid{uploaded}, world.keeper->spool_keep_after());
  REQUIRE(trim_spool(world.spool, keep_after).ok());
  const auto spooled = files_of(world.spool, 0);
  REQUIRE(spooled.front().min_txid == keep_after.next());
  REQUIRE(spooled.back().max_txid == Txid{world.newest()});
  for (size_t i = 1; i < spooled.size(); ++i) {
    REQUIRE(spooled[i].min_txid == spooled[i - 1].max_txid.next());
  }
  // The replica is back: everything arrives, in order.
  for (const LtxFileInfo& file : spooled) {
    if (file.max_txid.value > uploaded) {
      REQUIRE(copy_file(world.spool, file, *world.listed, {}, nullptr).ok());
    }
  }
  world.live(kMinuteMs, 5 * kSecondMs);
  world.require_all_points();
}

TEST_CASE("faults: G12 two compactors over one replica") {
  LevelsWorld world;
  world.begin();
  ListedStore other_listed(world.replica, world.clock);
  RestorePins pins;
  BigJobGate gate;
  const DatabaseOptions options = world.options;
  KeeperParts parts{&other_listed, nullptr, &options, &world.clock, &pins, &gate, {}};
  ReplicaKeeper other(parts);
  world.may_fail = true;
  for (int i = 0; i < 240; ++i) {
    world.clock.advance(10 * kSecondMs);
    world.write();
    if (i % 3 != 0) (void)world.run_if_due().ok();
    // The other one does not hear of uploads; it lists, late, and both remove.
    if (i % 4 == 0) other_listed.cache().forget();
    if (other.next_due_ms() <= world.clock.monotonic) (void)other.run({}).ok();
    world.require_newest();
  }
  world.keeper->note_new_term();
  world.live(20 * kMinuteMs, 10 * kSecondMs);
  REQUIRE(world.keeper->status().last_error.empty());
  REQUIRE(world.keeper->status().snapshot_wish == SnapshotWish::kNone);
  world.require_all_points();
  REQUIRE(world.keeper->verify(world.input)->ok());
}

TEST_CASE("faults: A7 killed between two files, or between a file and a removal") {
  LevelsWorld world(small_options());
  world.begin();
  world.live(10 * kMinuteMs, 10 * kSecondMs);
  // Level 1 got a file that its next one covers again; raw files that level 1 has are still there.
  const uint64_t end = world.listed->cache().newest(1).value;
  for (int i = 0; i < 6; ++i) {
    world.clock.advance(10 * kSecondMs);
    world.write();
  }
  world.replica.put(world.info(1, end + 1, end + 3), world.file(end + 1, end + 3));
  world.replica.put(world.info(1, end + 1, end + 5), world.file(end + 1, end + 5));
  world.start();
  world.live(10 * kMinuteMs, 10 * kSecondMs);
  world.require_all_points();
  REQUIRE(world.keeper->status().last_error.empty());
  REQUIRE(world.keeper->verify(world.input)->ok());
}

TEST_CASE("faults: F16 a backlog of 500 files drains in one pass") {
  LevelsWorld world;
  world.begin();
  for (int i = 0; i < 500; ++i) {
    world.clock.advance(kSecondMs);
    world.write();
  }
  world.clock.advance(kMinuteMs);
  REQUIRE(world.run_if_due().ok());
  REQUIRE(world.listed->cache().newest(1) == Txid{world.newest()});
  REQUIRE(files_of(world.replica, 1).size() <= 18);  // a file per window, not one for all
  REQUIRE(files_of(world.replica, 1).size() >= 16);
  REQUIRE(files_of(world.replica, 2).size() >= 1);
  world.require_all_points();
}

TEST_CASE("faults: F9 deletes are denied: a state, not a storm") {
  LevelsWorld world(small_options());
  world.begin();
  bool denied = true;
  world.replica.set_hook([&](StoreCall call, const LtxFileInfo*) {
    return call == StoreCall::kRemove && denied ? io_error("AccessDenied") : Status();
  });
  world.live(3 * kHourMs, 20 * kSecondMs);
  const KeeperStatus status = world.keeper->status();
  REQUIRE(status.retained);
  REQUIRE(status.last_error.empty());
  REQUIRE_THAT(status.warning,
               Catch::Contains("retained: deletes denied") && Catch::Contains("AccessDenied"));
  REQUIRE(status.removed_count == 0);
  // Each attempt asks for up to a thousand files; what counts is how often it tries.
  const uint64_t lists_before = world.replica.call_count(StoreCall::kList);
  REQUIRE(lists_before < 100);
  denied = false;
  world.live(2 * kHourMs, 20 * kSecondMs);
  REQUIRE_FALSE(world.keeper->status().retained);
  REQUIRE(world.keeper->status().warning.empty());
  REQUIRE(files_of(world.replica, 0).size() < 60);
  world.require_all_points();
}

TEST_CASE("faults: F12 no room during compaction: visible, and it resumes") {
  LevelsWorld world;
  world.begin();
  bool full = true;
  world.replica.set_hook([&](StoreCall call, const LtxFileInfo* file) {
    const bool is_ours = file != nullptr && file->level > 0;
    return call == StoreCall::kAppend && full && is_ours ? io_error("no space left") : Status();
  });
  world.may_fail = true;
  world.live(5 * kMinuteMs, 5 * kSecondMs);
  REQUIRE_THAT(world.keeper->status().last_error, Catch::Contains("no space left"));
  REQUIRE(files_of(world.replica, 1).empty());
  REQUIRE(files_of(world.replica, 0).size() == world.newest() - 1);
  full = false;
  world.live(2 * kMinuteMs, 5 * kSecondMs);
  REQUIRE(world.keeper->status().last_error.empty());
  REQUIRE(files_of(world.replica, 1).size() >= 10);
  world.require_all_points();
}

}  // namespace
}  // namespace litestream::test
