#include "ext/engine/restore_plan.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "ext/base/clock.h"
#include "tests/support/prng.h"

namespace litestream {
namespace {

using Files = std::vector<LtxFileInfo>;
using Target = RestoreTarget;

constexpr int64_t kEpochMs = 1767413106789;  // 2026-01-03T04:05:06.789Z

int64_t time_of(uint64_t txid) { return kEpochMs + static_cast<int64_t>(txid) * 1000; }

LtxFileInfo file(int level, uint64_t min_txid, uint64_t max_txid, int64_t created_at_ms = 0) {
  return {level, Txid{min_txid}, Txid{max_txid}, 100,
          created_at_ms == 0 ? time_of(max_txid) : created_at_ms};
}

std::string hex(uint64_t txid) { return format_txid(Txid{txid}); }

// "9:1-5 0:6-6" for a plan, the message for an error.
std::string shown(const Files& files, const Target& target) {
  const auto plan = plan_restore(files, target);
  if (!plan.ok()) return plan.status().message();
  std::string out;
  for (const LtxFileInfo& f : plan->files) {
    out += (out.empty() ? "" : " ") + std::to_string(f.level) + ":" +
           std::to_string(f.min_txid.value) + "-" + std::to_string(f.max_txid.value);
  }
  return out;
}

StatusCode code(const Files& files, const Target& target) {
  return plan_restore(files, target).status().code();
}

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("plan: the newest snapshot, then what reaches furthest") {
  const Files files = {file(0, 7, 7), file(0, 8, 8), file(0, 6, 6), file(9, 1, 2),
                       file(9, 1, 5), file(1, 3, 5), file(1, 4, 7), file(0, 1, 1)};
  CHECK(shown(files, Target::newest()) == "9:1-5 1:4-7 0:8-8");
  CHECK(shown(files, Target::at_txid(Txid{8})) == "9:1-5 1:4-7 0:8-8");
  CHECK(shown(files, Target::at_txid(Txid{6})) == "9:1-5 0:6-6");
  CHECK(shown(files, Target::at_txid(Txid{5})) == "9:1-5");
  CHECK(shown(files, Target::at_txid(Txid{2})) == "9:1-2");
  CHECK(shown(files, Target::at_txid(Txid{1})) == "0:1-1");
  const auto plan = plan_restore(files, Target::newest());
  CHECK(plan->txid == Txid{8});
  CHECK(plan->created_at_ms == time_of(8));
  CHECK(plan->size_bytes == 300);
}

TEST_CASE("plan: equal reach is decided by min_txid, then by level") {
  CHECK(shown({file(9, 1, 2), file(1, 3, 6), file(2, 2, 6), file(3, 3, 6)}, Target::newest()) ==
        "9:1-2 2:2-6");
  CHECK(shown({file(9, 1, 2), file(1, 3, 6), file(0, 3, 6), file(3, 3, 6)}, Target::newest()) ==
        "9:1-2 3:3-6");
  CHECK(shown({file(0, 1, 1), file(9, 1, 1)}, Target::newest()) == "9:1-1");
}

TEST_CASE("plan: any file from 1 is a whole database; a level 9 file not from 1 is nothing") {
  CHECK(shown({file(3, 1, 6), file(9, 1, 4)}, Target::newest()) == "3:1-6");
  CHECK(code({file(9, 2, 6)}, Target::newest()) == StatusCode::kNotFound);
  CHECK(shown({file(9, 1, 4), file(9, 5, 6)}, Target::newest()) == "9:1-4");
}

TEST_CASE("plan: impossible listing entries are left out") {
  Files files = {file(9, 1, 4)};
  files.push_back({0, Txid{0}, Txid{9}, 1, 1});
  files.push_back({0, Txid{9}, Txid{5}, 1, 1});
  files.push_back({-1, Txid{5}, Txid{5}, 1, 1});
  files.push_back({10, Txid{5}, Txid{5}, 1, 1});
  CHECK(shown(files, Target::newest()) == "9:1-4");
  CHECK(restore_points(files).size() == 1);
}

TEST_CASE("plan: the largest TXIDs") {
  const uint64_t last = UINT64_MAX - 1;
  const Files files = {file(9, 1, last - 1, kEpochMs), file(0, last, last, kEpochMs),
                       file(0, UINT64_MAX, UINT64_MAX, kEpochMs)};
  CHECK(plan_restore(files, Target::newest())->files.size() == 2);
  CHECK(plan_restore(files, Target::at_time(kEpochMs))->txid == Txid{last});
}

TEST_CASE("plan: an empty replica") {
  for (const Target& target :
       {Target::newest(), Target::at_txid(Txid{1}), Target::at_time(kEpochMs)}) {
    CHECK(code({}, target) == StatusCode::kNotFound);
    CHECK(shown({}, target) == "the replica holds no backup");
  }
}

TEST_CASE("plan: a gap is named, with the points around it") {
  const Files files = {file(9, 1, 2), file(0, 3, 3), file(0, 6, 6), file(0, 7, 7), file(9, 1, 9)};
  for (const uint64_t target : {6, 7}) {
    CAPTURE(target);
    const std::string text = shown(files, Target::at_txid(Txid{target}));
    CHECK(code(files, Target::at_txid(Txid{target})) == StatusCode::kNotFound);
    CHECK(has(text, "no file of the replica holds " + hex(4) + ".." + hex(5)));
    CHECK(has(text, "use " + hex(3) + " (" + format_rfc3339_ms(time_of(3)) + ") or " + hex(9)));
  }
  // The gap is in front of the newest file: newest is an error, never the state before it.
  const Files open_end = {file(9, 1, 2), file(0, 4, 4)};
  CHECK(code(open_end, Target::newest()) == StatusCode::kNotFound);
  CHECK(has(shown(open_end, Target::newest()), hex(3) + ".." + hex(3)));
  CHECK(has(shown(open_end, Target::newest()), "use " + hex(2)));
  // Healed by a snapshot.
  CHECK(shown({file(9, 1, 2), file(0, 4, 4), file(9, 1, 4)}, Target::newest()) == "9:1-4");
}

TEST_CASE("plan: without any snapshot the beginning is missing") {
  const Files files = {file(0, 5, 5), file(0, 6, 6)};
  for (const Target& target :
       {Target::newest(), Target::at_txid(Txid{5}), Target::at_time(time_of(9))}) {
    CHECK(code(files, target) == StatusCode::kNotFound);
    CHECK(has(shown(files, target), hex(1) + ".." + hex(4)));
    CHECK(has(shown(files, target), "no snapshot"));
  }
}

TEST_CASE("plan: a target inside a file's range names its restorable neighbours") {
  const Files files = {file(9, 1, 2), file(1, 3, 9), file(0, 10, 10)};
  CHECK(shown(files, Target::at_txid(Txid{5})) == hex(5) + " lies inside " + hex(3) + ".." +
                                                      hex(9) + ": use " + hex(2) + " or " + hex(9) +
                                                      "; `restore-granularity: commit` keeps each");
  CHECK(code(files, Target::at_txid(Txid{5})) == StatusCode::kInvalidArgument);
  CHECK(has(shown({file(9, 1, 8)}, Target::at_txid(Txid{5})), ": use " + hex(8) + ";"));
  // Raw files that outlived those before them do not make their points restorable.
  const Files expired = {file(9, 1, 2), file(1, 3, 9), file(0, 7, 7), file(0, 8, 8), file(0, 9, 9)};
  CHECK(has(shown(expired, Target::at_txid(Txid{7})), "lies inside " + hex(3) + ".." + hex(9)));
  CHECK(shown(expired, Target::newest()) == "9:1-2 1:3-9");
}

TEST_CASE("plan: a TXID out of range names the earliest and the latest point") {
  const Files files = {file(9, 1, 2), file(0, 3, 3)};
  const std::string text = shown(files, Target::at_txid(Txid{4}));
  CHECK(code(files, Target::at_txid(Txid{4})) == StatusCode::kInvalidArgument);
  CHECK(has(text, "TXID " + hex(4) + " is not in the replica"));
  CHECK(has(text, "earliest restorable point is " + hex(2) + " (2026-01-03T04:05:08.789Z)"));
  CHECK(has(text, "latest is " + hex(3) + " (2026-01-03T04:05:09.789Z)"));
}

TEST_CASE("time: exact, or the newest point at or before it") {
  const Files files = {file(9, 1, 2), file(0, 3, 3), file(0, 4, 4), file(1, 3, 4), file(0, 5, 5)};
  CHECK(shown(files, Target::at_time(time_of(3))) == "9:1-2 0:3-3");
  CHECK(shown(files, Target::at_time(time_of(3) + 999)) == "9:1-2 0:3-3");
  CHECK(shown(files, Target::at_time(time_of(4))) == "9:1-2 1:3-4");
  CHECK(shown(files, Target::at_time(time_of(5))) == "9:1-2 1:3-4 0:5-5");
  CHECK(shown(files, Target::at_time(time_of(500))) == "9:1-2 1:3-4 0:5-5");
  const auto plan = plan_restore(files, Target::at_time(time_of(3) + 999));
  CHECK(plan->txid == Txid{3});
  CHECK(plan->created_at_ms == time_of(3));
}

TEST_CASE("time: before the first backup") {
  const Files files = {file(9, 1, 2), file(0, 3, 3)};
  const Target target = Target::at_time(time_of(2) - 1);
  CHECK(code(files, target) == StatusCode::kInvalidArgument);
  CHECK(has(shown(files, target), "is before the first backup, 2026-01-03T04:05:08.789Z; " +
                                      std::string("earliest restorable point is ") + hex(2)));
}

TEST_CASE("time: rounded down inside a compacted range") {
  const Files files = {file(9, 1, 2), file(1, 3, 9), file(0, 10, 10)};
  CHECK(plan_restore(files, Target::at_time(time_of(7)))->txid == Txid{2});
  // The raw files of the range expire oldest first; those that remain prove no gap.
  const Files expiring = {file(9, 1, 2), file(1, 3, 9), file(0, 7, 7),
                          file(0, 8, 8), file(0, 9, 9), file(0, 10, 10)};
  CHECK(plan_restore(expiring, Target::at_time(time_of(7)))->txid == Txid{2});
  CHECK(plan_restore(expiring, Target::at_time(time_of(9)))->txid == Txid{9});
  // Between two snapshots of which nothing else was kept.
  const Files snapshots = {file(9, 1, 2), file(9, 1, 9), file(0, 10, 10)};
  CHECK(plan_restore(snapshots, Target::at_time(time_of(7)))->txid == Txid{2});
}

TEST_CASE("time: across a missing file there is no silent earlier state") {
  const Files gap = {file(9, 1, 2), file(0, 3, 3), file(0, 5, 5), file(0, 6, 6)};
  CHECK(plan_restore(gap, Target::at_time(time_of(3)))->txid == Txid{3});
  for (const int64_t time : {time_of(3) + 1, time_of(4), time_of(5), time_of(6), time_of(100)}) {
    CAPTURE(time - kEpochMs);
    CHECK(code(gap, Target::at_time(time)) == StatusCode::kNotFound);
    CHECK(has(shown(gap, Target::at_time(time)), "holds " + hex(4) + ".." + hex(4)));
  }
  // A later snapshot makes the end restorable, not the time of the gap.
  Files healed = gap;
  healed.push_back(file(9, 1, 7));
  CHECK(code(healed, Target::at_time(time_of(4))) == StatusCode::kNotFound);
  CHECK(code(healed, Target::at_time(time_of(6))) == StatusCode::kNotFound);
  CHECK(plan_restore(healed, Target::at_time(time_of(7)))->txid == Txid{7});
  CHECK(plan_restore(healed, Target::at_time(time_of(3)))->txid == Txid{3});
}

TEST_CASE("time: a file missing inside the range of a larger one is no rounding down") {
  const Files full = {file(9, 1, 1),   file(1, 2, 5),   file(1, 6, 9),
                      file(1, 10, 13), file(1, 14, 20), file(2, 2, 20)};
  CHECK(plan_restore(full, Target::at_time(time_of(12)))->txid == Txid{9});
  for (size_t missing = 1; missing <= 3; ++missing) {
    Files files = full;
    const LtxFileInfo lost = files[missing];
    files.erase(files.begin() + static_cast<ptrdiff_t>(missing));
    const uint64_t before = lost.min_txid.value - 1;
    CAPTURE(lost.min_txid.value);
    CHECK(plan_restore(files, Target::at_time(time_of(before)))->txid.value == before);
    CHECK(plan_restore(files, Target::at_time(time_of(20)))->txid == Txid{20});
    for (uint64_t txid = before + 1; txid < 20; ++txid) {
      const Target target = Target::at_time(time_of(txid));
      CHECK(code(files, target) == StatusCode::kNotFound);
      CHECK(has(shown(files, target), "no file of level 1 holds " + hex(lost.min_txid.value) +
                                          ".." + hex(lost.max_txid.value)));
      CHECK(has(shown(files, target), "use " + hex(before) + " ("));
      CHECK(has(shown(files, target), ") or " + hex(20)));
    }
  }
  // A raw file, of a range that level 1 holds; retention has taken those before 4.
  const Files raw = {file(9, 1, 1), file(0, 4, 4), file(0, 6, 6),  file(0, 7, 7),
                     file(1, 2, 3), file(1, 4, 9), file(1, 10, 12)};
  CHECK(plan_restore(raw, Target::at_time(time_of(3) + 1))->txid == Txid{3});
  CHECK(plan_restore(raw, Target::at_time(time_of(4)))->txid == Txid{4});
  CHECK(has(shown(raw, Target::at_time(time_of(6))), "no file of level 0 holds " + hex(5) + ".."));
  CHECK(plan_restore(raw, Target::at_time(time_of(9)))->txid == Txid{9});
  CHECK(plan_restore(raw, Target::at_time(time_of(11)))->txid == Txid{9});
  // A gap that a snapshot healed stays one for the times inside it.
  const Files healed = {file(9, 1, 1), file(0, 2, 2), file(9, 1, 6), file(0, 7, 7)};
  CHECK(code(healed, Target::at_time(time_of(4))) == StatusCode::kNotFound);
  CHECK(plan_restore(healed, Target::at_time(time_of(6)))->txid == Txid{6});
}

TEST_CASE("time: a clock that was set back makes times ambiguous, never wrong") {
  const Files files = {file(9, 1, 1, kEpochMs + 10), file(0, 2, 2, kEpochMs + 20),
                       file(0, 3, 3, kEpochMs + 30), file(0, 4, 4, kEpochMs + 15),
                       file(0, 5, 5, kEpochMs + 40)};
  CHECK(plan_restore(files, Target::at_time(kEpochMs + 10))->txid == Txid{1});
  for (const int64_t time : {15, 20, 29}) {
    CAPTURE(time);
    CHECK(code(files, Target::at_time(kEpochMs + time)) == StatusCode::kInvalidArgument);
    CHECK(has(shown(files, Target::at_time(kEpochMs + time)), "ambiguous"));
  }
  CHECK(plan_restore(files, Target::at_time(kEpochMs + 30))->txid == Txid{4});
  CHECK(plan_restore(files, Target::at_time(kEpochMs + 40))->txid == Txid{5});
}

TEST_CASE("points: newest first, with the lowest level's time") {
  const Files files = {file(0, 3, 3), file(9, 1, 2, time_of(50)), file(1, 1, 2, time_of(2)),
                       file(1, 3, 5), file(0, 8, 8)};
  const std::vector<RestorePoint> expected = {
      {Txid{5}, time_of(5), 1}, {Txid{3}, time_of(3), 0}, {Txid{2}, time_of(2), 1}};
  CHECK(restore_points(files) == expected);
  CHECK(restore_points({}).empty());
}

// What can be reached, by trying everything.
std::set<uint64_t> reachable(const Files& files) {
  std::set<uint64_t> reached;
  for (bool grew = true; grew;) {
    grew = false;
    for (const LtxFileInfo& f : files) {
      const bool starts = f.min_txid == Txid{1};
      const bool continues =
          f.level < 9 && std::any_of(reached.begin(), reached.end(), [&](uint64_t have) {
            return f.min_txid.value <= have + 1 && f.max_txid.value > have;
          });
      if (starts || continues) grew |= reached.insert(f.max_txid.value).second;
    }
  }
  return reached;
}

Files random_files(test::Prng& prng) {
  Files files;
  const uint64_t count = prng.between(1, 14);
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t min_txid = prng.chance(4) ? 1 : prng.between(1, 12);
    const int level = min_txid == 1 && prng.chance(2) ? 9 : static_cast<int>(prng.below(4));
    files.push_back(file(level, min_txid, min_txid + (prng.chance(2) ? 0 : prng.below(6))));
  }
  return files;
}

// A plan is right when each file continues what the ones before it gave.
void check_plan(const RestorePlan& plan, uint64_t target) {
  uint64_t have = 0;
  for (const LtxFileInfo& f : plan.files) {
    REQUIRE(f.min_txid.value <= have + 1);
    REQUIRE(f.max_txid.value > have);
    REQUIRE((f.level < 9 || have == 0));
    have = f.max_txid.value;
  }
  REQUIRE(have == target);
  REQUIRE(plan.txid == Txid{target});
}

TEST_CASE("points and plans agree with an exhaustive search") {
  auto prng = test::Prng::announced("restore_plan", 3);
  for (int round = 0; round < 5000; ++round) {
    CAPTURE(round);
    const Files files = random_files(prng);
    const std::set<uint64_t> expected = reachable(files);
    const std::vector<RestorePoint> points = restore_points(files);
    REQUIRE(points.size() == expected.size());
    REQUIRE(std::is_sorted(points.begin(), points.end(),
                           [](const auto& a, const auto& b) { return a.txid > b.txid; }));
    for (uint64_t txid = 1; txid <= 20; ++txid) {
      const auto plan = plan_restore(files, Target::at_txid(Txid{txid}));
      REQUIRE(plan.ok() == expected.contains(txid));
      if (plan.ok()) check_plan(*plan, txid);
      if (!plan.ok()) REQUIRE_FALSE(plan.status().message().empty());
      // With an honest clock a time never gives a state that is later or unreachable.
      const auto at_time = plan_restore(files, Target::at_time(time_of(txid)));
      if (!at_time.ok()) continue;
      check_plan(*at_time, at_time->txid.value);
      REQUIRE(at_time->created_at_ms <= time_of(txid));
      REQUIRE(at_time->txid.value == *std::prev(expected.upper_bound(txid)));
    }
  }
}

TEST_CASE("a hundred thousand files are planned at once") {
  Files files = {file(9, 1, 1)};
  for (uint64_t txid = 2; txid <= 100'000; ++txid) files.push_back(file(0, txid, txid));
  std::reverse(files.begin(), files.end());
  CHECK(plan_restore(files, Target::newest())->files.size() == 100'000);
  CHECK(plan_restore(files, Target::at_time(time_of(70'000)))->files.size() == 70'000);
  CHECK(restore_points(files).size() == 100'000);
}

}  // namespace
}  // namespace litestream
