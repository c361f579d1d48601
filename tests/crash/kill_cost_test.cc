// What it costs to be killed: an owner that dies again and again under load and resumes uploads
// little more than one that lives, because it compares pages instead of taking snapshots.
//
// LITESTREAM_KILL_ROUNDS sets the number of kills.
#include <chrono>
#include <cstdlib>
#include <iostream>
#include <thread>

#include "tests/crash/crash_database.h"
#include "tests/support/prng.h"

namespace litestream::test {
namespace {

constexpr int kThreadCount = 4;
constexpr const char* kPauseUs = "1000";
constexpr int kLoadTimeoutMs = 20 * 60 * 1000;

int kill_count() {
  const char* text = std::getenv("LITESTREAM_KILL_ROUNDS");
  if (text != nullptr) return std::atoi(text);
#ifdef NDEBUG
  return 1000;
#else
  return 60;
#endif
}

// Most lives are too short for one L0 file, so that everything they leave is found by comparing;
// some are long enough for several.
std::chrono::milliseconds life_length(Prng& random) {
  return std::chrono::milliseconds(random.chance(16) ? random.between(40, 120)
                                                     : random.between(1, 15));
}

std::string load_command(int writer_count, int first, const std::string& target, uint64_t seed) {
  return "load " + std::to_string(writer_count) + " " + std::to_string(first) + " " + target + " " +
         std::to_string(seed) + " " + kPauseUs + " 10000";
}

std::vector<std::string> counters(const CrashDatabase& database) {
  SqliteDb db(database.path());
  return db.rows("SELECT n FROM counters WHERE writer < " + std::to_string(kThreadCount) +
                 " ORDER BY writer");
}

void require_whole(const CrashDatabase& database) {
  database.require_newest_is_source();
  database.require_chain();
  database.require_no_errors();
}

}  // namespace

TEST_CASE("being killed under load costs less than twice the upload, and no snapshot") {
  Prng random = Prng::announced("kill cost", 5);
  const uint64_t seed = random.next();
  const CrashDatabase killed(4096);
  for (int i = 0; i < kill_count(); ++i) {
    const auto owner = killed.replicating();
    owner->ask(load_command(kThreadCount, 0, "0", seed));
    std::this_thread::sleep_for(life_length(random));
    owner->kill();
  }
  const auto last_owner = killed.replicating();
  last_owner->sql("SELECT litestream_sync()");
  require_whole(killed);
  const std::vector<std::string> targets = counters(killed);

  // The same transactions without an accident.
  const CrashDatabase spared(4096);
  const auto owner = spared.replicating();
  for (int writer = 0; writer < kThreadCount; ++writer) {
    owner->ask(load_command(1, writer, targets[static_cast<size_t>(writer)], seed));
  }
  REQUIRE(owner->ask("join", kLoadTimeoutMs) == "ok");
  owner->sql("SELECT litestream_sync()");
  require_whole(spared);
  REQUIRE(counters(spared) == targets);

  INFO(killed.log_count() << " transactions, " << kill_count()
                          << " kills: " << killed.level_0_bytes()
                          << " bytes of level 0, without kills " << spared.level_0_bytes());
  std::cerr << "kill cost: " << killed.level_0_bytes() << " bytes with " << kill_count()
            << " kills, " << spared.level_0_bytes() << " without\n";
  CHECK(killed.log_count() > kill_count());
  REQUIRE(killed.level_0_bytes() < 2 * spared.level_0_bytes());
}

}  // namespace litestream::test
