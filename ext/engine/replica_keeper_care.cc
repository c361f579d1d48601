// ReplicaKeeper: what is there, what is wrong with it, what may go.
#include <algorithm>
#include <utility>

#include "ext/base/limits.h"
#include "ext/engine/replica_keeper.h"
#include "ext/engine/restore_plan.h"
#include "ext/ltx/contents.h"

namespace litestream {
namespace {

constexpr size_t kSuspicionsMax = 1000;
// A decision about snapshots goes by a listing no older than this.
constexpr int64_t kFreshListingMs = 60'000;
// While something is wrong and stays so, the replica is listed no more often than this.
constexpr int64_t kListAgainMs = 10 * 60'000;
constexpr int64_t kDeniedBackoffFirstMs = 60'000;
constexpr int64_t kDeniedBackoffMaxMs = 3'600'000;
constexpr int64_t kNextBatchMs = 1000;
constexpr int64_t kConfirmMs = 1000;
// Files removed under one look at the lease: less than half of its time, one request each.
constexpr size_t kRemovedAtOnce = 200;

}  // namespace

Result<std::vector<LtxFileInfo>> ReplicaKeeper::load_files() {
  return cache().all_files(parts_.replica->origin());
}

void ReplicaKeeper::watch(const Moment& at) {
  if (!watching_) {
    const Files files = cache().all_known();
    const DatabaseOptions& options = *parts_.options;
    snapshot_history_.seed(at.monotonic_ms, files, options.snapshot_retention_ms / 2);
    level_0_history_.seed(at.monotonic_ms, files, options.l0_retention_ms / 2);
    settled_history_.seed(at.monotonic_ms, files, kSettledMs / 2);
    // When level 1 got what it has is not known; the age of the transactions must do.
    level_1_history_.note(at.monotonic_ms - options.l0_retention_ms, cache().newest(1));
    watching_ = true;
  }
  snapshot_history_.note(at.monotonic_ms, cache().newest());
  level_0_history_.note(at.monotonic_ms, cache().newest());
  settled_history_.note(at.monotonic_ms, cache().newest());
  level_1_history_.note(at.monotonic_ms, cache().newest(1));
}

std::vector<LtxFileInfo> ReplicaKeeper::usable(const Files& files) const {
  Files sound = files;
  if (!unusable_.empty()) std::erase_if(sound, [&](const auto& f) { return is_unusable(f); });
  return sound;
}

// Puts everything in doubt, unless it was listed less than `age_min_ms` ago.
void ReplicaKeeper::list_again(int64_t age_min_ms) {
  const int64_t now_ms = parts_.clock->monotonic_ms();
  if (listed_at_ms_ != INT64_MIN && now_ms - listed_at_ms_ < age_min_ms) return;
  listed_at_ms_ = now_ms;
  for (int level = 0; level <= kLevelMax; ++level) cache().note_doubt(level);
}

// Whether `what` looked wrong kSuspicionMs ago, and still does after everything was listed again.
bool ReplicaKeeper::is_lasting(const std::string& what) {
  const int64_t now_ms = parts_.clock->monotonic_ms();
  if (suspicions_.size() >= kSuspicionsMax) suspicions_.clear();
  const auto [found, is_new] = suspicions_.emplace(what, Suspicion{now_ms});
  Suspicion& suspicion = found->second;
  if (suspicion.is_confirmed) return true;
  const bool is_old = now_ms - suspicion.since_ms >= kSuspicionMs;
  if (is_new || is_old) list_again(0);
  suspicion.is_confirmed = is_old;
  return false;
}

// What a failed merge says about the replica.
void ReplicaKeeper::blame(const CompactionFailure& failure) {
  const StatusCode code = failure.status.code();
  const bool is_about_files = code == StatusCode::kNotFound || code == StatusCode::kCorrupt ||
                              code == StatusCode::kPositionMismatch;
  if (!is_about_files) return;
  if (failure.culprit && is_lasting(parts_.replica->path_of(*failure.culprit))) {
    unusable_.insert(key_of(*failure.culprit));
  } else if (!failure.culprit && is_lasting("chain")) {
    list_again(kListAgainMs);
  }
  health_in_doubt_ = true;
  const std::lock_guard lock(mutex_);
  file_warning_ = failure.status.message();
}

void ReplicaKeeper::wish(SnapshotWish wanted, const std::string& reason) {
  const std::lock_guard lock(mutex_);
  if (status_.snapshot_wish != wanted) snapshot_when_wished_ = cache().newest(kSnapshotLevel);
  status_.snapshot_wish = wanted;
  status_.snapshot_reason = reason;
}

// Whether the newest point can be restored, and whether history has holes, as far as a listing and
// what is known to be damaged tell.
void ReplicaKeeper::look_at_health(const Files& files) {
  {
    const std::lock_guard lock(mutex_);
    if (wish_is_answered()) {
      status_.snapshot_wish = SnapshotWish::kNone;
      status_.snapshot_reason.clear();
      health_in_doubt_ = true;
    }
    health_due_ms_ = suspects_.empty() ? INT64_MAX : suspects_due_ms_;
  }
  if (!health_in_doubt_ && health_list_count_ == cache().list_count()) return;
  health_list_count_ = cache().list_count();
  health_in_doubt_ = false;
  if (files.empty()) return;
  const Files sound = usable(files);
  const auto plan = plan_restore(sound, RestoreTarget::at_txid(cache().newest()));
  std::string text;
  if (!plan.ok()) {
    text = plan.status().message();
  } else if (const auto gaps = restore_gaps(sound); !gaps.empty()) {
    text = "no file of the replica holds " + format_txid(gaps[0].first) + ".." +
           format_txid(gaps[0].last) + ", so nothing between them can be restored";
  }
  const bool lasts = !plan.ok() && is_lasting("newest");
  if (lasts) wish(SnapshotWish::kHealing, text);
  if (plan.ok()) suspicions_.erase("newest");
  const std::lock_guard lock(mutex_);
  health_warning_ = text;
  if (plan.ok() && status_.snapshot_wish == SnapshotWish::kHealing) {
    status_.snapshot_wish = SnapshotWish::kNone;
    status_.snapshot_reason.clear();
  }
  if (plan.ok() || lasts) return;
  health_in_doubt_ = true;
  const Suspicion& suspicion = suspicions_["newest"];
  const int64_t now_ms = parts_.clock->monotonic_ms();
  health_due_ms_ = suspicion.is_confirmed ? now_ms + kConfirmMs
                                          : std::max(now_ms, suspicion.since_ms + kSuspicionMs);
}

RetentionView ReplicaKeeper::view_of(const Files& files) const {
  RetentionView view;
  view.files = files;
  view.is_unusable = [this](const LtxFileInfo& file) { return is_unusable(file); };
  view.is_pinned = [this](const LtxFileInfo& file) {
    return parts_.pins->is_pinned(parts_.replica->url(), file);
  };
  return view;
}

// History is given up only by a fresh listing and on a base that is there.
Result<RetentionDecision> ReplicaKeeper::decide_on_snapshots(Files* files) {
  const int64_t now_ms = parts_.clock->monotonic_ms();
  const Txid old_enough = snapshot_history_.old_enough(now_ms);
  // What is useless by one listing may be the start of what is only listed late.
  const bool is_settled =
      useless_since_ms_ != INT64_MAX && now_ms - useless_since_ms_ >= kSettledMs;
  const Txid settled = is_settled ? settled_history_.old_enough(now_ms) : Txid{};
  RetentionDecision decision = decide_snapshot_retention(view_of(*files), old_enough, settled);
  if (decision.useless_count == 0) useless_since_ms_ = INT64_MAX;
  if (decision.useless_count > 0) useless_since_ms_ = std::min(useless_since_ms_, now_ms);
  if (decision.remove.empty()) return decision;
  if (listed_at_ms_ == INT64_MIN || now_ms - listed_at_ms_ >= kFreshListingMs) {
    LS_RETURN_IF_ERROR(cache().refresh(parts_.replica->origin()));
    listed_at_ms_ = now_ms;
    *files = cache().all_known();
    look_at_health(*files);
    decision = decide_snapshot_retention(view_of(*files), old_enough, settled);
  }
  if (decision.base.max_txid == Txid{}) return decision;
  const Status sound = check_base(decision.base);
  if (!sound.ok()) {
    blame({sound, decision.base});
    return sound;
  }
  return decision;
}

// Header, index and trailer of the file that everything older is given up for.
Status ReplicaKeeper::check_base(const LtxFileInfo& base) {
  const std::string context = parts_.replica->path_of(base);
  LS_ASSIGN_OR_RETURN(const auto reader, parts_.replica->open(base));
  const auto contents = read_ltx_contents(*reader);
  if (!contents.ok()) return contents.status().with_context(context);
  const LtxHeader& header = contents->header;
  if (header.is_snapshot() && header.max_txid == base.max_txid) return {};
  return corrupt(context + ": the header is another file's");
}

Status ReplicaKeeper::remove(const RetentionDecision& decision, Status* denied) {
  for (size_t at = 0; at < decision.remove.size(); at += kRemovedAtOnce) {
    LS_RETURN_IF_ERROR(ask_to_write());
    const size_t count = std::min(kRemovedAtOnce, decision.remove.size() - at);
    Status why;
    LS_ASSIGN_OR_RETURN(
        const size_t removed,
        remove_files(*parts_.replica, std::span(decision.remove).subspan(at, count), &why));
    {
      const std::lock_guard lock(mutex_);
      status_.removed_count += removed;
    }
    if (why.retryable()) return why.with_context("retention");
    if (denied->ok()) *denied = why;
  }
  return {};
}

// A store that keeps what we remove is no error of the backup: it only grows.
void ReplicaKeeper::note_denied(const Status& denied) {
  status_.retained = !denied.ok();
  retained_warning_.clear();
  if (denied.ok()) {
    denied_backoff_ms_ = 0;
    return;
  }
  retained_warning_ = "retained: deletes denied: " + denied.message();
  denied_backoff_ms_ =
      std::clamp(denied_backoff_ms_ * 2, kDeniedBackoffFirstMs, kDeniedBackoffMaxMs);
}

Status ReplicaKeeper::apply_retention() {
  LS_ASSIGN_OR_RETURN(Files files, load_files());
  const int64_t now_ms = parts_.clock->monotonic_ms();
  RetentionState state;
  state.level_0_is_idle = state.snapshots_are_idle = true;
  bool more = false;
  Status denied;
  if (parts_.options->l0_retention_ms > 0) {
    const Txid old =
        std::min(level_0_history_.old_enough(now_ms), level_1_history_.old_enough(now_ms));
    const RetentionDecision decision = decide_level_0_retention(view_of(files), old);
    state.level_0_is_idle = decision.remove.empty() && old >= cache().newest(1);
    more |= decision.more;
    LS_RETURN_IF_ERROR(remove(decision, &denied));
    LS_ASSIGN_OR_RETURN(files, load_files());
  }
  LS_ASSIGN_OR_RETURN(const auto decision, decide_on_snapshots(&files));
  state.snapshots_are_idle = decision.remove.empty() && decision.useless_count == 0 &&
                             snapshot_history_.old_enough(now_ms) >= cache().newest();
  more |= decision.more;
  LS_RETURN_IF_ERROR(remove(decision, &denied));
  const Moment at = now();
  const std::lock_guard lock(mutex_);
  state.newest = cache().newest();
  state.newest_of_level_1 = cache().newest(1);
  state.level_0_count = cache().count(0);
  state.snapshot_count = cache().count(kSnapshotLevel);
  retention_state_ = state;
  // What was wrong may have gone with what was removed.
  if (!health_warning_.empty()) health_in_doubt_ = true;
  note_denied(denied);
  schedule_.disarm(LevelSchedule::kRetention);
  if (status_.retained) {
    retention_state_.level_0_is_idle = false;
    schedule_.put_off(LevelSchedule::kRetention, at, denied_backoff_ms_);
  } else if (more) {
    retention_state_.level_0_is_idle = false;
    schedule_.put_off(LevelSchedule::kRetention, at, kNextBatchMs);
  }
  return {};
}

// A verify reads each file once, and a store may be late or a line bad.
void ReplicaKeeper::note_damage(const VerifyReport& report) {
  suspects_.clear();
  for (const LtxFileInfo& file : cache().all_known()) {
    const std::string prefix = parts_.replica->path_of(file) + ": ";
    const bool is_named = std::any_of(report.errors.begin(), report.errors.end(),
                                      [&](const auto& error) { return error.starts_with(prefix); });
    if (is_named && !is_unusable(file)) suspects_.push_back(file);
  }
  if (suspects_.empty()) return;
  suspects_due_ms_ = parts_.clock->monotonic_ms() + kSuspicionMs;
  const std::lock_guard lock(mutex_);
  health_due_ms_ = std::min(health_due_ms_, suspects_due_ms_);
}

// Reads them again, after a while.
Status ReplicaKeeper::look_at_suspects(const CancelCheck& cancel) {
  if (suspects_.empty() || parts_.clock->monotonic_ms() < suspects_due_ms_) return {};
  LocalCopies none(nullptr);
  for (const LtxFileInfo& file : suspects_) {
    MergeInputs inputs(parts_.replica->origin(), none, cancel);
    const Status sound = inputs.add(file, MergeInputs::Check::kWhole).status();
    const StatusCode code = sound.code();
    if (code == StatusCode::kCorrupt || code == StatusCode::kNotFound) {
      unusable_.insert(key_of(file));
      health_in_doubt_ = true;
    } else if (!sound.ok()) {
      return sound;
    }
  }
  suspects_.clear();
  return {};
}

Result<VerifyReport> ReplicaKeeper::verify_now(const KeeperInput& input) {
  const auto pass = parts_.gate->try_enter();
  if (!pass) return busy("another big job runs; this one is tried again");
  StreamOptions options;
  options.cancelled = input.cancel;
  const JobControl control = control_for("verify", input);
  if (control.progress) options.progress = control.progress;
  auto report = verify_replica(parts_.replica->origin(), options);
  if (!report.ok()) return report;
  LS_RETURN_IF_ERROR(cache().refresh(parts_.replica->origin()));
  listed_at_ms_ = parts_.clock->monotonic_ms();
  {
    const std::lock_guard lock(mutex_);
    status_.verify = {report->ok(), parts_.clock->wall_ms(), report->file_count, report->errors};
  }
  look_at_health(cache().all_known());
  note_damage(*report);
  return report;
}

}  // namespace litestream
