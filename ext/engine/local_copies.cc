#include "ext/engine/local_copies.h"

#include <algorithm>
#include <vector>

#include "ext/base/limits.h"

namespace litestream {
namespace {

constexpr size_t kRemoveFilesMax = 1000;  // per call of a store

}  // namespace

LtxStore* LocalCopies::find(const LtxFileInfo& file) const {
  if (local_ == nullptr) return nullptr;
  if (file.level == 0) return local_;
  return cached_.contains(key_of(file)) ? local_ : nullptr;
}

void LocalCopies::clear_left_overs() {
  is_clean_ = true;
  for (int level = 1; level <= kCompactionLevelMax; ++level) {
    const auto files = local_->list(level);
    if (!files.ok()) continue;
    for (size_t at = 0; at < files->size(); at += kRemoveFilesMax) {
      const size_t count = std::min(kRemoveFilesMax, files->size() - at);
      (void)local_->remove(std::span(*files).subspan(at, count), nullptr).ok();
    }
  }
}

std::unique_ptr<LtxWriter> LocalCopies::start(const LtxFileInfo& file) {
  const bool is_cacheable = file.level >= 1 && file.level <= kCompactionLevelMax;
  if (local_ == nullptr || !is_cacheable || cached_.contains(key_of(file))) return nullptr;
  if (cache_bytes_ + file.size_bytes > cache_bytes_max_) return nullptr;
  if (!is_clean_) clear_left_overs();
  auto writer = local_->create(file);
  return writer.ok() ? std::move(*writer) : nullptr;
}

void LocalCopies::keep(const LtxFileInfo& file) {
  if (cached_.emplace(key_of(file), file).second) cache_bytes_ += file.size_bytes;
}

void LocalCopies::drop(int level, Txid end) {
  std::vector<LtxFileInfo> files;
  for (const auto& [key, file] : cached_) {
    if (file.level == level && file.max_txid <= end) files.push_back(file);
  }
  for (size_t at = 0; at < files.size(); at += kRemoveFilesMax) {
    const size_t count = std::min(kRemoveFilesMax, files.size() - at);
    (void)local_->remove(std::span(files).subspan(at, count), nullptr).ok();
  }
  for (const LtxFileInfo& file : files) {
    cached_.erase(key_of(file));
    cache_bytes_ -= file.size_bytes;
  }
}

}  // namespace litestream
