#include "ext/engine/sync_turns.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <initializer_list>
#include <optional>
#include <thread>

#include "tests/support/virtual_time.h"

namespace litestream::test {
namespace {

// Nothing here takes that long: who waits wrongly is found by the test's own time limit.
constexpr int64_t kLongMs = 3'600'000;

void run_barriers(SyncTurns* turns, VirtualTime* time, std::initializer_list<int64_t> ends_ms) {
  for (const int64_t end_ms : ends_ms) {
    const SyncTurns::Barrier barrier(turns);
    time->advance_ms(end_ms - time->monotonic_ms());
  }
}

// A job on a thread of its own.
class Job {
 public:
  explicit Job(SyncTurns* turns)
      : thread_([this, turns] {
          const SyncTurns::Turn turn(turns);
          had_turn_ = true;
        }) {}
  ~Job() { thread_.join(); }
  // After long enough for a thread that does not wait to be seen.
  bool waits() const {
    std::this_thread::sleep_for(std::chrono::milliseconds(30));
    return !had_turn_;
  }

 private:
  std::atomic<bool> had_turn_{false};
  std::thread thread_;
};

}  // namespace

TEST_CASE("turns: a job waits for the end of a barrier that runs", "[threads]") {
  VirtualTime time;
  SyncTurns turns(time, kLongMs);
  std::optional<Job> job;
  {
    const SyncTurns::Barrier barrier(&turns);
    job.emplace(&turns);
    REQUIRE(job->waits());
  }
  job.reset();
  REQUIRE_FALSE(turns.taken());
}

TEST_CASE("turns: while barriers follow closely, a job begins right after one", "[threads]") {
  VirtualTime time;
  SyncTurns turns(time, kLongMs);
  const int64_t from = time.monotonic_ms();
  run_barriers(&turns, &time, {from + 20, from + 40});
  {
    const SyncTurns::Turn at_once(&turns);
    REQUIRE(turns.taken());
  }
  time.advance_ms(10);
  const Job job(&turns);
  const bool waited = job.waits();
  run_barriers(&turns, &time, {from + 60});
  REQUIRE(waited);
}

TEST_CASE("turns: nobody waits for barriers that are far apart, or over") {
  VirtualTime time;
  SyncTurns turns(time, kLongMs);
  const int64_t from = time.monotonic_ms();
  const auto take = [&] {
    const SyncTurns::Turn turn(&turns);
    REQUIRE(turns.taken());
  };
  take();
  run_barriers(&turns, &time, {from + 10});
  time.advance_ms(5);
  take();
  run_barriers(&turns, &time, {from + 510});
  time.advance_ms(10);
  take();
  run_barriers(&turns, &time, {from + 540});
  time.advance_ms(61);
  take();
  REQUIRE_FALSE(turns.taken());
}

TEST_CASE("turns: a job does not wait for ever, and not at all where it must not", "[threads]") {
  VirtualTime time;
  for (const int64_t wait_max_ms : {0, 20}) {
    SyncTurns turns(time, wait_max_ms);
    const SyncTurns::Barrier barrier(&turns);
    const SyncTurns::Turn turn(&turns);
    const SyncTurns::Turn another(&turns);
    REQUIRE(turns.taken());
  }
  const SyncTurns::Turn none(nullptr);
  const SyncTurns::Barrier nobody_waits(nullptr);
}

}  // namespace litestream::test
