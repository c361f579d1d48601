// What the replicator thread does for one database. Every function here runs on that thread; the
// mutex is held only to read flags and to publish, never across I/O.
#include <algorithm>

#include "ext/base/durable_file.h"
#include "ext/base/limits.h"
#include "ext/base/log.h"
#include "ext/engine/replicator.h"

namespace litestream {
namespace {

constexpr int64_t kMarkRestsMs = 200;
constexpr int64_t kOpenRetryMs = 1000;
constexpr int64_t kLeaseRetryMs = 5000;
constexpr int64_t kLeaveOutAfterMs = 60'000;
constexpr int64_t kFirstStartPatienceMs = 10'000;
constexpr int64_t kFirstIoPatienceMs = 2000;
// A file event comes before its commit is published; look again while that may take an fsync.
constexpr int64_t kRecheckMs[] = {100, 300, 1000};
}  // namespace

// All databases of a process verify in the same wake-up.
int64_t Replicator::next_verify(int64_t now_ms) const {
  const int64_t interval_ms = parts_.options.monitor_interval_ms;
  return (now_ms / interval_ms + 1) * interval_ms;
}

int64_t Replicator::step() {
  const int64_t now_ms = parts_.clock->monotonic_ms();
  const ReplicatorStatus before = status();
  if (before.phase == Phase::kStopped || before.phase == Phase::kFailed) return kNeverMs;
  bool stopping;
  bool starting;
  {
    const std::lock_guard lock(mutex_);
    stopping = stop_wanted_;
    starting = start_running_;
  }
  if (capture_ != nullptr) {
    adopt_file(now_ms);
  } else if (!take_back_file()) {
    return kNeverMs;  // nobody may look at the spool before its end, which wakes us
  }
  if (pause_wanted_now()) {
    step_pause();
    return kNeverMs;
  }
  if (stopping) {
    step_stop(now_ms);
  } else if (starting) {
    // The job wakes us; until then the mark stays where it is.
  } else if (capture_ == nullptr) {
    adopt_start();
    if (capture_ == nullptr) step_open(now_ms);
  }
  if (requests_waiting_.exchange(false)) step_requests();
  if (!stopping && capture_ != nullptr) step_running(now_ms);
  publish();
  answer_requests();
  step_owner_status(now_ms);
  return next_due();
}

int64_t Replicator::next_due() const {
  const std::lock_guard lock(mutex_);
  if (status_.phase == Phase::kStopped || status_.phase == Phase::kFailed) return kNeverMs;
  if (stop_wanted_) {
    if (flush_due() == kNeverMs && file_ != nullptr) return kNeverMs;  // its end wakes us
    const int64_t now_ms = parts_.clock->monotonic_ms();
    if (now_ms >= stop_deadline_ms_) return stop_deadline_ms_ + kJobEndMs;
    int64_t due = std::min(stop_deadline_ms_, stop_retry_ms_);
    const int64_t soon_ms = now_ms + kCaptureDelayMs;
    for (const auto& feed : feeds_) {
      if (feed->busy() || !feed->failed.ok() || feed->has(written_txid_)) continue;
      due = std::min(due, std::max(feed->due_ms, soon_ms));
    }
    return due;
  }
  if (start_running_) return kNeverMs;
  if (capture_ == nullptr) return std::min(open_retry_ms_, tell_due_ms_);
  int64_t due =
      std::min({tell_due_ms_, capture_due_ms_, verify_due_ms_, flush_due(), park_due_ms_});
  for (const auto& feed : feeds_) {
    const bool lacks_something = !feed->joined || !feed->has(written_txid_) ||
                                 feed->uploaded < written_txid_ || feed->snapshot_wanted;
    if (lacks_something && !feed->busy() && feed->failed.ok()) due = std::min(due, feed->due_ms);
    if (feed->joined && !feed->keeper_running && feed->failed.ok() && feed->newest != Txid{}) {
      due = std::min(due, std::max(feed->keeper_due_ms, feed->keeper.next_due_ms()));
    }
  }
  return due;
}

// ---------------------------------------------------------------- opening

void Replicator::step_open(int64_t now_ms) {
  if (wal_let_go_) {
    // The spool drains while the database is left alone; the difference follows when it has.
    step_feeds(now_ms);
    if (spool_is_full()) open_retry_ms_ = std::max(open_retry_ms_, now_ms + kOpenRetryMs);
  }
  if (now_ms < open_retry_ms_ || fatal_) return;
  const Status opened = open_source();
  if (opened.ok()) return;
  close_source(false);
  if (opened.code() == StatusCode::kNotFound && parts_.wait_for_database) {
    unlock_replicas();
    owner_lock_.reset();
    set_phase(Phase::kNoDatabase);
    open_retry_ms_ = now_ms + kOpenRetryMs;
    return;
  }
  if (owner_lock_ == nullptr && opened.code() == StatusCode::kBusy) {
    set_standby(true);
    open_retry_ms_ = now_ms + kOpenRetryMs;
    return;
  }
  fail_or_retry(now_ms, opened);
}

// Before the first success an error is the caller's answer, at once or, if it may pass, after a
// while; later it is retried for ever.
void Replicator::fail_or_retry(int64_t now_ms, const Status& status) {
  set_error(status);
  if (first_try_ms_ == kNeverMs) first_try_ms_ = now_ms;
  const bool never_ran = pages_txid_ == Txid{};
  // An error of a disk or a network folder may pass, too; missing permissions look the same.
  const bool is_io = status.code() == StatusCode::kIo;
  const int64_t patience_ms = is_io ? kFirstIoPatienceMs : kFirstStartPatienceMs;
  const bool overdue = now_ms - first_try_ms_ >= patience_ms;
  const bool is_waited_for = (status.retryable() || is_io) && (parts_.keep_trying || !overdue);
  if (never_ran && !is_waited_for) {
    fail(status);
    return;
  }
  if (overdue) {
    const std::lock_guard lock(mutex_);
    start_overdue_ = true;
    changed_.notify_all();
  }
  open_backoff_ms_ = next_backoff_ms(open_backoff_ms_);
  open_retry_ms_ = now_ms + open_backoff_ms_;
}

Status Replicator::open_source() {
  LS_ASSIGN_OR_RETURN(const FileStat stat, parts_.fs->stat(parts_.database_path));
  if (!stat.is_regular) {
    return invalid_argument(parts_.database_path + " is not a regular file");
  }
  if (stat.size_bytes == 0 && parts_.wait_for_database) {
    return not_found(parts_.database_path + " is empty");
  }
  if (owner_lock_ == nullptr) {
    LS_RETURN_IF_ERROR(parts_.fs->create_directories(parts_.meta_path));
    LS_ASSIGN_OR_RETURN(owner_lock_,
                        parts_.fs->lock_exclusive(path_join(parts_.meta_path, "owner.lock")));
    const std::string level = path_join(path_join(parts_.meta_path, "ltx"), "0");
    LS_RETURN_IF_ERROR(remove_temporary_files(*parts_.fs, parts_.meta_path));
    LS_RETURN_IF_ERROR(remove_temporary_files(*parts_.fs, level));
    LS_RETURN_IF_ERROR(open_requests(*parts_.fs, parts_.meta_path));
  }
  LS_RETURN_IF_ERROR(lock_replicas());
  const int64_t marked_at_ms = parts_.clock->wall_ms();
  hooked_at_start_ = hook_commit_count_.load(std::memory_order_relaxed);
  LS_RETURN_IF_ERROR(parts_.source->open(parts_.may_set_wal));
  source_open_ = true;
  open_files_ = find_open_files();
  if (open_files_[0] != std::pair(stat.device, stat.inode)) {
    return busy(parts_.database_path + " was replaced while it was opened");
  }
  LS_ASSIGN_OR_RETURN(auto reader, parts_.source->open_reader());
  const int64_t now_ms = parts_.clock->monotonic_ms();
  if (opening_since_ms_ == kNeverMs) opening_since_ms_ = now_ms;
  const bool may_leave_out = now_ms - opening_since_ms_ >= kLeaveOutAfterMs;
  {
    const std::lock_guard lock(mutex_);
    start_running_ = true;
    start_result_.reset();
    status_.phase = Phase::kStarting;
    status_.page_size_bytes = parts_.source->page_size_bytes();
  }
  std::shared_ptr<SourceReader> shared = std::move(reader);
  auto job = [self = shared_from_this(), shared = std::move(shared), marked_at_ms,
              may_leave_out]() mutable {
    self->run_start_job(std::move(shared), marked_at_ms, may_leave_out);
  };
  if (parts_.jobs->submit(limited(std::move(job)))) return {};
  const std::lock_guard lock(mutex_);
  start_running_ = false;
  return unavailable("no thread could be started");
}

void Replicator::adopt_start() {
  std::optional<Result<StartResult>> result;
  {
    const std::lock_guard lock(mutex_);
    result.swap(start_result_);
  }
  if (!result) return;
  const int64_t now_ms = parts_.clock->monotonic_ms();
  if (!result->ok()) {
    close_source(false);
    if (std::any_of(feeds_.begin(), feeds_.end(),
                    [](const auto& feed) { return feed->lease.is_held_elsewhere(); })) {
      // Another host writes to the replica: we are its standby.
      set_error(result->status());
      set_standby(false);
      open_retry_ms_ = now_ms + kLeaseRetryMs;
      return;
    }
    fail_or_retry(now_ms, result->status());
    return;
  }
  StartResult start = std::move(*result).value();
  log_message(LogLevel::kInfo, "litestream: " + parts_.database_path + ": " + start.how +
                                   ", TXID " + format_txid(start.position.txid));
  capture_ = std::make_unique<Capture>(*parts_.source, start.position, std::move(start.sums),
                                       static_cast<size_t>(parts_.options.pending_bytes_max),
                                       static_cast<int>(parts_.options.capture_acceleration));
  if (parts_.options.file_per_commit) {
    capture_->set_commit_sink([this] {
      const int64_t hook_ms = hook_wall_ms_.load(std::memory_order_relaxed);
      commit_time_ms_ = hook_ms != 0 ? hook_ms : parts_.clock->wall_ms();
      return flush_now();
    });
  }
  written_txid_ = start.position.txid;
  captured_at_start_ = captured_commit_count_;
  unhooked_told_ = 0;
  idle_file_.reset();
  parked_ = false;
  recheck_count_ = 0;
  open_backoff_ms_ = 0;
  capture_due_ms_ = now_ms;
  verify_due_ms_ = next_verify(now_ms);
  for (size_t i = 0; i < feeds_.size(); ++i) {
    feeds_[i]->due_ms = feeds_[i]->backoff_ms = 0;
    adopt_replica_start(*feeds_[i], start.replicas[i], start.position.txid);
  }
  {
    // Together: who waits for the start reads both.
    const std::lock_guard lock(mutex_);
    status_.local_txid = start.position.txid;
    status_.phase = Phase::kRunning;
    changed_.notify_all();
  }
  wal_let_go_ = false;
  opening_since_ms_ = kNeverMs;
  clear_error();
  save_local(true);
  barrier_threshold_.store(parts_.options.min_checkpoint_page_count);
  owns_.store(true, std::memory_order_release);
}

void Replicator::adopt_replica_start(ReplicaFeed& feed, const ReplicaStart& start, Txid position) {
  const std::lock_guard lock(mutex_);
  feed.joined = start.reached.ok();
  feed.last_error = start.reached.ok() ? "" : start.reached.message();
  if (!feed.joined) return;
  feed.failed = Status();
  feed.newest = std::max(feed.newest, start.newest);
  feed.uploaded = std::max(feed.uploaded, start.newest);
  feed.end_checksum = feed.uploaded == start.newest ? start.end_checksum : Checksum{0};
  feed.needs_snapshot = start.needs_snapshot;
  feed.needs_snapshot_why = start.why;
  if (start.newest == position) feed.last_sync_at_ms = parts_.clock->wall_ms();
}

// ---------------------------------------------------------------- running

void Replicator::step_running(int64_t now_ms) {
  step_capture(now_ms);
  if (capture_ != nullptr) step_barrier(now_ms);
  if (capture_ != nullptr) step_flush(now_ms);
  if (capture_ != nullptr) step_snapshots(now_ms);
  if (capture_ != nullptr) step_feeds(now_ms);
}

// The serials of requests whose commits are to be written now. While a file is written or uploaded,
// those who wait gather for the next one; the end of either wakes this thread.
std::pair<uint64_t, uint64_t> Replicator::wanted_writes() {
  const uint64_t sync_serial = pending(&Requests::sync);
  uint64_t durable_serial = 0;
  {
    const std::lock_guard lock(mutex_);
    const bool uploading = std::any_of(feeds_.begin(), feeds_.end(),
                                       [](const auto& feed) { return feed->upload_running; });
    if (!uploading && wanted_.durable > done_.durable) durable_serial = wanted_.durable;
  }
  const bool any = sync_serial != 0 || durable_serial != 0;
  if (any && !take_back_file()) return {};
  return {sync_serial, durable_serial};
}

void Replicator::step_capture(int64_t now_ms) {
  // The flag stays up until the capture: commits that come before it need not wake the thread.
  if (capture_soon_.exchange(false, std::memory_order_acq_rel)) {
    capture_due_ms_ = now_ms;
  } else if (dirty_.load(std::memory_order_acquire)) {
    capture_due_ms_ = std::min(capture_due_ms_, now_ms + kCaptureDelayMs);
  }
  const uint64_t capture_serial = pending(&Requests::capture);
  const auto [sync_serial, durable_serial] = wanted_writes();
  if (capture_ == nullptr) return;
  const bool write = sync_serial != 0 || durable_serial != 0;
  const bool asked = capture_serial != 0 || write;
  const bool moved = files_moved_.exchange(false, std::memory_order_acq_rel);
  const bool verify = sync_serial != 0 || moved || now_ms >= verify_due_ms_;
  if (!asked && !verify && now_ms < capture_due_ms_) return;
  if (verify) {
    verify_due_ms_ = next_verify(now_ms);  // also when what follows fails
    const Status verified = verify_database();
    if (!verified.ok()) {
      // Who asked waits on: the answer comes when the position is found again.
      note_warning(verified.message());
      resync(verified);
      return;
    }
    verify_hooks();
  }
  take_hint();
  const int64_t begun_ms = parts_.clock->monotonic_ms();
  auto outcome = capture_->run();
  Status status = outcome.ok() ? Status() : outcome.status();
  if (outcome.ok()) {
    if (error_backoff_ms_ != 0) clear_error();
    error_backoff_ms_ = 0;
    after_capture(now_ms, *outcome);
    if (write && capture_ != nullptr) status = flush_now();
    if (!write && capture_ != nullptr) begin_large_file(now_ms);
  }
  count_sync(outcome, status, begun_ms);
  if (capture_ == nullptr) return;
  publish();
  if (durable_serial != 0 && status.ok()) {
    {
      const std::lock_guard lock(mutex_);
      durable_target_ = written_txid_;
    }
    complete(&Requests::durable, durable_serial, status);
  }
  if (capture_serial != 0) complete(&Requests::capture, capture_serial, status);
  // Who asked for a sync has a timeout of their own: what may pass is tried again until then.
  const bool may_pass = status.retryable() || status.code() == StatusCode::kIo;
  if (sync_serial != 0 && !may_pass) {
    {
      const std::lock_guard lock(mutex_);
      sync_target_ = written_txid_;
    }
    complete(&Requests::sync, sync_serial, status);
  }
  if (!status.ok()) after_failed_capture(now_ms, status);
}

// While commits flow the flag stays up: the next capture is due anyway, so that no commit need wake
// the thread.
void Replicator::take_hint() {
  const bool dirty = commits_flow_ ? dirty_.load(std::memory_order_acquire)
                                   : dirty_.exchange(false, std::memory_order_acq_rel);
  if (!dirty) return;
  recheck_count_ = 0;
  recheck_wanted_ = true;
}

void Replicator::after_failed_capture(int64_t now_ms, const Status& status) {
  if (status.code() == StatusCode::kPositionMismatch) {
    resync(status);
    return;
  }
  commits_flow_ = false;
  error_backoff_ms_ = next_backoff_ms(error_backoff_ms_);
  capture_due_ms_ = now_ms + error_backoff_ms_;
  if (status.code() != StatusCode::kBusy) set_error(status);
}

void Replicator::count_sync(const Result<Capture::Outcome>& outcome, const Status& status,
                            int64_t begun_ms) {
  const int64_t took_ms = parts_.clock->monotonic_ms() - begun_ms;
  const std::lock_guard lock(mutex_);
  counters_.sync_us += static_cast<uint64_t>(std::max<int64_t>(took_ms, 0)) * 1000;
  if (!status.ok()) {
    ++counters_.sync_error_count;
  } else if (outcome->commit_count > 0) {
    ++counters_.sync_count;
    counters_.wal_bytes +=
        uint64_t{outcome->frame_count} * (status_.page_size_bytes + kWalFrameHeaderBytes);
  }
}

void Replicator::after_capture(int64_t now_ms, const Capture::Outcome& outcome) {
  index_ = outcome.index;
  capture_due_ms_ = kNeverMs;
  verify_due_ms_ = next_verify(now_ms);
  if (outcome.chain_broken) {
    note_warning(
        "SQLite before 3.50 left frames without checksums in the WAL (ROLLBACK TO a "
        "savepoint); they were replicated by page number");
  }
  if (outcome.commit_count > 0) {
    recheck_count_ = 0;
    recheck_wanted_ = false;
    captured_commit_count_ += outcome.commit_count;
    parked_ = false;
    idle_file_.reset();
    park_backoff_ms_ = 0;
    park_due_ms_ = now_ms + std::max(kParkDelayMs, parts_.options.sync_interval_ms);
    if (wal_since_ms_ == kNeverMs) wal_since_ms_ = now_ms;
    const int64_t hook_ms = hook_wall_ms_.exchange(0, std::memory_order_relaxed);
    commit_time_ms_ = hook_ms != 0 ? hook_ms : parts_.clock->wall_ms();
    if (flush_due_ms_ == kNeverMs) {
      flush_due_ms_ =
          std::max(last_flush_ms_ + parts_.options.sync_interval_ms,
                   now_ms + std::min(kFirstFlushDelayMs, parts_.options.sync_interval_ms));
    }
  } else if (recheck_wanted_ && recheck_count_ < static_cast<int>(std::size(kRecheckMs))) {
    capture_due_ms_ = now_ms + kRecheckMs[recheck_count_++];
  }
  note_flow(now_ms);
  note_wal_length();
  if (capture_->pending_needs_mark()) {
    const Status flushed = flush_now();
    if (!flushed.ok() && file_ == nullptr) {
      // Memory is used up and the spool takes nothing: the WAL must not grow for ever.
      let_wal_go(flushed);
      return;
    }
  }
  // A barrier moves the mark soon; moving it now would only meet the locks of those who commit. Not
  // for long, though: checkpoints of others get no further than the mark.
  if (commits_flow_ && now_ms - advanced_at_ms_ < kMarkRestsMs) return;
  const bool can_park = !parked_ && index_.backfill_count == index_.mx_frame;
  if (!capture_->may_advance() || (outcome.commit_count == 0 && !can_park)) return;
  advanced_at_ms_ = now_ms;
  const Status advanced = parts_.source->advance();
  if (!advanced.ok()) {
    // One mark is still held: nothing is lost, try again with the next capture.
    set_error(advanced);
    capture_due_ms_ = now_ms + kBackoffFirstMs;
    return;
  }
  if (can_park && outcome.commit_count == 0) {
    parked_ = true;
    remember_idle_file();
    wal_since_ms_ = kNeverMs;
  }
}

}  // namespace litestream
