#include "ext/engine/retention.h"

#include <algorithm>
#include <array>
#include <optional>
#include <string>
#include <tuple>

#include "ext/base/limits.h"

namespace litestream {
namespace {

using Files = std::vector<LtxFileInfo>;

bool is_whole(const LtxFileInfo& file) { return file.min_txid == Txid{1}; }

// Times of files are anything; this far their differences cannot overflow.
int64_t clamp_time(int64_t time_ms) {
  constexpr int64_t kTimeMsMax = int64_t{1} << 60;
  return std::clamp<int64_t>(time_ms, 0, kTimeMsMax);
}

template <typename Keep>
Files select(std::span<const LtxFileInfo> files, Keep keep) {
  Files out;
  for (const LtxFileInfo& file : files) {
    if (keep(file)) out.push_back(file);
  }
  return out;
}

Files usable_files(const RetentionView& view) {
  return select(view.files, [&](const LtxFileInfo& file) {
    return !view.is_unusable || !view.is_unusable(file);
  });
}

std::array<Txid, kLevelMax + 1> newest_of_levels(std::span<const LtxFileInfo> files) {
  std::array<Txid, kLevelMax + 1> newest{};
  for (const LtxFileInfo& file : files) {
    if (file.level < 0 || file.level > kLevelMax) continue;
    Txid& level = newest[static_cast<size_t>(file.level)];
    level = std::max(level, file.max_txid);
  }
  return newest;
}

std::vector<RestorePoint> points_ascending(std::span<const LtxFileInfo> files) {
  std::vector<RestorePoint> points = restore_points(files);
  std::reverse(points.begin(), points.end());
  return points;
}

void limit(RetentionDecision* decision, const RetentionView& view) {
  if (view.is_pinned) std::erase_if(decision->remove, view.is_pinned);
  if (decision->remove.size() <= kRetentionFilesMax) return;
  decision->remove.resize(kRetentionFilesMax);
  decision->more = true;
}

// Whether every point that `may_lose` does not give up can be restored from what would be left.
template <typename MayLose>
bool keeps_points(const Files& before, const Files& remove, MayLose may_lose) {
  const auto key = [](const LtxFileInfo& f) { return std::tie(f.level, f.min_txid, f.max_txid); };
  const auto less = [&](const LtxFileInfo& a, const LtxFileInfo& b) { return key(a) < key(b); };
  Files removed = remove;
  std::sort(removed.begin(), removed.end(), less);
  const Files after = select(before, [&](const LtxFileInfo& file) {
    return !std::binary_search(removed.begin(), removed.end(), file, less);
  });
  const std::vector<RestorePoint> points = points_ascending(after);
  for (const RestorePoint& point : points_ascending(before)) {
    const auto found = std::lower_bound(points.begin(), points.end(), point.txid,
                                        [](const auto& p, Txid txid) { return p.txid < txid; });
    const bool is_left = found != points.end() && found->txid == point.txid;
    if (!is_left && !may_lose(point)) return false;
  }
  return true;
}

// The last word: of a removal that would lose a point it should not, only so much from its start is
// done as loses none. Files that overlap in ways of their own can bring that about.
template <typename MayLose>
void keep_points(const Files& usable, RetentionDecision* decision, MayLose may_lose) {
  while (!decision->remove.empty() && !keeps_points(usable, decision->remove, may_lose)) {
    decision->remove.resize(decision->remove.size() / 2);
    decision->more = false;
  }
}

// The newest point at or before `txid`.
std::optional<RestorePoint> point_at(const std::vector<RestorePoint>& points, Txid txid) {
  const auto after = std::upper_bound(points.begin(), points.end(), txid,
                                      [](Txid at, const auto& p) { return at < p.txid; });
  if (after == points.begin()) return std::nullopt;
  return *std::prev(after);
}

// Whether some point lets a restore use `file`.
bool is_reachable(const std::vector<RestorePoint>& points, const LtxFileInfo& file) {
  if (is_whole(file)) return true;
  const auto point = point_at(points, Txid{file.max_txid.value - 1});
  return point && point->txid.next() >= file.min_txid;
}

// What level 1 holds without a hole, as ranges in ascending order.
std::vector<std::pair<Txid, Txid>> covered_ranges(const Files& files) {
  Files level_1 = select(files, [](const LtxFileInfo& file) { return file.level == 1; });
  std::sort(level_1.begin(), level_1.end(),
            [](const auto& a, const auto& b) { return a.min_txid < b.min_txid; });
  std::vector<std::pair<Txid, Txid>> ranges;
  for (const LtxFileInfo& file : level_1) {
    if (!ranges.empty() && file.min_txid <= ranges.back().second.next()) {
      ranges.back().second = std::max(ranges.back().second, file.max_txid);
    } else {
      ranges.emplace_back(file.min_txid, file.max_txid);
    }
  }
  return ranges;
}

bool is_covered(const std::vector<std::pair<Txid, Txid>>& ranges, const LtxFileInfo& file) {
  const auto after = std::upper_bound(ranges.begin(), ranges.end(), file.min_txid,
                                      [](Txid at, const auto& range) { return at < range.first; });
  return after != ranges.begin() && std::prev(after)->second >= file.max_txid;
}

// Whole databases first, then from the oldest on: however much of it gets done, there is no hole
// behind the earliest point that is left.
void order_removal(Files& files) {
  std::sort(files.begin(), files.end(), [](const LtxFileInfo& a, const LtxFileInfo& b) {
    return std::tuple(!is_whole(a), a.max_txid, a.level) <
           std::tuple(!is_whole(b), b.max_txid, b.level);
  });
}

}  // namespace

void TxidHistory::note(int64_t monotonic_ms, Txid newest) {
  if (!entries_.empty()) {
    Entry& last = entries_.back();
    if (newest <= last.newest) return;
    const size_t count = entries_.size();
    if (count > 1 && last.at_ms - entries_[count - 2].at_ms < step_ms_) {
      // What the last entry stood for is taken for younger than it is.
      last = {monotonic_ms, newest};
      return;
    }
  }
  entries_.push_back({monotonic_ms, newest});
  // The newest of those that are old enough says all about them.
  while (entries_.size() > 1 && entries_[1].at_ms <= monotonic_ms - span_ms_) entries_.pop_front();
}

void TxidHistory::seed(int64_t monotonic_ms, std::span<const LtxFileInfo> files,
                       int64_t step_max_ms) {
  Files sorted(files.begin(), files.end());
  std::sort(sorted.begin(), sorted.end(),
            [](const auto& a, const auto& b) { return a.max_txid > b.max_txid; });
  std::vector<Entry> backwards;
  int64_t age_ms = 0;
  int64_t later_ms = INT64_MAX;  // no file is from later than one with a newer TXID
  for (const LtxFileInfo& file : sorted) {
    const int64_t time_ms = std::min(later_ms, clamp_time(file.created_at_ms));
    if (later_ms != INT64_MAX) age_ms += std::min(later_ms - time_ms, step_max_ms);
    later_ms = time_ms;
    backwards.push_back({monotonic_ms - age_ms, file.max_txid});
    if (age_ms >= span_ms_) break;
  }
  for (size_t i = backwards.size(); i-- > 0;) note(backwards[i].at_ms, backwards[i].newest);
}

Txid TxidHistory::old_enough(int64_t monotonic_ms) const {
  Txid old;
  for (const Entry& entry : entries_) {
    if (entry.at_ms > monotonic_ms - span_ms_) break;
    old = entry.newest;
  }
  return old;
}

int64_t TxidHistory::next_change_ms(int64_t monotonic_ms) const {
  for (const Entry& entry : entries_) {
    if (entry.at_ms > monotonic_ms - span_ms_) return entry.at_ms + span_ms_;
  }
  return INT64_MAX;
}

namespace {

// What the oldest point that is asked for is restored from: the newest whole database at or before
// `edge`.
LtxFileInfo find_base(const Files& usable, Txid edge) {
  LtxFileInfo base;
  for (const LtxFileInfo& file : usable) {
    if (!is_whole(file) || file.max_txid > edge) continue;
    const bool is_newer = file.max_txid > base.max_txid;
    if (is_newer || (file.max_txid == base.max_txid && file.level > base.level)) base = file;
  }
  return base;
}

}  // namespace

RetentionDecision decide_snapshot_retention(const RetentionView& view, Txid old_enough,
                                            Txid settled) {
  const Files usable = usable_files(view);
  const std::vector<RestorePoint> points = points_ascending(usable);
  RetentionDecision decision;
  // The state at the very edge of the retention is that of the newest point before it.
  const auto edge = point_at(points, old_enough);
  if (edge) decision.base = find_base(usable, edge->txid);
  const Txid base = decision.base.max_txid;
  Txid whole_end;  // up to here a whole database stands for whatever has a hole
  for (const LtxFileInfo& file : usable) {
    if (is_whole(file)) whole_end = std::max(whole_end, file.max_txid);
  }
  const auto newest = newest_of_levels(view.files);
  for (const LtxFileInfo& file : view.files) {
    if (file.level < 0 || file.level > kLevelMax) continue;
    if (is_whole(file)) {
      if (file.max_txid < base) decision.remove.push_back(file);
      continue;
    }
    if (file.max_txid == newest[static_cast<size_t>(file.level)]) continue;
    const bool is_damaged = view.is_unusable && view.is_unusable(file);
    const bool is_useless =
        file.max_txid <= whole_end && (is_damaged || !is_reachable(points, file));
    if (is_useless) ++decision.useless_count;
    if (file.max_txid <= base || (is_useless && file.max_txid <= settled)) {
      decision.remove.push_back(file);
    }
  }
  order_removal(decision.remove);
  limit(&decision, view);
  keep_points(usable, &decision, [&](const RestorePoint& point) { return point.txid < base; });
  return decision;
}

RetentionDecision decide_level_0_retention(const RetentionView& view, Txid old_enough) {
  RetentionDecision decision;
  const Files usable = usable_files(view);
  const auto ranges = covered_ranges(usable);
  const Txid newest = newest_of_levels(view.files)[0];
  for (const LtxFileInfo& file : view.files) {
    if (file.level != 0 || is_whole(file) || file.max_txid == newest) continue;
    if (file.max_txid <= old_enough && is_covered(ranges, file)) decision.remove.push_back(file);
  }
  order_removal(decision.remove);
  limit(&decision, view);
  std::vector<Txid> ends;  // points of higher levels
  for (const LtxFileInfo& file : usable) {
    if (file.level > 0) ends.push_back(file.max_txid);
  }
  std::sort(ends.begin(), ends.end());
  keep_points(usable, &decision, [&](const RestorePoint& point) {
    const bool is_of_level_0 = !std::binary_search(ends.begin(), ends.end(), point.txid);
    return is_of_level_0 && point.txid <= old_enough;
  });
  return decision;
}

Result<size_t> remove_files(LtxStore& store, std::span<const LtxFileInfo> files, Status* denied) {
  *denied = {};
  if (files.empty()) return size_t{0};
  LS_ASSIGN_OR_RETURN(const Files remaining, store.remove(files, denied));
  if (!remaining.empty() && denied->ok()) *denied = io_error("the store kept them");
  return files.size() - remaining.size();
}

}  // namespace litestream
