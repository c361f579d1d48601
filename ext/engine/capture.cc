#include "ext/engine/capture.h"

#include <algorithm>
#include <array>

#include "ext/base/limits.h"
#include "ext/ltx/checksum.h"
#include "ext/ltx/encoder.h"

namespace litestream {

Capture::Capture(SourceDatabase& source, const Position& start, PageSums sums,
                 size_t pending_bytes_max, int acceleration)
    : source_(source),
      page_size_bytes_(source.page_size_bytes()),
      captured_(start),
      written_(start),
      sealed_end_(start),
      sums_(std::move(sums)),
      pending_(std::make_unique<PendingPages>(page_size_bytes_, pending_bytes_max)),
      pending_bytes_max_(pending_bytes_max),
      commit_min_(start.page_count),
      page_buffer_(page_size_bytes_),
      file_(std::make_shared<SealedFile>(page_size_bytes_, acceleration)) {}

Status Capture::on_frame(uint32_t frame_no, uint32_t pgno, uint32_t commit, Bytes page) {
  if (pgno != lock_page(page_size_bytes_)) pending_->put(pgno, frame_no, page);
  if (commit != 0) {
    scan_commit_ = commit;
    scan_commit_min_ = std::min(scan_commit_min_, commit);
  }
  return {};
}

// Under our mark a WAL with other salts was reset while everything of it had been captured, so
// capture goes on at its first frame.
Result<WalPosition> Capture::start_of(const WalIndex& index, const WalHeader& header) const {
  if (captured_.wal_known && captured_.wal.salts == index.salts) {
    if (captured_.wal.frame > index.mx_frame) {
      return position_mismatch("the WAL ends before frame " + std::to_string(captured_.wal.frame));
    }
    return captured_.wal;
  }
  if (pending_->needs_mark()) {
    return position_mismatch("the WAL was reset although its frames were protected");
  }
  if (header.salts != index.salts) return busy("the WAL header is about to change");
  return wal_start(header);
}

Result<Capture::Outcome> Capture::run(const WalIndex* limit) {
  complete_ = false;
  Outcome outcome;
  if (limit != nullptr) {
    outcome.index = *limit;
  } else {
    LS_ASSIGN_OR_RETURN(outcome.index, source_.read_index());
  }
  const WalIndex& index = outcome.index;
  const Status scanned = commit_sink_ ? scan_commits(index, &outcome) : scan(index, &outcome);
  if (!scanned.ok()) return scanned.with_context("capture");
  complete_ = limit == nullptr;
  return outcome;
}

bool Capture::is_at(const WalIndex& index) const {
  return index.mx_frame == 0 || (captured_.wal_known && captured_.wal.salts == index.salts &&
                                 captured_.wal.frame == index.mx_frame);
}

// One commit after the other, each to the sink before the next.
Status Capture::scan_commits(const WalIndex& index, Outcome* outcome) {
  if (has_pending()) LS_RETURN_IF_ERROR(commit_sink_());
  while (!is_at(index)) {
    LS_ASSIGN_OR_RETURN(const WalIndex end, end_of_next_commit(index));
    LS_RETURN_IF_ERROR(scan(end, outcome));
    LS_RETURN_IF_ERROR(commit_sink_());
  }
  return {};
}

// `index`, cut off after the first commit beyond the position. Frames of SQLite's savepoint bug
// have no checksums to go on from, so what ends behind one goes into one file with the rest.
Result<WalIndex> Capture::end_of_next_commit(const WalIndex& index) {
  const bool same_wal = captured_.wal_known && captured_.wal.salts == index.salts;
  const uint32_t first = same_wal ? captured_.wal.frame + 1 : 1;
  WalIndex end = index;
  bool found = false;
  bool chained = true;
  const Status scanned = scan_frame_headers(source_.wal(), page_size_bytes_, first, index.mx_frame,
                                            [&](uint32_t frame_no, const WalFrameHeader& frame) {
                                              chained = chained && frame.salts == index.salts;
                                              if (frame.commit == 0 || !chained) return Status();
                                              end.mx_frame = frame_no;
                                              end.page_count = frame.commit;
                                              end.frame_checksum = frame.checksum;
                                              found = true;
                                              return cancelled("found");
                                            });
  if (!scanned.ok() && !found) return scanned;
  return end;
}

Status Capture::scan(const WalIndex& index, Outcome* outcome) {
  if (is_at(index)) return {};
  torn_ = true;
  std::array<uint8_t, kWalHeaderBytes> head{};
  LS_RETURN_IF_ERROR(read_exactly(source_.wal(), 0, head));
  LS_ASSIGN_OR_RETURN(const WalHeader header, decode_wal_header(head));
  LS_ASSIGN_OR_RETURN(const WalPosition start, start_of(index, header));
  if (start.frame > 0) {
    LS_ASSIGN_OR_RETURN(const bool matches, frame_matches(source_.wal(), page_size_bytes_, start));
    // A frame of SQLite's savepoint bug carries no checksum to compare; after a start nobody has
    // told us yet that the last one is such a frame.
    bool comparable = end_comparable_;
    if (!matches && comparable) {
      LS_RETURN_IF_ERROR(scan_frame_headers(source_.wal(), page_size_bytes_, start.frame,
                                            start.frame, [&](uint32_t, const auto& frame) {
                                              comparable = frame.salts != WalSalts();
                                              return Status();
                                            }));
    }
    if (!matches && comparable) {
      return position_mismatch("the frame before the position changed");
    }
  }
  scan_commit_min_ = captured_.page_count;
  scan_commit_ = captured_.page_count;
  LS_ASSIGN_OR_RETURN(const WalScanResult scanned,
                      scan_wal(source_.wal(), header, start, index, *this));
  LS_RETURN_IF_ERROR(fill_growth(index));
  if (!has_unsealed() || start.frame == 0) range_frame_ = start.frame + 1;
  captured_.txid.value += scanned.commit_count;
  captured_.wal_known = true;
  captured_.wal = scanned.end;
  captured_.page_count = scan_commit_;
  commit_min_ = std::min(commit_min_, scan_commit_min_);
  outcome->commit_count += scanned.commit_count;
  outcome->frame_count += scanned.frame_count;
  outcome->chain_broken = outcome->chain_broken || scanned.chain_broken;
  end_comparable_ = !scanned.chain_broken;
  torn_ = false;
  return {};
}

// SQLite writes every page a database grows by; should one be missing, its content is what a
// reader at the mark sees.
Status Capture::fill_growth(const WalIndex& index) {
  for (Pgno pgno = scan_commit_min_ + 1; pgno <= scan_commit_; ++pgno) {
    if (pgno == lock_page(page_size_bytes_) || pending_->contains(pgno)) continue;
    LS_RETURN_IF_ERROR(read_page_at_mark(index.mx_frame, pgno, page_buffer_));
    pending_->put(pgno, PendingPages::kReadAtMark, page_buffer_);
  }
  return {};
}

Status Capture::read_page_at_mark(uint32_t mx_frame, Pgno pgno, MutableBytes out) {
  uint32_t newest = 0;
  LS_RETURN_IF_ERROR(scan_frame_headers(source_.wal(), page_size_bytes_, 1, mx_frame,
                                        [&](uint32_t frame_no, const WalFrameHeader& frame) {
                                          if (frame.pgno == pgno) newest = frame_no;
                                          return Status();
                                        }));
  if (newest > 0) {
    return read_exactly(source_.wal(),
                        wal_frame_offset(newest, page_size_bytes_) + kWalFrameHeaderBytes, out);
  }
  LS_ASSIGN_OR_RETURN(const size_t got,
                      source_.database().read_at(uint64_t{pgno - 1} * page_size_bytes_, out));
  std::fill(out.begin() + static_cast<ptrdiff_t>(got), out.end(), uint8_t{0});
  return {};
}

LtxHeader Capture::make_header(int64_t commit_time_ms) const {
  LtxHeader header;
  header.page_size = page_size_bytes_;
  header.commit = captured_.page_count;
  header.min_txid = sealed_end_.txid.next();
  header.max_txid = captured_.txid;
  header.timestamp = commit_time_ms;
  // The range within the WAL generation it ends in.
  const uint32_t first = std::max<uint32_t>(range_frame_, 1);
  header.wal_offset = wal_frame_offset(first, page_size_bytes_);
  header.wal_size = wal_frame_offset(captured_.wal.frame + 1, page_size_bytes_) - header.wal_offset;
  header.wal_salt1 = captured_.wal.salts.salt1;
  header.wal_salt2 = captured_.wal.salts.salt2;
  return header;
}

// Pages that only name a frame are read again: still under the mark, so they must be what they
// were, which their checksum proves.
Result<Bytes> Capture::page_bytes(const PendingPages::Page& page) {
  if (page.bytes != nullptr) return Bytes(page.bytes, page_size_bytes_);
  if (page.frame == PendingPages::kReadAtMark) {
    LS_RETURN_IF_ERROR(read_page_at_mark(captured_.wal.frame, page.pgno, page_buffer_));
  } else {
    LS_RETURN_IF_ERROR(read_exactly(
        source_.wal(), wal_frame_offset(page.frame, page_size_bytes_) + kWalFrameHeaderBytes,
        page_buffer_));
  }
  if (page_checksum(page.pgno, page_buffer_) != page.sum) {
    return position_mismatch("page " + std::to_string(page.pgno) + " changed under the mark");
  }
  return Bytes(page_buffer_);
}

std::vector<Capture::NewSum> Capture::new_sums(const std::vector<PendingPages::Page>& pages) const {
  std::vector<NewSum> changes;
  changes.reserve(pages.size());
  for (const PendingPages::Page& page : pages) {
    const Checksum sum = page.bytes == nullptr
                             ? page.sum
                             : page_checksum(page.pgno, Bytes(page.bytes, page_size_bytes_));
    changes.push_back({page.pgno, sum});
  }
  return changes;
}

Checksum Capture::checksum_after(const std::vector<NewSum>& changes) const {
  if (captured_.page_count == 0) return 0;
  Checksum sum = sums_.database_checksum();
  for (Pgno pgno = commit_min_ + 1; pgno <= sums_.page_count(); ++pgno) sum ^= sums_.sum_of(pgno);
  for (const NewSum& change : changes) {
    sum ^= change.sum;
    if (change.pgno <= commit_min_) sum ^= sums_.sum_of(change.pgno);
  }
  return sum | (Checksum{1} << 63);
}

// ---------------------------------------------------------------- files

void Capture::prepare_file(int64_t commit_time_ms) {
  SealedFile& file = *file_;
  file.pages_ = pending_->sorted(captured_.page_count);
  file.changes_ = new_sums(file.pages_);
  file.header_ = make_header(commit_time_ms);
  file.header_.chain = {true, sums_.database_checksum(), checksum_after(file.changes_)};
  file.end_ = captured_;
  file.commit_min_ = commit_min_;
}

void Capture::apply(const SealedFile& file) {
  sums_.resize(std::min(file.commit_min_, sums_.page_count()));
  sums_.resize(file.end_.page_count);
  for (const NewSum& change : file.changes_) sums_.set(change.pgno, change.sum);
  sums_.set_txid(file.end_.txid);
  written_ = file.end_;
}

size_t Capture::sealed_bytes() const { return is_sealed_ ? file_->store_->bytes_in_memory() : 0; }

// All that was captured is in a file, or on its way there.
void Capture::begin_next() {
  pending_ = std::make_unique<PendingPages>(page_size_bytes_, pending_bytes_max_ - sealed_bytes());
  sealed_end_ = captured_;
  commit_min_ = captured_.page_count;
  range_frame_ = captured_.wal.frame + 1;
}

Result<LtxFileInfo> Capture::flush(LtxStore& spool, int64_t commit_time_ms) {
  if (torn_) return busy("capture is incomplete");
  if (is_sealed_) return busy("the file before it is not written yet");
  prepare_file(commit_time_ms);
  LS_ASSIGN_OR_RETURN(const LtxFileInfo info,
                      file_->write(spool, nullptr, [this](const PendingPages::Page& page) {
                        return page_bytes(page);
                      }));
  apply(*file_);
  file_->clear();
  begin_next();
  return info;
}

Status Capture::seal(int64_t commit_time_ms) {
  if (torn_) return busy("capture is incomplete");
  if (is_sealed_) return busy("the file before it is not written yet");
  if (pending_->needs_mark()) return busy("captured pages depend on the mark");
  prepare_file(commit_time_ms);
  file_->store_ = std::move(pending_);
  is_sealed_ = true;
  begin_next();
  return {};
}

void Capture::adopt_sealed() {
  apply(*file_);
  is_sealed_ = false;
  file_->clear();
  pending_->set_bytes_max(pending_bytes_max_);
}

void SealedFile::clear() {
  pages_ = {};
  changes_ = {};
  store_.reset();
}

Result<LtxFileInfo> SealedFile::write(LtxStore& spool, SyncTurns* turns) {
  return write(spool, turns, [this](const PendingPages::Page& page) -> Result<Bytes> {
    return Bytes(page.bytes, page_size_bytes_);
  });
}

Result<LtxFileInfo> SealedFile::write(LtxStore& spool, SyncTurns* turns,
                                      const PageBytes& page_bytes) {
  LtxFileInfo info{0, header_.min_txid, header_.max_txid, 0, header_.timestamp};
  LS_ASSIGN_OR_RETURN(auto writer, spool.create(info));
  LS_RETURN_IF_ERROR(encoder_.begin(header_, *writer));
  for (const PendingPages::Page& page : pages_) {
    LS_ASSIGN_OR_RETURN(const Bytes bytes, page_bytes(page));
    LS_RETURN_IF_ERROR(encoder_.add_page(page.pgno, bytes));
  }
  LS_RETURN_IF_ERROR(encoder_.finish());
  const SyncTurns::Turn turn(turns);
  const Status committed = writer->commit();
  if (!committed.ok()) {
    // It may have got its name all the same, and the next try may hold more transactions.
    (void)spool.remove(std::span(&info, 1), nullptr).ok();
    return committed;
  }
  info.size_bytes = encoder_.size_bytes();
  return info;
}

}  // namespace litestream
