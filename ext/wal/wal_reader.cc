#include "ext/wal/wal_reader.h"

#include <algorithm>
#include <string>
#include <vector>

#include "ext/base/limits.h"

namespace litestream {
namespace {

constexpr size_t kBlockBytes = 256 << 10;
static_assert(kBlockBytes >= kPageSizeBytesMax + kWalFrameHeaderBytes);

// Hands out the frames first..last one after another, reading a block of them at a time.
class FrameBlocks {
 public:
  FrameBlocks(RandomReader& wal, uint32_t page_size, uint32_t first, uint32_t last)
      : wal_(wal), page_size_(page_size), last_(last), next_(first) {}

  size_t frame_bytes() const { return size_t{page_size_} + kWalFrameHeaderBytes; }

  // The next whole frame (header and page), valid until the next call; empty where the file ends.
  Result<Bytes> next() {
    if (used_ == filled_) LS_RETURN_IF_ERROR(fill());
    if (filled_ - used_ < frame_bytes()) return Bytes{};
    const Bytes frame = Bytes(block_).subspan(used_, frame_bytes());
    used_ += frame_bytes();
    return frame;
  }

 private:
  Status fill() {
    used_ = 0;
    filled_ = 0;
    if (next_ > last_) return {};
    const uint64_t frames_left = last_ - next_ + 1;
    const uint64_t frames = std::min<uint64_t>(frames_left, kBlockBytes / frame_bytes());
    block_.resize(static_cast<size_t>(frames) * frame_bytes());
    const uint64_t offset = wal_frame_offset(static_cast<uint32_t>(next_), page_size_);
    LS_ASSIGN_OR_RETURN(filled_, wal_.read_at(offset, block_));
    next_ += frames;
    return {};
  }

  RandomReader& wal_;
  const uint32_t page_size_;
  const uint64_t last_;
  uint64_t next_;  // first frame not read yet; 64 bits so that it can pass the last possible one
  std::vector<uint8_t> block_;
  size_t used_ = 0;    // bytes of block_ handed out
  size_t filled_ = 0;  // bytes of block_ read
};

std::string frame_name(uint64_t frame_no) { return "WAL frame " + std::to_string(frame_no); }

Status check_page_numbers(uint32_t frame_no, const WalFrameHeader& frame) {
  if (frame.pgno == 0) return corrupt(frame_name(frame_no) + ": page number 0");
  if (frame.pgno > kPageCountMax || frame.commit > kPageCountMax) {
    return corrupt(frame_name(frame_no) + ": page number or database size beyond SQLite's limit");
  }
  return {};
}

Status check_scan_arguments(const WalHeader& header, const WalPosition& from,
                            const WalIndex& index) {
  if (from.salts != index.salts) return position_mismatch("WAL: other salts than the position");
  if (index.mx_frame < from.frame) {
    return position_mismatch("WAL: ends at frame " + std::to_string(index.mx_frame) +
                             ", the position is at " + std::to_string(from.frame));
  }
  if (header.salts != index.salts) return busy("WAL: header and wal-index have different salts");
  if (header.page_size != index.page_size ||
      header.big_endian_checksums != index.big_endian_checksums) {
    return corrupt("WAL: header and wal-index disagree about page size or byte order");
  }
  if (!is_page_size(header.page_size)) return corrupt("WAL: impossible page size");
  // Nothing new, yet another history: somebody rewrote what was read before.
  if (index.mx_frame == from.frame && from.checksum != index.frame_checksum) {
    return position_mismatch("WAL: another frame " + std::to_string(from.frame) +
                             " than the position's");
  }
  return {};
}

// Follows the checksums of one chain of frames.
class ChainCheck {
 public:
  ChainCheck(const WalSalts& salts, WalChecksum seed, bool big_endian)
      : salts_(salts), running_(seed), big_endian_(big_endian) {}

  // True if `frame` (header and page) continues the chain; if not the chain stays where it was.
  bool extend(const WalFrameHeader& header, Bytes frame) {
    if (header.salts != salts_) return false;
    const WalChecksum next = wal_frame_checksum(running_, frame.data(),
                                                frame.subspan(kWalFrameHeaderBytes), big_endian_);
    if (next != header.checksum) return false;
    running_ = next;
    return true;
  }
  const WalChecksum& running() const { return running_; }

 private:
  const WalSalts salts_;
  WalChecksum running_;
  const bool big_endian_;
};

Result<WalHeader> read_wal_header(RandomReader& wal) {
  uint8_t bytes[kWalHeaderBytes];
  LS_ASSIGN_OR_RETURN(const size_t got, wal.read_at(0, bytes));
  if (got < kWalHeaderBytes) return not_found("WAL: shorter than its header");
  return decode_wal_header(bytes);
}

// Whole frames in a file of this size, at most as many as frame numbers exist.
uint32_t whole_frames(uint64_t file_bytes, uint32_t page_size) {
  if (file_bytes < kWalHeaderBytes) return 0;
  const uint64_t frames = (file_bytes - kWalHeaderBytes) / (page_size + kWalFrameHeaderBytes);
  return static_cast<uint32_t>(std::min<uint64_t>(frames, UINT32_MAX));
}

}  // namespace

Result<WalScanResult> scan_wal(RandomReader& wal, const WalHeader& header, const WalPosition& from,
                               const WalIndex& index, WalFrameVisitor& visitor) {
  WalScanResult result;
  result.end = from;
  if (index.mx_frame == 0 && from.frame == 0) return result;
  LS_RETURN_IF_ERROR(check_scan_arguments(header, from, index));
  if (index.mx_frame == from.frame) return result;

  ChainCheck chain(from.salts, from.checksum, header.big_endian_checksums);
  FrameBlocks frames(wal, header.page_size, from.frame + 1, index.mx_frame);
  result.frame_count = index.mx_frame - from.frame;
  uint32_t last_commit = 0;
  for (uint32_t i = 1; i <= result.frame_count; ++i) {
    const uint32_t frame_no = from.frame + i;
    LS_ASSIGN_OR_RETURN(const Bytes bytes, frames.next());
    if (bytes.empty()) return corrupt(frame_name(frame_no) + ": short read");
    const WalFrameHeader frame = decode_frame_header(bytes.data());
    LS_RETURN_IF_ERROR(check_page_numbers(frame_no, frame));
    if (!result.chain_broken) result.chain_broken = !chain.extend(frame, bytes);
    if (frame.commit != 0) ++result.commit_count;
    last_commit = frame.commit;
    LS_RETURN_IF_ERROR(
        visitor.on_frame(frame_no, frame.pgno, frame.commit, bytes.subspan(kWalFrameHeaderBytes)));
  }
  if (last_commit == 0) return corrupt(frame_name(index.mx_frame) + ": ends no transaction");
  if (!result.chain_broken && chain.running() != index.frame_checksum) {
    return busy(frame_name(index.mx_frame) + ": not the checksum the wal-index names");
  }
  result.end = {from.salts, index.mx_frame, index.frame_checksum};
  return result;
}

Result<WalRecovery> find_last_commit(RandomReader& wal) {
  WalRecovery recovery;
  LS_ASSIGN_OR_RETURN(recovery.header, read_wal_header(wal));
  recovery.last_commit = wal_start(recovery.header);
  LS_ASSIGN_OR_RETURN(const uint64_t file_bytes, wal.size_bytes());

  const WalHeader& header = recovery.header;
  const uint32_t frame_count = whole_frames(file_bytes, header.page_size);
  ChainCheck chain(header.salts, header.checksum, header.big_endian_checksums);
  FrameBlocks frames(wal, header.page_size, 1, frame_count);
  for (uint64_t frame_no = 1; frame_no <= frame_count; ++frame_no) {
    LS_ASSIGN_OR_RETURN(const Bytes bytes, frames.next());
    if (bytes.empty()) break;  // the file shrank meanwhile
    const WalFrameHeader frame = decode_frame_header(bytes.data());
    if (frame.pgno == 0 || !chain.extend(frame, bytes)) break;
    if (frame.commit == 0) continue;
    recovery.last_commit = {header.salts, static_cast<uint32_t>(frame_no), chain.running()};
    recovery.page_count = frame.commit;
    ++recovery.commit_count;
  }
  return recovery;
}

Result<bool> frame_matches(RandomReader& wal, uint32_t page_size, const WalPosition& position) {
  if (position.frame == 0) {
    uint8_t bytes[kWalHeaderBytes];
    LS_ASSIGN_OR_RETURN(const size_t got, wal.read_at(0, bytes));
    if (got < kWalHeaderBytes) return false;
    const WalSalts salts = {load_be32(bytes + 16), load_be32(bytes + 20)};
    const WalChecksum checksum = {load_be32(bytes + 24), load_be32(bytes + 28)};
    return salts == position.salts && checksum == position.checksum;
  }
  if (!is_page_size(page_size)) return invalid_argument("WAL: impossible page size");
  uint8_t bytes[kWalFrameHeaderBytes];
  LS_ASSIGN_OR_RETURN(const size_t got,
                      wal.read_at(wal_frame_offset(position.frame, page_size), bytes));
  if (got < kWalFrameHeaderBytes) return false;
  const WalFrameHeader frame = decode_frame_header(bytes);
  return frame.salts == position.salts && frame.checksum == position.checksum;
}

Status scan_frame_headers(RandomReader& wal, uint32_t page_size, uint32_t first, uint32_t last,
                          const WalFrameHeaderCallback& callback) {
  if (!is_page_size(page_size)) return invalid_argument("WAL: impossible page size");
  if (first == 0) return invalid_argument("WAL: frames count from 1");
  if (last < first) return {};
  FrameBlocks frames(wal, page_size, first, last);
  for (uint64_t frame_no = first; frame_no <= last; ++frame_no) {
    LS_ASSIGN_OR_RETURN(const Bytes bytes, frames.next());
    if (bytes.empty()) return corrupt(frame_name(frame_no) + ": short read");
    LS_RETURN_IF_ERROR(
        callback(static_cast<uint32_t>(frame_no), decode_frame_header(bytes.data())));
  }
  return {};
}

}  // namespace litestream
