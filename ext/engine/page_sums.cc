#include "ext/engine/page_sums.h"

#include <algorithm>
#include <array>

#include "ext/base/durable_file.h"
#include "ext/base/limits.h"
#include "ext/ltx/checksum.h"

namespace litestream {
namespace {

constexpr std::string_view kMagic = "LSPAGES1";
constexpr size_t kHeadBytes = 8 + 4 + 4 + 8;
constexpr size_t kChunkSums = 8192;
constexpr Checksum kTopBit = Checksum{1} << 63;

std::array<uint8_t, kHeadBytes> encode_head(uint32_t page_size, uint32_t page_count, Txid txid) {
  std::array<uint8_t, kHeadBytes> head{};
  std::copy(kMagic.begin(), kMagic.end(), head.begin());
  store_be32(&head[8], page_size);
  store_be32(&head[12], page_count);
  store_be64(&head[16], txid.value);
  return head;
}

}  // namespace

Checksum PageSums::sum_of(Pgno pgno) const {
  return pgno == 0 || pgno > sums_.size() ? 0 : sums_[pgno - 1];
}

void PageSums::resize(uint32_t page_count) {
  for (size_t i = page_count; i < sums_.size(); ++i) xor_ ^= sums_[i];
  sums_.resize(page_count, 0);
}

void PageSums::set(Pgno pgno, Checksum sum) {
  if (pgno == 0 || pgno == lock_page(page_size_bytes_)) return;
  if (pgno > sums_.size()) sums_.resize(pgno, 0);
  xor_ ^= sums_[pgno - 1] ^ sum;
  sums_[pgno - 1] = sum;
}

Checksum PageSums::database_checksum() const { return sums_.empty() ? 0 : xor_ | kTopBit; }

Status PageSums::save(FileSystem& fs, const std::string& path) const {
  LS_ASSIGN_OR_RETURN(auto file, DurableFile::create(fs, path));
  const auto head = encode_head(page_size_bytes_, page_count(), txid_);
  Crc64 crc;
  crc.update(head);
  LS_RETURN_IF_ERROR(file->append(head));
  std::vector<uint8_t> chunk(kChunkSums * 8);
  for (size_t at = 0; at < sums_.size(); at += kChunkSums) {
    const size_t count = std::min(kChunkSums, sums_.size() - at);
    for (size_t i = 0; i < count; ++i) store_be64(&chunk[i * 8], sums_[at + i]);
    const Bytes bytes(chunk.data(), count * 8);
    crc.update(bytes);
    LS_RETURN_IF_ERROR(file->append(bytes));
  }
  uint8_t tail[8];
  store_be64(tail, crc.value());
  LS_RETURN_IF_ERROR(file->append(tail));
  return file->commit(DurableFile::Publish::kReplace, DurableFile::Sync::kDurable);
}

Result<PageSums> PageSums::load(FileSystem& fs, const std::string& path) {
  LS_ASSIGN_OR_RETURN(auto file, fs.open_readable(path));
  LS_ASSIGN_OR_RETURN(const uint64_t size, file->size_bytes());
  std::array<uint8_t, kHeadBytes> head{};
  if (size < kHeadBytes + 8) return corrupt(path + ": too short for page checksums");
  LS_RETURN_IF_ERROR(read_exactly(*file, 0, head));
  const uint32_t page_size = load_be32(&head[8]);
  const uint32_t page_count = load_be32(&head[12]);
  if (!std::equal(kMagic.begin(), kMagic.end(), head.begin()) || !is_page_size(page_size) ||
      size != kHeadBytes + uint64_t{page_count} * 8 + 8) {
    return corrupt(path + ": not a file of page checksums");
  }
  PageSums sums(page_size);
  sums.txid_ = Txid{load_be64(&head[16])};
  sums.sums_.resize(page_count);
  Crc64 crc;
  crc.update(head);
  std::vector<uint8_t> chunk(kChunkSums * 8);
  for (size_t at = 0; at < page_count; at += kChunkSums) {
    const size_t count = std::min<size_t>(kChunkSums, page_count - at);
    const MutableBytes bytes(chunk.data(), count * 8);
    LS_RETURN_IF_ERROR(read_exactly(*file, kHeadBytes + at * 8, bytes));
    crc.update(bytes);
    for (size_t i = 0; i < count; ++i) {
      sums.sums_[at + i] = load_be64(&chunk[i * 8]);
      sums.xor_ ^= sums.sums_[at + i];
    }
  }
  uint8_t tail[8];
  LS_RETURN_IF_ERROR(read_exactly(*file, size - 8, tail));
  if (load_be64(tail) != crc.value()) return corrupt(path + ": bad checksum");
  return sums;
}

}  // namespace litestream
