#include "ext/engine/plan_times.h"

#include <algorithm>
#include <functional>
#include <map>
#include <memory>

#include "ext/engine/worker_gang.h"

namespace litestream {
namespace {

// Points asked at once: nine parts instead of two cost the same time where requests run in
// parallel.
constexpr size_t kProbesPerRound = 8;
// Points around the boundary whose times are all known: where a clock that was set back shows.
constexpr size_t kNeighbours = 16;

class TimeSearch {
 public:
  TimeSearch(LtxStore& store, std::vector<LtxFileInfo>* files, int64_t time_ms);
  Status run();

 private:
  Status ask(std::vector<size_t> points);
  bool is_within(size_t point) const { return file_of(point).created_at_ms <= time_ms_; }
  LtxFileInfo& file_of(size_t point) const { return (*files_)[representatives_[point]]; }
  Status find_boundary();
  void assume_the_others();

  LtxStore& store_;
  std::vector<LtxFileInfo>* files_;
  const int64_t time_ms_;
  std::vector<size_t>
      representatives_;           // per TXID at which a file ends, ascending: number of a file
  std::map<size_t, bool> asked_;  // points
  size_t boundary_ = 0;           // first point after the time, as far as the search goes
};

// One file per TXID, of the lowest level, as restore points take their time from it.
TimeSearch::TimeSearch(LtxStore& store, std::vector<LtxFileInfo>* files, int64_t time_ms)
    : store_(store), files_(files), time_ms_(time_ms) {
  std::map<Txid, size_t> by_end;
  for (size_t i = 0; i < files->size(); ++i) {
    const auto [at, is_new] = by_end.try_emplace((*files)[i].max_txid, i);
    if (!is_new && (*files)[i].level < (*files)[at->second].level) at->second = i;
  }
  for (const auto& [txid, file] : by_end) representatives_.push_back(file);
}

Status TimeSearch::ask(std::vector<size_t> points) {
  std::erase_if(points, [&](size_t point) { return asked_.contains(point); });
  std::vector<LtxFileInfo> asked;
  for (const size_t point : points) asked.push_back(file_of(point));
  if (asked.empty()) return {};
  LS_RETURN_IF_ERROR(store_.fill_times(asked));
  for (size_t i = 0; i < points.size(); ++i) {
    file_of(points[i]).created_at_ms = asked[i].created_at_ms;
    asked_[points[i]] = true;
  }
  return {};
}

Status TimeSearch::find_boundary() {
  size_t low = 0;  // points below are within the time
  size_t high = representatives_.size();
  while (low < high) {
    std::vector<size_t> probes;
    const size_t step = (high - low) / (kProbesPerRound + 1) + 1;
    for (size_t at = low; at < high; at += step) probes.push_back(at);
    LS_RETURN_IF_ERROR(ask(probes));
    const auto beyond =
        std::find_if(probes.begin(), probes.end(), [&](size_t at) { return !is_within(at); });
    if (beyond == probes.begin()) {
      high = low;
      break;
    }
    low = *(beyond - 1) + 1;
    if (beyond != probes.end()) high = *beyond;
  }
  boundary_ = high;
  return {};
}

// What was not asked is taken to lie on its side of the boundary.
void TimeSearch::assume_the_others() {
  const Txid first_after =
      boundary_ < representatives_.size() ? file_of(boundary_).max_txid : Txid{UINT64_MAX};
  std::vector<bool> is_known(files_->size(), false);
  for (const auto& [point, known] : asked_) is_known[representatives_[point]] = known;
  std::map<Txid, int64_t> time_of_end;
  for (const auto& [point, known] : asked_) {
    time_of_end[file_of(point).max_txid] = file_of(point).created_at_ms;
  }
  for (size_t i = 0; i < files_->size(); ++i) {
    if (is_known[i]) continue;
    LtxFileInfo& file = (*files_)[i];
    const auto same_end = time_of_end.find(file.max_txid);
    if (same_end != time_of_end.end()) {
      file.created_at_ms = same_end->second;
    } else if (file.max_txid < first_after) {
      file.created_at_ms = std::min(file.created_at_ms, time_ms_);
    } else {
      file.created_at_ms = std::max(file.created_at_ms, time_ms_ + 1);
    }
  }
}

Status TimeSearch::run() {
  LS_RETURN_IF_ERROR(find_boundary());
  std::vector<size_t> near;
  const size_t first = boundary_ - std::min(boundary_, kNeighbours);
  const size_t end = std::min(representatives_.size(), boundary_ + kNeighbours);
  for (size_t point = first; point < end; ++point) near.push_back(point);
  LS_RETURN_IF_ERROR(ask(near));
  assume_the_others();
  return {};
}

// One call of the store that may take long. It owns what it works on, since it may be left behind.
template <typename Value>
class StoreCall final : public GangWork {
 public:
  explicit StoreCall(std::function<Result<Value>()> call) : call_(std::move(call)) {}
  void work(int) override { result_ = call_(); }
  void stop() override {}
  Result<Value>& result() { return result_; }

 private:
  const std::function<Result<Value>()> call_;
  Result<Value> result_ = internal_error("the call has not ended");
};

template <typename Value>
Result<Value> call_watched(const StreamOptions& options, std::function<Result<Value>()> call) {
  const auto is_cancelled = [&] { return options.cancelled && options.cancelled(); };
  if (is_cancelled()) return cancelled("interrupted");
  if (options.owned_store == nullptr) return call();
  const auto work = std::make_shared<StoreCall<Value>>(std::move(call));
  GangOptions gang;
  gang.aside = true;
  gang.owned_store = options.owned_store;
  gang.poll = [&] { return is_cancelled() ? cancelled("interrupted") : Status(); };
  LS_RETURN_IF_ERROR(run_gang(work, gang));
  return std::move(work->result());
}

struct PlanAndFiles {
  RestorePlan plan;
  std::vector<LtxFileInfo> files;
};

Result<RestorePlan> make_plan(LtxStore& store, std::vector<LtxFileInfo>* files,
                              const RestoreTarget& target) {
  if (target.kind == RestoreTarget::Kind::kTime && !store.lists_commit_times()) {
    LS_RETURN_IF_ERROR(TimeSearch(store, files, target.time_ms).run());
  }
  LS_ASSIGN_OR_RETURN(RestorePlan plan, plan_restore(*files, target));
  if (target.kind != RestoreTarget::Kind::kTime && !store.lists_commit_times()) {
    // The time that is told is that of the commit, too.
    std::vector<LtxFileInfo> last = {plan.files.back()};
    if (store.fill_times(last).ok()) plan.created_at_ms = last[0].created_at_ms;
  }
  return plan;
}

}  // namespace

Result<std::vector<LtxFileInfo>> list_watched(LtxStore& store, const StreamOptions& options) {
  return call_watched<std::vector<LtxFileInfo>>(options,
                                                [&store] { return list_all_levels(store); });
}

Result<RestorePlan> plan_from_store(LtxStore& store, std::vector<LtxFileInfo>* files,
                                    const RestoreTarget& target, const StreamOptions& options) {
  if (store.lists_commit_times() || options.owned_store == nullptr) {
    return make_plan(store, files, target);
  }
  LS_ASSIGN_OR_RETURN(PlanAndFiles made,
                      call_watched<PlanAndFiles>(
                          options, [&store, target, copy = *files]() -> Result<PlanAndFiles> {
                            PlanAndFiles out{{}, copy};
                            LS_ASSIGN_OR_RETURN(out.plan, make_plan(store, &out.files, target));
                            return out;
                          }));
  *files = std::move(made.files);
  return std::move(made.plan);
}

Result<RestorePlan> list_and_plan(LtxStore& store, const RestoreTarget& target,
                                  const StreamOptions& options, std::vector<LtxFileInfo>* files) {
  LS_ASSIGN_OR_RETURN(*files, list_watched(store, options));
  auto plan = plan_from_store(store, files, target, options);
  if (plan.status().code() != StatusCode::kNotFound || files->empty()) return plan;
  LS_ASSIGN_OR_RETURN(*files, list_watched(store, options));
  return plan_from_store(store, files, target, options);
}

}  // namespace litestream
