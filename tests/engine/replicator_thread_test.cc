// The thread that steps replicators, and hooks that signal it whenever they like. The database of
// these replicators does not exist: all they do is look for it.
#include "ext/engine/replicator_thread.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <thread>

#include "tests/support/memory_store.h"
#include "tests/support/temp_dir.h"

namespace litestream::test {
namespace {

std::shared_ptr<Replicator> replicator_of_nothing(const TempDir& dir, JobRunner& jobs) {
  ReplicatorParts parts;
  parts.fs = &posix_file_system();
  parts.clock = &system_clock();
  parts.jobs = &jobs;
  parts.wake = [] {};
  parts.database_path = dir.file("missing.db");
  parts.meta_path = dir.file("meta");
  parts.replicas.push_back({"memory", std::make_unique<MemoryStore>()});
  parts.spool = std::make_unique<MemoryStore>();
  parts.wait_for_database = true;
  return std::make_shared<Replicator>(std::move(parts));
}

bool is_stepped(const Replicator& replicator) {
  for (int i = 0; i < 1000; ++i) {
    if (replicator.status().phase == ReplicatorStatus::Phase::kNoDatabase) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

}  // namespace

// It used to be taken for one that the thread had yet to hear, and silenced all later ones.
TEST_CASE("replicator thread: a signal from before it was started") {
  const TempDir dir;
  JobPool jobs;
  const auto replicator = replicator_of_nothing(dir, jobs);
  ReplicatorThread thread(system_clock());
  const auto slot = std::make_shared<ReplicatorThread::Slot>(thread);
  slot->wake();
  REQUIRE(thread.add(slot, replicator).ok());
  REQUIRE(is_stepped(*replicator));
  thread.stop();
}

TEST_CASE("replicator thread: hooks signal while it starts and stops", "[threads]") {
  const TempDir dir;
  JobPool jobs;
  for (int round = 0; round < 50; ++round) {
    const auto replicator = replicator_of_nothing(dir, jobs);
    ReplicatorThread thread(system_clock());
    const auto slot = std::make_shared<ReplicatorThread::Slot>(thread);
    std::atomic<bool> done{false};
    std::thread hook([&] {
      while (!done) slot->wake();
    });
    REQUIRE(thread.add(slot, replicator).ok());
    if (round % 2 == 0) REQUIRE(is_stepped(*replicator));
    thread.stop();
    slot->wake();
    done = true;
    hook.join();
  }
}

}  // namespace litestream::test
