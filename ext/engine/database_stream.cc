#include "ext/engine/database_stream.h"

#include <algorithm>
#include <memory>
#include <string>
#include <vector>

#include "ext/base/limits.h"
#include "ext/ltx/checksum.h"
#include "ext/ltx/contents.h"
#include "ext/ltx/decoder.h"
#include "ext/ltx/page_codec.h"

namespace litestream {
namespace {

// A page costs at least a page header with size, one byte of LZ4 and three of index.
constexpr uint64_t kStoredPageBytesMin = kSizedPageHeaderBytes + 4;
// Winners this close together are fetched with one read.
constexpr uint64_t kReadGapBytesMax = 32 << 10;
static_assert(kCopyChunkBytes >= 4 * kCompressedPageBytesMax);

class PageSet {
 public:
  void reset(uint32_t page_count) { bits_.assign(page_count / 64 + 1, 0); }
  bool contains(Pgno pgno) const { return (bits_[pgno / 64] >> (pgno % 64) & 1) != 0; }
  void insert(Pgno pgno) { bits_[pgno / 64] |= uint64_t{1} << (pgno % 64); }

 private:
  std::vector<uint64_t> bits_;
};

// The bytes of one file: small ones are fetched whole with one read, large ones on demand.
class FileBytes {
 public:
  Status open(LtxStore& store, const LtxFileInfo& info) {
    LS_ASSIGN_OR_RETURN(remote_, store.open(info));
    memory_.reset();
    if (info.size_bytes >= kCopyChunkBytes) return {};
    // One byte more, so that a file larger than its listing shows; it is read on demand after all.
    const MutableBytes room = make_room(static_cast<size_t>(info.size_bytes) + 1);
    LS_ASSIGN_OR_RETURN(const size_t got, remote_->read_at(0, room));
    if (got < room.size()) memory_ = std::make_unique<BytesReader>(room.first(got));
    return {};
  }
  MutableBytes make_room(size_t count) {
    if (buffer_.size() < count) buffer_.resize(count);
    return MutableBytes(buffer_).first(count);
  }
  RandomReader& reader() { return memory_ ? static_cast<RandomReader&>(*memory_) : *remote_; }

 private:
  std::unique_ptr<RandomReader> remote_;
  std::unique_ptr<BytesReader> memory_;
  std::vector<uint8_t> buffer_;
};

class DatabaseStream {
 public:
  DatabaseStream(LtxStore& store, const RestorePlan& plan, PageSink& sink,
                 const StreamOptions& options)
      : store_(store), plan_(plan), sink_(sink), options_(options) {}

  Status run();
  const StreamResult& result() const { return result_; }
  std::optional<size_t> culprit() const { return culprit_; }

 private:
  Status begin(const LtxHeader& last);
  Status check_header(const LtxHeader& header, const LtxFileInfo& info) const;
  Status check_continuation(const LtxHeader& header);
  Status visit_file(size_t index);
  Status visit_indexed(const LtxContents& contents);
  Status visit_whole();
  Status read_batch(const std::vector<PageIndexEntry>& batch);
  Status take_page(Pgno pgno, Bytes page);
  bool wants(Pgno pgno) const { return pgno <= limit_ && !taken_.contains(pgno); }
  Status finish();
  Status find_damaged_file(Status status);
  Status blame(size_t index, const Status& status);
  Status check_cancelled() const;
  void report(uint64_t in_file_bytes) const;

  LtxStore& store_;
  const RestorePlan& plan_;
  PageSink& sink_;
  const StreamOptions& options_;

  StreamResult result_;
  std::optional<size_t> culprit_;
  std::optional<LtxHeader> last_;   // header of the plan's last file
  std::optional<LtxHeader> newer_;  // header of the file visited before
  bool whole_ = false;              // read whole files, for want of a chain checksum
  Checksum expected_ = 0;           // of the database; 0: unknown
  Checksum checksum_ = kChecksumFlag;
  bool sink_failed_ = false;
  uint64_t remaining_ = 0;  // pages without content yet
  Pgno limit_ = 0;  // the smallest database since the file at hand: larger pages were cut off
  uint64_t done_bytes_ = 0;
  PageSet taken_;
  FileBytes file_;
  PageDecompressor decompressor_;
  std::vector<uint8_t> frames_;
  std::vector<uint8_t> page_;
};

Status DatabaseStream::check_cancelled() const {
  if (options_.cancelled && options_.cancelled()) return cancelled("interrupted");
  return {};
}

void DatabaseStream::report(uint64_t in_file_bytes) const {
  if (options_.progress) options_.progress(done_bytes_ + in_file_bytes, plan_.size_bytes);
}

Status DatabaseStream::check_header(const LtxHeader& header, const LtxFileInfo& info) const {
  if (header.min_txid != info.min_txid || header.max_txid != info.max_txid) {
    return corrupt("the header says " + format_txid(header.min_txid) + ".." +
                   format_txid(header.max_txid) + ", unlike the file name");
  }
  if (last_ && header.page_size != last_->page_size) {
    return corrupt("page size " + std::to_string(header.page_size) + " where later files have " +
                   std::to_string(last_->page_size));
  }
  return {};
}

// `header` is of the file before newer_.
Status DatabaseStream::check_continuation(const LtxHeader& header) {
  const bool adjacent = newer_ && newer_->min_txid == header.max_txid.next();
  if (!adjacent || !newer_->chain.known || !header.chain.known) return {};
  if (newer_->chain.before == header.chain.after) return {};
  return position_mismatch("the file after " + format_txid(header.max_txid) +
                           " was made for another database state");
}

Status DatabaseStream::begin(const LtxHeader& last) {
  last_ = last;
  result_.shape = {last.page_size, last.commit};
  if (last.commit > plan_.size_bytes / kStoredPageBytesMin + 1) {
    return corrupt("the header says " + std::to_string(last.commit) +
                   " pages, more than all files of the plan can hold");
  }
  whole_ = !last.chain.known;
  if (last.chain.known) expected_ = last.chain.after;
  limit_ = last.commit;
  remaining_ = last.commit - (last.commit >= lock_page(last.page_size) ? 1 : 0);
  taken_.reset(last.commit);
  page_.resize(last.page_size);
  const Status status = sink_.begin(result_.shape);
  sink_failed_ = !status.ok();
  return status;
}

Status DatabaseStream::take_page(Pgno pgno, Bytes page) {
  const Checksum checksum = page_checksum(pgno, page);
  checksum_ = toggle_page(checksum_, checksum);
  taken_.insert(pgno);
  --remaining_;
  const Status status = sink_.add_page(pgno, page, checksum);
  sink_failed_ |= !status.ok();
  return status;
}

// Reads the frames of `batch`, which stand close together, with one read.
Status DatabaseStream::read_batch(const std::vector<PageIndexEntry>& batch) {
  LS_RETURN_IF_ERROR(check_cancelled());
  const uint64_t begin = batch.front().offset_bytes;
  const uint64_t end = batch.back().offset_bytes + batch.back().size_bytes;
  frames_.resize(static_cast<size_t>(end - begin));
  LS_RETURN_IF_ERROR(read_exactly(file_.reader(), begin, frames_));
  for (const PageIndexEntry& entry : batch) {
    const Bytes frame =
        Bytes(frames_).subspan(static_cast<size_t>(entry.offset_bytes - begin), entry.size_bytes);
    LS_RETURN_IF_ERROR(decode_page_frame(frame, entry.pgno, decompressor_, page_).status());
    LS_RETURN_IF_ERROR(take_page(entry.pgno, page_));
  }
  report(end);
  return {};
}

Status DatabaseStream::visit_indexed(const LtxContents& contents) {
  std::vector<PageIndexEntry> batch;
  PageIndex::Cursor cursor(contents.index);
  while (cursor.next()) {
    const PageIndexEntry& entry = cursor.entry();
    if (!wants(entry.pgno)) continue;
    if (!batch.empty()) {
      const uint64_t end = batch.back().offset_bytes + batch.back().size_bytes;
      const uint64_t span = entry.offset_bytes + entry.size_bytes - batch.front().offset_bytes;
      if (entry.offset_bytes - end > kReadGapBytesMax || span > kCopyChunkBytes) {
        LS_RETURN_IF_ERROR(read_batch(batch));
        batch.clear();
      }
    }
    batch.push_back(entry);
  }
  return batch.empty() ? Status() : read_batch(batch);
}

Status DatabaseStream::visit_whole() {
  LS_ASSIGN_OR_RETURN(const auto decoder, LtxDecoder::open(file_.reader()));
  uint64_t unreported_bytes = 0;
  uint64_t seen_bytes = 0;
  while (true) {
    LS_ASSIGN_OR_RETURN(const std::optional<LtxPageView> view, decoder->next());
    if (!view) break;
    if (wants(view->pgno)) LS_RETURN_IF_ERROR(take_page(view->pgno, view->page));
    unreported_bytes += view->page.size();
    seen_bytes += kSizedPageHeaderBytes + view->block.size();
    if (unreported_bytes < kCopyChunkBytes) continue;
    unreported_bytes = 0;
    LS_RETURN_IF_ERROR(check_cancelled());
    report(std::min(seen_bytes, decoder->size_bytes()));
  }
  const bool is_last = decoder->header().max_txid == plan_.txid;
  if (is_last) expected_ = decoder->trailer().post_apply_checksum;
  return {};
}

Status DatabaseStream::visit_file(size_t index) {
  const LtxFileInfo& info = plan_.files[index];
  LS_RETURN_IF_ERROR(check_cancelled());
  LS_RETURN_IF_ERROR(file_.open(store_, info));
  LS_ASSIGN_OR_RETURN(const LtxContents contents, read_ltx_contents(file_.reader()));
  LS_RETURN_IF_ERROR(check_header(contents.header, info));
  if (!last_) LS_RETURN_IF_ERROR(begin(contents.header));
  LS_RETURN_IF_ERROR(check_continuation(contents.header));
  newer_ = contents.header;
  limit_ = std::min(limit_, contents.header.commit);
  return whole_ ? visit_whole() : visit_indexed(contents);
}

// A wrong whole says nothing about which part is wrong: reads the files one by one to find out.
Status DatabaseStream::find_damaged_file(Status status) {
  for (size_t i = plan_.files.size(); i-- > 0 && !whole_;) {
    LS_RETURN_IF_ERROR(check_cancelled());
    Status damage = file_.open(store_, plan_.files[i]);
    if (damage.ok()) damage = verify_ltx(file_.reader()).status();
    if (damage.ok()) continue;
    culprit_ = i;
    return damage.with_context(store_.path_of(plan_.files[i]));
  }
  return status;
}

// `index` is the file that was visited when `status` came up.
Status DatabaseStream::blame(size_t index, const Status& status) {
  culprit_ = index;
  if (status.code() == StatusCode::kPositionMismatch) {
    // Two headers disagree. The newer file is the stranger unless the older one is damaged.
    Status damage = file_.open(store_, plan_.files[index]);
    if (damage.ok()) damage = verify_ltx(file_.reader()).status();
    if (!damage.ok()) return damage.with_context(store_.path_of(plan_.files[index]));
    culprit_ = index + 1;
  }
  return status.with_context(store_.path_of(plan_.files[*culprit_]));
}

Status DatabaseStream::finish() {
  if (remaining_ != 0) {
    Pgno missing = 1;
    while (taken_.contains(missing) || missing == lock_page(last_->page_size)) ++missing;
    return find_damaged_file(corrupt("page " + std::to_string(missing) + " of " +
                                     std::to_string(last_->commit) + " is in no file up to " +
                                     format_txid(plan_.txid)));
  }
  const bool is_known = expected_ != 0;
  if (is_known && (expected_ | kChecksumFlag) != checksum_) {
    return find_damaged_file(corrupt("the database at " + format_txid(plan_.txid) +
                                     " does not have the checksum its last file promises"));
  }
  result_.checksum = checksum_;
  return {};
}

Status DatabaseStream::run() {
  if (plan_.files.empty()) return invalid_argument("an empty restore plan");
  // Once every page has its content, older files have nothing to add.
  for (size_t i = plan_.files.size(); i-- > 0 && (!last_ || remaining_ != 0);) {
    const Status status = visit_file(i);
    if (sink_failed_ || status.code() == StatusCode::kCancelled) return status;
    if (!status.ok()) return blame(i, status);
    done_bytes_ += plan_.files[i].size_bytes;
    report(0);
  }
  done_bytes_ = plan_.size_bytes;
  report(0);
  return finish();
}

}  // namespace

Result<StreamResult> stream_database(LtxStore& store, const RestorePlan& plan, PageSink& sink,
                                     const StreamOptions& options, StreamFailure* failure) {
  DatabaseStream stream(store, plan, sink, options);
  const Status status = stream.run();
  if (failure != nullptr) *failure = {status, stream.culprit()};
  if (!status.ok()) return status;
  return stream.result();
}

}  // namespace litestream
