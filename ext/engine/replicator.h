// Replicates one database to its replicas: decides when to capture, write L0 files, upload, let the
// WAL be reset, and let go. All of it happens in step(), in bounded pieces; hooks, file events and
// callers only leave flags and wait.
//
// Threading: step() and what it calls run on the replicator thread; L0 files that nobody waits for
// are compressed and written, uploads, the start-up comparison and snapshots run as jobs on the
// pool, one of a kind at a time; everything under "any thread" is thread-safe. Jobs keep the object
// alive.
// Errors are sticky in status().last_error until the next success of the same thing.
#pragma once

#include <algorithm>
#include <array>
#include <atomic>
#include <condition_variable>
#include <functional>
#include <limits>
#include <memory>
#include <mutex>
#include <string>

#include "ext/base/clock.h"
#include "ext/base/file_system.h"
#include "ext/engine/barrier.h"
#include "ext/engine/capture.h"
#include "ext/engine/counters.h"
#include "ext/engine/job_pool.h"
#include "ext/engine/options.h"
#include "ext/engine/owner.h"
#include "ext/engine/replica_feed.h"
#include "ext/engine/source_database.h"
#include "ext/engine/start_job.h"
#include "ext/engine/sync_turns.h"
#include "ext/store/ltx_store.h"

namespace litestream {

inline constexpr int64_t kNeverMs = INT64_MAX;

// Between tries of what failed: 0.2 s, doubled up to half a minute.
inline constexpr int64_t kBackoffFirstMs = 200;
inline constexpr int64_t kBackoffMaxMs = 30'000;
constexpr int64_t next_backoff_ms(int64_t backoff_ms) {
  return std::min(kBackoffMaxMs, std::max(kBackoffFirstMs, backoff_ms * 2));
}

// After a signal: lets a burst of commits share a read.
inline constexpr int64_t kCaptureDelayMs = 20;
// A lone commit need not wait a whole sync-interval.
inline constexpr int64_t kFirstFlushDelayMs = 50;
// Without commits: idle.
inline constexpr int64_t kParkDelayMs = 1000;

// What a stop waits for jobs beyond its deadline, when they have been told to end.
inline constexpr int64_t kJobEndMs = 500;

struct ReplicaPart {
  std::string name;
  std::unique_ptr<LtxStore> store;
};

struct ReplicatorParts {
  FileSystem* fs = nullptr;
  const Clock* clock = nullptr;
  JobRunner* jobs = nullptr;
  std::function<void()> wake;  // makes the replicator thread call step() soon; noexcept in effect
  DatabaseOptions options;
  std::string database_path;  // absolute
  std::string meta_path;      // the local folder
  std::unique_ptr<SourceDatabase> source;
  std::vector<ReplicaPart> replicas;  // at least one
  std::unique_ptr<LtxStore> spool;
  int64_t sync_turn_wait_max_ms = 100;  // 0 where all jobs share one thread (sync_turns.h)
  bool may_set_wal = false;
  bool keep_trying = false;              // what may pass is waited for at the first start, too
  bool wait_for_database = false;        // a missing file is waited for instead of being an error
  std::function<bool()> used_elsewhere;  // another process has the database open; may be empty
};

struct ReplicatorStatus {
  enum class Phase { kOpening, kNoDatabase, kStandby, kStarting, kRunning, kStopped, kFailed };
  Phase phase = Phase::kOpening;
  Txid local_txid;    // newest captured
  Txid replica_txid;  // newest that every replica has
  uint32_t page_size_bytes = 0;
  uint64_t wal_size_bytes = 0;
  uint64_t spool_size_bytes = 0;
  int64_t last_sync_at_ms = 0;      // of the replica that is furthest behind
  int64_t oldest_unsent_at_ms = 0;  // likewise
  std::string last_error;           // of the database, else of its replicas
  std::string warning;
  std::vector<ReplicaStatus> replicas;
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
  // From a wal hook with `durability: replica`: waits until as many replicas as `acks` says have
  // everything committed by now, at most commit-timeout. All who wait at one moment share one file.
  Status wait_durable();
  // Waits until as many replicas as `acks` says have `txid`; forces nothing.
  Result<Txid> wait_replicated(Txid txid, int64_t timeout_ms, const CancelCheck& cancel);
  ReplicatorStatus status() const;
  // The same as a record for other processes; `owner` is empty unless this process replicates.
  OwnerStatus describe() const;
  // Until replication runs, waits for its database or another owner or, with keep_trying, for what
  // may pass (Ok), or failed (why).
  Status wait_started(int64_t timeout_ms, const CancelCheck& cancel);
  // The newest local TXID, the uncaptured tail counted.
  Result<Txid> current_txid(int64_t timeout_ms, const CancelCheck& cancel);
  // Captures, writes and uploads to all replicas now; Unavailable with the last error when time
  // runs out.
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
  // The store of a replica, by its place in options().replicas.
  LtxStore& replica(size_t number = 0) const { return feeds_[number]->store; }
  // The same by name, null if it is not known well enough to be answered from memory; then, and
  // for a name that this database does not have, ask the store itself.
  LtxStore* listed_replica(const std::string& name) const;
  // Merges what level `level` - 1 of every replica holds into `level`: the number of files merged.
  Result<uint64_t> compact(int level, int64_t timeout_ms, const CancelCheck& cancel);
  // Applies retention to every replica now: the number of files removed.
  Result<uint64_t> enforce_retention(int64_t timeout_ms, const CancelCheck& cancel);
  // Reads every file of a replica; what is wrong shows in status() and is healed.
  Result<VerifyReport> verify(const std::string& name, int64_t timeout_ms,
                              const StreamOptions& options);
  ReplicatorCounters counters() const;

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
  // Hooks see many commits, so the WAL is looked at all the time and need not be watched.
  bool commits_flow() const { return source_open_ && commits_flow_; }
  // In a forked child: the lock is the parent's; closing our copy of it does not release it, but
  // keeping it would hold it after the parent's death.
  void forget_after_fork() {
    owner_lock_.reset();
    for (const auto& feed : feeds_) feed->lock.reset();
  }

 private:
  using Phase = ReplicatorStatus::Phase;
  // The database, its -wal and its -shm, by device and inode; 0: no such file.
  using OpenFiles = std::array<std::pair<uint64_t, uint64_t>, 3>;
  struct FileJob;
  struct Requests {  // serial numbers: wanted > done means pending
    uint64_t capture = 0, sync = 0, snapshot = 0, barrier = 0, durable = 0;
  };

  void step_open(int64_t now_ms);
  Status open_source();
  void adopt_start();
  void adopt_replica_start(ReplicaFeed& feed, const ReplicaStart& start, Txid position);
  void set_standby(bool is_elsewhere);
  void step_running(int64_t now_ms);
  void step_capture(int64_t now_ms);
  std::pair<uint64_t, uint64_t> wanted_writes();
  void after_failed_capture(int64_t now_ms, const Status& status);
  void after_capture(int64_t now_ms, const Capture::Outcome& outcome);
  void step_flush(int64_t now_ms);
  void step_barrier(int64_t now_ms);
  void step_feeds(int64_t now_ms);
  void step_snapshots(int64_t now_ms);
  void adopt_upload(ReplicaFeed& feed, int64_t now_ms);
  void adopt_snapshot(ReplicaFeed& feed, int64_t now_ms);
  void adopt_join(ReplicaFeed& feed, int64_t now_ms);
  void step_upload(ReplicaFeed& feed, int64_t now_ms);
  void step_join(ReplicaFeed& feed, int64_t now_ms);
  void step_keeper(ReplicaFeed& feed, int64_t now_ms);
  void adopt_keeper(ReplicaFeed& feed);
  void run_keeper_job(ReplicaFeed& feed, uint64_t database_bytes);
  CancelCheck keeper_cancel() const;
  std::vector<ReplicaFeed*> working_feeds() const;
  ReplicaFeed* feed_of(const std::string& name) const;
  bool submit_for(ReplicaFeed& feed, bool ReplicaFeed::*running, int64_t now_ms,
                  std::function<void()> job);
  std::function<void()> limited(std::function<void()> job);
  void fail_feed(ReplicaFeed& feed, const Status& why);
  void back_off(ReplicaFeed& feed, int64_t now_ms, const Status& why);
  void finish_snapshot_request();
  StartReplica start_replica_of(ReplicaFeed& feed) const { return {&feed.store, &feed.lease}; }
  std::vector<StartReplica> start_replicas() const;
  Status lock_replicas();
  void unlock_replicas();
  bool any_job() const;
  bool confirmed(Txid txid) const;
  bool on_all_replicas(Txid txid) const;
  Txid oldest_replica_txid() const;
  Txid spool_needed_after() const;
  std::string feed_errors() const;
  void give_up_laggards();
  void step_requests();
  void count_sync(const Result<Capture::Outcome>& outcome, const Status& status, int64_t begun_ms);
  void count_checkpoint(size_t mode, bool ok, int64_t begun_ms);
  void answer_requests();
  void compact_for(const OwnerRequest& request);
  bool answer_one(const OwnerRequest& request, uint64_t* serial, Txid* target);
  void answer_all(const Result<Txid>& answer);
  void step_owner_status(int64_t now_ms);
  Status forget_and_reopen();
  bool is_standby() const;
  bool pause_wanted_now() const;
  void step_pause();
  Status wait_for_owner(Txid txid, int64_t timeout_ms, const CancelCheck& cancel) const;
  Result<Txid> ask(OwnerVerb verb, int64_t timeout_ms, const CancelCheck& cancel,
                   int64_t argument = 0) const;
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
  Status begin_file(int64_t now_ms);
  void begin_large_file(int64_t now_ms);
  bool may_begin_file() const;
  Status settle_file();
  void adopt_file(int64_t now_ms);
  bool take_back_file();
  void leave_file();
  Status after_file(const Result<LtxFileInfo>& file, bool was_sealed);
  void after_failed_flush(int64_t now_ms, const Status& why);
  int64_t flush_due() const;
  void run_file_job(FileJob& job);
  Result<LtxFileInfo> write_sealed(SealedFile& file, SyncTurns* turns);
  void note_spooled(const LtxFileInfo& file);
  void drop_useless_spool();
  Status begin_snapshot(ReplicaFeed& feed, BigJobGate::Pass pass);
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
  void want_capture_at(int64_t frame_count) noexcept;
  void note_flow(int64_t now_ms);
  void take_hint();
  void note_wal_length();
  bool barrier_is_near();
  bool put_off_flush(int64_t now_ms);
  int64_t next_due() const;
  int64_t next_verify(int64_t now_ms) const;
  template <typename Done>
  Status wait_for(int64_t timeout_ms, const CancelCheck& cancel, Done done);
  Status not_in_time(int64_t timeout_ms) const;
  std::string error_suffix() const;
  bool is_confirmed_by(const OwnerStatus& owner, Txid txid) const;
  uint64_t request(uint64_t Requests::*which);
  uint64_t pending(uint64_t Requests::*which) const;
  void complete(uint64_t Requests::*which, uint64_t serial, Status status);
  void run_upload_job(ReplicaFeed& feed, Txid uploaded, Txid covered, Txid keep_after);
  void run_join_job(ReplicaFeed& feed, Txid position, Checksum checksum);
  void run_start_job(std::shared_ptr<SourceReader> reader, int64_t marked_at_ms,
                     bool may_leave_out);
  void run_snapshot_job(ReplicaFeed& feed, std::shared_ptr<SourceReader> reader, Txid txid,
                        int64_t marked_at_ms, Checksum after);

  // Constant after construction (the parts synchronise themselves or belong to the thread).
  ReplicatorParts parts_;
  const std::string state_path_;
  const std::string pages_path_;
  const std::vector<std::unique_ptr<ReplicaFeed>> feeds_;

  // Flags of the hook: no lock on the commit path.
  std::atomic<bool> dirty_{false};
  std::atomic<int64_t> hook_wall_ms_{0};
  std::atomic<uint64_t> hook_commit_count_{0};
  std::atomic<bool> files_moved_{false};
  std::atomic<bool> owns_{false};
  std::atomic<bool> requests_waiting_{false};
  static constexpr int64_t kNoThreshold = std::numeric_limits<int64_t>::max();
  std::atomic<int64_t> barrier_threshold_{0};             // frames; 0: not running
  std::atomic<int64_t> capture_threshold_{kNoThreshold};  // frames: the hook asks for a capture
  std::atomic<bool> capture_soon_{false};
  std::atomic<bool> barrier_paid_{false};     // a commit waits for the barrier
  std::atomic<bool> flushing_{false};         // the thread itself writes an L0 file
  std::atomic<bool> barrier_put_off_{false};  // by a hook, until the disk is free
  SyncTurns sync_turns_{*parts_.clock, parts_.sync_turn_wait_max_ms};
  std::atomic<bool> cancel_jobs_{false};
  std::atomic<bool> leaving_{false};  // stopping or pausing: what can be done later is not begun

  // Replicator thread only.
  bool source_open_ = false;
  std::unique_ptr<FileLock> owner_lock_;
  std::unique_ptr<Capture> capture_;
  std::shared_ptr<FileJob> file_;  // sealed and handed to the pool
  bool snapshot_waits_ = false;    // for the end of a file: the next one is written at once
  int64_t open_retry_ms_ = 0, open_backoff_ms_ = 0, first_try_ms_ = kNeverMs;
  int64_t opening_since_ms_ = kNeverMs;  // the first start since it last ran
  int64_t capture_due_ms_ = kNeverMs, verify_due_ms_ = 0, flush_due_ms_ = kNeverMs;
  int64_t park_due_ms_ = kNeverMs, park_backoff_ms_ = 0, stop_retry_ms_ = 0;
  int64_t error_backoff_ms_ = 0;
  int64_t last_flush_ms_ = 0, wal_since_ms_ = kNeverMs;
  int recheck_count_ = 0;
  bool recheck_wanted_ = false;  // a hint came whose commit was not found yet
  bool commits_flow_ = false;
  uint64_t hooked_at_capture_ = 0;
  int64_t hooks_pay_until_ms_ = 0;      // for the barriers that are due
  int64_t advanced_at_ms_ = 0;          // the mark
  int64_t flush_latest_ms_ = kNeverMs;  // a flush that waits for a barrier waits until then
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
  bool start_running_ = false;
  bool start_overdue_ = false;  // the first start takes long and is tried again and again
  bool is_elsewhere_ = false;   // standby, and the owner is another process of this machine
  std::optional<Result<StartResult>> start_result_;
  Status snapshot_error_;         // of the snapshots that somebody asked for
  uint64_t snapshot_serial_ = 0;  // the request that the feeds work on
  Txid snapshot_job_txid_;
  uint64_t spool_bytes_ = 0;
  ReplicatorCounters counters_;
};

}  // namespace litestream
