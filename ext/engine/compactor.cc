#include "ext/engine/compactor.h"

#include <algorithm>
#include <array>
#include <memory>
#include <utility>

#include "ext/base/limits.h"
#include "ext/engine/upload.h"
#include "ext/ltx/checksum.h"

namespace litestream {
namespace {

constexpr uint32_t kCancelEveryPages = 256;
constexpr size_t kMergeBufferBytes = 16 << 20;
// Superseded bytes that are read along to save a request, or opening the file once more.
constexpr size_t kRemoteGapBytesMax = 64 << 10;
constexpr size_t kLocalGapBytesMax = 16 << 10;
constexpr size_t kHeadersMax = 64;

// The replica's file, and a local copy for as long as that works.
class TeeSink final : public ByteSink {
 public:
  TeeSink(ByteSink& first, std::unique_ptr<LtxWriter> second)
      : first_(first), second_(std::move(second)) {}
  Status append(Bytes bytes) override {
    LS_RETURN_IF_ERROR(first_.append(bytes));
    if (second_ != nullptr && !second_->append(bytes).ok()) second_.reset();
    return {};
  }
  bool commit_second() { return second_ != nullptr && second_->commit().ok(); }

 private:
  ByteSink& first_;
  std::unique_ptr<LtxWriter> second_;
};

// Whether a file with header `next` may follow the database that a file with header `before` leads
// to.
bool continues(const LtxHeader& before, const LtxHeader& next) {
  if (before.page_size != next.page_size) return false;
  const bool adjacent = next.min_txid == before.max_txid.next();
  if (!adjacent || !before.chain.known || !next.chain.known) return true;
  return before.chain.after == next.chain.before;
}

std::string name_range(const LtxHeader& header) {
  return format_txid(header.min_txid) + ".." + format_txid(header.max_txid);
}

}  // namespace

Status write_merged(const MergePlan& plan, MergeInputs& inputs, LtxEncoder& encoder, ByteSink& sink,
                    const JobControl& control, Checksum* database) {
  MergeReadOptions options;
  options.buffer_bytes_total = kMergeBufferBytes;
  options.gap_bytes_max = inputs.has_remote() ? kRemoteGapBytesMax : kLocalGapBytesMax;
  uint64_t total_bytes = 0;
  for (size_t i = 0; i < plan.input_count(); ++i) total_bytes += plan.input(i).size_bytes;
  PageMerger merger(plan, inputs, options);
  LS_RETURN_IF_ERROR(encoder.begin(plan.header(), sink));
  Checksum sum = kChecksumFlag;
  for (size_t done = 0;; ++done) {
    if (done % kCancelEveryPages == 0) {
      if (control.cancel && control.cancel()) return cancelled("interrupted");
      if (control.progress) {
        const auto share = static_cast<double>(done) / static_cast<double>(plan.page_count() + 1);
        control.progress(static_cast<uint64_t>(share * static_cast<double>(total_bytes)),
                         total_bytes);
      }
    }
    LS_ASSIGN_OR_RETURN(const std::optional<LtxPageView> view, merger.next());
    if (!view) break;
    const bool in_haste = inputs.file(merger.latest_input()).level < control.recompress_below_level;
    LS_RETURN_IF_ERROR(view->block.empty() || in_haste
                           ? encoder.add_page(view->pgno, view->page)
                           : encoder.add_compressed_page(view->pgno, view->page, view->block));
    if (database != nullptr) sum = toggle_page(sum, page_checksum(view->pgno, view->page));
  }
  if (control.progress) control.progress(total_bytes, total_bytes);
  if (database != nullptr) *database = sum;
  return encoder.finish();
}

// One merge.
class Compactor::Run {
 public:
  Run(Compactor& owner, const CompactionGroup& group, const JobControl& control)
      : owner_(owner),
        group_(group),
        control_(control),
        inputs_(owner.replica_, owner.local_, control.cancel),
        encoder_(control.acceleration) {}
  Result<CompactionResult> run();
  const std::optional<LtxFileInfo>& culprit() const { return culprit_; }

 private:
  Status check_predecessor(const LtxHeader& first);
  Result<bool> leads_on(const LtxHeader& before, const LtxHeader& next);
  Status gather();
  Status write_once(const MergePlan& plan, const LtxFileInfo& info);
  Status check_found(const LtxHeader& header, const LtxFileInfo& info);
  Status check_output(const LtxFileInfo& info);

  Compactor& owner_;
  const CompactionGroup& group_;
  const JobControl& control_;
  MergeInputs inputs_;
  std::vector<LtxContents> contents_;
  LtxEncoder encoder_;
  bool name_was_taken_ = false;
  std::optional<LtxFileInfo> culprit_;
};

// The file that the first input continues must be the one it was made for.
Status Compactor::Run::check_predecessor(const LtxHeader& first) {
  Status why;
  for (const LtxFileInfo& file : group_.predecessors) {
    const auto header = owner_.header_of(file);
    if (header.ok() && continues(*header, first)) {
      culprit_.reset();
      return {};
    }
    if (!why.ok()) continue;
    if (header.ok()) {
      culprit_ = group_.files.front();
      why = position_mismatch(name_range(first) + " of level " + std::to_string(group_.level - 1) +
                              " was made for another database than " +
                              owner_.replica_.path_of(file) + " leads to");
    } else {
      why = header.status().with_context(owner_.replica_.path_of(file));
      const StatusCode code = why.code();
      if (code == StatusCode::kNotFound || code == StatusCode::kCorrupt) culprit_ = file;
    }
  }
  return why;
}

// After a break in the chain: whether a whole database leads on to `next`, so that the output may
// end before it.
Result<bool> Compactor::Run::leads_on(const LtxHeader& before, const LtxHeader& next) {
  for (const LtxFileInfo& whole : group_.wholes) {
    if (whole.max_txid != before.max_txid) continue;
    LS_ASSIGN_OR_RETURN(const LtxHeader header, owner_.header_of(whole));
    if (continues(header, next)) return true;
  }
  return false;
}

// Opens and verifies the inputs, as many as go into one output.
Status Compactor::Run::gather() {
  size_t page_count = 0;
  for (const LtxFileInfo& file : group_.files) {
    LS_ASSIGN_OR_RETURN(LtxContents contents,
                        inputs_.add(file, MergeInputs::Check::kWhole, &culprit_));
    page_count += contents.index.count();
    if (contents_.empty()) {
      LS_RETURN_IF_ERROR(check_predecessor(contents.header));
    } else if (!continues(contents_.back().header, contents.header)) {
      LS_ASSIGN_OR_RETURN(const bool may_end, leads_on(contents_.back().header, contents.header));
      if (!may_end) {
        culprit_ = file;
        return position_mismatch(owner_.replica_.path_of(file) + " does not continue " +
                                 name_range(contents_.back().header) +
                                 ": another page size or another database");
      }
      inputs_.drop_last();
      return {};
    }
    if (contents_.size() >= 2 && page_count > kMergePagesMax) {
      inputs_.drop_last();
      return {};
    }
    contents_.push_back(std::move(contents));
  }
  return {};
}

Status Compactor::Run::write_once(const MergePlan& plan, const LtxFileInfo& info) {
  LS_ASSIGN_OR_RETURN(auto writer, owner_.replica_.create(info));
  LtxFileInfo copy = info;
  for (size_t i = 0; i < plan.input_count(); ++i) copy.size_bytes += plan.input(i).size_bytes;
  // A folder of this machine is as good as a copy.
  TeeSink sink(*writer, is_local_store(owner_.replica_) ? nullptr : owner_.local_.start(copy));
  LS_RETURN_IF_ERROR(write_merged(plan, inputs_, encoder_, sink, control_, nullptr));
  LS_RETURN_IF_ERROR(control_.ask_to_publish());
  const Status committed = writer->commit();
  name_was_taken_ = committed.code() == StatusCode::kAlreadyExists;
  if (!committed.ok()) return committed;
  copy.size_bytes = encoder_.size_bytes();
  if (sink.commit_second()) owner_.local_.keep(copy);
  return {};
}

// The name was taken by a sound file: ours from before a crash, or of a writer who merged the same.
Status Compactor::Run::check_found(const LtxHeader& header, const LtxFileInfo& info) {
  owner_.headers_.erase(key_of(info));
  LS_ASSIGN_OR_RETURN(const LtxHeader found, owner_.header_of(info));
  const bool same_chain = !found.chain.known || !header.chain.known || found.chain == header.chain;
  const bool same = found.page_size == header.page_size && found.commit == header.commit &&
                    found.min_txid == header.min_txid && found.max_txid == header.max_txid;
  if (same && same_chain) return {};
  return position_mismatch("another writer uses " + owner_.replica_.url() + ": " +
                           owner_.replica_.path_of(info) + " holds another database");
}

Result<CompactionResult> Compactor::Run::run() {
  LS_RETURN_IF_ERROR(gather());
  CompactionResult result;
  result.file_count = contents_.size();
  for (const LtxContents& contents : contents_) result.read_bytes += contents.size_bytes;
  auto planned = MergePlan::create(std::move(contents_));
  if (!planned.ok()) {
    // Sound files that do not add up. The last one is the first suspect.
    culprit_ = group_.files[result.file_count - 1];
    return planned.status();
  }
  const MergePlan plan = std::move(*planned);
  const LtxHeader& header = plan.header();
  LtxFileInfo info{group_.level, header.min_txid, header.max_txid, 0, header.timestamp};
  LS_RETURN_IF_ERROR(replace_if_damaged(
      owner_.replica_, info, [&] { return write_once(plan, info); }, control_.may_publish));
  if (name_was_taken_) {
    LS_RETURN_IF_ERROR(check_found(header, info));
    LS_ASSIGN_OR_RETURN(const auto reader, owner_.replica_.open(info));
    LS_ASSIGN_OR_RETURN(info.size_bytes, reader->size_bytes());
  } else {
    info.size_bytes = encoder_.size_bytes();
    owner_.remember(info, header);
  }
  result.file = info;
  LS_RETURN_IF_ERROR(check_output(info));
  return result;
}

Status Compactor::Run::check_output(const LtxFileInfo& info) {
  if (!owner_.verify_output_) return {};
  // A file that was there before may be compressed in another way.
  const Checksum file_checksum = name_was_taken_ ? 0 : encoder_.file_checksum();
  const Status same = check_merged(owner_.replica_, info, file_checksum, inputs_, control_.cancel);
  if (same.code() != StatusCode::kCorrupt) return same;
  // Nothing may build on it. Its inputs are all still there.
  culprit_ = info;
  LS_RETURN_IF_ERROR(control_.ask_to_publish());
  (void)owner_.replica_.remove(std::span(&info, 1), nullptr).ok();
  return same;
}

Result<LtxHeader> Compactor::header_of(const LtxFileInfo& file) {
  const auto known = headers_.find(key_of(file));
  if (known != headers_.end()) return known->second;
  LS_ASSIGN_OR_RETURN(const auto reader, replica_.open(file));
  std::array<uint8_t, kLtxHeaderBytes> bytes;
  LS_RETURN_IF_ERROR(read_exactly(*reader, 0, bytes));
  LS_ASSIGN_OR_RETURN(const LtxHeader header, decode_header(bytes));
  if (header.min_txid != file.min_txid || header.max_txid != file.max_txid) {
    return corrupt("the header says " + name_range(header) + ", unlike the file name");
  }
  remember(file, header);
  return header;
}

void Compactor::remember(const LtxFileInfo& file, const LtxHeader& header) {
  if (headers_.size() >= kHeadersMax) headers_.clear();
  headers_[key_of(file)] = header;
}

Result<CompactionResult> Compactor::merge(const CompactionGroup& group, const JobControl& control,
                                          CompactionFailure* failure) {
  if (group.files.empty()) return invalid_argument("compaction: no files");
  Run run(*this, group, control);
  auto result = run.run();
  if (result.ok()) {
    local_.drop(group.level - 1, result->file.max_txid);
    return result;
  }
  const Status status =
      result.status().with_context("compact level " + std::to_string(group.level));
  if (failure != nullptr) *failure = {status, run.culprit()};
  return status;
}

}  // namespace litestream
