#include "ext/engine/follow_changes.h"

#include <algorithm>
#include <mutex>
#include <optional>

#include "ext/base/limits.h"
#include "ext/engine/page_chooser.h"
#include "ext/engine/stream_state.h"
#include "ext/ltx/checksum.h"
#include "ext/ltx/decoder.h"

namespace litestream {
namespace {

constexpr size_t kMemoryBytesMax = 16 << 20;
constexpr Pgno kVisitedAtOnce = 4096;

}  // namespace

FollowPlan plan_follow(std::span<const LtxFileInfo> files, Txid have, uint64_t bytes_max) {
  std::vector<LtxFileInfo> candidates;
  for (const LtxFileInfo& file : files) {
    const bool is_usable = file.level >= 0 && file.level <= kCompactionLevelMax &&
                           file.min_txid.value > 1 && file.min_txid <= file.max_txid;
    if (is_usable && file.max_txid > have) candidates.push_back(file);
  }
  std::sort(candidates.begin(), candidates.end(),
            [](const auto& a, const auto& b) { return a.min_txid < b.min_txid; });
  FollowPlan plan;
  plan.reach = have;
  uint64_t bytes = 0;
  bool is_full = false;
  const LtxFileInfo* best = nullptr;
  for (size_t i = 0;;) {
    for (; i < candidates.size() && candidates[i].min_txid <= plan.reach.next(); ++i) {
      if (best == nullptr || candidates[i].max_txid > best->max_txid) best = &candidates[i];
    }
    if (best == nullptr || best->max_txid <= plan.reach) return plan;
    bytes += best->size_bytes;
    is_full |= !plan.files.empty() && bytes > bytes_max;
    if (!is_full) plan.files.push_back(*best);
    plan.reach = best->max_txid;
  }
}

FollowChanges::FollowChanges(FileSystem& fs, const std::string& beside)
    : pool_(std::make_unique<FramePool>(fs, beside, kMemoryBytesMax, 1)),
      writer_(std::make_unique<FramePool::Writer>(*pool_)) {}

Status FollowChanges::for_each(const Visit& visit) {
  for (uint64_t first = 1; first <= page_count_; first += kVisitedAtOnce) {
    const Pgno last =
        static_cast<Pgno>(std::min<uint64_t>(page_count_, first + kVisitedAtOnce - 1));
    LS_RETURN_IF_ERROR(pool_->read(static_cast<Pgno>(first), last, &reader_, visit));
  }
  return {};
}

Status FollowChanges::read_page_one(MutableBytes page) {
  return pool_->read(1, 1, &reader_, [&](Pgno, Bytes bytes) {
    std::copy(bytes.begin(), bytes.end(), page.begin());
    return Status();
  });
}

class ChangeGatherer {
 public:
  ChangeGatherer(LtxStore& store, const FollowPlan& plan, const FollowPoint& have,
                 uint32_t page_size, FileSystem& fs, const std::string& output,
                 const StreamOptions& options)
      : store_(store),
        plan_(plan),
        have_(have),
        options_(options),
        changes_(fs, output),
        chooser_(have.page_count + pages_stored_max(bytes_of(plan))),
        page_(page_size) {}

  Result<FollowChanges> run();

 private:
  static uint64_t bytes_of(const FollowPlan& plan) {
    uint64_t bytes = 0;
    for (const LtxFileInfo& file : plan.files) bytes += file.size_bytes;
    return bytes;
  }
  Status visit(size_t index);
  Status visit_indexed(PlanFile& file);
  Status visit_whole(PlanFile& file);
  Status take(Pgno pgno, Bytes page);

  LtxStore& store_;
  const FollowPlan& plan_;
  const FollowPoint& have_;
  const StreamOptions& options_;
  FollowChanges changes_;
  PageChooser chooser_;
  FrameReader frames_;
  PageDecompressor decompressor_;
  std::vector<uint8_t> page_;
};

Status ChangeGatherer::take(Pgno pgno, Bytes page) {
  changes_.has_page_one_ |= pgno == 1;
  ++changes_.changed_count_;
  return changes_.writer_->add(pgno, page);
}

Status ChangeGatherer::visit_indexed(PlanFile& file) {
  std::vector<PageIndexEntry> wanted;
  PageIndex::Cursor cursor(file.contents.index);
  while (cursor.next()) {
    if (file.wins[cursor.ordinal()]) wanted.push_back(cursor.entry());
  }
  return frames_.read(file.reader(), wanted, [&](const PageIndexEntry& entry, Bytes frame) {
    const Status status = decode_page_frame(frame, entry.pgno, decompressor_, page_).status();
    return status.ok() ? take(entry.pgno, page_) : status;
  });
}

// Without a chain checksum the file's own is all there is.
Status ChangeGatherer::visit_whole(PlanFile& file) {
  LS_ASSIGN_OR_RETURN(const auto decoder, LtxDecoder::open(file.reader()));
  for (size_t ordinal = 0;; ++ordinal) {
    LS_ASSIGN_OR_RETURN(const std::optional<LtxPageView> view, decoder->next());
    if (!view) return {};
    if (ordinal < file.wins.size() && file.wins[ordinal]) {
      LS_RETURN_IF_ERROR(take(view->pgno, view->page));
    }
  }
}

Status ChangeGatherer::visit(size_t index) {
  if (options_.cancelled && options_.cancelled()) return cancelled("interrupted");
  PlanFile file;
  file.index = index;
  LS_RETURN_IF_ERROR(open_plan_file(store_, plan_.files[index], false, &file));
  LS_ASSIGN_OR_RETURN(file.contents, read_ltx_contents(file.reader()));
  const LtxHeader& header = file.contents.header;
  if (header.page_size != page_.size()) {
    return position_mismatch("page size " + std::to_string(header.page_size) +
                             " where the copy has " + std::to_string(page_.size()));
  }
  LS_RETURN_IF_ERROR(chooser_.add(file.contents, plan_.files[index], &file.wins));
  const bool continues = index == 0 && header.min_txid == have_.txid.next();
  if (continues && header.chain.known && header.chain.before != have_.checksum) {
    return position_mismatch("made for another database than the copy is");
  }
  return chooser_.needs_whole_files() ? visit_whole(file) : visit_indexed(file);
}

Result<FollowChanges> ChangeGatherer::run() {
  for (size_t i = plan_.files.size(); i-- > 0;) {
    const Status status = visit(i);
    if (status.code() == StatusCode::kCancelled) return status;
    if (!status.ok()) return status.with_context(store_.path_of(plan_.files[i]));
  }
  const Pgno kept = std::min(have_.page_count, chooser_.smallest_page_count());
  const Pgno missing = chooser_.first_missing(kept);
  if (missing != 0) {
    return corrupt("page " + std::to_string(missing) + " of " +
                   std::to_string(chooser_.shape().page_count) + " is in no file up to " +
                   format_txid(plan_.files.back().max_txid));
  }
  changes_.pool_->absorb(changes_.writer_.get());
  changes_.pool_->seal();
  changes_.page_count_ = chooser_.shape().page_count;
  changes_.txid_ = plan_.files.back().max_txid;
  changes_.created_at_ms_ = plan_.files.back().created_at_ms;
  changes_.expected_checksum_ = chooser_.expected_checksum();
  return std::move(changes_);
}

Result<FollowChanges> gather_changes(LtxStore& store, const FollowPlan& plan,
                                     const FollowPoint& have, uint32_t page_size, FileSystem& fs,
                                     const std::string& output, const StreamOptions& options) {
  ChangeGatherer gatherer(store, plan, have, page_size, fs, output, options);
  return gatherer.run();
}

// Takes the restored database block by block and keeps what differs.
class CopyComparer final : public BlockSink {
 public:
  CopyComparer(const FollowPoint& have, uint32_t page_size, RandomReader& copy, FileSystem& fs,
               const std::string& output)
      : have_(have), page_size_(page_size), copy_(copy), changes_(fs, output) {}

  Status begin(const DatabaseShape& shape) override {
    if (shape.page_size != page_size_) {
      return position_mismatch("the replica's database has pages of " +
                               std::to_string(shape.page_size) + " bytes by now, the copy of " +
                               std::to_string(page_size_));
    }
    changes_.page_count_ = shape.page_count;
    return {};
  }
  Status write_block(Pgno first, Bytes pages) override {
    // Blocks come from several threads; the copy is read by one at a time.
    const std::lock_guard lock(mutex_);
    const uint64_t offset = uint64_t{first - 1} * page_size_;
    const uint64_t end = uint64_t{have_.page_count} * page_size_;
    old_.resize(
        static_cast<size_t>(offset >= end ? 0 : std::min<uint64_t>(pages.size(), end - offset)));
    LS_RETURN_IF_ERROR(read_exactly(copy_, offset, old_));
    for (size_t at = 0; at < pages.size(); at += page_size_) {
      const Pgno pgno = first + static_cast<Pgno>(at / page_size_);
      if (pgno == lock_page(page_size_)) continue;
      const Bytes page = pages.subspan(at, page_size_);
      // Page 1 of the copy has fields of its own.
      const bool is_same =
          pgno == 1 ? page_checksum(1, page) == have_.page_one
                    : at < old_.size() && std::equal(page.begin(), page.end(), &old_[at]);
      if (is_same) continue;
      changes_.has_page_one_ |= pgno == 1;
      ++changes_.changed_count_;
      LS_RETURN_IF_ERROR(changes_.writer_->add(pgno, page));
    }
    return {};
  }
  FollowChanges finish(const RestorePlan& plan, Checksum checksum) {
    changes_.pool_->absorb(changes_.writer_.get());
    changes_.pool_->seal();
    changes_.txid_ = plan.txid;
    changes_.created_at_ms_ = plan.created_at_ms;
    changes_.expected_checksum_ = checksum;
    return std::move(changes_);
  }

 private:
  const FollowPoint& have_;
  const uint32_t page_size_;
  RandomReader& copy_;
  std::mutex mutex_;
  FollowChanges changes_;
  std::vector<uint8_t> old_;
};

Result<FollowChanges> compare_with_restore(LtxStore& store, const RestorePlan& plan,
                                           const FollowPoint& have, uint32_t page_size,
                                           RandomReader& copy, FileSystem& fs,
                                           const std::string& output,
                                           const StreamOptions& options) {
  CopyComparer comparer(have, page_size, copy, fs, output);
  LS_ASSIGN_OR_RETURN(const StreamResult streamed,
                      stream_database_blocks(store, plan, comparer, fs, output, options));
  return comparer.finish(plan, streamed.checksum);
}

}  // namespace litestream
