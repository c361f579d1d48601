#include "ext/engine/verify_deep.h"

#include <algorithm>

#include "ext/base/limits.h"
#include "ext/engine/plan_times.h"
#include "ext/engine/restore.h"
#include "ext/engine/restore_pins.h"

namespace litestream {
namespace {

constexpr size_t kPagesNamedMax = 10;
constexpr int kPlansMax = 4;

bool is_finding(const Status& status) {
  return status.code() == StatusCode::kCorrupt || status.code() == StatusCode::kNotFound ||
         status.code() == StatusCode::kPositionMismatch ||
         status.code() == StatusCode::kInvalidArgument;
}

// Compares each page of a restore with what is known of it.
class LiveComparer final : public PageSink {
 public:
  explicit LiveComparer(const PageSums& live) : live_(live) {}

  Status begin(const DatabaseShape& shape) override {
    if (shape.page_size != live_.page_size_bytes()) {
      return position_mismatch("the replica has pages of " + std::to_string(shape.page_size) +
                               " bytes, the database of " +
                               std::to_string(live_.page_size_bytes()));
    }
    page_count_ = shape.page_count;
    return {};
  }
  Status add_page(Pgno pgno, Bytes, Checksum checksum) override {
    if (pgno <= live_.page_count() && live_.sum_of(pgno) == checksum) return {};
    ++different_count_;
    if (named_.size() < kPagesNamedMax) named_.push_back(pgno);
    return {};
  }
  std::vector<std::string> findings() {
    std::vector<std::string> out;
    const std::string at = " at " + format_txid(live_.txid());
    if (page_count_ != live_.page_count()) {
      out.push_back("the replica has " + std::to_string(page_count_) + " pages" + at +
                    ", the database " + std::to_string(live_.page_count()));
    }
    if (different_count_ == 0) return out;
    std::sort(named_.begin(), named_.end());
    std::string pages;
    for (const Pgno pgno : named_) pages += (pages.empty() ? "" : ", ") + std::to_string(pgno);
    out.push_back(std::to_string(different_count_) + " pages" + at +
                  " are not what the database has: " + pages +
                  (different_count_ > named_.size() ? ", ..." : ""));
    return out;
  }

 private:
  const PageSums& live_;
  uint32_t page_count_ = 0;
  uint64_t different_count_ = 0;
  std::vector<Pgno> named_;
};

}  // namespace

std::vector<Txid> deep_points(std::span<const LtxFileInfo> files) {
  std::vector<Txid> bases;
  for (const int level : {kSnapshotLevel, -1}) {
    for (const LtxFileInfo& file : files) {
      const bool is_base = file.min_txid == Txid{1} && (level < 0 || file.level == level);
      if (is_base) bases.push_back(file.max_txid);
    }
    if (!bases.empty()) break;
  }
  std::sort(bases.begin(), bases.end());
  bases.erase(std::unique(bases.begin(), bases.end()), bases.end());
  const std::vector<RestorePoint> points = restore_points(files);  // newest first
  std::vector<Txid> chosen;
  for (size_t i = 0; i < bases.size(); ++i) {
    const Txid end = i + 1 < bases.size() ? bases[i + 1] : Txid{UINT64_MAX};
    const auto newest = std::find_if(points.begin(), points.end(),
                                     [&](const RestorePoint& point) { return point.txid < end; });
    if (newest != points.end() && newest->txid >= bases[i]) chosen.push_back(newest->txid);
  }
  return chosen;
}

Result<std::vector<std::string>> verify_deep(
    LtxStore& store, FileSystem& fs, const std::string& scratch_path,
    const std::function<Status(const std::string& path)>& check, const StreamOptions& options,
    size_t* restored_count) {
  LS_ASSIGN_OR_RETURN(const auto files, list_watched(store, options));
  std::vector<std::string> findings;
  if (restored_count != nullptr) *restored_count = 0;
  for (const Txid txid : deep_points(files)) {
    RestoreOptions restore;
    restore.stream = options;
    restore.check = check;
    const auto restored =
        restore_database(store, fs, RestoreTarget::at_txid(txid), scratch_path, restore);
    if (restored_count != nullptr) ++*restored_count;
    if (restored.ok()) {
      LS_RETURN_IF_ERROR(fs.remove(scratch_path));
      continue;
    }
    if (!is_finding(restored.status())) return restored.status();
    // Retention may have taken the point since the listing.
    LS_ASSIGN_OR_RETURN(const auto now, list_watched(store, options));
    const auto points = deep_points(now);
    const bool is_gone = std::find(points.begin(), points.end(), txid) == points.end();
    if (!is_gone) {
      findings.push_back("restore " + format_txid(txid) + ": " + restored.status().message());
    }
  }
  return findings;
}

Result<PageSums> sum_live_database(SourceReader& reader, Txid txid, const CancelCheck& cancel) {
  LS_ASSIGN_OR_RETURN(auto pages, SnapshotPages::open(reader));
  LS_ASSIGN_OR_RETURN(PageSums sums, sum_pages(pages, cancel));
  sums.set_txid(txid);
  return sums;
}

Result<std::vector<std::string>> compare_with_live(LtxStore& store, const PageSums& live,
                                                   const StreamOptions& options) {
  for (int attempt = 1;; ++attempt) {
    LS_ASSIGN_OR_RETURN(const auto files, list_watched(store, options));
    LS_ASSIGN_OR_RETURN(const RestorePlan plan,
                        plan_restore(files, RestoreTarget::at_txid(live.txid())));
    const RestorePins::Pin pin = restore_pins().pin(store.url(), plan.files);
    LiveComparer comparer(live);
    StreamFailure failure;
    const auto streamed = stream_database(store, plan, comparer, options, &failure);
    if (streamed.ok()) return comparer.findings();
    // Retention, also of another process, may have taken a file since the listing.
    const bool is_gone = failure.status.code() == StatusCode::kNotFound && failure.file_index;
    if (!is_gone || attempt == kPlansMax) return streamed.status();
  }
}

}  // namespace litestream
