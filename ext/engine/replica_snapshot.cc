#include "ext/engine/replica_snapshot.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "ext/engine/upload.h"
#include "ext/ltx/checksum.h"

namespace litestream {
namespace {

// Bytes per microsecond, that is MB/s, orders of magnitude only: a page cache or a disk, LZ4 at the
// snapshot's acceleration on the database's own bytes, decompressing and summing, and a line.
constexpr uint64_t kLocalBytesPerUs = 800;
constexpr uint64_t kCompressBytesPerUs = 380;
constexpr uint64_t kMergeBytesPerUs = 900;
constexpr uint64_t kDownloadBytesPerUs = 40;
constexpr uint64_t kLocalOpenUs = 30;
constexpr uint64_t kRemoteRequestUs = 30'000;

// One snapshot.
class SnapshotMerge {
 public:
  SnapshotMerge(LtxStore& replica, LocalCopies& local, const JobControl& control)
      : replica_(replica),
        control_(control),
        inputs_(replica, local, control.cancel),
        encoder_(control.acceleration) {}
  Result<LtxFileInfo> run(const RestorePlan& plan);
  const std::optional<LtxFileInfo>& culprit() const { return culprit_; }

 private:
  Status add_all(const RestorePlan& plan);
  Status write_once(const MergePlan& merge, const LtxFileInfo& info);
  Status find_damaged(const Status& status);

  LtxStore& replica_;
  const JobControl& control_;
  MergeInputs inputs_;
  std::vector<LtxContents> contents_;
  LtxEncoder encoder_;
  bool name_was_taken_ = false;
  std::optional<LtxFileInfo> culprit_;
};

Status SnapshotMerge::add_all(const RestorePlan& plan) {
  for (const LtxFileInfo& file : plan.files) {
    LS_ASSIGN_OR_RETURN(LtxContents contents,
                        inputs_.add(file, MergeInputs::Check::kIndex, &culprit_));
    contents_.push_back(std::move(contents));
  }
  if (contents_.back().header.chain.known) return {};
  // No checksum of the whole to compare with: each part must prove itself.
  for (size_t i = 0; i < inputs_.count(); ++i) {
    const Status sound = inputs_.verify(i);
    if (sound.code() == StatusCode::kCorrupt) culprit_ = inputs_.file(i);
    LS_RETURN_IF_ERROR(sound);
  }
  return {};
}

// The whole is wrong; says which part.
Status SnapshotMerge::find_damaged(const Status& status) {
  for (size_t i = 0; i < inputs_.count(); ++i) {
    const Status sound = inputs_.verify(i);
    if (sound.ok()) continue;
    if (sound.code() == StatusCode::kCorrupt) culprit_ = inputs_.file(i);
    return sound;
  }
  return status;
}

Status SnapshotMerge::write_once(const MergePlan& merge, const LtxFileInfo& info) {
  LS_ASSIGN_OR_RETURN(auto writer, replica_.create(info));
  Checksum database = 0;
  const Status written = write_merged(merge, inputs_, encoder_, *writer, control_, &database);
  if (written.code() == StatusCode::kCorrupt) return find_damaged(written);
  LS_RETURN_IF_ERROR(written);
  const ChainChecksum& chain = merge.header().chain;
  if (chain.known && (chain.after | kChecksumFlag) != database) {
    return find_damaged(corrupt("the database at " + format_txid(info.max_txid) +
                                " does not have the checksum its last file promises"));
  }
  LS_RETURN_IF_ERROR(control_.ask_to_publish());
  const Status committed = writer->commit();
  name_was_taken_ = committed.code() == StatusCode::kAlreadyExists;
  return committed;
}

Result<LtxFileInfo> SnapshotMerge::run(const RestorePlan& plan) {
  LS_RETURN_IF_ERROR(add_all(plan));
  LS_ASSIGN_OR_RETURN(const MergePlan merge, MergePlan::create(std::move(contents_)));
  LtxFileInfo info{kSnapshotLevel, Txid{1}, plan.txid, 0, merge.header().timestamp};
  LS_RETURN_IF_ERROR(replace_if_damaged(
      replica_, info, [&] { return write_once(merge, info); }, control_.may_publish));
  info.size_bytes = encoder_.size_bytes();
  if (name_was_taken_) {
    LS_ASSIGN_OR_RETURN(const auto reader, replica_.open(info));
    LS_ASSIGN_OR_RETURN(info.size_bytes, reader->size_bytes());
  }
  return info;
}

uint64_t duration_us(uint64_t bytes, uint64_t bytes_per_us) { return bytes / bytes_per_us; }

}  // namespace

SnapshotCosts estimate_snapshot(const SnapshotCostInput& input) {
  SnapshotCosts costs{UINT64_MAX, UINT64_MAX};
  if (input.database_bytes > 0) {
    costs.read_us = duration_us(input.database_bytes, kLocalBytesPerUs) +
                    duration_us(input.database_bytes, kCompressBytesPerUs);
  }
  if (input.plan == nullptr || input.plan->files.size() > kSnapshotFilesMax) return costs;
  const uint64_t total = input.plan->size_bytes;
  const uint64_t spooled = std::min(input.spooled_bytes, total);
  const uint64_t remote = input.replica_is_local ? 0 : total - spooled;
  const uint64_t file_us = input.replica_is_local ? kLocalOpenUs : kRemoteRequestUs;
  costs.merge_us = duration_us(total - remote, kLocalBytesPerUs) +
                   duration_us(total, kMergeBytesPerUs) + duration_us(remote, kDownloadBytesPerUs) +
                   input.plan->files.size() * file_us;
  return costs;
}

Result<LtxFileInfo> write_replica_snapshot(LtxStore& replica, LocalCopies& local,
                                           std::span<const LtxFileInfo> files, Txid txid,
                                           const JobControl& control, CompactionFailure* failure) {
  const std::string context = "snapshot " + format_txid(txid);
  auto plan = plan_restore(files, RestoreTarget::at_txid(txid));
  if (!plan.ok()) return plan.status().with_context(context);
  if (plan->files.size() == 1 && plan->files[0].level == kSnapshotLevel) return plan->files[0];
  if (plan->files.size() > kSnapshotFilesMax) {
    return unsupported(context + ": " + std::to_string(plan->files.size()) +
                       " files lead to it; compact them first");
  }
  SnapshotMerge merge(replica, local, control);
  auto result = merge.run(*plan);
  if (result.ok()) return result;
  const Status status = result.status().with_context(context);
  if (failure != nullptr) *failure = {status, merge.culprit()};
  return status;
}

}  // namespace litestream
