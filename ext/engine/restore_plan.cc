#include "ext/engine/restore_plan.h"

#include <algorithm>
#include <optional>
#include <string>
#include <tuple>

#include "ext/base/clock.h"
#include "ext/base/limits.h"

namespace litestream {
namespace {

using Files = std::vector<LtxFileInfo>;

bool is_usable(const LtxFileInfo& file) {
  if (file.level < 0 || file.level > kLevelMax) return false;
  if (file.min_txid.value == 0 || file.max_txid < file.min_txid) return false;
  if (file.max_txid.value == UINT64_MAX) return false;  // nothing could follow; next() would wrap
  return file.level != kSnapshotLevel || file.min_txid == Txid{1};
}

template <typename Keep>
Files select(std::span<const LtxFileInfo> files, Keep keep) {
  Files out;
  out.reserve(files.size());
  for (const LtxFileInfo& file : files) {
    if (is_usable(file) && keep(file)) out.push_back(file);
  }
  return out;
}

std::string describe_range(Txid first, Txid last) {
  return format_txid(first) + ".." + format_txid(last);
}

// Restorable points, oldest first. Of a chain only its furthest point matters: whatever continues
// an earlier one also continues the furthest below it.
std::vector<RestorePoint> points_ascending(Files files) {
  std::sort(files.begin(), files.end(), [](const LtxFileInfo& a, const LtxFileInfo& b) {
    return std::tie(a.max_txid, a.level, a.created_at_ms) <
           std::tie(b.max_txid, b.level, b.created_at_ms);
  });
  std::vector<RestorePoint> points;
  Txid reached;  // furthest point below the group
  for (size_t i = 0; i < files.size();) {
    const LtxFileInfo& first = files[i];
    bool restorable = false;
    for (; i < files.size() && files[i].max_txid == first.max_txid; ++i) {
      restorable |= files[i].min_txid <= reached.next();
    }
    if (!restorable) continue;
    points.push_back({first.max_txid, first.created_at_ms, first.level});
    reached = first.max_txid;
  }
  return points;
}

// The points around `txid`, itself excluded.
struct Neighbours {
  std::optional<RestorePoint> before;
  std::optional<RestorePoint> after;
};
Neighbours neighbours_of(const std::vector<RestorePoint>& points, Txid txid) {
  Neighbours out;
  for (const RestorePoint& point : points) {
    if (point.txid < txid) out.before = point;
    if (point.txid > txid && !out.after) out.after = point;
  }
  return out;
}

std::string extent_text(const std::vector<RestorePoint>& points) {
  if (points.empty()) return "no point of this replica can be restored";
  return "earliest restorable point is " + describe_point(points.front()) + ", latest is " +
         describe_point(points.back());
}

std::string neighbour_text(const Neighbours& around, auto describe) {
  if (around.before && around.after) {
    return "use " + describe(*around.before) + " or " + describe(*around.after);
  }
  if (around.before) return "use " + describe(*around.before);
  if (around.after) return "use " + describe(*around.after);
  return "no point of this replica can be restored";
}

// Whether a raw or compacted file leads from `have` beyond `target`: then nothing is missing, the
// points between were given up when the file was compacted.
const LtxFileInfo* find_spanning(const Files& files, Txid have, Txid target, int level_max) {
  const LtxFileInfo* found = nullptr;
  for (const LtxFileInfo& file : files) {
    if (file.level > level_max || file.min_txid > have.next() || file.max_txid <= target) continue;
    if (found == nullptr || file.level < found->level) found = &file;
  }
  return found;
}

// The first raw or compacted file after `have` that does not continue it and starts at or before
// `last`: the proof that something between is missing.
const LtxFileInfo* find_orphan(const Files& files, Txid have, Txid last) {
  const LtxFileInfo* found = nullptr;
  for (const LtxFileInfo& file : files) {
    if (file.level > kCompactionLevelMax || file.min_txid <= have.next()) continue;
    if (file.min_txid > last) continue;
    if (found == nullptr || file.min_txid < found->min_txid) found = &file;
  }
  return found;
}

std::string missing_text(Txid have, const LtxFileInfo& orphan) {
  std::string text = "no file of the replica holds " +
                     describe_range(have.next(), Txid{orphan.min_txid.value - 1});
  if (have.value == 0) text += " and there is no snapshot";
  return text;
}

// Of one level: the TXIDs after `have` that no file holds although files before and after them show
// that there was one. Retention takes a level's oldest files first and so leaves no hole; what it
// leaves of the levels from 1 up goes back to the oldest whole database.
std::optional<RestoreGap> find_hole(const Files& files, int level, Txid have) {
  std::optional<Txid> before;  // end of the nearest file at or before `have`
  std::optional<Txid> after;   // start of the nearest file behind
  for (const LtxFileInfo& file : files) {
    const bool is_whole = file.min_txid == Txid{1};
    if (level > 0 && is_whole && file.max_txid <= have)
      before = std::max(before.value_or(Txid{}), file.max_txid);
    if (file.level != level || (level == 0 && is_whole)) continue;
    if (file.min_txid > have.next()) {
      after = after ? std::min(*after, file.min_txid) : file.min_txid;
    } else if (file.max_txid > have) {
      return std::nullopt;
    } else {
      before = std::max(before.value_or(Txid{}), file.max_txid);
    }
  }
  if (!before || !after) return std::nullopt;
  return RestoreGap{before->next(), Txid{after->value - 1}};
}

// Why `target` is not among `points`, the restorable points of `files`.
Status unreachable_status(const Files& files, Txid target,
                          const std::vector<RestorePoint>& points) {
  const Neighbours around = neighbours_of(points, target);
  const Txid have = around.before ? around.before->txid : Txid{};
  Txid newest;
  for (const LtxFileInfo& file : files) newest = std::max(newest, file.max_txid);
  const LtxFileInfo* span = find_spanning(files, have, target, kCompactionLevelMax);
  const LtxFileInfo* orphan = nullptr;
  if (span == nullptr) orphan = find_orphan(files, have, target);
  if (span == nullptr && orphan == nullptr) {
    span = find_spanning(files, have, target, kSnapshotLevel);
  }
  if (span != nullptr) {
    const auto describe = [](const RestorePoint& point) { return format_txid(point.txid); };
    return invalid_argument(
        format_txid(target) + " lies inside " + describe_range(span->min_txid, span->max_txid) +
        ": " + neighbour_text(around, describe) + "; `restore-granularity: commit` keeps each");
  }
  if (orphan == nullptr && target < newest) orphan = find_orphan(files, have, newest);
  if (orphan != nullptr) {
    return not_found("cannot restore " + format_txid(target) + ": " + missing_text(have, *orphan) +
                     "; " + neighbour_text(around, describe_point));
  }
  return invalid_argument("TXID " + format_txid(target) + " is not in the replica; " +
                          extent_text(points));
}

// The chain to `target`: the newest whole database, then always the file that reaches furthest.
// nullopt: a gap.
std::optional<RestorePlan> build_chain(const Files& files, Txid target) {
  Files candidates =
      select(files, [&](const LtxFileInfo& file) { return file.max_txid <= target; });
  std::sort(candidates.begin(), candidates.end(), [](const auto& a, const auto& b) {
    return std::tie(a.min_txid, a.max_txid, a.level) < std::tie(b.min_txid, b.max_txid, b.level);
  });
  RestorePlan plan;
  const LtxFileInfo* best = nullptr;
  size_t i = 0;
  while (plan.txid < target) {
    for (; i < candidates.size() && candidates[i].min_txid <= plan.txid.next(); ++i) {
      const LtxFileInfo& file = candidates[i];
      const bool further = best == nullptr || file.max_txid > best->max_txid;
      // Equal ends: the smaller min_txid came first in the order; then the higher level wins.
      const bool equal =
          best != nullptr && file.max_txid == best->max_txid && file.min_txid == best->min_txid;
      if (further || equal) best = &file;
    }
    if (best == nullptr || best->max_txid <= plan.txid) return std::nullopt;
    plan.files.push_back(*best);
    plan.txid = best->max_txid;
    plan.size_bytes += best->size_bytes;
  }
  return plan;
}

Result<RestorePlan> plan_txid(const Files& files, const RestorePoint& point) {
  std::optional<RestorePlan> plan = build_chain(files, point.txid);
  if (!plan) return internal_error("restore plan: a restorable point has no chain");
  plan->created_at_ms = point.created_at_ms;
  return std::move(*plan);
}

Status ambiguous_time(int64_t time_ms, const std::vector<RestorePoint>& points) {
  return invalid_argument("timestamp " + format_rfc3339_ms(time_ms) +
                          " is ambiguous because the clock was set back: a later transaction has " +
                          "an earlier time; restore by TXID; " + extent_text(points));
}

// No point lies within the time.
Status before_first(int64_t time_ms, const std::vector<RestorePoint>& points) {
  const auto is_within = [&](const RestorePoint& p) { return p.created_at_ms <= time_ms; };
  if (std::any_of(points.begin(), points.end(), is_within)) return ambiguous_time(time_ms, points);
  const auto first = std::min_element(
      points.begin(), points.end(),
      [](const auto& a, const auto& b) { return a.created_at_ms < b.created_at_ms; });
  return invalid_argument("timestamp " + format_rfc3339_ms(time_ms) +
                          " is before the first backup, " +
                          format_rfc3339_ms(first->created_at_ms) +
                          "; earliest restorable point is " + describe_point(*first));
}

// Between `chosen` and the point after it, `next`, a higher level leads across. Finer points
// between were given up when their level was compacted and expired, unless a hole in that level
// shows that a file of it is missing.
Status check_finer_levels(const Files& all, const RestorePoint& chosen, const RestorePoint& next,
                          int64_t time_ms) {
  if (chosen.txid.next() == next.txid || time_ms == chosen.created_at_ms) return {};
  const LtxFileInfo* span = find_spanning(all, chosen.txid, chosen.txid, kCompactionLevelMax);
  const int end = span == nullptr ? kCompactionLevelMax + 1 : span->level;
  for (int level = 0; level < end; ++level) {
    const auto hole = find_hole(all, level, chosen.txid);
    if (!hole) continue;
    return not_found("no file of level " + std::to_string(level) + " holds " +
                     describe_range(hole->first, hole->last) + ", which may be what timestamp " +
                     format_rfc3339_ms(time_ms) + " asks for; use " + describe_point(chosen) +
                     " or " + describe_point(next));
  }
  return {};
}

// Whether `chosen`, the furthest point within the time, really is the state at `time_ms`, as far as
// all files tell.
Status check_time_is_clear(const Files& all, const std::vector<RestorePoint>& all_points,
                           const RestorePoint& chosen, int64_t time_ms) {
  const Neighbours around = neighbours_of(all_points, chosen.txid);
  const Txid next = around.after ? around.after->txid : Txid{UINT64_MAX};
  const bool is_continued =
      find_spanning(all, chosen.txid, chosen.txid, kCompactionLevelMax) != nullptr;
  const LtxFileInfo* orphan = is_continued ? nullptr : find_orphan(all, chosen.txid, next);
  // What is missing was committed after `chosen` and before the orphan.
  if (orphan != nullptr && (time_ms > chosen.created_at_ms || orphan->created_at_ms <= time_ms)) {
    return not_found(missing_text(chosen.txid, *orphan) + ", which may be what timestamp " +
                     format_rfc3339_ms(time_ms) + " asks for; use " + describe_point(chosen) +
                     (around.after ? " or " + describe_point(*around.after) : ""));
  }
  if (around.after) {
    LS_RETURN_IF_ERROR(check_finer_levels(all, chosen, *around.after, time_ms));
  }
  // Compaction may have left a way past a point that is later than the time.
  for (const RestorePoint& point : all_points) {
    if (point.txid < chosen.txid && point.created_at_ms > time_ms) {
      return ambiguous_time(time_ms, all_points);
    }
  }
  for (const LtxFileInfo& file : all) {
    if (file.max_txid <= chosen.txid || file.created_at_ms > time_ms) continue;
    // Raw files that retention has not reached yet, inside a range that is later than the time.
    const bool is_inside =
        around.after && file.max_txid < next && around.after->created_at_ms > time_ms;
    if (!is_inside) return ambiguous_time(time_ms, all_points);
  }
  return {};
}

Result<RestorePlan> plan_time(const Files& all, const std::vector<RestorePoint>& all_points,
                              int64_t time_ms) {
  const Files reach =
      select(all, [&](const LtxFileInfo& file) { return file.created_at_ms <= time_ms; });
  const std::vector<RestorePoint> points = points_ascending(reach);
  if (points.empty()) return before_first(time_ms, all_points);
  LS_RETURN_IF_ERROR(check_time_is_clear(all, all_points, points.back(), time_ms));
  return plan_txid(reach, points.back());
}

}  // namespace

std::string describe_point(const RestorePoint& point) {
  return format_txid(point.txid) + " (" + format_rfc3339_ms(point.created_at_ms) + ")";
}

Result<RestorePlan> plan_restore(std::span<const LtxFileInfo> files, const RestoreTarget& target) {
  const Files all = select(files, [](const LtxFileInfo&) { return true; });
  if (all.empty()) return not_found("the replica holds no backup");
  const std::vector<RestorePoint> points = points_ascending(all);
  Txid newest;
  for (const LtxFileInfo& file : all) newest = std::max(newest, file.max_txid);
  if (points.empty()) return unreachable_status(all, newest, points);
  if (target.kind == RestoreTarget::Kind::kTime) return plan_time(all, points, target.time_ms);
  const Txid txid = target.kind == RestoreTarget::Kind::kNewest ? newest : target.txid;
  const auto point = std::lower_bound(points.begin(), points.end(), txid,
                                      [](const auto& p, Txid at) { return p.txid < at; });
  if (point == points.end() || point->txid != txid) return unreachable_status(all, txid, points);
  return plan_txid(all, *point);
}

std::vector<RestorePoint> restore_points(std::span<const LtxFileInfo> files) {
  std::vector<RestorePoint> points =
      points_ascending(select(files, [](const LtxFileInfo&) { return true; }));
  std::reverse(points.begin(), points.end());
  return points;
}

std::vector<RestoreGap> restore_gaps(std::span<const LtxFileInfo> files) {
  const Files all = select(files, [](const LtxFileInfo&) { return true; });
  std::vector<RestorePoint> points = points_ascending(all);
  if (points.empty()) points.push_back({});
  Files steps = select(all, [](const LtxFileInfo& f) { return f.level <= kCompactionLevelMax; });
  std::sort(steps.begin(), steps.end(),
            [](const auto& a, const auto& b) { return a.min_txid < b.min_txid; });
  std::vector<RestoreGap> gaps;
  size_t i = 0;
  Txid furthest;  // of the files that start at or before the point's successor
  for (size_t p = 0; p < points.size(); ++p) {
    const Txid have = points[p].txid;
    const Txid next = p + 1 < points.size() ? points[p + 1].txid : Txid{UINT64_MAX};
    for (; i < steps.size() && steps[i].min_txid <= have.next(); ++i) {
      furthest = std::max(furthest, steps[i].max_txid);
    }
    const bool is_continued = furthest > have;
    if (is_continued || i == steps.size() || steps[i].min_txid > next) continue;
    gaps.push_back({have.next(), Txid{steps[i].min_txid.value - 1}});
  }
  return gaps;
}

}  // namespace litestream
