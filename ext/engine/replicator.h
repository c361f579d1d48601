// Replicates one database to one replica: decides when to capture, write L0 files, upload, let the
// WAL be reset, and let go. All of it happens in step(), in bounded pieces; hooks, file events and
// callers only leave flags and wait.
//
// Threading: step() and what it calls run on the replicator thread; uploads, the start-up
// comparison and snapshots run as jobs on the pool, one of a kind at a time; everything under "any
// thread" is thread-safe. Jobs keep the object alive.
// Errors are sticky in status().last_error until the next success of the same thing.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>

#include "ext/base/clock.h"
#include "ext/base/file_system.h"
#include "ext/engine/barrier.h"
#include "ext/engine/capture.h"
#include "ext/engine/job_pool.h"
#include "ext/engine/options.h"
#include "ext/engine/owner.h"
#include "ext/engine/source_database.h"
#include "ext/engine/start_job.h"
#include "ext/store/ltx_store.h"

namespace litestream {

inline constexpr int64_t kNeverMs = INT64_MAX;

// Between tries of what failed: 0.2 s, doubled up to half a minute.
inline constexpr int64_t kBackoffFirstMs = 200;
inline constexpr int64_t kBackoffMaxMs = 30'000;
constexpr int64_t next_backoff_ms(int64_t backoff_ms) {
  return std::min(kBackoffMaxMs, std::max(kBackoffFirstMs, backoff_ms * 2));
}

struct ReplicatorParts {
  FileSystem* fs = nullptr;
  const Clock* clock = nullptr;
  JobRunner* jobs = nullptr;
  std::function<void()> wake;  // makes the replicator thread call step() soon; noexcept in effect
  DatabaseOptions options;
  std::string database_path;  // absolute
  std::string meta_path;      // the local folder
  std::unique_ptr<SourceDatabase> source;
  std::unique_ptr<LtxStore> replica;
  std::unique_ptr<LtxStore> spool;
  bool may_set_wal = false;
  bool wait_for_database = false;        // a missing file is waited for instead of being an error
  std::function<bool()> used_elsewhere;  // another process has the database open; may be empty
};

struct ReplicatorStatus {
  enum class Phase { kOpening, kNoDatabase, kStandby, kStarting, kRunning, kStopped, kFailed };
  Phase phase = Phase::kOpening;
  Txid local_txid;    // newest captured
  Txid replica_txid;  // newest on the replica
  uint32_t page_size_bytes = 0;
  uint64_t wal_size_bytes = 0;
  uint64_t spool_size_bytes = 0;
  int64_t last_sync_at_ms = 0;      // wall time; 0: never
  int64_t oldest_unsent_at_ms = 0;  // wall time of the oldest capture not on the replica; 0: none
  std::string last_error;
  std::string warning;
};

// 'ok', 'starting', 'standby', 'stopped', 'no database' or 'error'.
const char* status_word(const ReplicatorStatus& status);

class Replicator : public std::enable_shared_from_this<Replicator> {
 public:
  explicit Replicator(ReplicatorParts parts);

  // --- any thread ---
  void note_commit() noexcept;       // a hook saw a commit
  void note_file_event() noexcept;   // the -wal changed
  void note_files_moved() noexcept;  // the -wal was deleted or renamed, perhaps: verify at once
  void note_requests() noexcept;     // another process asks something (owner.h)
  void note_warning(std::string warning);
  // From a wal hook with `frame_count` frames in the WAL: runs the barrier on the replicator thread
  // and waits for it, at most a second. False: this process does not own replication, so the
  // caller does what SQLite would have done.
  bool checkpoint_from_hook(int64_t frame_count) noexcept;
  // From a wal hook with `durability: replica`: waits until the replica has everything committed by
  // now, at most commit-timeout. All who wait at one moment share one file.
  Status wait_durable();
  // Waits until the replica has `txid`; forces nothing.
  Result<Txid> wait_replicated(Txid txid, int64_t timeout_ms, const CancelCheck& cancel);
  ReplicatorStatus status() const;
  // The same as a record for other processes; `owner` is empty unless this process replicates.
  OwnerStatus describe() const;
  // Until replication runs (Ok), waits for its database or another owner (Ok), or failed (why).
  Status wait_started(int64_t timeout_ms, const CancelCheck& cancel);
  // The newest local TXID, the uncaptured tail counted.
  Result<Txid> current_txid(int64_t timeout_ms, const CancelCheck& cancel);
  // Captures, writes and uploads now; Unavailable with the last error when time runs out.
  Result<Txid> sync(int64_t timeout_ms, const CancelCheck& cancel);
  Result<Txid> snapshot(int64_t timeout_ms, const CancelCheck& cancel);
  // Lets go of the database within `timeout_ms`; what is unsent stays in the spool (Unavailable).
  void request_stop(int64_t timeout_ms) noexcept;
  // The same when the last connection has been closed for a while; not if one is held again.
  void request_idle_stop(int64_t timeout_ms) noexcept;
  // A connection of the application counts on this replicator, which takes an idle stop back.
  // False: it is letting go already, or was stopped on purpose.
  bool hold() noexcept;
  // The number of connections that are left.
  int release() noexcept;
  Result<Txid> wait_stopped(int64_t timeout_ms, const CancelCheck& cancel);
  bool stopped() const;
  bool is_owner_now() const;  // of the database, as far as other threads may know
  bool letting_go() const;    // stopped, or past the point where hold() helps
  const DatabaseOptions& options() const { return parts_.options; }
  const std::string& database_path() const { return parts_.database_path; }
  const std::string& meta_path() const { return parts_.meta_path; }
  const LtxStore& replica() const { return *parts_.replica; }
  LtxStore& replica() { return *parts_.replica; }

  // Around fork(): lets go of every connection and job that reads, so that a child inherits none
  // of them, and opens them again.
  void request_pause() noexcept;
  bool wait_paused(int64_t timeout_ms) noexcept;
  void resume() noexcept;

  // --- replicator thread ---
  // What a step threw: replication of this database ends, the others go on.
  void fail_after_exception(const char* what) noexcept;
  // Does what is due; returns the monotonic time of the next call wanted, kNeverMs for none.
  int64_t step();
  bool source_is_open() const { return source_open_; }
  bool is_owner() const { return owner_lock_ != nullptr; }
  // In a forked child: the lock is the parent's; closing our copy of it does not release it, but
  // keeping it would hold it after the parent's death.
  void forget_after_fork() {
    owner_lock_.reset();
    replica_lock_.reset();
  }

 private:
  using Phase = ReplicatorStatus::Phase;
  // The database, its -wal and its -shm, by device and inode; 0: no such file.
  using OpenFiles = std::array<std::pair<uint64_t, uint64_t>, 3>;
  struct Requests {  // serial numbers: wanted > done means pending
    uint64_t capture = 0, sync = 0, snapshot = 0, barrier = 0, durable = 0;
  };

  void step_open(int64_t now_ms);
  Status open_source();
  void adopt_start();
  void step_running(int64_t now_ms);
  void step_capture(int64_t now_ms);
  void after_capture(int64_t now_ms, const Capture::Outcome& outcome);
  void step_flush(int64_t now_ms);
  void step_barrier(int64_t now_ms);
  void step_snapshot(int64_t now_ms);
  void step_upload(int64_t now_ms);
  void step_requests();
  void answer_requests();
  bool answer_one(const OwnerRequest& request, uint64_t* serial, Txid* target);
  void answer_all(const Result<Txid>& answer);
  void step_owner_status(int64_t now_ms);
  Status forget_and_reopen();
  bool is_standby() const;
  bool pause_wanted_now() const;
  void step_pause();
  Status wait_for_owner(Txid txid, int64_t timeout_ms, const CancelCheck& cancel) const;
  Result<Txid> ask(OwnerVerb verb, int64_t timeout_ms, const CancelCheck& cancel) const;
  void step_stop(int64_t now_ms);
  bool capture_for_stop();
  void finish_stop();
  Status verify_database();
  Status verify_files();
  bool replaced_in_place();
  void verify_hooks();
  void remember_idle_file();
  OpenFiles find_open_files() const;
  Status flush_now();
  void drop_useless_spool();
  Status begin_snapshot();
  void save_local(bool with_pages);
  void record_clean_file(LocalState* state);
  void fail_or_retry(int64_t now_ms, const Status& status);
  void resync(const Status& why);
  void let_wal_go(const Status& why);
  bool spool_is_full() const;
  void count_unawaited();
  void fail(const Status& why);
  void close_source(bool captured_all);
  void set_error(const Status& status);
  void clear_error();
  void publish();
  void set_phase(Phase phase);
  bool everything_sent() const;
  int64_t next_due() const;
  template <typename Done>
  Status wait_for(int64_t timeout_ms, const CancelCheck& cancel, Done done);
  Status not_in_time(int64_t timeout_ms) const;
  uint64_t request(uint64_t Requests::*which);
  uint64_t pending(uint64_t Requests::*which) const;
  void complete(uint64_t Requests::*which, uint64_t serial, Status status);
  void run_upload_job(Txid uploaded, Txid covered, Txid keep_after);
  void run_start_job(std::shared_ptr<SourceReader> reader, int64_t marked_at_ms);
  void run_snapshot_job(std::shared_ptr<SourceReader> reader, Txid txid, int64_t marked_at_ms,
                        Checksum after);

  // Constant after construction (the parts synchronise themselves or belong to the thread).
  ReplicatorParts parts_;
  const std::string state_path_;
  const std::string pages_path_;

  // Flags of the hook: no lock on the commit path.
  std::atomic<bool> dirty_{false};
  std::atomic<int64_t> hook_wall_ms_{0};
  std::atomic<uint64_t> hook_commit_count_{0};
  std::atomic<bool> files_moved_{false};
  std::atomic<bool> owns_{false};
  std::atomic<bool> requests_waiting_{false};
  std::atomic<int64_t> barrier_threshold_{0};  // frames; 0: not running
  std::atomic<bool> cancel_jobs_{false};

  // Replicator thread only.
  bool source_open_ = false;
  std::unique_ptr<FileLock> owner_lock_, replica_lock_;
  std::unique_ptr<Capture> capture_;
  int64_t open_retry_ms_ = 0, open_backoff_ms_ = 0, first_try_ms_ = kNeverMs;
  int64_t capture_due_ms_ = kNeverMs, verify_due_ms_ = 0, flush_due_ms_ = kNeverMs;
  int64_t park_due_ms_ = kNeverMs, park_backoff_ms_ = 0, upload_due_ms_ = 0;
  int64_t upload_backoff_ms_ = 0, error_backoff_ms_ = 0;
  int64_t last_flush_ms_ = 0, wal_since_ms_ = kNeverMs;
  int recheck_count_ = 0;
  bool recheck_wanted_ = false;  // a hint came whose commit was not found yet
  uint64_t captured_commit_count_ = 0;
  // Of the commits captured since the start, how many came without a hook; told so far.
  uint64_t captured_at_start_ = 0, hooked_at_start_ = 0, unhooked_told_ = 0;
  OpenFiles open_files_{};
  std::optional<FileStat> idle_file_;  // the database as it was when the mark was parked
  bool wal_let_go_ = false;            // the spool is full or cannot be written
  Txid written_txid_;                  // of the spool, also while capture_ is not there
  bool parked_ = false;
  int64_t commit_time_ms_ = 0;
  uint64_t files_since_pages_ = 0, bytes_since_pages_ = 0;
  Txid pages_txid_;
  WalIndex index_;
  struct AskedBy {  // a request of another process that is being worked on
    OwnerRequest request;
    uint64_t serial = 0;
    Txid target;  // sync: what the replica must reach; none while the capture is still due
  };
  std::vector<AskedBy> asked_;
  OwnerStatus told_;  // the record as last saved
  int64_t told_at_ms_ = 0, tell_due_ms_ = kNeverMs;

  // Guarded by mutex_.
  mutable std::mutex mutex_;
  std::condition_variable changed_;
  ReplicatorStatus status_;
  Requests wanted_, done_;
  Status capture_result_, sync_result_, snapshot_result_;
  Txid sync_target_, durable_target_;
  bool fatal_ = false, pause_wanted_ = false, paused_ = false;
  Status fatal_status_;
  bool stop_wanted_ = false, stop_committed_ = false, stop_is_idle_ = false;
  bool stop_incomplete_ = false;  // not everything committed was captured before it
  int held_count_ = 0;            // connections of the application
  int64_t stop_deadline_ms_ = kNeverMs;
  bool start_running_ = false, upload_running_ = false, snapshot_running_ = false;
  bool upload_wanted_ = false, needs_snapshot_ = false;
  std::optional<Result<StartResult>> start_result_;
  std::optional<Status> upload_result_, snapshot_job_result_;
  Txid replica_newest_;  // newest that can be restored from the replica
  Txid uploaded_txid_;   // newest of the L0 files there; behind when a snapshot overtook them
  Txid snapshot_job_txid_;
  uint64_t spool_bytes_ = 0, unsent_bytes_ = 0;
};

}  // namespace litestream
