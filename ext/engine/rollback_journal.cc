#include "ext/engine/rollback_journal.h"

#include <array>

#include "ext/base/limits.h"

namespace litestream {
namespace {

constexpr std::array<uint8_t, 8> kMagic = {0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7};
constexpr uint32_t kSectorBytes = 512;  // the header takes one
constexpr size_t kCountOffset = 8;
constexpr size_t kSampleStep = 200;

// The nonce and every 200th byte, counted from the end.
uint32_t record_checksum(uint32_t nonce, Bytes page) {
  uint32_t sum = nonce;
  for (size_t at = page.size() - kSampleStep; at > 0 && at < page.size(); at -= kSampleStep) {
    sum += page[at];
  }
  return sum;
}

}  // namespace

Result<std::unique_ptr<RollbackJournal>> RollbackJournal::create(FileSystem& fs,
                                                                 const std::string& database_path,
                                                                 uint32_t page_size,
                                                                 uint32_t page_count,
                                                                 uint32_t nonce) {
  std::string path = database_path + "-journal";
  auto file = fs.create_new(path);
  if (file.status().code() == StatusCode::kAlreadyExists) {
    LS_RETURN_IF_ERROR(fs.remove(path));
    file = fs.create_new(path);
  }
  if (!file.ok()) return file.status();
  std::unique_ptr<RollbackJournal> journal(
      new RollbackJournal(fs, std::move(path), std::move(file).value(), nonce));
  std::array<uint8_t, kSectorBytes> header{};
  std::copy(kMagic.begin(), kMagic.end(), header.begin());
  // The number of records stays 0 until they are durable.
  store_be32(header.data() + 12, nonce);
  store_be32(header.data() + 16, page_count);
  store_be32(header.data() + 20, kSectorBytes);
  store_be32(header.data() + 24, page_size);
  journal->buffer_.assign(header.begin(), header.end());
  return journal;
}

RollbackJournal::~RollbackJournal() {
  if (sealed_) return;
  file_.reset();
  (void)fs_.remove(path_).ok();
}

Status RollbackJournal::flush() {
  LS_RETURN_IF_ERROR(file_->append(buffer_));
  buffer_.clear();
  return {};
}

Status RollbackJournal::add(Pgno pgno, Bytes page) {
  if (buffer_.size() + page.size() + 8 > kCopyChunkBytes) LS_RETURN_IF_ERROR(flush());
  uint8_t word[4];
  store_be32(word, pgno);
  buffer_.insert(buffer_.end(), word, word + sizeof word);
  buffer_.insert(buffer_.end(), page.begin(), page.end());
  store_be32(word, record_checksum(nonce_, page));
  buffer_.insert(buffer_.end(), word, word + sizeof word);
  ++record_count_;
  return {};
}

Status RollbackJournal::seal() {
  LS_RETURN_IF_ERROR(flush());
  LS_RETURN_IF_ERROR(file_->sync());
  uint8_t count[4];
  store_be32(count, record_count_);
  LS_RETURN_IF_ERROR(file_->write_at(kCountOffset, count));
  LS_RETURN_IF_ERROR(file_->sync());
  LS_RETURN_IF_ERROR(fs_.sync_directory(path_directory(path_)));
  sealed_ = true;
  return {};
}

Status RollbackJournal::remove() {
  file_.reset();
  LS_RETURN_IF_ERROR(fs_.remove(path_));
  return fs_.sync_directory(path_directory(path_));
}

}  // namespace litestream
