// A replicator's levels, retention and validation: when the keeper of each replica runs, and what
// becomes of its answers.
#include <algorithm>
#include <chrono>
#include <thread>

#include "ext/base/log.h"
#include "ext/engine/jobs.h"
#include "ext/engine/replicator.h"
#include "ext/engine/without_exceptions.h"

namespace litestream {
namespace {

constexpr int64_t kKeeperRetryMs = 1000;
constexpr int64_t kKeeperPollMs = 50;
constexpr int64_t kAfterCancelMs = 60'000;

// What a keeper does, as rows of litestream_jobs. Threading: one thread.
class KeeperJobs {
 public:
  KeeperJobs(std::string database, std::string replica)
      : database_(std::move(database)), replica_(std::move(replica)) {}

  // The next piece of work is another job.
  void report(const char* kind, uint64_t done_bytes, uint64_t total_bytes) {
    const bool is_next = job_ == nullptr || kind_ != kind || done_bytes < done_bytes_;
    if (is_next) {
      is_cancelled_ = is_cancelled();
      kind_ = kind;
      job_ = std::make_unique<Job>(kind, database_, replica_);
    }
    done_bytes_ = done_bytes;
    job_->report(done_bytes, total_bytes);
  }
  bool is_cancelled() const { return is_cancelled_ || (job_ != nullptr && job_->is_cancelled()); }

 private:
  const std::string database_, replica_;
  std::string kind_;
  std::unique_ptr<Job> job_;
  uint64_t done_bytes_ = 0;
  bool is_cancelled_ = false;
};

}  // namespace

CancelCheck Replicator::keeper_cancel() const {
  return [this] { return cancel_jobs_.load() || leaving_.load(); };
}

ReplicaFeed* Replicator::feed_of(const std::string& name) const {
  for (const auto& feed : feeds_) {
    if (feed->name == name) return feed.get();
  }
  return nullptr;
}

LtxStore* Replicator::listed_replica(const std::string& name) const {
  ReplicaFeed* feed = feed_of(name);
  if (feed == nullptr || !is_owner_now()) return nullptr;
  const std::lock_guard lock(mutex_);
  return feed->joined && feed->failed.ok() ? &feed->store : nullptr;
}

// ---------------------------------------------------------------- replicator thread

void Replicator::step_keeper(ReplicaFeed& feed, int64_t now_ms) {
  adopt_keeper(feed);
  {
    const std::lock_guard lock(mutex_);
    if (!feed.joined || feed.keeper_running || !feed.failed.ok() || stop_wanted_) return;
    if (feed.newest == Txid{}) return;
    if (feed.keeper_cancelled) feed.keeper_due_ms = now_ms + kAfterCancelMs;
    feed.keeper_cancelled = false;
  }
  // Asked anew each time: what has nothing to do now may have after the next upload.
  if (now_ms < std::max(feed.keeper_due_ms, feed.keeper.next_due_ms())) return;
  const uint64_t database_bytes = capture_ == nullptr ? 0
                                                      : uint64_t{capture_->captured().page_count} *
                                                            capture_->sums().page_size_bytes();
  const bool submitted = submit_for(feed, &ReplicaFeed::keeper_running, now_ms,
                                    [self = shared_from_this(), &feed, database_bytes] {
                                      self->run_keeper_job(feed, database_bytes);
                                    });
  if (!submitted) feed.keeper_due_ms = now_ms + kKeeperRetryMs;
}

void Replicator::adopt_keeper(ReplicaFeed& feed) {
  const KeeperStatus kept = feed.keeper.status();
  const std::lock_guard lock(mutex_);
  feed.keeper_error = kept.last_error;
  feed.warning = kept.warning;
  if (feed.keeper_running) return;
  if (kept.snapshot_wish == SnapshotWish::kHealing && !feed.needs_snapshot) {
    feed.needs_snapshot = true;
    feed.needs_snapshot_why = kept.snapshot_reason;
  }
  if (kept.snapshot_wish == SnapshotWish::kDue) feed.snapshot_wanted = true;
}

// ---------------------------------------------------------------- jobs

void Replicator::run_keeper_job(ReplicaFeed& feed, uint64_t database_bytes) {
  KeeperJobs jobs(parts_.database_path, feed.name);
  KeeperInput input;
  input.database_bytes = database_bytes;
  input.cancel = [leave = keeper_cancel(), &jobs] { return leave() || jobs.is_cancelled(); };
  input.progress = [&jobs](const char* kind, uint64_t done_bytes, uint64_t total_bytes) {
    jobs.report(kind, done_bytes, total_bytes);
  };
  const Status status = without_exceptions([&]() -> Result<Txid> {
                          LS_RETURN_IF_ERROR(feed.keeper.run(input));
                          return Txid{};
                        }).status();
  if (!status.ok() && !status.retryable() && status.code() != StatusCode::kCancelled) {
    log_message(LogLevel::kWarning, "litestream: " + parts_.database_path + ": replica " +
                                        feed.name + ": " + status.message());
  }
  {
    const std::lock_guard lock(mutex_);
    feed.keeper_running = false;
    feed.keeper_cancelled = jobs.is_cancelled();
  }
  changed_.notify_all();
  parts_.wake();
}

// ---------------------------------------------------------------- any thread

std::vector<ReplicaFeed*> Replicator::working_feeds() const {
  std::vector<ReplicaFeed*> out;
  const std::lock_guard lock(mutex_);
  for (const auto& feed : feeds_) {
    if (feed->joined && feed->failed.ok()) out.push_back(feed.get());
  }
  return out;
}

namespace {

// `work` answers Busy while the keeper is at another thing.
template <typename Work>
auto when_idle(const Clock& clock, int64_t timeout_ms, const CancelCheck& cancel, Work work)
    -> decltype(work()) {
  const int64_t deadline_ms = clock.monotonic_ms() + timeout_ms;
  while (true) {
    auto result = work();
    if (result.ok() || result.status().code() != StatusCode::kBusy) return result;
    if (clock.monotonic_ms() >= deadline_ms) return result;
    if (cancel && cancel()) return cancelled("interrupted");
    std::this_thread::sleep_for(std::chrono::milliseconds(kKeeperPollMs));
  }
}

}  // namespace

Result<uint64_t> Replicator::compact(int level, int64_t timeout_ms, const CancelCheck& cancel) {
  if (is_standby()) {
    LS_ASSIGN_OR_RETURN(const Txid count, ask(OwnerVerb::kCompact, timeout_ms, cancel, level));
    return count.value;
  }
  LS_RETURN_IF_ERROR(sync(timeout_ms, cancel).status());
  KeeperInput input;
  uint64_t count = 0;
  for (ReplicaFeed* feed : working_feeds()) {
    KeeperJobs jobs(parts_.database_path, feed->name);
    input.cancel = [this, &cancel, &jobs] {
      return cancel_jobs_.load() || (cancel && cancel()) || jobs.is_cancelled();
    };
    input.progress = [&jobs](const char* kind, uint64_t done_bytes, uint64_t total_bytes) {
      jobs.report(kind, done_bytes, total_bytes);
    };
    LS_ASSIGN_OR_RETURN(const size_t merged, when_idle(*parts_.clock, timeout_ms, cancel, [&] {
                          return feed->keeper.compact(level, input);
                        }));
    count += merged;
  }
  parts_.wake();
  return count;
}

Result<uint64_t> Replicator::enforce_retention(int64_t timeout_ms, const CancelCheck& cancel) {
  if (is_standby()) return unavailable("another process replicates it; ask there");
  uint64_t count = 0;
  for (ReplicaFeed* feed : working_feeds()) {
    LS_ASSIGN_OR_RETURN(const uint64_t removed, when_idle(*parts_.clock, timeout_ms, cancel, [&] {
                          return feed->keeper.enforce_retention();
                        }));
    count += removed;
  }
  parts_.wake();
  return count;
}

Result<VerifyReport> Replicator::verify(const std::string& name, int64_t timeout_ms,
                                        const StreamOptions& options) {
  ReplicaFeed* feed = feed_of(name);
  if (feed == nullptr) return not_found("no replica '" + name + "'");
  KeeperInput input;
  input.cancel = [this, &options] {
    return cancel_jobs_.load() || (options.cancelled && options.cancelled());
  };
  if (options.progress) {
    input.progress = [&options](const char*, uint64_t done_bytes, uint64_t total_bytes) {
      options.progress(done_bytes, total_bytes);
    };
  }
  auto report = when_idle(*parts_.clock, timeout_ms, input.cancel,
                          [&] { return feed->keeper.verify(input); });
  parts_.wake();
  return report;
}

ReplicatorCounters Replicator::counters() const {
  ReplicatorCounters out;
  {
    const std::lock_guard lock(mutex_);
    out = counters_;
    for (const auto& feed : feeds_) {
      out.replicas.push_back(feed->counters);
      out.replicas.back().name = feed->name;
    }
  }
  for (size_t i = 0; i < feeds_.size(); ++i) {
    const KeeperStatus kept = feeds_[i]->keeper.status();
    out.compaction_verify_error_count += kept.compaction_verify_error_count;
    out.retention_deleted_count += kept.removed_count;
    out.snapshot_count += kept.snapshot_count;
    for (size_t level = 0; level < kept.levels.size(); ++level) {
      out.compaction_count[level] += kept.levels[level].compaction_count;
    }
    if (kept.verify.at_ms > out.last_validation_at_ms) {
      out.last_validation_at_ms = kept.verify.at_ms;
      out.last_validation_ok = kept.verify.ok;
    }
    ReplicaCounters& replica = out.replicas[i];
    const ListingCache& cache = feeds_[i]->store.cache();
    for (int level = 0; level <= kLevelMax; ++level) {
      const auto at = static_cast<size_t>(level);
      replica.file_count[at] = replica.file_bytes[at] = cache.is_complete() ? 0 : -1;
      if (!cache.is_complete()) continue;
      for (const LtxFileInfo& file : cache.known(level)) {
        ++replica.file_count[at];
        replica.file_bytes[at] += static_cast<int64_t>(file.size_bytes);
        const bool is_base = file.min_txid == Txid{1};
        int64_t& oldest_ms = replica.oldest_restorable_at_ms;
        if (is_base && (oldest_ms == 0 || file.created_at_ms < oldest_ms)) {
          oldest_ms = file.created_at_ms;
        }
      }
    }
  }
  return out;
}

}  // namespace litestream
