// The side of Replicator that other threads see, and the jobs on the worker pool. What the
// replicator thread does stands in replicator_step.cc and replicator_barrier.cc.
#include <algorithm>
#include <chrono>
#include <thread>

#include "ext/base/log.h"
#include "ext/engine/replicator.h"
#include "ext/engine/upload.h"
#include "ext/engine/without_exceptions.h"

namespace litestream {
namespace {

// How often a waiting caller looks whether it was interrupted.
constexpr int64_t kCancelPollMs = 50;
constexpr int64_t kHookWaitMs = 1000;
constexpr int64_t kOutrunFactor = 3;

std::vector<std::unique_ptr<ReplicaFeed>> make_feeds(ReplicatorParts& parts) {
  std::vector<std::unique_ptr<ReplicaFeed>> feeds;
  for (ReplicaPart& part : parts.replicas) {
    const std::string record = path_join(parts.meta_path, "lease-" + part.name);
    feeds.push_back(std::make_unique<ReplicaFeed>(std::move(part.name), std::move(part.store),
                                                  parts.spool.get(), parts.options, *parts.fs,
                                                  *parts.clock, this_process_name(), record));
  }
  parts.replicas.clear();
  return feeds;
}

}  // namespace

Replicator::Replicator(ReplicatorParts parts)
    : parts_(std::move(parts)),
      state_path_(path_join(parts_.meta_path, "state")),
      pages_path_(path_join(parts_.meta_path, "pages")),
      feeds_(make_feeds(parts_)) {}

void Replicator::note_commit() noexcept {
  hook_wall_ms_.store(parts_.clock->wall_ms(), std::memory_order_relaxed);
  hook_commit_count_.fetch_add(1, std::memory_order_relaxed);
  if (!dirty_.exchange(true, std::memory_order_acq_rel)) parts_.wake();
}

void Replicator::note_file_event() noexcept {
  if (!dirty_.exchange(true, std::memory_order_acq_rel)) parts_.wake();
}

void Replicator::note_requests() noexcept {
  requests_waiting_.store(true);
  parts_.wake();
}

const char* status_word(const ReplicatorStatus& status) {
  using Phase = ReplicatorStatus::Phase;
  switch (status.phase) {
    case Phase::kOpening: return status.last_error.empty() ? "starting" : "error";
    case Phase::kNoDatabase: return "no database";
    case Phase::kStandby: return "standby";
    case Phase::kStarting: return "starting";
    case Phase::kRunning: return status.last_error.empty() ? "ok" : "error";
    case Phase::kStopped: return "stopped";
    case Phase::kFailed: return "error";
  }
  return "error";
}

bool Replicator::is_standby() const {
  const std::lock_guard lock(mutex_);
  return status_.phase == Phase::kStandby && is_elsewhere_;
}

Result<Txid> Replicator::ask(OwnerVerb verb, int64_t timeout_ms, const CancelCheck& cancel,
                             int64_t argument) const {
  return ask_owner(*parts_.fs, *parts_.clock, parts_.meta_path, verb, timeout_ms, cancel, argument);
}

void Replicator::note_warning(std::string warning) {
  const std::lock_guard lock(mutex_);
  // Both stay readable: the newest in front.
  constexpr size_t kWarningBytesMax = 2000;
  if (status_.warning.find(warning) != std::string::npos) return;
  if (!status_.warning.empty()) warning += "; " + status_.warning;
  status_.warning = warning.substr(0, kWarningBytesMax);
}

ReplicatorStatus Replicator::status() const {
  const std::lock_guard lock(mutex_);
  ReplicatorStatus out = status_;
  out.spool_size_bytes = spool_bytes_;
  out.replica_txid = oldest_replica_txid();
  if (out.last_error.empty()) out.last_error = feed_errors();
  out.last_sync_at_ms = feeds_.front()->last_sync_at_ms;
  for (const auto& feed : feeds_) {
    out.last_sync_at_ms = std::min(out.last_sync_at_ms, feed->last_sync_at_ms);
    const int64_t unsent = feed->oldest_unsent_at_ms;
    if (unsent != 0 && (out.oldest_unsent_at_ms == 0 || unsent < out.oldest_unsent_at_ms)) {
      out.oldest_unsent_at_ms = unsent;
    }
    out.replicas.push_back({feed->name, feed->newest, feed->needs_snapshot, feed->last_sync_at_ms,
                            unsent, feed->last_error, feed->warning});
    ReplicaStatus& replica = out.replicas.back();
    const std::string weakness = feed->store.origin().warning();
    for (const std::string& more : {feed->keeper_error, weakness}) {
      if (!more.empty()) replica.warning += (replica.warning.empty() ? "" : "; ") + more;
    }
    if (replica.last_error.empty() && feed->needs_snapshot) replica.last_error = out.last_error;
  }
  return out;
}

bool Replicator::stopped() const {
  const std::lock_guard lock(mutex_);
  return status_.phase == Phase::kStopped || status_.phase == Phase::kFailed;
}

bool Replicator::is_owner_now() const {
  const std::lock_guard lock(mutex_);
  return status_.phase == Phase::kRunning || status_.phase == Phase::kStarting;
}

bool Replicator::letting_go() const {
  const std::lock_guard lock(mutex_);
  return stop_committed_ || fatal_;
}

// With the lock held.
Status Replicator::not_in_time(int64_t timeout_ms) const {
  return unavailable("not done within " + std::to_string(timeout_ms) + " ms" + error_suffix());
}

// With the lock held.
std::string Replicator::error_suffix() const {
  const std::string error = status_.last_error.empty() ? feed_errors() : status_.last_error;
  return error.empty() ? "" : ": " + error;
}

// Waits until done() is true (called with the lock held).
template <typename Done>
Status Replicator::wait_for(int64_t timeout_ms, const CancelCheck& cancel, Done done) {
  const int64_t deadline = parts_.clock->monotonic_ms() + std::max<int64_t>(timeout_ms, 0);
  std::unique_lock lock(mutex_);
  while (!done()) {
    const int64_t left = deadline - parts_.clock->monotonic_ms();
    if (left <= 0) return not_in_time(timeout_ms);
    if (status_.phase == Phase::kStopped) return unavailable("replication was stopped");
    changed_.wait_for(lock, std::chrono::milliseconds(std::min(left, kCancelPollMs)));
    if (!cancel || done()) continue;
    lock.unlock();
    const bool interrupted = cancel();
    lock.lock();
    if (interrupted) return cancelled("interrupted");
  }
  return {};
}

uint64_t Replicator::request(uint64_t Requests::*which) {
  uint64_t serial;
  {
    const std::lock_guard lock(mutex_);
    serial = ++(wanted_.*which);
  }
  parts_.wake();
  return serial;
}

uint64_t Replicator::pending(uint64_t Requests::*which) const {
  const std::lock_guard lock(mutex_);
  return wanted_.*which > done_.*which ? wanted_.*which : 0;
}

void Replicator::complete(uint64_t Requests::*which, uint64_t serial, Status status) {
  const std::lock_guard lock(mutex_);
  done_.*which = serial;
  if (which == &Requests::capture) capture_result_ = std::move(status);
  if (which == &Requests::sync) sync_result_ = std::move(status);
  if (which == &Requests::snapshot) snapshot_result_ = std::move(status);
  changed_.notify_all();
}

bool Replicator::checkpoint_from_hook(int64_t frame_count) noexcept {
  if (!owns_.load(std::memory_order_acquire)) return false;
  const int64_t threshold = barrier_threshold_.load(std::memory_order_relaxed);
  if (threshold == 0) return true;
  if (frame_count < threshold) {
    want_capture_at(frame_count);
    return true;
  }
  const bool outruns =
      frame_count >= threshold + kOutrunFactor * parts_.options.min_checkpoint_page_count;
  // A barrier would wait for the disk behind a file, so that a later commit pays instead.
  const bool disk_is_busy = flushing_.load(std::memory_order_relaxed) || sync_turns_.taken();
  if (!outruns && disk_is_busy) {
    barrier_put_off_.store(true, std::memory_order_relaxed);
    return true;
  }
  // One commit pays for all, as with SQLite's own checkpoint, unless they outrun it.
  const bool is_paid = barrier_paid_.exchange(true);
  if (is_paid && !outruns) return true;
  try {
    const uint64_t serial = request(&Requests::barrier);
    const Status waited = wait_for(kHookWaitMs, nullptr, [&] {
      return done_.barrier >= serial || fatal_ || stop_wanted_ || pause_wanted_;
    });
    // Whatever keeps the thread: not every commit shall wait for it.
    if (!waited.ok()) {
      barrier_threshold_.store(frame_count + parts_.options.min_checkpoint_page_count);
    }
  } catch (const std::exception& error) {
    log_message(LogLevel::kError, error.what());
  }
  barrier_paid_.store(false);
  return true;
}

// So that little is left to capture when a commit waits for the barrier.
void Replicator::want_capture_at(int64_t frame_count) noexcept {
  if (frame_count < capture_threshold_.load(std::memory_order_relaxed)) return;
  capture_threshold_.store(kNoThreshold, std::memory_order_relaxed);
  capture_soon_.store(true, std::memory_order_release);
  parts_.wake();
}

Status Replicator::wait_durable() {
  if (is_standby()) {
    const auto asked = ask(OwnerVerb::kSync, parts_.options.commit_timeout_ms, {});
    if (asked.ok()) return {};
    return unavailable(
        "committed locally, not confirmed on the replica: " + asked.status().message() +
        "; do not repeat the transaction, ask litestream_wait()");
  }
  const uint64_t serial = request(&Requests::durable);
  std::optional<Txid> target;
  const Status waited = wait_for(parts_.options.commit_timeout_ms, {}, [&] {
    if (!target && done_.durable >= serial) target = durable_target_;
    return fatal_ || (target && confirmed(*target));
  });
  const std::lock_guard lock(mutex_);
  const Status why = fatal_ ? fatal_status_ : waited;
  if (why.ok()) return {};
  return unavailable("committed locally" +
                     (target ? " (TXID up to " + format_txid(*target) + ")" : std::string()) +
                     ", not confirmed on the replica: " + why.message() +
                     "; do not repeat the transaction, ask litestream_wait()");
}

// What the owner told, by the same rule as confirmed().
bool Replicator::is_confirmed_by(const OwnerStatus& owner, Txid txid) const {
  int64_t count = 0;
  for (const ReplicaStatus& replica : owner.replicas) {
    count += !replica.needs_snapshot && replica.replica_txid >= txid ? 1 : 0;
  }
  const auto all = static_cast<int64_t>(owner.replicas.size());
  const int64_t wanted = parts_.options.ack_count;
  return all > 0 && count >= (wanted == 0 ? all : std::min(wanted, all));
}

Status Replicator::wait_for_owner(Txid txid, int64_t timeout_ms, const CancelCheck& cancel) const {
  const int64_t deadline_ms = parts_.clock->monotonic_ms() + timeout_ms;
  while (true) {
    const auto owner = load_owner_status(*parts_.fs, parts_.meta_path);
    if (owner.ok() && is_confirmed_by(*owner, txid)) return {};
    if (cancel && cancel()) return cancelled("interrupted");
    if (parts_.clock->monotonic_ms() >= deadline_ms) {
      return unavailable("the owner has not replicated it within " + std::to_string(timeout_ms) +
                         " ms" + (owner.ok() ? ": " + owner->last_error : std::string()));
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(kCancelPollMs));
  }
}

Result<Txid> Replicator::wait_replicated(Txid txid, int64_t timeout_ms, const CancelCheck& cancel) {
  if (is_standby()) {
    LS_RETURN_IF_ERROR(wait_for_owner(txid, timeout_ms, cancel));
    return txid;
  }
  LS_RETURN_IF_ERROR(wait_for(timeout_ms, cancel, [&] { return fatal_ || confirmed(txid); }));
  const std::lock_guard lock(mutex_);
  if (fatal_) return fatal_status_;
  return txid;
}

Status Replicator::wait_started(int64_t timeout_ms, const CancelCheck& cancel) {
  LS_RETURN_IF_ERROR(wait_for(timeout_ms, cancel, [&] {
    if (status_.phase == Phase::kOpening) return start_overdue_;
    return status_.phase != Phase::kStarting || fatal_;
  }));
  const std::lock_guard lock(mutex_);
  return fatal_ ? fatal_status_ : Status();
}

Result<Txid> Replicator::current_txid(int64_t timeout_ms, const CancelCheck& cancel) {
  // Only the owner knows how commits count; it tells once they are on the replica.
  if (is_standby()) return ask(OwnerVerb::kSync, timeout_ms, cancel);
  const uint64_t serial = request(&Requests::capture);
  LS_RETURN_IF_ERROR(
      wait_for(timeout_ms, cancel, [&] { return done_.capture >= serial || fatal_; }));
  const std::lock_guard lock(mutex_);
  if (fatal_) return fatal_status_;
  if (!capture_result_.ok()) return capture_result_;
  return status_.local_txid;
}

Result<Txid> Replicator::sync(int64_t timeout_ms, const CancelCheck& cancel) {
  if (is_standby()) return ask(OwnerVerb::kSync, timeout_ms, cancel);
  const int64_t deadline = parts_.clock->monotonic_ms() + timeout_ms;
  const uint64_t serial = request(&Requests::sync);
  LS_RETURN_IF_ERROR(wait_for(timeout_ms, cancel, [&] { return done_.sync >= serial || fatal_; }));
  Txid target;
  {
    const std::lock_guard lock(mutex_);
    if (fatal_) return fatal_status_;
    if (!sync_result_.ok()) return sync_result_;
    target = sync_target_;
  }
  const Status waited = wait_for(deadline - parts_.clock->monotonic_ms(), cancel,
                                 [&] { return on_all_replicas(target) || fatal_; });
  const std::lock_guard lock(mutex_);
  if (fatal_) return fatal_status_;
  // What the caller asked for, not what was left of it.
  if (waited.code() == StatusCode::kUnavailable) return not_in_time(timeout_ms);
  LS_RETURN_IF_ERROR(waited);
  return oldest_replica_txid();
}

Result<Txid> Replicator::snapshot(int64_t timeout_ms, const CancelCheck& cancel) {
  if (is_standby()) return ask(OwnerVerb::kSnapshot, timeout_ms, cancel);
  const uint64_t serial = request(&Requests::snapshot);
  LS_RETURN_IF_ERROR(
      wait_for(timeout_ms, cancel, [&] { return done_.snapshot >= serial || fatal_; }));
  const std::lock_guard lock(mutex_);
  if (fatal_) return fatal_status_;
  if (!snapshot_result_.ok()) return snapshot_result_;
  return snapshot_job_txid_;
}

void Replicator::request_stop(int64_t timeout_ms) noexcept {
  {
    const std::lock_guard lock(mutex_);
    const int64_t deadline = parts_.clock->monotonic_ms() + timeout_ms;
    stop_deadline_ms_ = stop_wanted_ ? std::min(stop_deadline_ms_, deadline) : deadline;
    stop_wanted_ = true;
    stop_is_idle_ = false;
    leaving_.store(true);
  }
  changed_.notify_all();
  parts_.wake();
}

void Replicator::request_idle_stop(int64_t timeout_ms) noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (stop_wanted_ || held_count_ > 0) return;
    stop_wanted_ = stop_is_idle_ = true;
    leaving_.store(true);
    stop_deadline_ms_ = parts_.clock->monotonic_ms() + timeout_ms;
  }
  changed_.notify_all();
  parts_.wake();
}

bool Replicator::hold() noexcept {
  {
    const std::lock_guard lock(mutex_);
    if (stop_committed_ || fatal_ || (stop_wanted_ && !stop_is_idle_)) return false;
    ++held_count_;
    if (!stop_wanted_) return true;
    stop_wanted_ = stop_is_idle_ = false;
    leaving_.store(false);
    stop_deadline_ms_ = kNeverMs;
    cancel_jobs_.store(false);
  }
  parts_.wake();
  return true;
}

int Replicator::release() noexcept {
  const std::lock_guard lock(mutex_);
  if (held_count_ > 0) --held_count_;
  return held_count_;
}

void Replicator::request_pause() noexcept {
  {
    const std::lock_guard lock(mutex_);
    pause_wanted_ = true;
    leaving_.store(true);
    paused_ = status_.phase == Phase::kStopped || status_.phase == Phase::kFailed;
  }
  parts_.wake();
}

bool Replicator::wait_paused(int64_t timeout_ms) noexcept {
  const int64_t deadline = parts_.clock->monotonic_ms() + timeout_ms;
  std::unique_lock lock(mutex_);
  while (!paused_ && parts_.clock->monotonic_ms() < deadline) {
    changed_.wait_for(lock, std::chrono::milliseconds(10));
  }
  return paused_;
}

void Replicator::resume() noexcept {
  {
    const std::lock_guard lock(mutex_);
    pause_wanted_ = paused_ = false;
    if (!stop_wanted_) {
      cancel_jobs_.store(false);
      leaving_.store(false);
    }
  }
  parts_.wake();
}

Result<Txid> Replicator::wait_stopped(int64_t timeout_ms, const CancelCheck& cancel) {
  LS_RETURN_IF_ERROR(wait_for(timeout_ms, cancel, [&] {
    return status_.phase == Phase::kStopped || status_.phase == Phase::kFailed;
  }));
  const std::lock_guard lock(mutex_);
  if (fatal_) return fatal_status_;
  if (stop_incomplete_) {
    return unavailable(
        "stopped, but not everything committed was captured; the next start compares" +
        error_suffix());
  }
  if (oldest_replica_txid() < status_.local_txid) {
    return unavailable("stopped, but the replica has " + format_txid(oldest_replica_txid()) +
                       " of " + format_txid(status_.local_txid) +
                       "; the rest waits in the spool for the next start" + error_suffix());
  }
  return status_.local_txid;
}

void Replicator::run_start_job(std::shared_ptr<SourceReader> reader, int64_t marked_at_ms,
                               bool may_leave_out) {
  StartInput input;
  input.reader = reader.get();
  input.replicas = start_replicas();
  input.spool = parts_.spool.get();
  input.fs = parts_.fs;
  input.marked_at_ms = marked_at_ms;
  input.database_path = parts_.database_path;
  input.state_path = state_path_;
  input.pages_path = pages_path_;
  input.may_leave_out = may_leave_out;
  input.capture_acceleration = static_cast<int>(parts_.options.capture_acceleration);
  input.level_acceleration = static_cast<int>(parts_.options.level_acceleration);
  input.cancel = [this] { return cancel_jobs_.load(); };
  for (const auto& feed : feeds_) {
    // Others may have written since it was listed.
    for (int level = 0; level <= kLevelMax; ++level) feed->store.cache().note_doubt(level);
  }
  auto result = without_exceptions([&] { return run_start(input); });
  reader.reset();  // its mark must not outlive the job
  for (size_t i = 0; result.ok() && i < feeds_.size(); ++i) {
    Txid newest = result->replicas[i].newest;
    {
      const std::lock_guard lock(mutex_);
      newest = std::max(newest, feeds_[i]->uploaded);
    }
    const auto unsent = unsent_bytes(*parts_.spool, newest);
    const std::lock_guard lock(mutex_);
    if (unsent.ok()) feeds_[i]->unsent_bytes = *unsent;
  }
  {
    const std::lock_guard lock(mutex_);
    start_result_.emplace(std::move(result));
    start_running_ = false;
  }
  parts_.wake();
}

}  // namespace litestream
