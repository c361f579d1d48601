#include "ext/ltx/encoder.h"

#include <cstring>
#include <string>
#include <utility>

namespace litestream {

namespace {

// Small enough that a one-page file costs no fresh memory from the system, large enough that the
// sink's calls do not count.
constexpr size_t kBufferBytes = 96 << 10;

Status as_invalid_argument(const Status& status) {
  return invalid_argument("LTX encoder: " + status.message());
}

}  // namespace

LtxEncoder::LtxEncoder(int acceleration)
    : compressor_(acceleration), failure_(invalid_argument("LTX encoder: no file was begun")) {}

Status LtxEncoder::begin(const LtxHeader& header, ByteSink& sink) {
  buffered_ = 0;
  size_bytes_ = 0;
  file_checksum_ = 0;
  index_.clear();
  crc_ = Crc64();
  const Status valid = validate_header(header);
  if (!valid.ok()) return fail(as_invalid_argument(valid));
  if (header.flags != kLtxFlagNoChecksum) {
    return fail(invalid_argument("LTX encoder: flags must be 0x2"));
  }
  failure_ = {};
  sink_ = &sink;
  page_size_ = header.page_size;
  order_ = PageOrder(header);
  const size_t buffer_bytes = kBufferBytes + page_frame_bytes_max(page_size_);
  if (buffer_ == nullptr || buffer_bytes > buffer_bytes_) {
    buffer_ = std::make_unique_for_overwrite<uint8_t[]>(buffer_bytes);
    buffer_bytes_ = buffer_bytes;
  }
  return write(encode_header(header));
}

Status LtxEncoder::add_page(Pgno pgno, Bytes page) {
  LS_RETURN_IF_ERROR(check_page(pgno, page));
  LS_RETURN_IF_ERROR(reserve_frame());
  const MutableBytes out(buffer_end() + kSizedPageHeaderBytes, block_bytes_max(page_size_));
  const Result<size_t> block_bytes = compressor_.compress(page, out);
  if (!block_bytes.ok()) return fail(block_bytes.status());
  return close_frame(pgno, page, *block_bytes);
}

Status LtxEncoder::add_compressed_page(Pgno pgno, Bytes page, Bytes block) {
  LS_RETURN_IF_ERROR(check_page(pgno, page));
  if (block.empty() || block.size() > block_bytes_max(page_size_)) {
    return fail(invalid_argument("LTX encoder: page " + std::to_string(pgno) +
                                 ": impossible size of compressed data"));
  }
  LS_RETURN_IF_ERROR(reserve_frame());
  std::memcpy(buffer_end() + kSizedPageHeaderBytes, block.data(), block.size());
  return close_frame(pgno, page, block.size());
}

Status LtxEncoder::check_page(Pgno pgno, Bytes page) {
  LS_RETURN_IF_ERROR(failure_);
  if (page.size() != page_size_) {
    return fail(invalid_argument("LTX encoder: page " + std::to_string(pgno) + " has " +
                                 std::to_string(page.size()) + " bytes instead of " +
                                 std::to_string(page_size_)));
  }
  const Status accepted = order_.accept(pgno);
  if (!accepted.ok()) return fail(as_invalid_argument(accepted));
  return {};
}

Status LtxEncoder::reserve_frame() {
  if (buffer_bytes_ - buffered_ >= page_frame_bytes_max(page_size_)) return {};
  return flush();
}

// The block already stands in the buffer, behind room for the page header and size.
Status LtxEncoder::close_frame(Pgno pgno, Bytes page, size_t block_bytes) {
  uint8_t* const frame = buffer_end();
  store_be32(frame, pgno);
  store_be16(frame + 4, kPageFlagSize);
  store_be32(frame + kPageHeaderBytes, static_cast<uint32_t>(block_bytes));
  crc_.update(Bytes(frame, kSizedPageHeaderBytes));
  crc_.update(page);
  const size_t frame_bytes = kSizedPageHeaderBytes + block_bytes;
  index_.append(pgno, static_cast<uint32_t>(frame_bytes));
  buffered_ += frame_bytes;
  size_bytes_ += frame_bytes;
  return {};
}

Status LtxEncoder::finish() {
  LS_RETURN_IF_ERROR(failure_);
  const Status complete = order_.finish();
  if (!complete.ok()) return fail(as_invalid_argument(complete));
  constexpr uint8_t kZeroPageHeader[kPageHeaderBytes] = {};
  LS_RETURN_IF_ERROR(write(kZeroPageHeader));
  LS_RETURN_IF_ERROR(write_index());

  LtxTrailer trailer;
  crc_.update(Bytes(encode_trailer(trailer)).first(sizeof trailer.post_apply_checksum));
  trailer.file_checksum = file_checksum_ = crc_.checksum();
  LS_RETURN_IF_ERROR(write(encode_trailer(trailer)));
  LS_RETURN_IF_ERROR(flush());
  failure_ = invalid_argument("LTX encoder: the file is finished");
  return {};
}

Status LtxEncoder::write_index() {
  const uint64_t begin = size_bytes_;
  uint8_t encoded[kPageIndexEntryBytesMax];
  PageIndex::Cursor cursor(index_);
  while (cursor.next()) {
    const size_t used = encode_page_index_entry(cursor.entry(), encoded);
    LS_RETURN_IF_ERROR(write(Bytes(encoded, used)));
  }
  constexpr uint8_t kEnd[1] = {0};
  LS_RETURN_IF_ERROR(write(kEnd));
  uint8_t length[kPageIndexLengthBytes];
  store_be64(length, size_bytes_ - begin);
  return write(length);
}

// For everything but frames: small pieces, all of them part of the file checksum. (So is the
// trailer here, but nobody asks for the checksum after that.)
Status LtxEncoder::write(Bytes bytes) {
  if (bytes.size() > buffer_bytes_ - buffered_) LS_RETURN_IF_ERROR(flush());
  std::memcpy(buffer_end(), bytes.data(), bytes.size());
  crc_.update(bytes);
  buffered_ += bytes.size();
  size_bytes_ += bytes.size();
  return {};
}

Status LtxEncoder::flush() {
  const Status status = sink_->append(Bytes(buffer_.get(), buffered_));
  if (!status.ok()) return fail(status);
  buffered_ = 0;
  return {};
}

Status LtxEncoder::fail(Status status) {
  failure_ = std::move(status);
  return failure_;
}

}  // namespace litestream
