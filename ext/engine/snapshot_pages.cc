#include "ext/engine/snapshot_pages.h"

#include <algorithm>
#include <cstring>

#include "ext/base/limits.h"
#include "ext/ltx/checksum.h"
#include "ext/ltx/encoder.h"
#include "ext/wal/wal_reader.h"

namespace litestream {
namespace {

constexpr size_t kBlockBytes = 256 << 10;
constexpr uint32_t kCancelEveryPages = 256;

}  // namespace

SnapshotPages::SnapshotPages(SourceReader& reader)
    : reader_(&reader),
      page_size_bytes_(reader.page_size_bytes()),
      page_count_(reader.page_count()),
      frame_buffer_(kWalFrameHeaderBytes + page_size_bytes_) {}

Result<SnapshotPages> SnapshotPages::open(SourceReader& reader) {
  SnapshotPages pages(reader);
  const WalIndex& index = reader.index();
  // Fully backfilled, the database file is the snapshot. The reader may be on lock 0 then, and the
  // frames of a reset WAL that SQLite's savepoint bug left without salts could not be told apart.
  if (index.mx_frame > index.backfill_count) {
    const WalSalts none;
    LS_RETURN_IF_ERROR(scan_frame_headers(reader.wal(), pages.page_size_bytes_, 1, index.mx_frame,
                                          [&](uint32_t frame_no, const WalFrameHeader& frame) {
                                            // Zero salts: SQLite's savepoint bug. Others: an
                                            // earlier or later life of the WAL.
                                            if (frame.salts == index.salts || frame.salts == none) {
                                              pages.frame_of_[frame.pgno] = frame_no;
                                            }
                                            return Status();
                                          }));
  }
  return pages;
}

Result<bool> SnapshotPages::read_from_wal(Pgno pgno, MutableBytes out) {
  const auto it = frame_of_.find(pgno);
  if (it == frame_of_.end()) return false;
  const uint64_t offset = wal_frame_offset(it->second, page_size_bytes_);
  LS_RETURN_IF_ERROR(read_exactly(reader_->wal(), offset, frame_buffer_));
  uint8_t again[kWalFrameHeaderBytes];
  LS_RETURN_IF_ERROR(read_exactly(reader_->wal(), offset, again));
  const WalFrameHeader frame = decode_frame_header(again);
  if (std::memcmp(again, frame_buffer_.data(), sizeof again) != 0 || frame.pgno != pgno) {
    return false;
  }
  if (frame.salts != reader_->index().salts && frame.salts != WalSalts()) return false;
  std::memcpy(out.data(), frame_buffer_.data() + kWalFrameHeaderBytes, page_size_bytes_);
  return true;
}

Status SnapshotPages::load_block(Pgno pgno) {
  if (block_.empty()) block_.resize(std::max<size_t>(kBlockBytes, page_size_bytes_));
  block_pages_ = 0;
  const uint64_t offset = uint64_t{pgno - 1} * page_size_bytes_;
  LS_ASSIGN_OR_RETURN(const size_t got, reader_->database().read_at(offset, block_));
  block_first_ = pgno;
  block_pages_ = static_cast<uint32_t>(got / page_size_bytes_);
  if (block_pages_ > 0) return {};
  return corrupt("the database file ends before page " + std::to_string(pgno));
}

Status SnapshotPages::read_from_database(Pgno pgno, MutableBytes out) {
  if (pgno < block_first_ || pgno >= block_first_ + block_pages_) {
    LS_RETURN_IF_ERROR(load_block(pgno));
  }
  std::memcpy(out.data(), block_.data() + size_t{pgno - block_first_} * page_size_bytes_,
              page_size_bytes_);
  return {};
}

Status SnapshotPages::read_page(Pgno pgno, MutableBytes out) {
  LS_ASSIGN_OR_RETURN(const bool found, read_from_wal(pgno, out));
  if (found) return {};
  const bool was_in_wal = frame_of_.contains(pgno);
  if (was_in_wal) {
    // Its frame was reset away, hence backfilled; a block read before that may be older.
    frame_of_.erase(pgno);
    block_pages_ = 0;
  }
  return read_from_database(pgno, out);
}

Status SnapshotPages::for_each(const Visitor& visitor, const CancelCheck& cancel) {
  std::vector<uint8_t> page(page_size_bytes_);
  for (Pgno pgno = 1; pgno <= page_count_; ++pgno) {
    if (pgno % kCancelEveryPages == 0 && cancel && cancel()) return cancelled("interrupted");
    if (pgno == lock_page(page_size_bytes_)) continue;
    LS_RETURN_IF_ERROR(read_page(pgno, page));
    LS_RETURN_IF_ERROR(visitor(pgno, page));
  }
  return {};
}

Result<PageSums> sum_pages(SnapshotPages& pages, const CancelCheck& cancel) {
  PageSums sums(pages.page_size_bytes());
  sums.resize(pages.page_count());
  LS_RETURN_IF_ERROR(pages.for_each(
      [&](Pgno pgno, Bytes page) {
        sums.set(pgno, page_checksum(pgno, page));
        return Status();
      },
      cancel));
  return sums;
}

Result<LtxFileInfo> write_snapshot(SnapshotPages& pages, LtxStore& store, Txid txid,
                                   int64_t timestamp_ms, Checksum after,
                                   const JobControl& control) {
  LtxHeader header;
  header.page_size = pages.page_size_bytes();
  header.commit = pages.page_count();
  header.min_txid = Txid{1};
  header.max_txid = txid;
  header.timestamp = timestamp_ms;
  header.chain = {true, 0, after};
  LtxFileInfo info{kSnapshotLevel, header.min_txid, header.max_txid, 0, timestamp_ms};
  LS_ASSIGN_OR_RETURN(auto writer, store.create(info));
  LtxEncoder encoder(control.acceleration);
  LS_RETURN_IF_ERROR(encoder.begin(header, *writer));
  const uint64_t page_size = header.page_size;
  const auto add = [&](Pgno pgno, Bytes page) {
    const bool is_told = pgno % kCancelEveryPages == 1 || pgno == header.commit;
    if (is_told && control.progress) control.progress(pgno * page_size, header.commit * page_size);
    return encoder.add_page(pgno, page);
  };
  LS_RETURN_IF_ERROR(pages.for_each(add, control.cancel));
  LS_RETURN_IF_ERROR(encoder.finish());
  LS_RETURN_IF_ERROR(control.ask_to_publish());
  LS_RETURN_IF_ERROR(writer->commit());
  info.size_bytes = encoder.size_bytes();
  return info;
}

}  // namespace litestream
