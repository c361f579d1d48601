// What a replicator does for each of its replicas: uploads, snapshots, joining late, giving up.
// Functions named run_* are jobs on the pool, the others run on the replicator thread unless the
// header says otherwise.
#include <algorithm>

#include "ext/base/log.h"
#include "ext/engine/jobs.h"
#include "ext/engine/replicator.h"
#include "ext/engine/upload.h"
#include "ext/engine/without_exceptions.h"
#include "ext/store/call_limits.h"

namespace litestream {
namespace {

// Sent files stay in the spool for compaction to read while they are no more than this.
constexpr uint64_t kSpoolForCompactionBytesMax = 256 << 20;
// Another host holds the lease: it is watched, not asked all the time.
constexpr int64_t kLeaseWatchMs = 5000;
// Another database makes a snapshot.
constexpr int64_t kGateRetryMs = 1000;

}  // namespace

std::vector<StartReplica> Replicator::start_replicas() const {
  std::vector<StartReplica> out;
  for (const auto& feed : feeds_) out.push_back(start_replica_of(*feed));
  return out;
}

Status Replicator::lock_replicas() {
  for (const auto& feed : feeds_) {
    if (feed->lock != nullptr) continue;
    auto lock = feed->store.lock_for_writing();
    if (lock.ok()) {
      feed->lock = std::move(*lock);
    } else if (!lock.status().retryable() || feeds_.size() == 1) {
      return lock.status();
    }
  }
  return {};
}

void Replicator::unlock_replicas() {
  for (const auto& feed : feeds_) feed->lock.reset();
}

// ---------------------------------------------------------------- with the lock held

bool Replicator::confirmed(Txid txid) const {
  const auto count = std::count_if(feeds_.begin(), feeds_.end(),
                                   [&](const auto& feed) { return feed->has(txid); });
  const auto all = static_cast<int64_t>(feeds_.size());
  const int64_t wanted = parts_.options.ack_count;
  return count >= (wanted == 0 ? all : std::min(wanted, all));
}

bool Replicator::on_all_replicas(Txid txid) const {
  return std::all_of(feeds_.begin(), feeds_.end(),
                     [&](const auto& feed) { return feed->has(txid); });
}

Txid Replicator::oldest_replica_txid() const {
  Txid oldest = feeds_.front()->newest;
  for (const auto& feed : feeds_) oldest = std::min(oldest, feed->newest);
  return oldest;
}

// What no replica waits for any more may leave the spool. A snapshot replaces what it covers.
Txid Replicator::spool_needed_after() const {
  Txid needed{UINT64_MAX};
  for (const auto& feed : feeds_) {
    if (!feed->needs_snapshot && feed->failed.ok()) needed = std::min(needed, feed->uploaded);
  }
  return needed;
}

std::string Replicator::feed_errors() const {
  std::string errors;
  for (const auto& feed : feeds_) {
    std::string error = feed->last_error;
    if (error.empty() && feed->needs_snapshot) {
      error = "the replica cannot restore the newest transactions before a new snapshot";
      if (!feed->needs_snapshot_why.empty()) error += ": " + feed->needs_snapshot_why;
    }
    if (error.empty()) continue;
    errors += (errors.empty() ? "" : "; ") + (feeds_.size() > 1 ? feed->name + ": " : "") + error;
  }
  return errors;
}

bool Replicator::any_job() const {
  return start_running_ || std::any_of(feeds_.begin(), feeds_.end(), [](const auto& feed) {
           return feed->busy() || feed->keeper_running;
         });
}

// ---------------------------------------------------------------- trouble

// Another writer has this replica now. The others go on.
void Replicator::fail_feed(ReplicaFeed& feed, const Status& why) {
  log_message(LogLevel::kError, "litestream: " + parts_.database_path + ": replica " + feed.name +
                                    " is given up: " + why.message());
  bool any_left;
  {
    const std::lock_guard lock(mutex_);
    feed.failed = why;
    feed.last_error = why.message();
    any_left = std::any_of(feeds_.begin(), feeds_.end(),
                           [](const auto& other) { return other->failed.ok(); });
  }
  feed.lock.reset();
  if (!any_left) fail(why);
}

void Replicator::back_off(ReplicaFeed& feed, int64_t now_ms, const Status& why) {
  feed.backoff_ms = next_backoff_ms(feed.backoff_ms);
  if (why.code() == StatusCode::kBusy) feed.backoff_ms = kLeaseWatchMs;
  feed.due_ms = now_ms + feed.backoff_ms;
  {
    const std::lock_guard lock(mutex_);
    if (feed.last_error == why.message()) return;
    feed.last_error = why.message();
  }
  log_message(LogLevel::kError, "litestream: " + parts_.database_path + ": " + why.message());
}

// The spool is full because one replica is behind while another keeps up: what it lacks becomes a
// snapshot, so that the spool stays bounded and capture goes on.
void Replicator::give_up_laggards() {
  const auto limit = static_cast<uint64_t>(parts_.options.spool_limit_bytes);
  const std::lock_guard lock(mutex_);
  const auto keeps_up = [&](const auto& feed) {
    return feed->failed.ok() && !feed->needs_snapshot && feed->unsent_bytes < limit;
  };
  if (std::none_of(feeds_.begin(), feeds_.end(), keeps_up)) return;
  for (const auto& feed : feeds_) {
    if (feed->failed.ok() && !feed->needs_snapshot && feed->unsent_bytes >= limit &&
        !feed->upload_running) {
      feed->needs_snapshot = true;
      feed->needs_snapshot_why = "it fell behind by more than the spool holds";
    }
  }
}

// ---------------------------------------------------------------- steps

// A job whose calls to remote stores end within 100 ms once jobs are to be cancelled.
std::function<void()> Replicator::limited(std::function<void()> job) {
  return [self = shared_from_this(), job = std::move(job)] {
    const CallLimits limits(CallLimits::kNoDeadline, [&self] { return self->cancel_jobs_.load(); });
    job();
  };
}

// Marks the feed and hands the job to the pool. False: the pool takes none, it is tried later.
bool Replicator::submit_for(ReplicaFeed& feed, bool ReplicaFeed::*running, int64_t now_ms,
                            std::function<void()> job) {
  {
    const std::lock_guard lock(mutex_);
    feed.*running = true;
  }
  if (parts_.jobs->submit(limited(std::move(job)))) return true;
  const std::lock_guard lock(mutex_);
  feed.*running = false;
  feed.due_ms = now_ms + kBackoffMaxMs;
  return false;
}

void Replicator::step_feeds(int64_t now_ms) {
  for (const auto& feed : feeds_) {
    adopt_join(*feed, now_ms);
    adopt_upload(*feed, now_ms);
    if (status().phase == Phase::kFailed) return;
    step_join(*feed, now_ms);
    step_upload(*feed, now_ms);
    step_keeper(*feed, now_ms);
  }
}

void Replicator::adopt_join(ReplicaFeed& feed, int64_t now_ms) {
  std::optional<ReplicaStart> result;
  {
    const std::lock_guard lock(mutex_);
    result.swap(feed.join_result);
  }
  if (!result) return;
  if (result->reached.code() == StatusCode::kPositionMismatch && capture_ != nullptr) {
    resync(result->reached);
    return;
  }
  if (!result->reached.ok()) {
    back_off(feed, now_ms, result->reached);
    return;
  }
  feed.backoff_ms = 0;
  const std::lock_guard lock(mutex_);
  feed.joined = true;
  feed.newest = feed.uploaded = result->newest;
  feed.end_checksum = result->end_checksum;
  feed.needs_snapshot = result->needs_snapshot;
  feed.needs_snapshot_why = result->why;
  feed.last_error.clear();
}

void Replicator::adopt_upload(ReplicaFeed& feed, int64_t now_ms) {
  std::optional<Status> result;
  {
    const std::lock_guard lock(mutex_);
    if (feed.upload_running) return;
    result.swap(feed.upload_result);
    if (result && result->ok()) feed.last_error.clear();
  }
  if (!result) return;
  if (result->ok()) {
    feed.backoff_ms = 0;
  } else if (result->code() == StatusCode::kPositionMismatch) {
    fail_feed(feed, *result);
  } else {
    back_off(feed, now_ms, *result);
  }
}

void Replicator::step_join(ReplicaFeed& feed, int64_t now_ms) {
  {
    const std::lock_guard lock(mutex_);
    if (feed.joined || feed.busy() || !feed.failed.ok()) return;
  }
  if (capture_ == nullptr || now_ms < feed.due_ms) return;
  if (feed.lock == nullptr) {
    auto lock = feed.store.lock_for_writing();
    if (!lock.ok()) {
      back_off(feed, now_ms, lock.status());
      return;
    }
    feed.lock = std::move(*lock);
  }
  const Txid position = capture_->written().txid;
  const Checksum checksum = capture_->sums().database_checksum();
  (void)submit_for(feed, &ReplicaFeed::join_running, now_ms,
                   [self = shared_from_this(), &feed, position, checksum] {
                     self->run_join_job(feed, position, checksum);
                   });
}

void Replicator::step_upload(ReplicaFeed& feed, int64_t now_ms) {
  if (now_ms < feed.due_ms) return;
  Txid uploaded;
  Txid covered;
  {
    const std::lock_guard lock(mutex_);
    if (feed.upload_running || !feed.joined || !feed.failed.ok()) return;
    if (feed.has(written_txid_)) feed.oldest_unsent_at_ms = 0;
    if (feed.uploaded >= written_txid_ || feed.needs_snapshot) return;
    uploaded = feed.uploaded;
    covered = feed.newest;
  }
  const Txid keep_after = pages_txid_;
  (void)submit_for(feed, &ReplicaFeed::upload_running, now_ms,
                   [self = shared_from_this(), &feed, uploaded, covered, keep_after] {
                     self->run_upload_job(feed, uploaded, covered, keep_after);
                   });
}

void Replicator::adopt_snapshot(ReplicaFeed& feed, int64_t now_ms) {
  std::optional<Status> result;
  {
    const std::lock_guard lock(mutex_);
    if (feed.snapshot_running) return;
    result.swap(feed.snapshot_result);
    if (!result) return;
    if (result->ok()) {
      // What it lacked before is not worth uploading: nothing leads there.
      if (feed.needs_snapshot) {
        feed.uploaded = std::max(feed.uploaded, feed.snapshot_txid);
        feed.end_checksum = feed.snapshot_checksum;
      }
      feed.needs_snapshot = false;
      feed.needs_snapshot_why.clear();
      feed.last_error.clear();
    }
    if (feed.snapshot_wanted && !result->ok()) snapshot_error_ = *result;
    feed.snapshot_wanted = false;
  }
  if (result->code() == StatusCode::kPositionMismatch) {
    fail_feed(feed, *result);
  } else if (!result->ok()) {
    back_off(feed, now_ms, *result);
  }
}

void Replicator::finish_snapshot_request() {
  const uint64_t serial = pending(&Requests::snapshot);
  if (serial == 0) return;
  Status result;
  {
    const std::lock_guard lock(mutex_);
    if (snapshot_serial_ != serial) {  // a new one
      snapshot_serial_ = serial;
      snapshot_error_ = Status();
      for (const auto& feed : feeds_) feed->snapshot_wanted = feed->joined && feed->failed.ok();
    }
    for (const auto& feed : feeds_) {
      if (feed->snapshot_wanted || feed->snapshot_running) return;
    }
    result = snapshot_error_;
  }
  complete(&Requests::snapshot, serial, result);
}

// One at a time for one database: each reads all of it.
void Replicator::step_snapshots(int64_t now_ms) {
  for (const auto& feed : feeds_) adopt_snapshot(*feed, now_ms);
  if (capture_ == nullptr) return;
  snapshot_waits_ = false;
  finish_snapshot_request();
  for (const auto& feed : feeds_) {
    bool due;
    {
      const std::lock_guard lock(mutex_);
      if (std::any_of(feeds_.begin(), feeds_.end(),
                      [](const auto& other) { return other->snapshot_running; })) {
        return;
      }
      due = feed->joined && feed->failed.ok() &&
            (feed->snapshot_wanted || (feed->needs_snapshot && now_ms >= feed->due_ms));
    }
    if (!due) continue;
    auto pass = big_job_gate().try_enter();
    if (!pass) {
      feed->due_ms = now_ms + kGateRetryMs;
      continue;
    }
    const Status begun = begin_snapshot(*feed, std::move(*pass));
    if (capture_ == nullptr) return;
    if (begun.ok()) continue;
    if (begun.code() == StatusCode::kBusy) {
      capture_due_ms_ = now_ms + kCaptureDelayMs;
      feed->due_ms = std::max(feed->due_ms, now_ms + kBackoffFirstMs);
      continue;
    }
    back_off(*feed, now_ms, begun);
    const std::lock_guard lock(mutex_);
    if (feed->snapshot_wanted) snapshot_error_ = begun;
    feed->snapshot_wanted = false;
  }
  finish_snapshot_request();
}

// A reader of its own takes a mark; capture reaches exactly that mark, so its TXID is known; the
// job then reads at the mark while capture goes on.
Status Replicator::begin_snapshot(ReplicaFeed& feed, BigJobGate::Pass pass) {
  snapshot_waits_ = !take_back_file();
  if (capture_ == nullptr || snapshot_waits_) return busy("an L0 file is being written");
  const int64_t now_ms = parts_.clock->monotonic_ms();
  const int64_t marked_at_ms = parts_.clock->wall_ms();
  LS_ASSIGN_OR_RETURN(auto reader, parts_.source->open_reader());
  LS_ASSIGN_OR_RETURN(const auto outcome, capture_->run(&reader->index()));
  if (outcome.commit_count > 0) commit_time_ms_ = marked_at_ms;
  LS_RETURN_IF_ERROR(flush_now());
  const Txid txid = capture_->written().txid;
  const Checksum after = capture_->sums().database_checksum();
  capture_due_ms_ = now_ms + kCaptureDelayMs;
  std::shared_ptr<SourceReader> shared = std::move(reader);
  const bool submitted =
      submit_for(feed, &ReplicaFeed::snapshot_running, now_ms,
                 [self = shared_from_this(), &feed, shared = std::move(shared), txid, marked_at_ms,
                  after, held = std::make_shared<BigJobGate::Pass>(std::move(pass))]() mutable {
                   self->run_snapshot_job(feed, std::move(shared), txid, marked_at_ms, after);
                   held.reset();
                 });
  return submitted ? Status() : unavailable("no thread could be started");
}

// ---------------------------------------------------------------- jobs

void Replicator::run_join_job(ReplicaFeed& feed, Txid position, Checksum checksum) {
  auto joined = without_exceptions([&]() -> Result<ReplicaStart> {
    return join_replica(start_replica_of(feed), *parts_.spool, position, checksum);
  });
  const auto unsent = unsent_bytes(*parts_.spool, joined.ok() ? joined->newest : Txid{});
  ReplicaStart result;
  if (joined.ok()) {
    result = std::move(*joined);
  } else {
    result.reached = joined.status().with_context("replica " + feed.name);
  }
  {
    const std::lock_guard lock(mutex_);
    if (unsent.ok()) feed.unsent_bytes = *unsent;
    feed.join_result = std::move(result);
    feed.join_running = false;
  }
  changed_.notify_all();
  parts_.wake();
}

void Replicator::run_upload_job(ReplicaFeed& feed, Txid uploaded, Txid covered, Txid keep_after) {
  const Txid before = uploaded;
  const int64_t begun_ms = parts_.clock->monotonic_ms();
  UploadRun run;
  run.file_count_max = static_cast<uint64_t>(parts_.options.upload_file_count_max);
  run.uploaded = uploaded;
  run.covered = covered;
  run.lease = &feed.lease;
  // A folder is most likely on the disk of the database.
  const bool nobody_waits = parts_.options.durability == Durability::kAsync;
  if (nobody_waits && feed.store.type() == "file") run.turns = &sync_turns_;
  run.cancel = [this] { return cancel_jobs_.load(); };
  {
    const std::lock_guard lock(mutex_);
    run.end_checksum = feed.end_checksum;
  }
  run.on_file = [&](Txid reached) {
    {
      const std::lock_guard lock(mutex_);
      feed.uploaded = std::max(feed.uploaded, reached);
      feed.newest = std::max(feed.newest, reached);
    }
    changed_.notify_all();
  };
  const Status status = without_exceptions([&]() -> Result<Txid> {
                          LS_RETURN_IF_ERROR(upload_spool(*parts_.spool, feed.store, &run));
                          return run.uploaded;
                        }).status();
  Txid needed;
  bool bytes_are_few;
  {
    const std::lock_guard lock(mutex_);
    feed.uploaded = std::max(feed.uploaded, run.uploaded);
    feed.end_checksum = run.end_checksum;
    needed = spool_needed_after();
    bytes_are_few = spool_bytes_ < kSpoolForCompactionBytesMax;
  }
  for (const auto& other : feeds_) {
    // Compaction reads them here rather than there.
    if (bytes_are_few) needed = std::min(needed, other->keeper.spool_keep_after());
  }
  auto bytes = trim_spool(*parts_.spool, std::min(needed, keep_after));
  auto unsent = unsent_bytes(*parts_.spool, run.uploaded);
  {
    const std::lock_guard lock(mutex_);
    feed.newest = std::max(feed.newest, run.uploaded);
    if (!run.gap.empty()) {
      feed.needs_snapshot = true;
      feed.needs_snapshot_why = run.gap;
    }
    if (bytes.ok()) spool_bytes_ = *bytes;
    if (unsent.ok()) feed.unsent_bytes = *unsent;
    if (run.uploaded > before) feed.last_sync_at_ms = parts_.clock->wall_ms();
    feed.counters.upload_count += run.file_count;
    feed.counters.upload_bytes += run.byte_count;
    feed.counters.upload_us +=
        static_cast<uint64_t>(parts_.clock->monotonic_ms() - begun_ms) * 1000;
    if (!status.ok()) ++feed.counters.upload_error_count;
    if (feed.has(status_.local_txid)) feed.oldest_unsent_at_ms = 0;
    feed.upload_result = status;
    feed.upload_running = false;
  }
  changed_.notify_all();
  parts_.wake();
}

void Replicator::run_snapshot_job(ReplicaFeed& feed, std::shared_ptr<SourceReader> reader,
                                  Txid txid, int64_t marked_at_ms, Checksum after) {
  Job job("snapshot", parts_.database_path, feed.name);
  JobControl control;
  control.cancel = [this, &job] { return cancel_jobs_.load() || job.is_cancelled(); };
  control.progress = [&job](uint64_t done, uint64_t total) { job.report(done, total); };
  control.may_publish = [&feed] { return feed.lease.ensure(); };
  control.acceleration = static_cast<int>(parts_.options.level_acceleration);
  const LtxFileInfo file{kSnapshotLevel, Txid{1}, txid, 0, marked_at_ms};
  const int64_t begun_ms = parts_.clock->monotonic_ms();
  const Status status =
      without_exceptions([&]() -> Result<Txid> {
        LS_RETURN_IF_ERROR(control.may_publish());
        LS_ASSIGN_OR_RETURN(auto pages, SnapshotPages::open(*reader));
        const auto write = [&] {
          return write_snapshot(pages, feed.store, txid, marked_at_ms, after, control).status();
        };
        LS_RETURN_IF_ERROR(replace_if_damaged(feed.store, file, write, control.may_publish));
        LS_RETURN_IF_ERROR(feed.lease.confirm());
        return txid;
      })
          .status()
          .with_context("snapshot");
  reader.reset();
  const auto unsent = unsent_bytes(*parts_.spool, txid);
  {
    const std::lock_guard lock(mutex_);
    if (status.ok() && unsent.ok()) feed.unsent_bytes = *unsent;
    if (status.ok()) {
      snapshot_job_txid_ = txid;
      feed.snapshot_txid = txid;
      ++counters_.snapshot_count;
      counters_.snapshot_us +=
          static_cast<uint64_t>(parts_.clock->monotonic_ms() - begun_ms) * 1000;
      counters_.last_snapshot_at_ms = marked_at_ms;
      feed.snapshot_checksum = after;
      feed.newest = std::max(feed.newest, txid);
      feed.last_sync_at_ms = parts_.clock->wall_ms();
    }
    feed.snapshot_result = status;
    feed.snapshot_running = false;
  }
  changed_.notify_all();
  parts_.wake();
}

}  // namespace litestream
