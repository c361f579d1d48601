#include "ext/engine/compaction_plan.h"

#include <algorithm>
#include <string>
#include <tuple>

#include "ext/base/limits.h"
#include "ext/engine/level_schedule.h"

namespace litestream {
namespace {

using Files = std::vector<LtxFileInfo>;

bool is_sane(const LtxFileInfo& file) {
  return file.level >= 0 && file.level <= kLevelMax && file.min_txid.value != 0 &&
         file.min_txid <= file.max_txid && file.max_txid.value != UINT64_MAX;
}

bool is_whole(const LtxFileInfo& file) { return file.min_txid == Txid{1}; }

void sort_by_start(Files& files) {
  std::sort(files.begin(), files.end(), [](const LtxFileInfo& a, const LtxFileInfo& b) {
    return std::tie(a.min_txid, a.max_txid) < std::tie(b.min_txid, b.max_txid);
  });
}

// Walks files sorted by start: of those that continue a state, the one that reaches furthest.
class Continuations {
 public:
  explicit Continuations(const Files& files) : files_(files) {}
  // `at` never shrinks from call to call. nullptr: none leads beyond it.
  const LtxFileInfo* from(Txid at) {
    for (; next_ < files_.size() && files_[next_].min_txid <= at.next(); ++next_) {
      const LtxFileInfo& file = files_[next_];
      if (best_ == nullptr || file.max_txid > best_->max_txid) best_ = &file;
    }
    return best_ != nullptr && best_->max_txid > at ? best_ : nullptr;
  }
  // The first that does not continue what from() was asked for last; nullptr: none.
  const LtxFileInfo* beyond() const { return next_ < files_.size() ? &files_[next_] : nullptr; }

 private:
  const Files& files_;
  size_t next_ = 0;
  const LtxFileInfo* best_ = nullptr;
};

class Planner {
 public:
  Planner(std::span<const LtxFileInfo> files, const CompactionRequest& request);
  Result<CompactionPlan> run();

 private:
  Status build_chain();
  Status cross_hole(Txid* at, const LtxFileInfo& beyond);
  const LtxFileInfo* find_cover(Txid end) const;
  size_t group_length(bool* is_waiting) const;
  CompactionGroup make_group(size_t length) const;

  const CompactionRequest& request_;
  Files below_;   // of the level below, whole databases left out
  Files lowest_;  // of all levels below that
  Files wholes_;
  Txid have_;                          // newest of the level itself
  const LtxFileInfo* last_ = nullptr;  // the level's file that ends there
  Files chain_;
};

Planner::Planner(std::span<const LtxFileInfo> files, const CompactionRequest& request)
    : request_(request) {
  for (const LtxFileInfo& file : files) {
    if (!is_sane(file)) continue;
    if (is_whole(file)) wholes_.push_back(file);
    if (file.level == request.level && file.max_txid > have_) {
      have_ = file.max_txid;
      last_ = &file;
    }
  }
  for (const LtxFileInfo& file : files) {
    if (!is_sane(file) || is_whole(file) || file.max_txid <= have_) continue;
    if (file.level == request.level - 1) below_.push_back(file);
    if (file.level < request.level - 1) lowest_.push_back(file);
  }
  sort_by_start(below_);
  sort_by_start(lowest_);
  std::sort(wholes_.begin(), wholes_.end(),
            [](const auto& a, const auto& b) { return a.max_txid < b.max_txid; });
}

// The whole database that reaches `end` with the fewest transactions more.
const LtxFileInfo* Planner::find_cover(Txid end) const {
  const auto found =
      std::lower_bound(wholes_.begin(), wholes_.end(), end,
                       [](const auto& file, Txid txid) { return file.max_txid < txid; });
  return found == wholes_.end() ? nullptr : &*found;
}

// Nothing continues `*at`, and `beyond` comes after a hole: moves `*at` across it.
Status Planner::cross_hole(Txid* at, const LtxFileInfo& beyond) {
  const Txid end{beyond.min_txid.value - 1};
  const LtxFileInfo* const cover = find_cover(end);
  if (cover == nullptr) {
    return position_mismatch(
        "level " + std::to_string(request_.level) + " cannot be continued: no file of level " +
        std::to_string(request_.level - 1) + " holds " + format_txid(at->next()) + ".." +
        format_txid(end) + " and no snapshot covers them; a new snapshot leads on");
  }
  *at = cover->max_txid < beyond.max_txid ? end : cover->max_txid;
  return {};
}

Status Planner::build_chain() {
  Continuations below(below_);
  Continuations lowest(lowest_);
  Txid below_end;
  for (const LtxFileInfo& file : below_) below_end = std::max(below_end, file.max_txid);
  Txid at = have_;
  while (at < below_end && chain_.size() < request_.file_count_max) {
    const LtxFileInfo* next = below.from(at);
    if (next == nullptr) next = lowest.from(at);
    if (next != nullptr) {
      chain_.push_back(*next);
      at = next->max_txid;
      continue;
    }
    Txid beyond_hole = at;
    LS_RETURN_IF_ERROR(cross_hole(&beyond_hole, *below.beyond()));
    if (!chain_.empty()) break;  // the output ends before the hole
    at = beyond_hole;
  }
  return {};
}

// How many files of the chain go into one output.
size_t Planner::group_length(bool* is_waiting) const {
  if (request_.whole_backlog) return chain_.size();
  const int64_t current = interval_number(request_.now_wall_ms, request_.interval_ms);
  int64_t first_open = INT64_MIN;  // the first window that the level does not have yet
  if (last_ != nullptr && last_->created_at_ms <= request_.now_wall_ms) {
    first_open = interval_number(last_->created_at_ms, request_.interval_ms) + 1;
  }
  int64_t window = INT64_MIN;  // not known yet
  int64_t group_window = INT64_MIN;
  size_t length = 0;
  for (const LtxFileInfo& file : chain_) {
    if (file.created_at_ms <= request_.now_wall_ms) {
      window = std::max(window, interval_number(file.created_at_ms, request_.interval_ms));
    }
    if (window >= current) {
      *is_waiting = length == 0;
      break;
    }
    const int64_t shown = std::max(window, first_open);
    if (group_window != INT64_MIN && shown != group_window) break;
    group_window = shown;
    ++length;
  }
  return length;
}

CompactionGroup Planner::make_group(size_t length) const {
  CompactionGroup group;
  group.level = request_.level;
  group.files.assign(chain_.begin(), chain_.begin() + static_cast<ptrdiff_t>(length));
  const Txid before{group.files.front().min_txid.value - 1};
  if (last_ != nullptr && last_->max_txid == before) group.predecessors.push_back(*last_);
  size_t input = 0;
  for (const LtxFileInfo& whole : wholes_) {
    if (whole.max_txid == before) group.predecessors.push_back(whole);
    while (input < length && group.files[input].max_txid < whole.max_txid) ++input;
    if (input < length && group.files[input].max_txid == whole.max_txid) {
      group.wholes.push_back(whole);
    }
  }
  for (const LtxFileInfo& file : group.files) group.size_bytes += file.size_bytes;
  return group;
}

Result<CompactionPlan> Planner::run() {
  LS_RETURN_IF_ERROR(build_chain());
  CompactionPlan plan;
  const size_t length = group_length(&plan.is_waiting);
  if (length > 0) plan.group = make_group(length);
  return plan;
}

}  // namespace

Result<CompactionPlan> plan_compaction(std::span<const LtxFileInfo> files,
                                       const CompactionRequest& request) {
  if (request.level < 1 || request.level > kCompactionLevelMax) {
    return invalid_argument("level " + std::to_string(request.level) +
                            " cannot be compacted; levels 1 to 8 can");
  }
  if (request.interval_ms <= 0) return invalid_argument("a level needs an interval");
  Planner planner(files, request);
  return planner.run();
}

}  // namespace litestream
