// How a replicator gets out of trouble, and how it lets go of its database. Replicator thread.
#include <algorithm>

#include "ext/base/log.h"
#include "ext/engine/replicator.h"
#include "ext/engine/upload.h"

namespace litestream {

// ---------------------------------------------------------------- trouble

// The position no longer leads anywhere: let go, open again, compare pages.
void Replicator::resync(const Status& why) {
  log_message(LogLevel::kWarning,
              "litestream: " + parts_.database_path + ": resynchronising: " + why.message());
  set_error(why);
  close_source(false);
  const int64_t now_ms = parts_.clock->monotonic_ms();
  open_backoff_ms_ = next_backoff_ms(open_backoff_ms_);
  open_retry_ms_ = now_ms + open_backoff_ms_;
  set_phase(Phase::kOpening);
}

// Files that the replicas have but the page checksums still build on do not count, and a spool that
// cannot be uploaded because a replica needs a snapshot is not waited for.
bool Replicator::spool_is_full() const {
  const auto limit = static_cast<uint64_t>(parts_.options.spool_limit_bytes);
  const std::lock_guard lock(mutex_);
  bool any = false;
  for (const auto& feed : feeds_) {
    if (!feed->failed.ok()) continue;
    any = true;
    const bool is_behind = feed->uploaded < written_txid_ && feed->unsent_bytes >= limit;
    if (feed->needs_snapshot || !is_behind) return false;
  }
  return any;
}

// What a snapshot will replace need not be kept beyond the limit.
void Replicator::drop_useless_spool() {
  Txid needed;
  {
    const std::lock_guard lock(mutex_);
    if (spool_bytes_ < static_cast<uint64_t>(parts_.options.spool_limit_bytes)) return;
    bool any = false;
    for (const auto& feed : feeds_) {
      if (feed->snapshot_running) return;
      any = any || feed->needs_snapshot;
    }
    if (!any) return;
    needed = std::min(spool_needed_after(), written_txid_);
  }
  save_local(true);
  if (pages_txid_ < needed) return;
  const auto bytes = trim_spool(*parts_.spool, needed);
  if (!bytes.ok()) return;
  const std::lock_guard lock(mutex_);
  spool_bytes_ = *bytes;
  for (const auto& feed : feeds_) {
    if (feed->needs_snapshot) feed->unsent_bytes = *bytes;
  }
}

// What is unsent is more than the spool may hold, or the spool cannot be written. Holding the mark
// would let the WAL grow instead, so it is let go; the page checksums stay at what was written, and
// the next start uploads the difference.
void Replicator::let_wal_go(const Status& why) {
  log_message(LogLevel::kWarning,
              "litestream: " + parts_.database_path + ": capture pauses: " + why.message());
  set_error(why);
  save_local(true);
  close_source(false);
  wal_let_go_ = true;
  open_backoff_ms_ = next_backoff_ms(open_backoff_ms_);
  open_retry_ms_ = parts_.clock->monotonic_ms() + open_backoff_ms_;
  set_phase(Phase::kOpening);
}

// With `durability: replica`, commits that no hook waited for are worth a warning.
void Replicator::count_unawaited() {
  const uint64_t hooked = hook_commit_count_.load(std::memory_order_relaxed);
  if (parts_.options.durability != Durability::kReplica || captured_commit_count_ <= hooked) return;
  note_warning(std::to_string(captured_commit_count_ - hooked) +
               " commits were replicated without waiting: their connections do not have the hook");
}

void Replicator::fail(const Status& why) {
  log_message(LogLevel::kError, "litestream: " + parts_.database_path + ": " + why.message());
  set_error(why);
  close_source(false);
  answer_all(why);
  unlock_replicas();
  leave_file();
  owner_lock_.reset();
  const std::lock_guard lock(mutex_);
  fatal_ = true;
  fatal_status_ = why;
  status_.phase = Phase::kFailed;
  changed_.notify_all();
}

void Replicator::close_source(bool captured_all) {
  owns_.store(false, std::memory_order_release);
  capture_.reset();
  (void)take_back_file();
  if (source_open_) parts_.source->close(captured_all);
  source_open_ = false;
  parked_ = false;
  capture_due_ms_ = flush_due_ms_ = park_due_ms_ = wal_since_ms_ = kNeverMs;
}

void Replicator::set_error(const Status& status) {
  {
    const std::lock_guard lock(mutex_);
    if (status_.last_error == status.message()) return;
    status_.last_error = status.message();
  }
  // The sink may be the host's own code: not with the lock held.
  log_message(LogLevel::kError, "litestream: " + parts_.database_path + ": " + status.message());
}

void Replicator::clear_error() {
  const std::lock_guard lock(mutex_);
  status_.last_error.clear();
}

// The database has another owner: a process of this machine, or a writer elsewhere that holds the
// lease of a replica.
void Replicator::set_standby(bool is_elsewhere) {
  // What is known of the replicas and believed of their files may be another term's by the next.
  for (const auto& feed : feeds_) {
    feed->store.cache().forget();
    feed->keeper.note_new_term();
  }
  const std::lock_guard lock(mutex_);
  status_.phase = Phase::kStandby;
  is_elsewhere_ = is_elsewhere;
  changed_.notify_all();
}

void Replicator::set_phase(Phase phase) {
  const std::lock_guard lock(mutex_);
  status_.phase = phase;
  changed_.notify_all();
}

void Replicator::publish() {
  const std::lock_guard lock(mutex_);
  if (capture_ != nullptr) {
    status_.local_txid = capture_->captured().txid;
    const uint64_t frame_bytes = uint64_t{status_.page_size_bytes} + kWalFrameHeaderBytes;
    status_.wal_size_bytes =
        index_.mx_frame == 0 ? 0 : kWalHeaderBytes + index_.mx_frame * frame_bytes;
  }
  status_.spool_size_bytes = spool_bytes_;
  changed_.notify_all();
}

// ---------------------------------------------------------------- stopping

bool Replicator::everything_sent() const {
  const std::lock_guard lock(mutex_);
  return capture_ == nullptr || on_all_replicas(capture_->written().txid);
}

void Replicator::step_stop(int64_t now_ms) {
  if (!take_back_file()) return;  // nobody else may have the spool before its end, which wakes us
  int64_t deadline;
  bool busy_jobs;
  {
    const std::lock_guard lock(mutex_);
    deadline = stop_deadline_ms_;
    busy_jobs = any_job();
  }
  const bool late = now_ms >= deadline;
  if (late) cancel_jobs_.store(true);
  if (capture_ == nullptr && !late) {
    if (busy_jobs) return;
    adopt_start();
  }
  if (capture_ != nullptr && !late) {
    // What is in the spool goes out also while it takes no more.
    const bool captured = capture_for_stop();
    if (captured) step_snapshots(now_ms);
    if (capture_ != nullptr) step_feeds(now_ms);
    if (capture_ == nullptr || !captured || !everything_sent()) return;
  }
  {
    const std::lock_guard lock(mutex_);
    busy_jobs = any_job();
  }
  // A job that is cut short lets go of its connection; one that does not is not waited for long.
  if (busy_jobs && now_ms < deadline + kJobEndMs) return;
  finish_stop();
}

// Everything committed by now is in the spool; if not, step() is called again before the deadline.
bool Replicator::capture_for_stop() {
  auto outcome = capture_->run();
  if (outcome.ok() && outcome->commit_count > 0) commit_time_ms_ = parts_.clock->wall_ms();
  const Status status = outcome.ok() ? flush_now() : outcome.status();
  if (status.ok() && capture_->may_advance()) (void)parts_.source->advance().ok();
  if (!status.ok()) set_error(status);
  const bool captured = status.ok() && capture_->written().txid == capture_->captured().txid;
  {
    const std::lock_guard lock(mutex_);
    stop_incomplete_ = !captured;
  }
  stop_retry_ms_ =
      captured ? kNeverMs : parts_.clock->monotonic_ms() + parts_.options.shutdown_sync_interval_ms;
  return captured;
}

bool Replicator::pause_wanted_now() const {
  const std::lock_guard lock(mutex_);
  return pause_wanted_;
}

// For fork(): no connection, no job that reads. What was captured and not written yet is written;
// where that fails, the next start finds it in the WAL or by comparing.
void Replicator::step_pause() {
  if (!take_back_file()) return;  // the job wakes us
  bool reading;
  {
    const std::lock_guard lock(mutex_);
    reading = start_running_ || std::any_of(feeds_.begin(), feeds_.end(), [](const auto& feed) {
                return feed->snapshot_running;
              });
  }
  if (reading) {
    cancel_jobs_.store(true);
    return;  // the job wakes us
  }
  if (capture_ != nullptr) {
    auto outcome = capture_->run();
    if (outcome.ok() && outcome->commit_count > 0) commit_time_ms_ = parts_.clock->wall_ms();
    if (outcome.ok()) (void)flush_now().ok();
    save_local(false);
  }
  close_source(false);
  open_retry_ms_ = 0;
  const std::lock_guard lock(mutex_);
  start_result_.reset();
  if (status_.phase == Phase::kRunning || status_.phase == Phase::kStarting) {
    status_.phase = Phase::kOpening;
  }
  paused_ = true;
  changed_.notify_all();
}

void Replicator::fail_after_exception(const char* what) noexcept {
  try {
    fail(internal_error(std::string("unexpected: ") + what));
  } catch (const std::exception&) {
    owns_.store(false, std::memory_order_release);
    const std::lock_guard lock(mutex_);
    fatal_ = true;
    status_.phase = Phase::kFailed;
    changed_.notify_all();
  }
}

void Replicator::finish_stop() {
  {
    const std::lock_guard lock(mutex_);
    if (!stop_wanted_) return;  // a connection came back in time
    stop_committed_ = true;
  }
  bool captured_all = false;
  if (capture_ != nullptr) {
    const bool replaced = replaced_in_place();
    auto outcome = park(*parts_.source, *capture_);
    (void)flush_now().ok();
    // Another file at the path is not ours to checkpoint; one that was written over is not what we
    // know, and its old WAL must not stay.
    captured_all = outcome.ok() && *outcome == BarrierOutcome::kDone && !capture_->has_pending() &&
                   verify_files().ok();
    save_local(true);
    if (captured_all && !replaced) {
      LocalState state;
      state.position = capture_->written();
      record_clean_file(&state);
    }
  }
  publish();
  close_source(captured_all);
  answer_all(status().local_txid);
  unlock_replicas();
  owner_lock_.reset();
  set_phase(Phase::kStopped);
}

// Taken while the mark is parked: nobody can change the database file before we let go of it.
void Replicator::record_clean_file(LocalState* state) {
  auto clean = clean_file_of(*parts_.fs, parts_.database_path, capture_->sums().sum_of(1),
                             parts_.clock->wall_ms());
  if (!clean.ok()) return;
  state->page_size_bytes = capture_->sums().page_size_bytes();
  state->database_checksum = capture_->sums().database_checksum();
  state->replica_url = replica_urls(start_replicas());
  state->clean = *clean;
  (void)save_state(*parts_.fs, state_path_, *state).ok();
}

}  // namespace litestream
