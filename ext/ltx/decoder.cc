#include "ext/ltx/decoder.h"

#include <algorithm>
#include <array>
#include <string>

#include "ext/ltx/page_index.h"

namespace litestream {

namespace {

Status at_page(const Status& status, Pgno pgno) {
  return status.with_context("page " + std::to_string(pgno));
}

}  // namespace

LtxDecoder::LtxDecoder(RandomReader& reader, const LtxHeader& header, uint64_t size_bytes,
                       size_t read_ahead_bytes)
    : header_(header),
      in_(reader, kLtxHeaderBytes, size_bytes,
          std::max<size_t>(read_ahead_bytes, page_frame_bytes_max(header.page_size))),
      page_(header.page_size),
      order_(header),
      database_checksum_(header.is_snapshot() ? kChecksumFlag : 0) {}

Result<std::unique_ptr<LtxDecoder>> LtxDecoder::open(RandomReader& reader,
                                                     size_t read_ahead_bytes) {
  LS_ASSIGN_OR_RETURN(const uint64_t size_bytes, reader.size_bytes());
  if (size_bytes < kLtxHeaderBytes) {
    return corrupt("file of " + std::to_string(size_bytes) + " bytes is too short for an LTX file");
  }
  std::array<uint8_t, kLtxHeaderBytes> head;
  LS_RETURN_IF_ERROR(read_exactly(reader, 0, head));
  LS_ASSIGN_OR_RETURN(const LtxHeader header, decode_header(head));
  std::unique_ptr<LtxDecoder> decoder(new LtxDecoder(reader, header, size_bytes, read_ahead_bytes));
  decoder->file_crc_.update(head);
  return decoder;
}

Result<std::optional<LtxPageView>> LtxDecoder::next() {
  if (!failure_.ok()) return failure_;
  if (done_) return std::optional<LtxPageView>();
  auto result = read_frame();
  if (!result.ok()) {
    failure_ = result.status();
  } else if (!result->has_value()) {
    done_ = true;
  }
  return result;
}

Result<std::optional<LtxPageView>> LtxDecoder::read_frame() {
  LS_ASSIGN_OR_RETURN(const Bytes page_header, in_.peek(kPageHeaderBytes));
  const Pgno pgno = load_be32(page_header.data());
  const uint16_t flags = load_be16(page_header.data() + 4);
  file_crc_.update(page_header);
  in_.consume(kPageHeaderBytes);
  if (pgno == 0 && flags == 0) {
    LS_RETURN_IF_ERROR(order_.finish());
    LS_RETURN_IF_ERROR(read_index());
    LS_RETURN_IF_ERROR(read_trailer());
    return std::optional<LtxPageView>();
  }
  LS_RETURN_IF_ERROR(order_.accept(pgno));
  if ((flags & ~kPageFlagSize) != 0) return at_page(corrupt("unknown flags"), pgno);
  LS_ASSIGN_OR_RETURN(const LtxPageView view,
                      flags == kPageFlagSize ? read_block(pgno) : read_old_frame(pgno));
  return std::optional(view);
}

Result<LtxPageView> LtxDecoder::read_block(Pgno pgno) {
  LS_ASSIGN_OR_RETURN(const Bytes size_field, in_.peek(kPageSizeFieldBytes));
  const uint32_t block_bytes = load_be32(size_field.data());
  file_crc_.update(size_field);
  in_.consume(kPageSizeFieldBytes);
  if (block_bytes == 0 || block_bytes > block_bytes_max(header_.page_size)) {
    return at_page(corrupt("impossible size of compressed data"), pgno);
  }
  const Result<Bytes> block = in_.peek(block_bytes);
  if (!block.ok()) return at_page(block.status(), pgno);
  const Status status = PageDecompressor::decompress_block(*block, page_);
  if (!status.ok()) return at_page(status, pgno);
  in_.consume(block_bytes);
  note_page(pgno, kSizedPageHeaderBytes + block_bytes);
  return LtxPageView{pgno, page_, *block};
}

Result<LtxPageView> LtxDecoder::read_old_frame(Pgno pgno) {
  const uint32_t frame_bytes_max = page_frame_bytes_max(header_.page_size);
  LS_ASSIGN_OR_RETURN(const Bytes input, in_.peek_up_to(frame_bytes_max - kPageHeaderBytes));
  const Result<size_t> used = decompressor_.decompress_frame(input, page_);
  if (!used.ok()) return at_page(used.status(), pgno);
  in_.consume(*used);
  note_page(pgno, kPageHeaderBytes + *used);
  return LtxPageView{pgno, page_, {}};
}

void LtxDecoder::note_page(Pgno pgno, uint64_t frame_bytes) {
  file_crc_.update(page_);
  uint8_t encoded[kPageIndexEntryBytesMax];
  const PageIndexEntry entry{pgno, in_.position_bytes() - frame_bytes,
                             static_cast<uint32_t>(frame_bytes)};
  const size_t encoded_bytes = encode_page_index_entry(entry, encoded);
  index_crc_.update(Bytes(encoded, encoded_bytes));
  index_bytes_ += encoded_bytes;
  ++page_count_;
  if (header_.is_snapshot()) {
    database_checksum_ = toggle_page(database_checksum_, page_checksum(pgno, page_));
  }
}

Status LtxDecoder::read_index() {
  constexpr uint8_t kEnd[1] = {0};
  constexpr uint64_t kChunkBytes = 4096;
  index_crc_.update(kEnd);
  index_bytes_ += sizeof kEnd;
  Crc64 found;
  for (uint64_t left = index_bytes_; left > 0;) {
    LS_ASSIGN_OR_RETURN(const Bytes chunk,
                        in_.peek(static_cast<size_t>(std::min(left, kChunkBytes))));
    found.update(chunk);
    file_crc_.update(chunk);
    in_.consume(chunk.size());
    left -= chunk.size();
  }
  LS_ASSIGN_OR_RETURN(const Bytes length, in_.peek(kPageIndexLengthBytes));
  if (found.value() != index_crc_.value() || load_be64(length.data()) != index_bytes_) {
    return corrupt("page index does not match the pages");
  }
  file_crc_.update(length);
  in_.consume(kPageIndexLengthBytes);
  return {};
}

Status LtxDecoder::read_trailer() {
  LS_ASSIGN_OR_RETURN(const Bytes bytes, in_.peek(kLtxTrailerBytes));
  LS_ASSIGN_OR_RETURN(trailer_, decode_trailer(header_, bytes));
  file_crc_.update(bytes.first(sizeof trailer_.post_apply_checksum));
  if (file_crc_.checksum() != trailer_.file_checksum) return corrupt("wrong file checksum");
  in_.consume(kLtxTrailerBytes);
  if (in_.position_bytes() != in_.end_bytes()) {
    return corrupt(std::to_string(in_.end_bytes() - in_.position_bytes()) +
                   " bytes after the end of the LTX file");
  }
  return verify_database_checksum();
}

Status LtxDecoder::verify_database_checksum() const {
  if (!header_.is_snapshot()) return {};
  const Checksum post_apply = trailer_.post_apply_checksum;
  if (post_apply != 0 && post_apply != database_checksum_) {
    return corrupt("post_apply_checksum does not match the pages");
  }
  if (header_.chain.known && header_.chain.after != database_checksum_) {
    return corrupt("chain checksum does not match the pages");
  }
  return {};
}

Result<LtxSummary> verify_ltx(RandomReader& reader, size_t read_ahead_bytes) {
  LS_ASSIGN_OR_RETURN(const std::unique_ptr<LtxDecoder> decoder,
                      LtxDecoder::open(reader, read_ahead_bytes));
  while (true) {
    LS_ASSIGN_OR_RETURN(const auto page, decoder->next());
    if (!page.has_value()) break;
  }
  return LtxSummary{decoder->header(), decoder->trailer(), decoder->page_count(),
                    decoder->size_bytes(), decoder->database_checksum()};
}

}  // namespace litestream
