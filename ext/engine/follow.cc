#include "ext/engine/follow.h"

#include <algorithm>
#include <memory>
#include <mutex>
#include <optional>

#include "ext/base/limits.h"
#include "ext/engine/follow_changes.h"
#include "ext/engine/follow_state.h"
#include "ext/engine/plan_times.h"
#include "ext/engine/restore_pins.h"
#include "ext/engine/rollback_journal.h"
#include "ext/ltx/checksum.h"

namespace litestream {
namespace {

constexpr int kAttemptsMax = 3;  // files that vanish between listing and reading
constexpr int64_t kLockStepMs = 20;

class Follower {
 public:
  Follower(LtxStore& store, FileSystem& fs, FollowCopy& copy, const std::string& output,
           const FollowOptions& options)
      : store_(store), fs_(fs), copy_(copy), output_(output), options_(options) {}

  Result<FollowResult> run();

 private:
  Status find_point();
  Result<std::optional<FollowChanges>> find_changes();
  Result<std::optional<FollowChanges>> changes_from_level_0();
  Result<std::optional<FollowChanges>> changes_from_all_levels();
  Result<FollowChanges> changes_from_restore(const std::vector<LtxFileInfo>& files);
  Status apply(FollowChanges& changes);
  Status take_stock(FollowChanges& changes, RollbackJournal* journal, FollowPoint* next);
  Status shut_out_readers();
  Status write(FollowChanges& changes, const FollowPoint& next);
  Status check_cancelled() const {
    const bool stop = options_.stream.cancelled && options_.stream.cancelled();
    return stop ? cancelled("interrupted") : Status();
  }

  LtxStore& store_;
  FileSystem& fs_;
  FollowCopy& copy_;
  const std::string& output_;
  const FollowOptions& options_;
  FollowState state_;
  FollowPoint point_;  // where the copy stands
  std::vector<uint8_t> page_;
  bool is_current_ = false;
};

// The copy's change counter tells which of the two recorded states it is in.
Status Follower::find_point() {
  page_.resize(state_.page_size);
  LS_RETURN_IF_ERROR(read_exactly(copy_.database(), 0, page_));
  const uint32_t counter = change_counter_of(page_);
  LS_ASSIGN_OR_RETURN(const uint64_t size, copy_.database().size_bytes());
  for (const FollowPoint& point : {state_.to, state_.from}) {
    if (counter != point.change_counter) continue;
    if (size != uint64_t{point.page_count} * state_.page_size) continue;
    point_ = point;
    return {};
  }
  return position_mismatch(output_ +
                           " was changed by somebody else since it was followed; remove " +
                           "it and " + follow_state_path(output_) + " to start again");
}

// One listing, in the usual case the only one.
Result<std::optional<FollowChanges>> Follower::changes_from_level_0() {
  LS_ASSIGN_OR_RETURN(const auto files, store_.list(0));
  Txid newest;
  for (const LtxFileInfo& file : files) newest = std::max(newest, file.max_txid);
  if (newest == point_.txid) {
    is_current_ = true;
    return std::optional<FollowChanges>();
  }
  const FollowPlan plan = plan_follow(files, point_.txid, options_.step_bytes_max);
  // The newest raw file always stays, so anything else means that files are gone or compacted.
  if (plan.reach != newest || plan.files.empty()) return not_found("level 0 does not continue");
  LS_ASSIGN_OR_RETURN(auto changes, gather_changes(store_, plan, point_, state_.page_size, fs_,
                                                   output_, options_.stream));
  is_current_ = plan.files.back().max_txid == newest;
  return std::optional<FollowChanges>(std::move(changes));
}

Result<FollowChanges> Follower::changes_from_restore(const std::vector<LtxFileInfo>& files) {
  LS_ASSIGN_OR_RETURN(const RestorePlan plan, plan_restore(files, RestoreTarget::newest()));
  const RestorePins::Pin pin = restore_pins().pin(store_.url(), plan.files);
  LS_ASSIGN_OR_RETURN(auto changes,
                      compare_with_restore(store_, plan, point_, state_.page_size, copy_.database(),
                                           fs_, output_, options_.stream));
  is_current_ = true;
  return changes;
}

Result<std::optional<FollowChanges>> Follower::changes_from_all_levels() {
  LS_ASSIGN_OR_RETURN(const auto files, list_watched(store_, options_.stream));
  Txid newest;
  for (const LtxFileInfo& file : files) newest = std::max(newest, file.max_txid);
  if (newest == Txid{}) return not_found("the replica holds no backup any more");
  if (newest < point_.txid) {
    return position_mismatch("the replica ends at " + format_txid(newest) + ", the copy is at " +
                             format_txid(point_.txid) + ": it is another replica by now");
  }
  if (newest == point_.txid) {
    is_current_ = true;
    return std::optional<FollowChanges>();
  }
  const FollowPlan plan = plan_follow(files, point_.txid, options_.step_bytes_max);
  Status why = not_found("no file continues " + format_txid(point_.txid));
  if (!plan.files.empty() && plan.reach == newest) {
    const RestorePins::Pin pin = restore_pins().pin(store_.url(), plan.files);
    auto changes =
        gather_changes(store_, plan, point_, state_.page_size, fs_, output_, options_.stream);
    is_current_ = plan.files.back().max_txid == newest;
    if (changes.ok()) return std::optional<FollowChanges>(std::move(changes).value());
    why = changes.status();
    if (why.code() == StatusCode::kCancelled || why.retryable()) return why;
  }
  auto changes = changes_from_restore(files);
  if (!changes.ok()) return changes.status();
  return std::optional<FollowChanges>(std::move(changes).value());
}

Result<std::optional<FollowChanges>> Follower::find_changes() {
  auto changes = changes_from_level_0();
  for (int attempt = 0; attempt < kAttemptsMax && !changes.ok(); ++attempt) {
    const StatusCode code = changes.status().code();
    // Another history or a damaged file: files of other levels may know better.
    const bool may_help = code == StatusCode::kNotFound || code == StatusCode::kCorrupt ||
                          code == StatusCode::kPositionMismatch;
    if (!may_help) return changes;
    changes = changes_from_all_levels();
    if (changes.status().code() != StatusCode::kNotFound) break;
  }
  return changes;
}

// Journals what is going to change, and what the database will be.
Status Follower::take_stock(FollowChanges& changes, RollbackJournal* journal, FollowPoint* next) {
  const Pgno lock = lock_page(state_.page_size);
  Checksum checksum = point_.checksum;
  const auto old_page = [&](Pgno pgno) -> Status {
    if (pgno > point_.page_count) return {};
    const uint64_t offset = uint64_t{pgno - 1} * state_.page_size;
    LS_RETURN_IF_ERROR(read_exactly(copy_.database(), offset, page_));
    LS_RETURN_IF_ERROR(journal->add(pgno, page_));
    const Checksum sum = pgno == 1 ? point_.page_one : page_checksum(pgno, page_);
    checksum = toggle_page(checksum, sum);
    return {};
  };
  next->page_one = point_.page_one;
  const auto new_page = [&](Pgno pgno, Bytes page) -> Status {
    if (pgno % 256 == 0) LS_RETURN_IF_ERROR(check_cancelled());
    LS_RETURN_IF_ERROR(old_page(pgno));
    const Checksum sum = page_checksum(pgno, page);
    if (pgno == 1) next->page_one = sum;
    checksum = toggle_page(checksum, sum);
    return {};
  };
  LS_RETURN_IF_ERROR(changes.for_each(new_page));
  if (!changes.has_page_one()) {
    // It gets the copy's own fields all the same.
    LS_RETURN_IF_ERROR(old_page(1));
    checksum = toggle_page(checksum, point_.page_one);
  }
  for (Pgno pgno = changes.page_count() + 1; pgno <= point_.page_count; ++pgno) {
    if (pgno != lock) LS_RETURN_IF_ERROR(old_page(pgno));
  }
  next->checksum = checksum;
  if (changes.expected_checksum() == 0 || changes.expected_checksum() == checksum) return {};
  return corrupt("the copy at " + format_txid(next->txid) +
                 " would not have the checksum its last file promises");
}

Status Follower::shut_out_readers() {
  for (int64_t waited_ms = 0;; waited_ms += kLockStepMs) {
    LS_RETURN_IF_ERROR(check_cancelled());
    LS_ASSIGN_OR_RETURN(const bool alone, copy_.shut_out_readers(kLockStepMs));
    if (alone) return {};
    if (waited_ms >= options_.lock_wait_ms) {
      return busy("a reader of " + output_ + " is in the way; the copy stays at " +
                  format_txid(point_.txid) + " until it ends its transaction");
    }
  }
}

Status Follower::write(FollowChanges& changes, const FollowPoint& next) {
  LS_RETURN_IF_ERROR(changes.for_each([&](Pgno pgno, Bytes page) -> Status {
    if (pgno == 1) return {};
    return copy_.write_at(uint64_t{pgno - 1} * state_.page_size, page);
  }));
  if (changes.has_page_one()) {
    LS_RETURN_IF_ERROR(changes.read_page_one(page_));
  } else {
    LS_RETURN_IF_ERROR(read_exactly(copy_.database(), 0, page_));
  }
  edit_page_one(page_, next.change_counter, next.page_count);
  LS_RETURN_IF_ERROR(copy_.write_at(0, page_));
  LS_RETURN_IF_ERROR(copy_.truncate(uint64_t{next.page_count} * state_.page_size));
  return copy_.sync();
}

Status Follower::apply(FollowChanges& changes) {
  if (changes.page_count() == 0) return corrupt("the database has no pages by now");
  FollowPoint next;
  next.txid = changes.txid();
  next.created_at_ms = changes.created_at_ms();
  next.page_count = changes.page_count();
  next.change_counter = point_.change_counter + 1;
  LS_ASSIGN_OR_RETURN(
      const auto journal,
      RollbackJournal::create(fs_, output_, state_.page_size, point_.page_count,
                              static_cast<uint32_t>(next.txid.value) ^ next.change_counter));
  LS_RETURN_IF_ERROR(take_stock(changes, journal.get(), &next));
  FollowState state = state_;
  state.from = point_;
  state.to = next;
  LS_RETURN_IF_ERROR(save_follow_state(fs_, output_, state));
  LS_RETURN_IF_ERROR(journal->seal());
  const Status alone = shut_out_readers();
  if (!alone.ok()) {
    LS_RETURN_IF_ERROR(journal->remove());
    return alone;
  }
  // An error from here on leaves the journal, and the copy to SQLite's recovery.
  LS_RETURN_IF_ERROR(write(changes, next));
  LS_RETURN_IF_ERROR(journal->remove());
  point_ = next;
  return {};
}

Result<FollowResult> Follower::run() {
  LS_ASSIGN_OR_RETURN(state_, load_follow_state(fs_, output_));
  if (state_.replica_url != store_.url()) {
    return position_mismatch(output_ + " follows " + state_.replica_url + ", not " + store_.url());
  }
  LS_RETURN_IF_ERROR(copy_.begin());
  if (copy_.page_size_bytes() != state_.page_size) {
    return position_mismatch(output_ + " has another page size than when it was followed");
  }
  LS_RETURN_IF_ERROR(find_point());
  LS_ASSIGN_OR_RETURN(auto changes, find_changes());
  FollowResult result;
  if (changes) {
    LS_RETURN_IF_ERROR(apply(*changes));
    result.page_count = changes->changed_count();
  }
  copy_.end();
  result.txid = point_.txid;
  result.created_at_ms = point_.created_at_ms;
  result.size_bytes = uint64_t{point_.page_count} * state_.page_size;
  result.is_current = is_current_;
  return result;
}

}  // namespace

Result<FollowResult> start_following(LtxStore& store, FileSystem& fs, const std::string& output,
                                     const RestoreOptions& options) {
  RestoreOptions restore = options;
  FollowState state;
  state.replica_url = store.url();
  restore.edit_page_one = [&](MutableBytes page) {
    state.to.page_one = page_checksum(1, page);
    state.to.change_counter = change_counter_of(page);
    const uint32_t page_count = load_be32(page.data() + 28);
    edit_page_one(page, state.to.change_counter, page_count);
  };
  restore.before_publish = [&](const RestoredDatabase& restored) {
    state.page_size = restored.shape.page_size;
    state.to.txid = restored.txid;
    state.to.created_at_ms = restored.created_at_ms;
    state.to.page_count = restored.shape.page_count;
    state.to.checksum = restored.checksum;
    state.from = state.to;
    return save_follow_state(fs, output, state);
  };
  LS_ASSIGN_OR_RETURN(const RestoreResult restored,
                      restore_database(store, fs, RestoreTarget::newest(), output, restore));
  FollowResult result;
  result.txid = restored.txid;
  result.created_at_ms = restored.created_at_ms;
  result.size_bytes = restored.size_bytes;
  result.page_count = state.to.page_count;
  result.was_restored = true;
  return result;
}

Result<FollowResult> follow_step(LtxStore& store, FileSystem& fs, FollowCopy& copy,
                                 const std::string& output, const FollowOptions& options) {
  Follower follower(store, fs, copy, output, options);
  auto result = follower.run();
  copy.end();
  return result;
}

}  // namespace litestream
