#include "ext/engine/retention.h"

#include <catch2/catch.hpp>

#include "ext/engine/options.h"
#include "ext/engine/restore_pins.h"
#include "tests/engine/levels_support.h"

namespace litestream::test {
namespace {

constexpr int64_t kHourMs = 3'600'000;
constexpr int64_t kDayMs = 24 * kHourMs;

LtxFileInfo at(int level, uint64_t min, uint64_t max, int64_t hours = 0) {
  return {level, Txid{min}, Txid{max}, 100, 1'767'441'600'000 + hours * kHourMs};
}

RetentionView view_of(const std::vector<LtxFileInfo>& files) { return {files, {}, {}}; }

std::string by_snapshots(const std::vector<LtxFileInfo>& files, uint64_t old_enough) {
  const auto decision =
      decide_snapshot_retention(view_of(files), Txid{old_enough}, Txid{old_enough});
  return names_of(decision.remove);
}

std::string at_level_0(const std::vector<LtxFileInfo>& files, uint64_t old_enough) {
  const auto decision = decide_level_0_retention(view_of(files), Txid{old_enough});
  return names_of(decision.remove);
}

TEST_CASE("txid history: says what is old, never too much") {
  TxidHistory history(1280);
  REQUIRE(history.old_enough(10'000) == Txid{});
  history.note(0, Txid{5});
  REQUIRE(history.old_enough(1279) == Txid{});
  REQUIRE(history.old_enough(1280) == Txid{5});
  history.note(2000, Txid{5});  // nothing new
  REQUIRE(history.old_enough(2000) == Txid{5});
  history.note(2000, Txid{9});
  REQUIRE(history.old_enough(3279) == Txid{5});
  REQUIRE(history.old_enough(3280) == Txid{9});
}

TEST_CASE("txid history: bounded, never too new, late by a step at most") {
  Prng prng = Prng::announced("txid history", 11);
  constexpr int64_t kSpanMs = 128'000;
  TxidHistory history(kSpanMs);
  std::vector<std::pair<int64_t, uint64_t>> truth;
  int64_t now = -5000;
  uint64_t txid = 1;
  for (int i = 0; i < 20'000; ++i) {
    now += static_cast<int64_t>(prng.below(300));
    txid += prng.below(3);
    history.note(now, Txid{txid});
    truth.emplace_back(now, txid);
    const auto known_at = [&](int64_t time) {
      const auto after = std::upper_bound(truth.begin(), truth.end(), std::pair(time, UINT64_MAX));
      return after == truth.begin() ? uint64_t{0} : std::prev(after)->second;
    };
    const uint64_t old = history.old_enough(now).value;
    REQUIRE(old <= known_at(now - kSpanMs));
    REQUIRE(old >= known_at(now - kSpanMs - kSpanMs / 32));
  }
}

TEST_CASE("txid history: what was found at the start ages by its files' times, in bounded steps") {
  TxidHistory history(10 * kHourMs);
  const std::vector<LtxFileInfo> steady = {at(1, 2, 3, 0), at(1, 4, 5, 1), at(1, 6, 7, 2),
                                           at(1, 8, 9, 5), at(1, 10, 11, 9)};
  history.seed(0, steady, 5 * kHourMs);
  history.note(0, Txid{11});
  REQUIRE(history.old_enough(0) == Txid{});
  REQUIRE(history.old_enough(kHourMs) == Txid{3});
  REQUIRE(history.old_enough(2 * kHourMs) == Txid{5});
  REQUIRE(history.old_enough(6 * kHourMs - 1) == Txid{7});
  REQUIRE(history.old_enough(6 * kHourMs) == Txid{9});
  REQUIRE(history.old_enough(10 * kHourMs) == Txid{11});
}

TEST_CASE("txid history: G6 a jump among the files found at the start counts half at most") {
  // +30 days for good: counts five hours.
  TxidHistory history(10 * kHourMs);
  const std::vector<LtxFileInfo> jumped = {at(1, 2, 3, 0), at(1, 4, 5, 1), at(1, 6, 7, 30 * 24)};
  history.seed(0, jumped, 5 * kHourMs);
  REQUIRE(history.old_enough(0) == Txid{});
  REQUIRE(history.old_enough(4 * kHourMs) == Txid{3});
  REQUIRE(history.old_enough(5 * kHourMs) == Txid{5});
  // +30 days and back leaves no trace.
  TxidHistory back(10 * kHourMs);
  const std::vector<LtxFileInfo> returned = {at(1, 2, 3, 0), at(1, 4, 5, 30 * 24), at(1, 6, 7, 2)};
  back.seed(0, returned, 5 * kHourMs);
  REQUIRE(back.old_enough(8 * kHourMs - 1) == Txid{});
  REQUIRE(back.old_enough(8 * kHourMs) == Txid{3});
  REQUIRE(back.old_enough(10 * kHourMs) == Txid{7});
  // Times out of any range.
  TxidHistory wild(10 * kHourMs);
  const std::vector<LtxFileInfo> nonsense = {{1, Txid{2}, Txid{3}, 1, INT64_MIN},
                                             {1, Txid{4}, Txid{5}, 1, INT64_MAX},
                                             {1, Txid{6}, Txid{7}, 1, -1}};
  wild.seed(0, nonsense, 5 * kHourMs);
  REQUIRE(wild.old_enough(9 * kHourMs) == Txid{});
}

TEST_CASE("retention: G8 a store's clock that is off by a constant changes nothing") {
  for (const int64_t skew_ms : {int64_t{-600'000}, int64_t{0}, int64_t{600'000}}) {
    TxidHistory history(kDayMs);
    std::vector<LtxFileInfo> files;
    for (uint64_t i = 0; i < 60; ++i) {
      LtxFileInfo file = at(3, 2 + i, 2 + i, static_cast<int64_t>(i));
      file.created_at_ms += skew_ms;
      files.push_back(file);
    }
    history.seed(0, files, kDayMs / 2);
    REQUIRE(history.old_enough(0) == Txid{2 + 59 - 24});
  }
}

TEST_CASE("retention: the base of the oldest point asked for stays, and all after it") {
  const std::vector<LtxFileInfo> files = {
      at(9, 1, 1),   at(9, 1, 40),  at(9, 1, 80),  at(3, 2, 40),  at(3, 41, 85),
      at(2, 60, 80), at(1, 70, 85), at(1, 86, 90), at(0, 89, 89), at(0, 90, 90)};
  REQUIRE(by_snapshots(files, 0) == "");
  REQUIRE(by_snapshots(files, 39) == "");  // points 1 and 40: 1 is what is old enough
  REQUIRE(by_snapshots(files, 40) == "9:1-1 3:2-40");
  REQUIRE(by_snapshots(files, 79) == "9:1-1 3:2-40");
  REQUIRE(by_snapshots(files, 80) == "9:1-1 9:1-40 3:2-40");
  REQUIRE(by_snapshots(files, 1000) == "9:1-1 9:1-40 3:2-40");
}

TEST_CASE("retention: the newest file of a level stays, and so does the only snapshot") {
  const std::vector<LtxFileInfo> files = {at(9, 1, 80), at(3, 2, 40), at(1, 70, 80), at(0, 80, 80)};
  REQUIRE(by_snapshots(files, 80) == "");
  REQUIRE(by_snapshots({at(9, 1, 1)}, 500) == "");
  REQUIRE(by_snapshots({}, 500) == "");
  REQUIRE(by_snapshots({at(0, 5, 5), at(0, 6, 6)}, 500) == "");  // nothing restorable at all
}

TEST_CASE("retention: upstream's base at level 0 goes when a snapshot supersedes it") {
  const std::vector<LtxFileInfo> files = {at(0, 1, 1), at(0, 2, 2), at(0, 3, 3), at(1, 1, 2),
                                          at(9, 1, 3), at(0, 4, 4), at(1, 3, 4)};
  REQUIRE(by_snapshots(files, 3) == "0:1-1 1:1-2 0:2-2 0:3-3");
  REQUIRE(by_snapshots(files, 2) == "0:1-1 0:2-2");
}

TEST_CASE(
    "retention: what a healed hole made useless goes, but no tail whose start is on its way") {
  const std::vector<LtxFileInfo> files = {at(9, 1, 1), at(0, 2, 2), at(0, 5, 5),   at(0, 6, 6),
                                          at(9, 1, 7), at(0, 8, 8), at(0, 10, 10), at(0, 11, 11)};
  REQUIRE(by_snapshots(files, 2) == "");
  REQUIRE(by_snapshots(files, 6) == "0:5-5 0:6-6");
  REQUIRE(by_snapshots(files, 8) == "9:1-1 0:2-2 0:5-5 0:6-6");
  REQUIRE(by_snapshots(files, 11) == "9:1-1 0:2-2 0:5-5 0:6-6");
  // They need not be as old as history may be, only settled.
  REQUIRE(names_of(decide_snapshot_retention(view_of(files), Txid{0}, Txid{7}).remove) ==
          "0:5-5 0:6-6");
}

TEST_CASE("retention: level 0 goes when level 1 has it, but never its newest file") {
  const std::vector<LtxFileInfo> files = {at(9, 1, 1), at(0, 2, 2), at(0, 3, 4), at(0, 5, 5),
                                          at(0, 6, 6), at(1, 2, 4), at(1, 5, 6)};
  REQUIRE(at_level_0(files, 0) == "");
  REQUIRE(at_level_0(files, 3) == "0:2-2");
  REQUIRE(at_level_0(files, 4) == "0:2-2 0:3-4");
  REQUIRE(at_level_0(files, 99) == "0:2-2 0:3-4 0:5-5");
  // A hole in level 1, an overlap, nothing at all in level 1.
  REQUIRE(at_level_0({at(9, 1, 1), at(0, 2, 2), at(0, 3, 3), at(0, 4, 4), at(1, 2, 2)}, 99) ==
          "0:2-2");
  REQUIRE(at_level_0({at(9, 1, 1), at(0, 2, 5), at(0, 6, 6), at(1, 2, 4), at(1, 3, 6)}, 99) ==
          "0:2-5");
  REQUIRE(at_level_0({at(9, 1, 1), at(0, 2, 2), at(0, 3, 3)}, 99) == "");
}

TEST_CASE("retention: pinned files stay, unreadable ones carry nothing") {
  const std::vector<LtxFileInfo> files = {at(9, 1, 1), at(9, 1, 40), at(2, 2, 40), at(2, 41, 60)};
  RetentionView view = view_of(files);
  RestorePins pins;
  view.is_pinned = [&](const LtxFileInfo& file) { return pins.is_pinned("memory://", file); };
  {
    const auto pin = pins.pin("memory://", std::span(files).subspan(0, 1));
    const auto other = pins.pin("memory://", std::span(files).subspan(0, 2));
    REQUIRE(pins.count() == 2);
    REQUIRE(pins.is_pinned("memory://", files[0]));
    REQUIRE_FALSE(pins.is_pinned("memory://elsewhere", files[0]));
    REQUIRE(names_of(decide_snapshot_retention(view, Txid{50}, Txid{50}).remove) == "2:2-40");
  }
  REQUIRE(pins.count() == 0);
  REQUIRE(names_of(decide_snapshot_retention(view, Txid{50}, Txid{50}).remove) == "9:1-1 2:2-40");
  // The newer snapshot is damaged: the older one is what history hangs on.
  view.is_unusable = [&](const LtxFileInfo& file) { return file == files[1]; };
  REQUIRE(decide_snapshot_retention(view, Txid{50}, Txid{50}).remove.empty());
  // A damaged file goes when a sound snapshot stands for it.
  view.is_unusable = [&](const LtxFileInfo& file) { return file == files[2]; };
  REQUIRE(decide_snapshot_retention(view, Txid{0}, Txid{39}).remove.empty());
  REQUIRE(names_of(decide_snapshot_retention(view, Txid{0}, Txid{50}).remove) == "2:2-40");
}

TEST_CASE("retention: a thousand files per decision, the oldest first, and it goes on") {
  std::vector<LtxFileInfo> files = {at(9, 1, 1), at(9, 1, 3000)};
  for (uint64_t txid = 2; txid <= 3001; ++txid) files.push_back(at(0, txid, txid));
  size_t rounds = 0;
  while (true) {
    const auto decision = decide_snapshot_retention(view_of(files), Txid{3000}, Txid{3000});
    REQUIRE(decision.remove.size() <= kRetentionFilesMax);
    REQUIRE(restore_gaps(files).empty());
    if (decision.remove.empty()) break;
    ++rounds;
    REQUIRE(decision.more == (files.size() > 1002));
    for (const LtxFileInfo& file : decision.remove) std::erase(files, file);
  }
  REQUIRE(rounds == 3);
  REQUIRE(names_of(files) == "9:1-3000 0:3001-3001");
}

// Random replicas, random ages: whatever is decided, every point after the edge is still there, and
// half of a removal done leaves no hole.
TEST_CASE("retention: nothing that is asked for is ever lost") {
  Prng prng = Prng::announced("retention", 21);
  for (int round = 0; round < 400; ++round) {
    std::vector<LtxFileInfo> files;
    const uint64_t newest = prng.between(1, 60);
    for (int i = 0; i < 40; ++i) {
      const int level = static_cast<int>(prng.below(5));
      const uint64_t max = prng.between(1, newest);
      const uint64_t min = level == 4 ? 1 : prng.between(1 + max * 2 / 3, max);
      files.push_back(at(level == 4 ? 9 : level, std::max<uint64_t>(min, 1), max));
    }
    const Txid old{prng.between(0, newest + 3)};
    const auto before = restore_points(files);
    for (const bool level_0 : {true, false}) {
      const auto decision = level_0 ? decide_level_0_retention(view_of(files), old)
                                    : decide_snapshot_retention(view_of(files), old, old);
      auto left = files;
      for (size_t done = 0; done <= decision.remove.size(); ++done) {
        const auto after = restore_points(left);
        for (const RestorePoint& point : before) {
          const bool may_go =
              level_0 ? point.level == 0 && point.txid <= old : point.txid < decision.base.max_txid;
          if (may_go) continue;
          const auto found = std::find_if(after.begin(), after.end(),
                                          [&](const auto& p) { return p.txid == point.txid; });
          REQUIRE(found != after.end());
        }
        if (done < decision.remove.size()) std::erase(left, decision.remove[done]);
      }
    }
  }
}

TEST_CASE("retention: G5 settings that contradict each other are refused with an explanation") {
  DatabaseOptions options;
  REQUIRE(validate_options(options).ok());
  options.snapshot_retention_ms = options.snapshot_interval_ms - 1;
  REQUIRE_THAT(validate_options(options).message(),
               Catch::Contains("retention") && Catch::Contains("interval"));
  options.snapshot_retention_ms = 0;
  REQUIRE_THAT(validate_options(options).message(), Catch::Contains("retention"));
  options = {};
  options.snapshot_interval_ms = 0;  // only when needed
  REQUIRE(validate_options(options).ok());
  options = {};
  options.l0_retention_ms = 0;  // off
  REQUIRE(validate_options(options).ok());
  options.l0_retention_ms = -1;
  REQUIRE_FALSE(validate_options(options).ok());
  options = {};
  options.level_interval_ms = {30'000, 30'000};
  REQUIRE_FALSE(validate_options(options).ok());
}

TEST_CASE("retention: F9 what the store keeps is told, once") {
  MemoryStore store;
  store.put(at(0, 2, 2), "a");
  store.put(at(0, 3, 3), "a");
  RetentionDecision decision;
  Status denied;
  REQUIRE(*remove_files(store, decision.remove, &denied) == 0);
  decision.remove = store.files();
  store.set_hook([](StoreCall call, const LtxFileInfo* file) {
    const bool refuse = call == StoreCall::kRemove && file->min_txid == Txid{3};
    return refuse ? io_error("object lock") : Status();
  });
  REQUIRE(*remove_files(store, decision.remove, &denied) == 1);
  REQUIRE_THAT(denied.message(), Catch::Contains("object lock"));
  REQUIRE(names_of(store.files()) == "0:3-3");
}

}  // namespace
}  // namespace litestream::test
