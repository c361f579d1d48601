// How the replicator thread keeps out of the way of those who commit, and lets the WAL be reset.
// Every function here runs on that thread.
#include <algorithm>

#include "ext/engine/replicator.h"

namespace litestream {
namespace {

constexpr uint64_t kFlowCommitCount = 16;  // between two captures
constexpr int64_t kFlushPutOffMs = 200;
// Of min-checkpoint-page-count: fewer frames are no reason for a capture ahead of the barrier...
constexpr int64_t kCaptureAheadPartsMax = 4;
// ...and with more the barrier is near, so that a flush had better wait.
constexpr int64_t kBarrierNearParts = 4;
// Several writers at once are made to wait from four times min-checkpoint-page-count on, but for no
// more frames beyond it than this. SQLite's own checkpoints let their WAL grow to about as much.
constexpr int64_t kLockFromFactor = 4;
constexpr int64_t kLockPutOffFramesMax = 12'000;
// Whoever commits with a hook asks for the barrier they need, this long after the last time.
constexpr int64_t kHooksPayMs = 1000;

}  // namespace

// While commits flow the -wal is not watched and hardly a commit wakes the thread: each of them
// would pay for it. Looking at the wal-index as often as the thread would have been woken finds
// those of other processes as well.
void Replicator::note_flow(int64_t now_ms) {
  const uint64_t hooked = hook_commit_count_.load(std::memory_order_relaxed);
  const uint64_t fresh = hooked - std::exchange(hooked_at_capture_, hooked);
  const bool was_flow = commits_flow_;
  commits_flow_ = was_flow ? fresh > 0 : fresh >= kFlowCommitCount;
  // At its end the flag is still up: once more, with the flag down before it.
  if (commits_flow_ || was_flow) {
    capture_due_ms_ = std::min(capture_due_ms_, now_ms + kCaptureDelayMs);
  }
}

// From which length of the WAL on a commit asks for a capture: late, as each costs those who commit
// meanwhile, but so that little is left for the barrier.
void Replicator::note_wal_length() {
  const bool starts_over = index_.backfill_count == index_.mx_frame;
  const int64_t captured = starts_over ? 0 : int64_t{index_.mx_frame};
  const int64_t left = barrier_threshold_.load(std::memory_order_relaxed) - captured;
  const int64_t ahead = left * (commits_flow_ ? 3 : 1) / 4;
  const bool is_worth_it =
      ahead >= parts_.options.min_checkpoint_page_count / kCaptureAheadPartsMax;
  capture_threshold_.store(is_worth_it ? captured + std::max<int64_t>(ahead, 1) : kNoThreshold,
                           std::memory_order_relaxed);
}

// While commits flow; as of now, index_ is as old as the last capture.
bool Replicator::barrier_is_near() {
  if (!commits_flow_) return false;
  const auto index = parts_.source->read_index();
  if (!index.ok()) return false;
  const bool starts_over = index->backfill_count == index->mx_frame;
  const int64_t left = barrier_threshold_.load(std::memory_order_relaxed) - index->mx_frame;
  const int64_t count_min = parts_.options.min_checkpoint_page_count;
  return !starts_over && left < count_min - count_min / kBarrierNearParts;
}

// A file takes the processor and some fsyncs: it is begun right after a barrier.
bool Replicator::put_off_flush(int64_t now_ms) {
  const bool barrier_near = barrier_is_near();
  if (barrier_near && flush_latest_ms_ == kNeverMs) flush_latest_ms_ = now_ms + kFlushPutOffMs;
  if (!barrier_near || now_ms >= flush_latest_ms_) {
    flush_latest_ms_ = kNeverMs;
    return false;
  }
  flush_due_ms_ = now_ms + kCaptureDelayMs;
  return true;
}

// `mode`: 0 PASSIVE, 1 TRUNCATE.
void Replicator::count_checkpoint(size_t mode, bool ok, int64_t begun_ms) {
  const int64_t took_ms = parts_.clock->monotonic_ms() - begun_ms;
  const std::lock_guard lock(mutex_);
  ++(ok ? counters_.checkpoint_count : counters_.checkpoint_error_count)[mode];
  counters_.checkpoint_us[mode] += static_cast<uint64_t>(std::max<int64_t>(took_ms, 0)) * 1000;
}

void Replicator::step_barrier(int64_t now_ms) {
  const uint64_t serial = pending(&Requests::barrier);
  const int64_t page_count_min = parts_.options.min_checkpoint_page_count;
  // Without a commit that waits for it, the barrier would refuse one that has no busy timeout.
  if (serial != 0 || barrier_put_off_.exchange(false)) hooks_pay_until_ms_ = now_ms + kHooksPayMs;
  const bool long_wal =
      now_ms >= hooks_pay_until_ms_ && int64_t{index_.mx_frame} - int64_t{index_.backfill_count} >=
                                           2 * std::max(page_count_min, barrier_threshold_.load());
  const bool old_wal =
      wal_since_ms_ != kNeverMs && now_ms - wal_since_ms_ >= parts_.options.checkpoint_interval_ms;
  const bool idle = now_ms >= park_due_ms_;
  if (serial == 0 && !long_wal && !old_wal && !idle) return;
  const int64_t put_off_count =
      std::min((kLockFromFactor - 1) * page_count_min, kLockPutOffFramesMax);
  const int64_t lock_from_count = serial == 0 && long_wal ? 0 : page_count_min + put_off_count;
  auto attempt = [&] {
    return serial == 0 && idle && !old_wal
               ? park(*parts_.source, *capture_)
               : run_barrier(*parts_.source, *capture_, page_count_min, lock_from_count);
  };
  const Txid before = capture_->captured().txid;
  const int64_t begun_ms = parts_.clock->monotonic_ms();
  const SyncTurns::Barrier running(serial != 0 ? &sync_turns_ : nullptr);
  auto outcome = attempt();
  if (outcome.ok() && *outcome == BarrierOutcome::kFileFirst && flush_now().ok()) {
    outcome = attempt();
  }
  count_checkpoint(0, outcome.ok(), begun_ms);
  if (capture_->captured().txid > before && flush_due_ms_ == kNeverMs) {
    commit_time_ms_ = parts_.clock->wall_ms();
    flush_due_ms_ = now_ms + std::min(kFirstFlushDelayMs, parts_.options.sync_interval_ms);
  }
  const bool done = outcome.ok() && *outcome == BarrierOutcome::kDone;
  auto index = parts_.source->read_index();
  if (index.ok()) index_ = *index;
  // A reader in the way: not again before the WAL has grown by as much once more.
  barrier_threshold_.store(done ? page_count_min : int64_t{index_.mx_frame} + page_count_min);
  park_backoff_ms_ = done ? 0 : next_backoff_ms(park_backoff_ms_);
  park_due_ms_ = done ? kNeverMs : now_ms + std::max(kParkDelayMs, park_backoff_ms_);
  wal_since_ms_ = done ? kNeverMs : now_ms;
  if (done) parked_ = true;
  if (done) advanced_at_ms_ = now_ms;
  note_wal_length();
  if (done && flush_latest_ms_ != kNeverMs) flush_due_ms_ = now_ms;
  idle_file_.reset();
  if (done) remember_idle_file();
  if (done && serial == 0) count_unawaited();
  if (done && parts_.options.truncate_page_n > 0 &&
      index_.mx_frame > parts_.options.truncate_page_n) {
    const int64_t truncate_ms = parts_.clock->monotonic_ms();
    count_checkpoint(1, parts_.source->relief_truncate().ok(), truncate_ms);
  }
  if (serial != 0) complete(&Requests::barrier, serial, Status());
  // Unavailable: the spool is full, which step_flush deals with.
  if (!outcome.ok() && !outcome.status().retryable()) resync(outcome.status());
}

}  // namespace litestream
