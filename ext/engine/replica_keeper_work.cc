// ReplicaKeeper: compaction and snapshots.
#include <algorithm>
#include <utility>

#include "ext/base/limits.h"
#include "ext/engine/compaction_plan.h"
#include "ext/engine/replica_keeper.h"
#include "ext/engine/replica_snapshot.h"

namespace litestream {
namespace {

// Of one level in one run; the rest follows in the next.
constexpr int kGroupsPerRunMax = 1000;

Status gate_is_taken() { return busy("another big job runs; this one is tried again"); }

}  // namespace

JobControl ReplicaKeeper::control_for(const char* kind, const KeeperInput& input) const {
  JobControl control;
  control.cancel = input.cancel;
  control.may_publish = parts_.may_write;
  control.acceleration = static_cast<int>(parts_.options->level_acceleration);
  if (input.progress) {
    control.progress = [kind, &input](uint64_t done_bytes, uint64_t total_bytes) {
      input.progress(kind, done_bytes, total_bytes);
    };
  }
  return control;
}

Result<CompactionResult> ReplicaKeeper::merge_group(const CompactionGroup& group,
                                                    const KeeperInput& input) {
  std::optional<BigJobGate::Pass> pass;
  if (group.size_bytes >= kBigCompactionBytes) {
    pass = parts_.gate->try_enter();
    if (!pass) return gate_is_taken();
  }
  LS_RETURN_IF_ERROR(ask_to_write());
  CompactionFailure failure;
  JobControl control = control_for("compaction", input);
  if (group.level == static_cast<int>(level_count()))
    control.recompress_below_level = long_lived_level();
  auto merged = compactor_.merge(group, control, &failure);
  if (!merged.ok()) {
    blame(failure);
    return merged.status();
  }
  std::erase_if(suspicions_, [](const auto& entry) { return entry.first != "newest"; });
  unusable_.erase(key_of(merged->file));  // it may have replaced a damaged one
  const std::lock_guard lock(mutex_);
  file_warning_.clear();
  KeeperStatus::Level& level = status_.levels[static_cast<size_t>(group.level)];
  ++level.compaction_count;
  level.merged_count += merged->file_count;
  level.read_bytes += merged->read_bytes;
  level.written_bytes += merged->file.size_bytes;
  return merged;
}

Result<size_t> ReplicaKeeper::compact_level(int level, bool whole_backlog,
                                            const KeeperInput& input) {
  CompactionRequest request;
  request.level = level;
  request.interval_ms = schedule_.interval_ms(static_cast<size_t>(level));
  request.whole_backlog = whole_backlog;
  size_t merged_count = 0;
  Txid reached;
  for (int round = 0; round < kGroupsPerRunMax; ++round) {
    LS_ASSIGN_OR_RETURN(const Files files, load_files());
    const Txid below = cache().newest(level - 1);
    request.now_wall_ms = parts_.clock->wall_ms();
    const auto plan = plan_compaction(usable(files), request);
    if (!plan.ok()) {
      blame({plan.status(), std::nullopt});
      return plan.status();
    }
    if (!plan->group) {
      const std::lock_guard lock(mutex_);
      if (!plan->is_waiting) settled_[static_cast<size_t>(level)] = below;
      return merged_count;
    }
    LS_ASSIGN_OR_RETURN(const CompactionResult merged, merge_group(*plan->group, input));
    if (merged.file.max_txid <= reached) {
      return internal_error("level " + std::to_string(level) + " does not get beyond " +
                            format_txid(reached));
    }
    reached = merged.file.max_txid;
    merged_count += merged.file_count;
  }
  return merged_count;
}

Result<Txid> ReplicaKeeper::merge_snapshot(const Files& files, Txid txid,
                                           const KeeperInput& input) {
  const auto pass = parts_.gate->try_enter();
  if (!pass) return gate_is_taken();
  LS_RETURN_IF_ERROR(ask_to_write());
  CompactionFailure failure;
  JobControl control = control_for("snapshot", input);
  control.recompress_below_level = long_lived_level();
  const auto written =
      write_replica_snapshot(*parts_.replica, local_, files, txid, control, &failure);
  if (!written.ok()) {
    blame(failure);
    return written.status();
  }
  unusable_.erase(key_of(*written));
  const std::lock_guard lock(mutex_);
  ++status_.snapshot_count;
  return written->max_txid;
}

// Of the plan's files, what the spool has.
uint64_t ReplicaKeeper::spooled_bytes(const RestorePlan& plan) const {
  if (parts_.spool == nullptr) return 0;
  const auto spooled = parts_.spool->list(0);
  if (!spooled.ok()) return 0;
  std::set<Key> names;
  for (const LtxFileInfo& file : *spooled) names.insert(key_of(file));
  uint64_t bytes = 0;
  for (const LtxFileInfo& file : plan.files) {
    if (file.level == 0 && names.contains(key_of(file))) bytes += file.size_bytes;
  }
  return bytes;
}

Status ReplicaKeeper::snapshot_if_due(const KeeperInput& input) {
  if (!is_due(LevelSchedule::kSnapshot)) return {};
  LS_ASSIGN_OR_RETURN(const Files files, load_files());
  const Files sound = usable(files);
  const Txid newest = cache().newest();
  const auto plan = plan_restore(sound, RestoreTarget::at_txid(newest));
  // What cannot be restored is look_at_health's business.
  const bool is_there = cache().newest(kSnapshotLevel) >= newest;
  if (!plan.ok() || is_there) {
    const std::lock_guard lock(mutex_);
    snapshot_settled_ = newest;
    schedule_.disarm(LevelSchedule::kSnapshot);
    return {};
  }
  SnapshotCostInput cost;
  cost.plan = &*plan;
  cost.replica_is_local = is_local_store(*parts_.replica);
  cost.spooled_bytes = cost.replica_is_local ? 0 : spooled_bytes(*plan);
  cost.database_bytes = input.database_bytes;
  const SnapshotCosts costs = estimate_snapshot(cost);
  if (costs.merge_is_cheaper()) {
    LS_RETURN_IF_ERROR(merge_snapshot(sound, newest, input).status());
  } else if (input.database_bytes > 0) {
    wish(SnapshotWish::kDue, "it is time, and the database is read faster than the replica");
  }
  set_done(LevelSchedule::kSnapshot);
  return {};
}

}  // namespace litestream
