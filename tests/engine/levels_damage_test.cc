// A replica with one damaged or missing file: an error, or another file that takes its place, never
// other data; and a snapshot that heals it.
#include <catch2/catch.hpp>

#include "tests/engine/levels_support.h"

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

// Everything that is left: by TXID and by time the bytes of that very point, or an error. Only
// where the oldest raw file is missing (`may_round`) a time may give the point before, and says so:
// that cannot be told from what retention does.
void require_points_or_errors(LevelsWorld& world, const std::vector<RestorePoint>& points,
                              bool may_round = false) {
  const auto files = world.replica.files();
  for (const RestorePoint& point : points) {
    for (const auto& target :
         {RestoreTarget::at_txid(point.txid), RestoreTarget::at_time(point.created_at_ms)}) {
      const auto plan = plan_restore(files, target);
      if (!plan.ok()) continue;
      INFO(describe_point(point) << " by " << names_of(plan->files));
      const bool is_by_txid = target.kind == RestoreTarget::Kind::kTxid;
      const bool is_rounded = may_round && !is_by_txid && plan->txid < point.txid;
      REQUIRE((plan->txid == point.txid || is_rounded));
      if (is_rounded) REQUIRE(plan->created_at_ms < point.created_at_ms);
      const auto bytes = restore_plan_bytes(world.replica, *plan);
      if (!bytes.ok()) continue;
      const bool same = *bytes == world.history.image(plan->txid.value);
      REQUIRE(same);
    }
  }
}

// What may happen to a file.
struct Damage {
  const char* what;
  std::function<std::string(std::string)> apply;
};

std::vector<Damage> all_damages() {
  const auto flip = [](size_t from_end) {
    return [from_end](std::string bytes) {
      bytes[bytes.size() - 1 - from_end % bytes.size()] ^= 16;
      return bytes;
    };
  };
  const auto cut = [](size_t size) {
    return [size](std::string bytes) { return bytes.substr(0, std::min(size, bytes.size() - 1)); };
  };
  return {{"page data",
           [](std::string bytes) {
             bytes[300] ^= 1;
             return bytes;
           }},
          {"page index", flip(30)},
          {"trailer", flip(3)},
          {"empty", cut(0)},
          {"50 bytes", cut(50)},
          {"header less one", cut(99)},
          {"trailer less one", cut(SIZE_MAX)},
          {"gone", nullptr}};
}

TEST_CASE("faults: F14 damage in any one file: found, and another file or a snapshot takes over") {
  const std::vector<Damage> damages = all_damages();
  const auto build = [](LevelsWorld& world) {
    world.options.level_interval_ms = {30'000, 120'000};
    world.options.snapshot_interval_ms = world.options.snapshot_retention_ms = 8 * kMinuteMs;
    world.options.l0_retention_ms = kMinuteMs;
    world.start();
    world.begin();
    world.live(13 * kMinuteMs, 15 * kSecondMs);
    world.clock.advance(kSecondMs);
  };
  LevelsWorld pristine;
  build(pristine);
  const auto files = pristine.replica.files();
  const auto points = restore_points(files);
  REQUIRE(files.size() > 30);
  for (size_t i = 0; i < files.size(); ++i) {
    const Damage& damage = damages[i % damages.size()];
    LevelsWorld world;
    build(world);
    if (damage.apply) {
      world.replica.set_bytes(files[i], damage.apply(world.replica.bytes(files[i])));
      world.spool.erase(files[i]);
    } else {
      world.replica.erase(files[i]);
      world.spool.erase(files[i]);
    }
    INFO(damage.what << " of " << names_of({files[i]}));
    const bool is_oldest_raw =
        std::none_of(files.begin(), files.end(), [&](const LtxFileInfo& file) {
          return file.level == 0 && file.min_txid.value > 1 && file.max_txid < files[i].max_txid;
        });
    require_points_or_errors(world, points, !damage.apply && files[i].level == 0 && is_oldest_raw);
    // A verify finds it; a missing file may be one that nothing needs.
    const auto report = world.keeper->verify(world.input);
    REQUIRE(report.ok());
    REQUIRE((!report->ok() || !damage.apply));
    if (damage.apply) {
      const std::string path = world.replica.path_of(files[i]);
      const bool is_named = std::any_of(report->errors.begin(), report->errors.end(),
                                        [&](const auto& error) { return error.find(path) == 0; });
      REQUIRE(is_named);
    }
    // Life goes on; where the newest point hung on the file, a snapshot is asked for.
    world.may_fail = true;
    world.live(90 * kSecondMs, 15 * kSecondMs);
    if (world.keeper->status().snapshot_wish == SnapshotWish::kHealing) heal(world);
    world.live(3 * kMinuteMs, 15 * kSecondMs);
    if (world.keeper->status().snapshot_wish == SnapshotWish::kHealing) heal(world);
    world.live(3 * kMinuteMs, 15 * kSecondMs);
    INFO(world.keeper->status().last_error << " / " << world.keeper->status().warning);
    REQUIRE(world.keeper->status().last_error.empty());
    world.require_newest();
    require_points_or_errors(world, restore_points(world.replica.files()));
    INFO(names_of(world.replica.files()));
    REQUIRE(world.listed->cache().newest(2).value + 20 > world.newest());
  }
}

TEST_CASE("faults: G10 each file of a replica gone: each time gives its point, or an error") {
  LevelsWorld world;
  world.options.level_interval_ms = {30'000, 120'000, 480'000};
  world.options.snapshot_interval_ms = 10 * kMinuteMs;
  world.options.snapshot_retention_ms = 20 * kMinuteMs;
  world.options.l0_retention_ms = kMinuteMs;
  world.start();
  world.begin();
  size_t error_count = 0;
  for (int stage = 0; stage < 40; ++stage) {
    world.live(70 * kSecondMs, 10 * kSecondMs);
    const auto files = world.replica.files();
    const auto points = restore_points(files);
    Txid oldest_raw{UINT64_MAX};
    for (const LtxFileInfo& file : files) {
      if (file.level == 0 && file.min_txid.value > 1) {
        oldest_raw = std::min(oldest_raw, file.max_txid);
      }
    }
    for (const LtxFileInfo& lost : files) {
      // Expired, or not uploaded yet, as far as a listing tells.
      if (lost.level == 0 && lost.max_txid == oldest_raw) continue;
      if (lost.max_txid == points.front().txid) continue;
      // Nothing tells that there was a snapshot.
      if (lost.level == kSnapshotLevel) continue;
      auto left = files;
      std::erase_if(left, [&](const auto& file) { return names_of({file}) == names_of({lost}); });
      INFO("without " << names_of({lost}) << ": " << names_of(left));
      for (const RestorePoint& point : points) {
        // Just before the next point, too.
        for (const int64_t later_ms : {int64_t{0}, int64_t{1}, 10 * kSecondMs - 1}) {
          const auto target = RestoreTarget::at_time(point.created_at_ms + later_ms);
          const auto before = plan_restore(files, target);
          const auto after = plan_restore(left, target);
          if (before.ok() && after.ok()) REQUIRE(after->txid == before->txid);
          error_count += before.ok() && !after.ok() ? 1 : 0;
        }
      }
    }
  }
  REQUIRE(error_count > 1000);
}

TEST_CASE("faults: F15 a lifecycle rule deletes a file in the middle") {
  LevelsWorld world(small_options());
  world.begin();
  world.live(100 * kMinuteMs, 10 * kSecondMs);
  // All that hold it: nothing leads across.
  const uint64_t victim = files_of(world.replica, 3).back().min_txid.value;
  for (const LtxFileInfo& file : world.replica.files()) {
    const bool holds = file.min_txid.value <= victim && file.max_txid.value >= victim;
    if (holds && file.min_txid.value > 1) world.replica.erase(file);
  }
  REQUIRE_FALSE(world.restore(RestoreTarget::newest()).ok());
  world.start();  // or the daily listing, or a verify
  world.may_fail = true;
  (void)world.run_if_due().ok();
  REQUIRE_THAT(world.keeper->status().warning, Catch::Contains("no file of the replica holds"));
  REQUIRE(world.keeper->status().snapshot_wish == SnapshotWish::kNone);  // it may only be late
  world.idle(kMinuteMs);
  heal(world);
  world.live(30 * kMinuteMs, 10 * kSecondMs);
  REQUIRE(world.keeper->status().last_error.empty());
  world.require_newest();
}

TEST_CASE("faults: F15 a listing that was only late raises no wish") {
  LevelsWorld world(small_options());
  world.begin();
  world.live(10 * kMinuteMs, 10 * kSecondMs);
  world.replica.set_listing_lag(1);
  world.clock.advance(10 * kSecondMs);
  world.write();
  world.replica.set_listing_lag(0);
  world.clock.advance(kSecondMs);
  world.write();
  world.start();
  world.may_fail = true;
  (void)world.run_if_due().ok();
  world.idle(2 * kMinuteMs);
  REQUIRE(world.keeper->status().snapshot_wish == SnapshotWish::kNone);
  REQUIRE(world.keeper->status().warning.empty());
  world.live(5 * kMinuteMs, 10 * kSecondMs);
  world.require_all_points();
}

}  // namespace
}  // namespace litestream::test
