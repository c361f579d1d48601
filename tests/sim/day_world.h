// A day in the life of one database in simulated time: the real engine with default settings, a
// steady writer, a replica in memory that counts what is asked of it.
// Threading: one thread. What does not go as it should throws std::runtime_error.
#pragma once

#include <array>
#include <cstdint>
#include <memory>

#include "ext/engine/replicator.h"
#include "tests/sim/fake_source.h"
#include "tests/sim/sim_environment.h"
#include "tests/support/temp_dir.h"

namespace litestream::test {

struct DayPlan {
  uint32_t page_size = 512;
  uint32_t page_count = 256;      // of the database
  uint32_t pages_per_commit = 3;  // at random places
  int64_t commit_interval_ms = 1000;
  int64_t duration_ms = 86'400'000;
  int64_t begin_of_day_ms = 72'000'000;  // time of day at which it begins, UTC
};

// What the replica holds at the end, and what was asked of it on the way.
struct DayReport {
  struct Level {
    size_t file_count = 0, file_count_max = 0;  // at the end, and at any time
    uint64_t size_bytes = 0;
    uint64_t put_count = 0, put_bytes = 0;
  };
  std::array<Level, kLevelMax + 1> levels;
  size_t file_count = 0, file_count_max = 0;
  uint64_t size_bytes = 0, size_bytes_max = 0;
  uint64_t commit_count = 0;
  uint64_t lease_count = 0;  // reads and writes of the lease
  uint64_t list_count = 0;
  uint64_t get_count = 0;     // files opened
  uint64_t remove_count = 0;  // requests, of up to a thousand names
  uint64_t removed_file_count = 0;
  uint64_t snapshot_bytes = 0;  // of the largest whole database
};

class DayWorld final : private SimHost {
 public:
  explicit DayWorld(const DayPlan& plan);
  ~DayWorld() override;
  // The whole day, then everything uploaded.
  DayReport run();
  // Restores the newest point into memory; whether it is the database as it is now.
  bool newest_is_right();

 private:
  class Store;
  class Writer;
  Status pause(const char*) override { return {}; }
  void start();
  void commit();
  void step_until(int64_t end_ms);
  void step();
  void look_at_replica();

  const DayPlan plan_;
  Prng random_;
  SimClock clock_;
  TempDir dir_;
  const std::string database_path_;
  SimDatabase database_;
  SimFileSystem fs_;
  MemoryStore store_, spool_;
  SimJobs jobs_;
  std::shared_ptr<Replicator> replicator_;
  int64_t due_ms_ = 0;
  bool woken_ = false;
  DayReport report_;
};

}  // namespace litestream::test
