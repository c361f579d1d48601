// The one thread of a process that steps all its replicators: it waits for a wake-up, a change of a
// watched WAL file or the earliest deadline, and calls step(). No logic of replication lives here.
//
// Threading: thread-safe. The thread exists from the first add() until stop(); all signals are
// blocked in it. Two descriptors (eventfd, inotify), whatever the number of databases.
#pragma once

#include <atomic>
#include <memory>
#include <mutex>
#include <string>
#include <thread>
#include <unordered_map>
#include <vector>

#include "ext/base/clock.h"
#include "ext/engine/replicator.h"

struct inotify_event;

namespace litestream {

class ReplicatorThread {
 public:
  explicit ReplicatorThread(const Clock& clock) : clock_(clock) {}
  ~ReplicatorThread();
  ReplicatorThread(const ReplicatorThread&) = delete;
  ReplicatorThread& operator=(const ReplicatorThread&) = delete;

  // A slot to build a replicator around: slot->wake() is what ReplicatorParts::wake should call.
  class Slot {
   public:
    explicit Slot(ReplicatorThread& thread) : thread_(thread) {}
    void wake() noexcept;
    // When no application connection is left: request a stop at this monotonic time.
    void stop_at(int64_t monotonic_ms) noexcept;

   private:
    friend class ReplicatorThread;
    ReplicatorThread& thread_;
    std::shared_ptr<Replicator> replicator_;
    std::atomic<bool> flagged_{true};
    std::atomic<int64_t> stop_at_ms_{kNeverMs};
    int64_t due_ms_ = 0;       // thread only
    int watch_ = -1;           // of the -wal; thread only
    uint32_t watch_mask_ = 0;  // thread only
    int request_watch_ = -1;   // of requests/; thread only
  };

  // Starts the thread when needed. Unavailable without thread or descriptors.
  Status add(std::shared_ptr<Slot> slot, std::shared_ptr<Replicator> replicator);
  // Stops and joins the thread; replicators that were not stopped are simply no longer stepped.
  // Their slots may be woken as long as this object lives; nobody hears it.
  void stop() noexcept;
  // In a forked child: closes the descriptors. The thread does not exist there; the object must
  // never be used or destroyed again.
  void forget_after_fork() noexcept;

 private:
  Status start_locked();
  void run() noexcept;
  void loop();
  void step_due(int64_t now_ms);
  void step_slot(Slot& slot) noexcept;
  void update_watch(Slot& slot);
  void update_watch_mask(Slot& slot);
  bool watch(Slot& slot, const std::string& path, bool wanted, int* watch);
  void drop_watch(const Slot& slot, int* watch) noexcept;
  void close_descriptors() noexcept;
  void drain_wake() noexcept;
  void drain_events() noexcept;
  void take_event(const inotify_event& event);
  void note_lost_events();
  int64_t next_due() const;
  void signal() noexcept;

  const Clock& clock_;
  std::mutex mutex_;
  std::vector<std::shared_ptr<Slot>> added_;  // guarded by mutex_
  std::thread thread_;                        // guarded by mutex_
  std::atomic<bool> stopping_{false};
  std::atomic<bool> signalled_{false};
  // Hooks signal at any time, also while the thread starts or stops: open until the destructor.
  std::atomic<int> wake_fd_{-1};
  int events_fd_ = -1;                        // set before the thread starts
  std::vector<std::shared_ptr<Slot>> slots_;  // thread only
  std::unordered_map<int, Slot*> slot_of_watch_;
};

}  // namespace litestream
