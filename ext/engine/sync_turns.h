// Keeps the fsyncs of jobs away from those of barriers. A disk does one flush at a time, and a
// commit that waits for a barrier would wait for both: so a job begins its own right after a
// barrier, and while they last commits put the next barrier off.
// Threading: turns by any thread, barriers by the replicator thread.
#pragma once

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <mutex>

#include "ext/base/clock.h"

namespace litestream {

class SyncTurns {
 public:
  // A job waits no longer than `wait_max_ms` for a barrier to end; with 0 it never waits. `clock`
  // must outlive the object.
  SyncTurns(const Clock& clock, int64_t wait_max_ms) : clock_(clock), wait_max_ms_(wait_max_ms) {}

  // Held by a job while it makes something durable. Waits for the end of a barrier that runs and,
  // while barriers follow one another closely, for the end of the next one.
  class Turn {
   public:
    explicit Turn(SyncTurns* turns) : turns_(turns) {  // null: no turns are taken
      if (turns_ != nullptr) turns_->take();
    }
    ~Turn() {
      if (turns_ != nullptr) turns_->taken_count_.fetch_sub(1, std::memory_order_relaxed);
    }
    Turn(const Turn&) = delete;
    Turn& operator=(const Turn&) = delete;

   private:
    SyncTurns* const turns_;
  };

  // Held by the replicator thread while it runs a barrier that a commit waits for.
  class Barrier {
   public:
    explicit Barrier(SyncTurns* turns) : turns_(turns) {  // null: nobody waits for it
      if (turns_ != nullptr) turns_->begin_barrier();
    }
    ~Barrier() {
      if (turns_ != nullptr) turns_->end_barrier();
    }
    Barrier(const Barrier&) = delete;
    Barrier& operator=(const Barrier&) = delete;

   private:
    SyncTurns* const turns_;
  };

  // Whether a job makes something durable now.
  bool taken() const noexcept { return taken_count_.load(std::memory_order_relaxed) > 0; }

 private:
  void take();
  bool must_wait() const;
  void begin_barrier();
  void end_barrier();

  const Clock& clock_;
  const int64_t wait_max_ms_;
  std::atomic<int> taken_count_{0};
  std::mutex mutex_;
  std::condition_variable ended_;
  bool runs_ = false;
  uint64_t end_count_ = 0;
  int64_t last_end_ms_ = 0, end_before_ms_ = 0;
};

}  // namespace litestream
