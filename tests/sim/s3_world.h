// A database with one commit per second and our process that replicates it to the strict S3 server,
// in simulated time: an hour of requests takes seconds.
//
// Whatever the store code waits for, the world goes on: while a request sleeps before its next try,
// commits come and the replicator thread steps, as it would beside a job of the pool. A step that
// waited for such a job would never return.
// Threading: one thread (the server has its own); sleeps of other threads only let time pass.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <thread>

#include "ext/engine/replicator.h"
#include "tests/sim/fake_source.h"
#include "tests/sim/sim_environment.h"
#include "tests/sim/sim_oracle.h"
#include "tests/support/s3_fixture.h"
#include "tests/support/temp_dir.h"

namespace litestream::test {

class S3World final : private SimHost {
 public:
  // `server` must outlive it. `options` but for paths, replicas and the rest that it sets itself.
  S3World(S3Server& server, const DatabaseOptions& options);
  ~S3World() override;

  // Lets time pass, with a commit each second if `with_commits`.
  void run(int64_t ms, bool with_commits);
  int64_t passed_ms() const { return time_.passed_ms(); }
  ReplicatorStatus status() const { return replicator_->status(); }
  const SimDatabase& database() const { return database_; }
  uint64_t commit_count() const { return commit_count_; }
  // Commits that came while a call to the store was waiting.
  uint64_t commits_beside_a_wait() const { return commits_beside_a_wait_; }
  // What is in the bucket, for SimOracle.
  void copy_replica(MemoryStore* target) const;

 private:
  // Time passes in the sleep of whoever waits, and the world goes on in it.
  class WorldSleeper final : public Sleeper {
   public:
    explicit WorldSleeper(S3World& world) : world_(world) {}
    void sleep_ms(int64_t ms, const std::function<bool()>& stop) override;

   private:
    S3World& world_;
  };

  Status pause(const char*) override { return {}; }
  void advance(int64_t ms);
  void pass(int64_t ms);
  void act();

  S3Server& server_;
  VirtualTime time_;
  SimClock file_times_;
  WorldSleeper sleeper_{*this};
  const std::thread::id thread_ = std::this_thread::get_id();
  Prng random_{7};
  TempDir dir_{TempDir::Place::kMemory};
  SimDatabase database_;
  FaultFileSystem disk_;
  SimFileSystem fs_;
  SimJobs jobs_;
  std::shared_ptr<Replicator> replicator_;
  bool with_commits_ = false;
  bool in_job_ = false, in_step_ = false, woken_ = true;
  int64_t due_ms_ = 0, commit_due_ms_ = 0;
  uint64_t commit_count_ = 0, commits_beside_a_wait_ = 0;
};

}  // namespace litestream::test
