// Seeded simulation of the engine: class Replicator, stepped by hand, in a world where everything
// that can happen between two of its steps does.
// Goal: after any history, every listed point is a state the database had, in order, and the newest
// is the database as it is.
// Method: sim_world.h plays, sim_oracle.h judges. A failure names its seed;
// LITESTREAM_TEST_SEED=<seed> LITESTREAM_SIM_ROUNDS=1 replays it alone, LITESTREAM_SIM_VERBOSE=2
// tells every step of it.
#include <catch2/catch.hpp>
#include <cstdlib>

#include "ext/base/log.h"
#include "tests/sim/sim_world.h"

namespace litestream::test {
namespace {

uint64_t round_count(uint64_t otherwise) {
  const char* text = std::getenv("LITESTREAM_SIM_ROUNDS");
  return text != nullptr ? std::strtoull(text, nullptr, 0) : otherwise;
}

// "" or why the oracle does not hold.
std::string play(uint64_t seed, SourceDefect defect) {
  const char* verbose = std::getenv("LITESTREAM_SIM_VERBOSE");
  if (verbose != nullptr && *verbose == '2') {
    set_log_sink([](LogLevel, std::string_view message) noexcept {
      std::cerr << "      log: " << message << '\n';
    });
  }
  SimWorld world(seed, defect);
  try {
    world.run();
  } catch (const SimFailure& failure) {
    return "seed " + std::to_string(seed) + ": " + failure.what();
  }
  if (verbose != nullptr) std::cerr << world.summary() << '\n';
  return "";
}

}  // namespace

TEST_CASE("nothing is lost, whatever happens between any two steps") {
  const Prng random = Prng::announced("simulation", 1);
  const uint64_t rounds = round_count(600);
  for (uint64_t round = 0; round < rounds; ++round) {
    REQUIRE(play(random.seed() + round, SourceDefect::kNone) == "");
  }
}

// For the search after a failure: all of them, not just the first.
TEST_CASE("survey of failures", "[.survey]") {
  const Prng random = Prng::announced("survey", 1);
  const uint64_t rounds = round_count(1000);
  uint64_t failures = 0;
  for (uint64_t round = 0; round < rounds; ++round) {
    const std::string failure = play(random.seed() + round, SourceDefect::kNone);
    if (failure.empty()) continue;
    ++failures;
    std::cerr << failure << '\n';
  }
  REQUIRE(failures == 0);
}

// The harness can see: with a source that makes a known mistake the oracle must not hold for long.
TEST_CASE("a source that breaks the protocol is found out") {
  const auto defect = GENERATE(SourceDefect::kSkipsRelief, SourceDefect::kSkipsWriteLock);
  CAPTURE(static_cast<int>(defect));
  const Prng random = Prng::announced("simulation with a defect", 1);
  std::string found;
  for (uint64_t round = 0; round < 60 && found.empty(); ++round) {
    found = play(random.seed() + round, defect);
  }
  REQUIRE(found != "");
}

}  // namespace litestream::test
