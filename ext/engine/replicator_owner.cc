// The owner's side of owner.h: what this replicator tells other processes, and what it does when
// they ask. Replicator thread.
#include <algorithm>

#include "ext/base/log.h"
#include "ext/engine/replicator.h"
#include "ext/engine/without_exceptions.h"

namespace litestream {
namespace {

// A record tells how things stand, not every commit.
constexpr int64_t kTellIntervalMs = 200;
constexpr int64_t kTellLatestMs = 400;

}  // namespace

OwnerStatus Replicator::describe() const {
  const ReplicatorStatus now = status();
  OwnerStatus out;
  if (is_owner_now()) out.owner = this_process_name();
  out.status = status_word(now);
  out.local_txid = now.local_txid;
  out.replica_txid = now.replica_txid;
  out.page_size_bytes = now.page_size_bytes;
  out.wal_size_bytes = now.wal_size_bytes;
  out.spool_size_bytes = now.spool_size_bytes;
  out.last_sync_at_ms = now.last_sync_at_ms;
  out.oldest_unsent_at_ms = now.oldest_unsent_at_ms;
  out.last_error = now.last_error;
  out.durability = durability_word(parts_.options.durability);
  out.warning = now.warning;
  out.replicas = now.replicas;
  return out;
}

void Replicator::step_owner_status(int64_t now_ms) {
  if (owner_lock_ == nullptr) return;
  OwnerStatus tell = describe();
  tell.owner = this_process_name();
  tell_due_ms_ = kNeverMs;
  if (tell == told_) return;
  const bool urgent = tell.replica_txid != told_.replica_txid || tell.status != told_.status;
  if (!urgent && now_ms < told_at_ms_ + kTellIntervalMs) {
    tell_due_ms_ = told_at_ms_ + kTellIntervalMs;
    return;
  }
  // A commit that waits for a barrier does not wait for this.
  if (capture_ != nullptr && now_ms < told_at_ms_ + kTellLatestMs && barrier_is_near()) {
    tell_due_ms_ = now_ms + kCaptureDelayMs;
    return;
  }
  told_at_ms_ = now_ms;
  // Not worth an error of its own: where this fails, capture fails too and says so.
  if (save_owner_status(*parts_.fs, parts_.meta_path, tell).ok()) told_ = tell;
}

void Replicator::step_requests() {
  if (owner_lock_ == nullptr) return;
  for (OwnerRequest& request : take_requests(*parts_.fs, *parts_.clock, parts_.meta_path)) {
    AskedBy asked{std::move(request), 0, {}};
    if (asked.request.verb == OwnerVerb::kCompact) {
      compact_for(asked.request);
      continue;
    }
    switch (asked.request.verb) {
      case OwnerVerb::kSync: asked.serial = this->request(&Requests::sync); break;
      case OwnerVerb::kSnapshot: asked.serial = this->request(&Requests::snapshot); break;
      case OwnerVerb::kStop: request_stop(parts_.options.shutdown_sync_timeout_ms); break;
      case OwnerVerb::kCompact: continue;  // above
      case OwnerVerb::kReset: {
        const Status forgotten = forget_and_reopen();
        const Result<Txid> answer = forgotten.ok() ? Result<Txid>(Txid{}) : forgotten;
        (void)answer_request(*parts_.fs, parts_.meta_path, asked.request.id, answer).ok();
        continue;
      }
    }
    asked_.push_back(std::move(asked));
  }
}

// It waits for uploads, which this thread starts, so it must not run here.
void Replicator::compact_for(const OwnerRequest& request) {
  const int64_t timeout_ms = std::max<int64_t>(0, request.deadline_ms - parts_.clock->wall_ms());
  const bool submitted = parts_.jobs->submit([self = shared_from_this(), request, timeout_ms] {
    const auto merged = without_exceptions(
        [&] { return self->compact(static_cast<int>(request.argument), timeout_ms, {}); });
    const Result<Txid> answer =
        merged.ok() ? Result<Txid>(Txid{*merged}) : Result<Txid>(merged.status());
    (void)answer_request(*self->parts_.fs, self->parts_.meta_path, request.id, answer).ok();
  });
  if (submitted) return;
  (void)answer_request(*parts_.fs, parts_.meta_path, request.id, unavailable("no thread")).ok();
}

// True when the request has its answer.
bool Replicator::answer_one(const OwnerRequest& request, uint64_t* serial, Txid* target) {
  std::optional<Result<Txid>> answer;
  {
    const std::lock_guard lock(mutex_);
    if (request.verb == OwnerVerb::kSync && done_.sync >= *serial) {
      if (*target == Txid{}) *target = sync_target_;
      if (!sync_result_.ok()) {
        answer.emplace(sync_result_);
      } else if (on_all_replicas(*target)) {
        answer.emplace(oldest_replica_txid());
      }
    } else if (request.verb == OwnerVerb::kSnapshot && done_.snapshot >= *serial) {
      if (snapshot_result_.ok()) {
        answer.emplace(snapshot_job_txid_);
      } else {
        answer.emplace(snapshot_result_);
      }
    }
  }
  if (answer) {
    (void)answer_request(*parts_.fs, parts_.meta_path, request.id, *answer).ok();
    return true;
  }
  return parts_.clock->wall_ms() > request.deadline_ms;  // nobody waits any more
}

void Replicator::answer_requests() {
  std::erase_if(asked_, [this](AskedBy& asked) {
    return answer_one(asked.request, &asked.serial, &asked.target);
  });
}

// When this process lets go: nobody may wait for it in vain.
void Replicator::answer_all(const Result<Txid>& answer) {
  for (const AskedBy& asked : asked_) {
    const bool wanted_stop = asked.request.verb == OwnerVerb::kStop;
    const Result<Txid> told =
        wanted_stop || !answer.ok() ? answer : Result<Txid>(unavailable("the owner stopped"));
    (void)answer_request(*parts_.fs, parts_.meta_path, asked.request.id, told).ok();
  }
  asked_.clear();
}

// The local folder is ours as long as we hold its lock.
Status Replicator::forget_and_reopen() {
  {
    const std::lock_guard lock(mutex_);
    if (any_job()) {
      return busy("a job of this database runs; try again");
    }
  }
  if (!take_back_file()) return busy("an L0 file is being written; try again");
  close_source(false);
  (void)parts_.fs->remove(state_path_).ok();
  (void)parts_.fs->remove(pages_path_).ok();
  const auto spooled = parts_.spool->list(0);
  if (spooled.ok()) (void)parts_.spool->remove(*spooled, nullptr).ok();
  open_retry_ms_ = 0;
  set_phase(Phase::kOpening);
  return {};
}

}  // namespace litestream
