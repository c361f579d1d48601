// Random transactions through hours of simulated time, with compaction, snapshots and retention
// running, processes that die, stores that fail, reply late or list late, and clocks that jump.
// After every step every listed point is restored, by TXID and by its time, and compared with a
// copy; and no point is gone that retention still owes.
//
// Rounds: LITESTREAM_LEVELS_ROUNDS. Seed: LITESTREAM_TEST_SEED; round n of a run uses seed + n.
#include <catch2/catch.hpp>
#include <cstdlib>

#include "ext/ltx/encoder.h"
#include "tests/engine/levels_support.h"

namespace litestream::test {
namespace {

constexpr int64_t kSecondMs = 1000;
constexpr int64_t kMinuteMs = 60 * kSecondMs;
constexpr int64_t kHourMs = 60 * kMinuteMs;
constexpr int64_t kDayMs = 24 * kHourMs;

int64_t between_ms(Prng& prng, int64_t first_ms, int64_t last_ms) {
  return static_cast<int64_t>(
      prng.between(static_cast<uint64_t>(first_ms), static_cast<uint64_t>(last_ms)));
}

DatabaseOptions random_options(Prng& prng) {
  DatabaseOptions options;
  options.level_interval_ms.clear();
  int64_t interval_ms = between_ms(prng, 10, 60) * kSecondMs;
  for (uint64_t levels = prng.between(1, 4); levels > 0; --levels) {
    options.level_interval_ms.push_back(interval_ms);
    interval_ms *= between_ms(prng, 2, 6);
  }
  options.snapshot_interval_ms = between_ms(prng, 10, 60) * kMinuteMs;
  options.snapshot_retention_ms =
      options.snapshot_interval_ms + between_ms(prng, 0, 40) * kMinuteMs;
  options.l0_retention_ms = prng.chance(6) ? 0 : between_ms(prng, 10, 120) * kSecondMs;
  options.l0_retention_check_interval_ms = between_ms(prng, 1, 20) * kSecondMs;
  options.verify_compaction = prng.chance(3);
  options.retention_enabled = !prng.chance(12);
  return options;
}

class Round {
 public:
  Round(uint64_t seed)
      : prng_(seed),
        trouble_(!prng_.chance(3)),
        jumps_(prng_.chance(3)),
        world_(random_options(prng_), prng_.chance(2), !prng_.chance(5)) {}
  void run();

 private:
  void step();
  void make_trouble();
  void upload();
  void keep(bool in_peace = false);
  void check();
  void require_kept(const std::vector<RestorePoint>& points) const;

  Prng prng_;
  const bool trouble_;
  const bool jumps_;
  LevelsWorld world_;
  uint64_t sent_ = 1;  // newest transaction that the replica acknowledged
  std::string seen_;   // what was there at the last check, raw files left out
  std::vector<RestorePoint> points_;
  bool has_restarted_ = false;
  bool has_jumped_ = false;
};

void Round::make_trouble() {
  if (jumps_ && prng_.chance(150)) {
    world_.clock.wall += between_ms(prng_, 0, 60 * 24) * kHourMs - 30 * kDayMs;
    has_jumped_ = true;
  }
  if (!trouble_) return;
  if (prng_.chance(40)) {
    world_.start();
    has_restarted_ = true;
  }
  if (prng_.chance(15)) world_.replica.lose_next_commit_reply();
  if (prng_.chance(30)) world_.replica.set_listing_lag(static_cast<int>(prng_.below(3)));
  if (prng_.chance(30)) world_.lease = prng_.chance(2) ? busy("another host") : Status();
  if (prng_.chance(20)) world_.input.database_bytes = prng_.chance(2) ? 1 << 20 : 0;
}

// Files of a few transactions each, in order, the first again that was not acknowledged.
void Round::upload() {
  while (sent_ < world_.newest()) {
    const uint64_t last = std::min(world_.newest(), sent_ + prng_.between(1, 4));
    if (!world_.upload(0, sent_ + 1, last).ok() && !world_.upload(0, sent_ + 1, last).ok()) return;
    sent_ = last;
  }
}

void Round::keep(bool in_peace) {
  if (trouble_ && !in_peace && prng_.chance(5)) {
    world_.replica.fail_call(prng_.between(1, 60), unavailable("no answer"));
  }
  const Status status = world_.run_if_due();
  world_.replica.fail_call(UINT32_MAX, {});  // our own reads do not fail
  REQUIRE(status.code() != StatusCode::kInternal);
  const SnapshotWish wish = world_.keeper->status().snapshot_wish;
  if (wish == SnapshotWish::kNone || sent_ != world_.newest()) return;
  (void)world_.upload(kSnapshotLevel, 1, sent_).ok();
}

// A point of level 1 or above stays for the retention, a raw one for l0-retention, by real time. A
// process that has not seen the clock jump cannot know all of it.
void Round::require_kept(const std::vector<RestorePoint>& points) const {
  const int64_t share = has_jumped_ && has_restarted_ ? 2 : 1;
  for (const RestorePoint& point : points_) {
    const int64_t owed_ms =
        point.level == 0 ? world_.options.l0_retention_ms : world_.options.snapshot_retention_ms;
    if (world_.age_of(point.txid.value) >= owed_ms / share) continue;
    const auto found =
        std::lower_bound(points.begin(), points.end(), point.txid,
                         [](const RestorePoint& p, Txid txid) { return p.txid > txid; });
    INFO(describe_point(point) << " of level " << point.level << ", "
                               << world_.age_of(point.txid.value) / kSecondMs << " s old, owed "
                               << owed_ms / kSecondMs << " s, jumped " << has_jumped_
                               << ", restarted " << has_restarted_ << "; "
                               << names_of(world_.replica.files()));
    REQUIRE((found != points.end() && found->txid == point.txid));
  }
}

void Round::check() {
  const auto files = world_.replica.files();
  const auto points = restore_points(files);
  REQUIRE_FALSE(points.empty());
  REQUIRE(points.front().txid >= Txid{sent_});
  require_kept(points);
  points_ = points;
  // Raw files come one at a time; everything else asks for a look at every point.
  std::string there = std::to_string(files_of(world_.replica, 0).front().min_txid.value);
  for (const LtxFileInfo& file : files) {
    if (file.level > 0) there += " " + names_of({file});
  }
  if (there == seen_) {
    world_.require_newest();
  } else {
    (void)world_.require_all_points(!has_jumped_);
  }
  seen_ = there;
}

void Round::step() {
  world_.clock.advance(prng_.chance(30) ? between_ms(prng_, 1, 15) * kMinuteMs
                                        : between_ms(prng_, 1, 40) * kSecondMs);
  make_trouble();
  for (uint64_t count = prng_.below(4); count > 0; --count) {
    world_.clock.advance(between_ms(prng_, 0, 300));
    world_.commit(&prng_);
  }
  upload();
  check();
  keep();
  check();
  if (!prng_.chance(60)) return;
  (void)world_.keeper->compact(1, world_.input).ok();
  (void)world_.keeper->snapshot(world_.input).ok();
  check();
}

void Round::run() {
  world_.may_fail = true;
  world_.begin();
  world_.clock.advance(kSecondMs);
  world_.write();
  sent_ = world_.newest();
  const int64_t end_ms = world_.clock.monotonic + 3 * kHourMs;
  while (world_.clock.monotonic < end_ms) step();
  // In peace everything comes right.
  world_.replica.set_listing_lag(0);
  for (int i = 0; i < 3; ++i) (void)list_all_levels(world_.replica).ok();  // late ones are over
  world_.lease = {};
  world_.clock.advance(2 * kMinuteMs);
  upload();
  for (int i = 0; i < 60; ++i) {
    world_.clock.advance(10 * kSecondMs);
    keep(true);
  }
  check();
  const KeeperStatus status = world_.keeper->status();
  INFO(status.last_error << " / " << status.warning);
  REQUIRE(status.last_error.empty());
  REQUIRE(status.warning.empty());
  const auto report = world_.keeper->verify(world_.input);
  REQUIRE(report.ok());
  INFO((report->ok() ? "" : report->errors[0]) << "; " << names_of(world_.replica.files()));
  REQUIRE(report->ok());
}

TEST_CASE("levels: every listed point at every step, by TXID and by time") {
  const char* rounds_text = std::getenv("LITESTREAM_LEVELS_ROUNDS");
#ifdef __SANITIZE_THREAD__
  constexpr uint64_t kRounds = 2;  // it is one thread
#else
  constexpr uint64_t kRounds = 12;
#endif
  const uint64_t rounds =
      rounds_text == nullptr ? kRounds : std::strtoull(rounds_text, nullptr, 10);
  REQUIRE(rounds > 0);
  const uint64_t seed = Prng::announced("levels", 4001).seed();
  for (uint64_t i = 0; i < rounds; ++i) {
    INFO("seed " << seed + i);
    Round(seed + i).run();
  }
}

}  // namespace
}  // namespace litestream::test
