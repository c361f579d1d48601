#include "ext/ltx/contents.h"

#include <algorithm>
#include <array>
#include <string>
#include <utility>
#include <vector>

namespace litestream {

namespace {

// Files up to this size are read whole, which on a remote store is one request.
constexpr uint64_t kWholeFileBytesMax = 64 << 10;
constexpr size_t kIndexReadBytes = 256 << 10;
constexpr uint64_t kTailBytes = kPageIndexLengthBytes + kLtxTrailerBytes;
// A file without pages: header, zero page header, empty index, trailer.
constexpr uint64_t kFileBytesMin = kLtxHeaderBytes + kPageHeaderBytes + 1 + kTailBytes;

Status check_size(uint64_t size_bytes) {
  if (size_bytes >= kFileBytesMin) return {};
  return corrupt("file of " + std::to_string(size_bytes) + " bytes is too short for an LTX file");
}

Result<LtxContents> read_parts(RandomReader& reader, uint64_t size_bytes) {
  LtxContents contents;
  contents.size_bytes = size_bytes;
  std::array<uint8_t, kLtxHeaderBytes> head;
  LS_RETURN_IF_ERROR(read_exactly(reader, 0, head));
  LS_ASSIGN_OR_RETURN(contents.header, decode_header(head));

  std::array<uint8_t, kTailBytes> tail;
  const uint64_t index_end = size_bytes - kTailBytes;
  LS_RETURN_IF_ERROR(read_exactly(reader, index_end, tail));
  LS_ASSIGN_OR_RETURN(contents.trailer,
                      decode_trailer(contents.header, Bytes(tail).subspan(kPageIndexLengthBytes)));
  const uint64_t index_bytes = load_be64(tail.data());
  if (index_bytes > index_end - kLtxHeaderBytes - kPageHeaderBytes) {
    return corrupt("page index is larger than the file");
  }
  SequentialReader in(reader, index_end - index_bytes, index_end, kIndexReadBytes);
  LS_ASSIGN_OR_RETURN(contents.index, decode_page_index(in, contents.header));
  return contents;
}

}  // namespace

Result<LtxContents> read_ltx_contents(RandomReader& reader) {
  LS_ASSIGN_OR_RETURN(const uint64_t size_bytes, reader.size_bytes());
  LS_RETURN_IF_ERROR(check_size(size_bytes));
  if (size_bytes > kWholeFileBytesMax) return read_parts(reader, size_bytes);
  std::vector<uint8_t> whole(static_cast<size_t>(size_bytes));
  LS_RETURN_IF_ERROR(read_exactly(reader, 0, whole));
  return read_ltx_contents(Bytes(whole));
}

Result<LtxContents> read_ltx_contents(Bytes file) {
  LS_RETURN_IF_ERROR(check_size(file.size()));
  BytesReader memory(file);
  return read_parts(memory, file.size());
}

LtxIndexedFile::LtxIndexedFile(RandomReader& reader, LtxContents contents)
    : reader_(&reader),
      contents_(std::move(contents)),
      decompressor_(std::make_unique<PageDecompressor>()) {}

Result<LtxIndexedFile> LtxIndexedFile::open(RandomReader& reader) {
  LS_ASSIGN_OR_RETURN(LtxContents contents, read_ltx_contents(reader));
  return LtxIndexedFile(reader, std::move(contents));
}

Status LtxIndexedFile::read_page(const PageIndexEntry& entry, MutableBytes page) {
  if (page.size() != contents_.header.page_size ||
      entry.size_bytes > page_frame_bytes_max(contents_.header.page_size)) {
    return invalid_argument("page " + std::to_string(entry.pgno) + ": not an entry of this file");
  }
  frame_.resize(entry.size_bytes);
  LS_RETURN_IF_ERROR(read_exactly(*reader_, entry.offset_bytes, frame_));
  const Result<PageFrame> frame = decode_page_frame(frame_, entry.pgno, *decompressor_, page);
  return frame.ok() ? Status() : frame.status();
}

}  // namespace litestream
