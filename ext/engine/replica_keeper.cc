#include "ext/engine/replica_keeper.h"

#include <algorithm>
#include <utility>

#include "ext/base/limits.h"
#include "ext/engine/without_exceptions.h"

namespace litestream {
namespace {

constexpr int64_t kBackoffFirstMs = 1000;
constexpr int64_t kBackoffMaxMs = 60'000;
constexpr int64_t kGateRetryMs = 500;

// Whether the rest of a run makes sense after this.
bool may_go_on(const Status& status) {
  return status.ok() || status.code() == StatusCode::kNotFound ||
         status.code() == StatusCode::kCorrupt || status.code() == StatusCode::kPositionMismatch;
}

}  // namespace

ReplicaKeeper::ReplicaKeeper(const KeeperParts& parts)
    : parts_(parts),
      local_(parts.spool),
      compactor_(*parts.replica, local_, parts.options->verify_compaction),
      snapshot_history_(parts.options->snapshot_retention_ms),
      level_0_history_(parts.options->l0_retention_ms),
      level_1_history_(parts.options->l0_retention_ms),
      settled_history_(kSettledMs),
      schedule_(*parts.options) {}

size_t ReplicaKeeper::level_count() const {
  return std::min<size_t>(parts_.options->level_interval_ms.size(), kCompactionLevelMax);
}

// From this level up files are compressed well; 0: not better than captured ones.
int ReplicaKeeper::long_lived_level() const {
  const bool better = parts_.options->level_acceleration < parts_.options->capture_acceleration;
  return better ? static_cast<int>(level_count()) : 0;
}

KeeperStatus ReplicaKeeper::status() const {
  const std::lock_guard lock(mutex_);
  KeeperStatus status = status_;
  // The next run takes the wish back; nobody should write a second snapshot until then.
  if (wish_is_answered()) {
    status.snapshot_wish = SnapshotWish::kNone;
    status.snapshot_reason.clear();
  }
  std::string verify_warning;
  if (const KeeperStatus::Verify& last = status.verify; !last.errors.empty()) {
    verify_warning = "the verify at " + format_rfc3339_ms(last.at_ms) + " found " +
                     std::to_string(last.errors.size()) + " errors, first " + last.errors[0];
  }
  const std::string* const warnings[] = {&health_warning_, &file_warning_, &retained_warning_,
                                         &verify_warning};
  for (const std::string* text : warnings) {
    if (text->empty()) continue;
    if (!status.warning.empty()) status.warning += "; ";
    status.warning += *text;
  }
  return status;
}

Txid ReplicaKeeper::spool_keep_after() const { return cache().newest(1); }

void ReplicaKeeper::note_new_term() { new_term_.store(true); }

bool ReplicaKeeper::is_due(size_t slot) const {
  const std::lock_guard lock(mutex_);
  return schedule_.is_due(slot, now());
}

void ReplicaKeeper::set_done(size_t slot) {
  const std::lock_guard lock(mutex_);
  schedule_.disarm(slot);
}

bool ReplicaKeeper::wish_is_answered() const {
  return status_.snapshot_wish != SnapshotWish::kNone &&
         cache().newest(kSnapshotLevel) > snapshot_when_wished_;
}

// Arms what has something to do and disarms what has not.
void ReplicaKeeper::plan_ahead(const Moment& at) {
  for (size_t level = 1; level <= level_count(); ++level) {
    const Txid below = cache().newest(static_cast<int>(level) - 1);
    if (below > cache().newest(static_cast<int>(level)) && below != settled_[level]) {
      schedule_.arm(level, at);
    } else {
      schedule_.disarm(level);
    }
  }
  const Txid newest = cache().newest();
  const bool has_news = newest > cache().newest(kSnapshotLevel) && newest != snapshot_settled_;
  if (has_news && status_.snapshot_wish == SnapshotWish::kNone) {
    schedule_.arm(LevelSchedule::kSnapshot, at);
  } else {
    schedule_.disarm(LevelSchedule::kSnapshot);
  }
  schedule_.arm(LevelSchedule::kValidation, at);
  plan_retention(at);
}

void ReplicaKeeper::plan_retention(const Moment& at) {
  constexpr size_t kSlot = LevelSchedule::kRetention;
  if (!parts_.options->retention_enabled) return schedule_.disarm(kSlot);
  RetentionState& seen = retention_state_;
  const bool is_same = seen.newest == cache().newest() &&
                       seen.newest_of_level_1 == cache().newest(1) &&
                       seen.level_0_count == cache().count(0) &&
                       seen.snapshot_count == cache().count(kSnapshotLevel);
  if (!is_same) {
    if (seen.rests) schedule_.disarm(kSlot);
    seen.rests = false;
    return schedule_.arm(kSlot, at);
  }
  if (seen.level_0_is_idle && seen.snapshots_are_idle) return schedule_.disarm(kSlot);
  if (schedule_.is_armed(kSlot)) return;
  // Nothing new: only time makes more of it old enough.
  seen.rests = true;
  int64_t wait_ms = parts_.options->snapshot_retention_ms / 24;
  if (!seen.level_0_is_idle) {
    const int64_t change_ms = std::min(level_0_history_.next_change_ms(at.monotonic_ms),
                                       level_1_history_.next_change_ms(at.monotonic_ms));
    wait_ms = std::min(change_ms - at.monotonic_ms, parts_.options->l0_retention_ms);
  }
  schedule_.put_off(kSlot, at, std::max(wait_ms, parts_.options->l0_retention_check_interval_ms));
}

int64_t ReplicaKeeper::next_due_ms() {
  const std::lock_guard lock(mutex_);
  if (!begun_ || wish_is_answered() || new_term_.load()) return retry_ms_;
  plan_ahead(now());
  const int64_t due_ms = schedule_.next_due_ms();
  // A suspicion is looked at again in time, however long failed work waits.
  return std::min(health_due_ms_, due_ms == INT64_MAX ? due_ms : std::max(due_ms, retry_ms_));
}

// The first run of this process. What was left undone before does not wait for its next multiple:
// a process may not live that long.
void ReplicaKeeper::begin(const Files& files) {
  const Moment at = now();
  const std::lock_guard lock(mutex_);
  if (begun_) return;
  begun_ = true;
  plan_ahead(at);
  if (schedule_.is_armed(LevelSchedule::kRetention)) {
    schedule_.arm_now(LevelSchedule::kRetention, at);
  }
  const int64_t interval_ms = parts_.options->snapshot_interval_ms;
  if (!schedule_.is_armed(LevelSchedule::kSnapshot) || interval_ms <= 0) return;
  const auto newest = std::find_if(files.begin(), files.end(), [&](const LtxFileInfo& file) {
    return file.level == kSnapshotLevel && file.max_txid == cache().newest(kSnapshotLevel);
  });
  const bool is_overdue =
      newest == files.end() || interval_number(newest->created_at_ms, interval_ms) <
                                   interval_number(at.wall_ms, interval_ms);
  if (is_overdue) schedule_.arm_now(LevelSchedule::kSnapshot, at);
}

Status ReplicaKeeper::compact_due_levels(const KeeperInput& input) {
  for (size_t level = 1; level <= level_count(); ++level) {
    {
      const std::lock_guard lock(mutex_);
      plan_ahead(now());  // the level below may just have got its file
    }
    if (!catch_up_ && !is_due(level)) continue;
    LS_RETURN_IF_ERROR(compact_level(static_cast<int>(level), false, input).status());
    set_done(level);
  }
  catch_up_ = false;
  return {};
}

Status ReplicaKeeper::do_due(const KeeperInput& input) {
  LS_ASSIGN_OR_RETURN(const Files files, load_files());
  begin(files);
  watch(now());
  LS_RETURN_IF_ERROR(look_at_suspects(input.cancel));
  look_at_health(files);
  const Status compacted = compact_due_levels(input);
  if (!may_go_on(compacted)) return compacted;
  watch(now());
  const Status snapshotted = snapshot_if_due(input);
  if (!may_go_on(snapshotted)) return snapshotted;
  if (is_due(LevelSchedule::kRetention)) LS_RETURN_IF_ERROR(apply_retention());
  if (is_due(LevelSchedule::kValidation)) {
    LS_RETURN_IF_ERROR(verify_now(input).status());
    set_done(LevelSchedule::kValidation);
  }
  return compacted.ok() ? snapshotted : compacted;
}

void ReplicaKeeper::finish(const Status& status) {
  const std::lock_guard lock(mutex_);
  const int64_t now_ms = parts_.clock->monotonic_ms();
  if (status.code() == StatusCode::kCancelled) return;
  if (status.ok()) {
    status_.last_error.clear();
    backoff_ms_ = retry_ms_ = 0;
    return;
  }
  health_due_ms_ = std::max(health_due_ms_, now_ms + kBackoffFirstMs);
  if (status.code() == StatusCode::kBusy) {  // the gate
    retry_ms_ = now_ms + kGateRetryMs;
    return;
  }
  status_.last_error = status.message();
  backoff_ms_ = std::clamp(backoff_ms_ * 2, kBackoffFirstMs, kBackoffMaxMs);
  retry_ms_ = now_ms + backoff_ms_;
}

// One job at a time, and whatever it throws is a Status.
template <typename Work>
auto ReplicaKeeper::exclusively(Work work) -> decltype(work()) {
  if (running_.exchange(true)) return busy("the replica is being worked on; try again");
  if (new_term_.exchange(false)) {
    cache().forget();
    suspicions_.clear();
    suspects_.clear();
    unusable_.clear();
    health_in_doubt_ = true;
  }
  auto result = without_exceptions(work);
  running_.store(false);
  return result;
}

Status ReplicaKeeper::run(const KeeperInput& input) {
  return exclusively([&] {
    const Status status = do_due(input);
    finish(status);
    return status;
  });
}

Result<size_t> ReplicaKeeper::compact(int level, const KeeperInput& input) {
  if (level < 1 || level > static_cast<int>(level_count())) {
    return invalid_argument("level " + std::to_string(level) + " is not one of the levels 1 to " +
                            std::to_string(level_count()) + " that are configured");
  }
  return exclusively([&]() -> Result<size_t> {
    LS_ASSIGN_OR_RETURN(const Files files, load_files());
    look_at_health(files);
    auto merged = compact_level(level, true, input);
    watch(now());  // what level 1 has now grows old from now on
    return merged;
  });
}

Result<uint64_t> ReplicaKeeper::enforce_retention() {
  return exclusively([&]() -> Result<uint64_t> {
    const uint64_t before = status().removed_count;
    LS_ASSIGN_OR_RETURN(const Files files, load_files());
    watch(now());
    look_at_health(files);
    LS_RETURN_IF_ERROR(apply_retention());
    return status().removed_count - before;
  });
}

Result<Txid> ReplicaKeeper::snapshot(const KeeperInput& input) {
  return exclusively([&]() -> Result<Txid> {
    LS_ASSIGN_OR_RETURN(const Files files, load_files());
    const Files sound = usable(files);
    const auto points = restore_points(sound);
    if (points.empty())
      return not_found("no point of " + parts_.replica->url() + " can be restored");
    return merge_snapshot(sound, points.front().txid, input);
  });
}

Result<VerifyReport> ReplicaKeeper::verify(const KeeperInput& input) {
  return exclusively([&] { return verify_now(input); });
}

}  // namespace litestream
