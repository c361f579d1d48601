#include "ext/engine/restore.h"

#include <algorithm>
#include <memory>
#include <optional>
#include <set>
#include <tuple>
#include <vector>

#include "ext/engine/plan_times.h"
#include "ext/engine/restore_output.h"
#include "ext/engine/restore_pins.h"

namespace litestream {
namespace {

// Ways to one point that are tried before the first error is reported.
constexpr int kPlansMax = 16;
constexpr int64_t kFirstWaitMs = 200;

// One restore: tries plans until one works.
class Restore {
 public:
  Restore(LtxStore& store, FileSystem& fs, const RestoreOptions& options)
      : store_(store), fs_(fs), options_(options) {}

  Result<RestoreResult> run(const RestoreTarget& target, const std::string& output);

 private:
  using FileKey = std::tuple<int, Txid, Txid>;
  static FileKey key_of(const LtxFileInfo& f) { return {f.level, f.min_txid, f.max_txid}; }
  Status list_files();
  Status make_plan(const RestoreTarget& target);
  Result<std::unique_ptr<RestoreOutput>> write_output(const std::string& path);
  Status replan(const StreamFailure& failure, const Status& first);
  bool wait_for_store();
  bool is_cancelled() const { return options_.stream.cancelled && options_.stream.cancelled(); }

  LtxStore& store_;
  FileSystem& fs_;
  const RestoreOptions& options_;
  std::vector<LtxFileInfo> files_;
  std::set<FileKey> unusable_;
  RestorePlan plan_;
  StreamResult streamed_;
  RestorePins::Pin pin_;  // of the plan's files
  int64_t waited_ms_ = 0;
  int64_t next_wait_ms_ = kFirstWaitMs;
};

Status Restore::list_files() {
  LS_ASSIGN_OR_RETURN(files_, list_watched(store_, options_.stream));
  std::erase_if(files_, [&](const LtxFileInfo& f) { return unusable_.contains(key_of(f)); });
  return {};
}

Status Restore::make_plan(const RestoreTarget& target) {
  LS_ASSIGN_OR_RETURN(plan_, list_and_plan(store_, target, options_.stream, &files_));
  pin_ = restore_pins().pin(store_.url(), plan_.files);
  return {};
}

bool has_alternative(const Status& status) {
  return status.code() == StatusCode::kCorrupt || status.code() == StatusCode::kNotFound ||
         status.code() == StatusCode::kPositionMismatch;
}

// Some stores list a file for seconds before they hand it out. False: no patience left.
bool Restore::wait_for_store() {
  const int64_t wait_ms = std::min(next_wait_ms_, options_.store_lag_ms - waited_ms_);
  if (wait_ms <= 0) return false;
  options_.sleeper->sleep_ms(wait_ms, options_.stream.cancelled);
  waited_ms_ += wait_ms;
  next_wait_ms_ *= 2;
  return true;
}

// Another way to the same point, without the file that failed; `first` if there is none.
Status Restore::replan(const StreamFailure& failure, const Status& first) {
  const LtxFileInfo culprit = plan_.files[*failure.file_index];
  const int64_t created_at_ms = plan_.created_at_ms;
  unusable_.insert(key_of(culprit));
  // Retention or compaction may have moved on since the listing.
  LS_RETURN_IF_ERROR(list_files());
  auto other = plan_restore(files_, RestoreTarget::at_txid(plan_.txid));
  if (!other.ok()) {
    if (failure.status.code() != StatusCode::kNotFound || !wait_for_store()) return first;
    if (is_cancelled()) return cancelled("interrupted");
    unusable_.erase(key_of(culprit));
    LS_RETURN_IF_ERROR(list_files());
    other = plan_restore(files_, RestoreTarget::at_txid(plan_.txid));
    if (!other.ok()) return first;
  }
  plan_ = std::move(other).value();
  plan_.created_at_ms = created_at_ms;
  pin_ = restore_pins().pin(store_.url(), plan_.files);
  return {};
}

Result<std::unique_ptr<RestoreOutput>> Restore::write_output(const std::string& path) {
  const uint64_t direct_from_bytes = options_.check ? UINT64_MAX : options_.direct_from_bytes;
  Status first;
  for (int attempt = 0; attempt < kPlansMax; ++attempt) {
    LS_ASSIGN_OR_RETURN(auto output, RestoreOutput::create(fs_, path, direct_from_bytes));
    output->set_editor(options_.edit_page_one);
    StreamFailure failure;
    const auto streamed =
        stream_database_blocks(store_, plan_, *output, fs_, path, options_.stream, &failure);
    if (streamed.ok()) {
      streamed_ = *streamed;
      return output;
    }
    if (!has_alternative(failure.status)) return failure.status;
    if (first.ok()) first = failure.status;
    if (!failure.file_index) return first;
    LS_RETURN_IF_ERROR(replan(failure, first));
  }
  return first;
}

Result<RestoreResult> Restore::run(const RestoreTarget& target, const std::string& output) {
  LS_ASSIGN_OR_RETURN(const std::string path, prepare_output(fs_, output, options_.overwrite));
  LS_RETURN_IF_ERROR(make_plan(target));
  LS_ASSIGN_OR_RETURN(const auto file, write_output(path));
  const RestoredDatabase restored{plan_.txid, plan_.created_at_ms, streamed_.shape,
                                  streamed_.checksum, file->path()};
  LS_RETURN_IF_ERROR(publish_output(fs_, *file, path, options_, &restored));
  return RestoreResult{output, plan_.txid, plan_.created_at_ms, file->size_bytes()};
}

}  // namespace

Result<RestoreResult> restore_database(LtxStore& store, FileSystem& fs, const RestoreTarget& target,
                                       const std::string& output, const RestoreOptions& options) {
  Restore restore(store, fs, options);
  return restore.run(target, output);
}

}  // namespace litestream
