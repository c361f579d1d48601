#include "ext/engine/listed_store.h"

#include <algorithm>
#include <utility>

namespace litestream {
namespace {

class ListedReader final : public RandomReader {
 public:
  ListedReader(ListingCache& cache, int level, std::unique_ptr<RandomReader> below)
      : cache_(cache), level_(level), below_(std::move(below)) {}
  Result<size_t> read_at(uint64_t offset_bytes, MutableBytes out) override {
    return noting(below_->read_at(offset_bytes, out));
  }
  Result<uint64_t> size_bytes() override { return noting(below_->size_bytes()); }

 private:
  template <typename T>
  Result<T> noting(Result<T> result) {
    if (!result.ok() && result.status().code() == StatusCode::kNotFound) cache_.note_doubt(level_);
    return result;
  }
  ListingCache& cache_;
  const int level_;
  const std::unique_ptr<RandomReader> below_;
};

class ListedWriter final : public LtxWriter {
 public:
  ListedWriter(ListingCache& cache, const LtxFileInfo& file, std::unique_ptr<LtxWriter> below)
      : cache_(cache), file_(file), below_(std::move(below)) {
    file_.size_bytes = 0;
  }
  Status append(Bytes bytes) override {
    file_.size_bytes += bytes.size();
    return below_->append(bytes);
  }
  Status commit() override {
    const Status status = below_->commit();
    if (status.ok()) {
      cache_.note_written(file_);
    } else {
      // It may have taken effect all the same, or the name is taken by what we do not know of.
      cache_.note_doubt(file_.level);
    }
    return status;
  }

 private:
  ListingCache& cache_;
  LtxFileInfo file_;
  const std::unique_ptr<LtxWriter> below_;
};

}  // namespace

Result<std::unique_ptr<RandomReader>> ListedStore::open(const LtxFileInfo& file) {
  auto below = origin_.open(file);
  if (!below.ok()) {
    if (below.status().code() == StatusCode::kNotFound) cache_.note_doubt(file.level);
    return below.status();
  }
  std::unique_ptr<RandomReader> reader =
      std::make_unique<ListedReader>(cache_, file.level, std::move(*below));
  return reader;
}

Result<std::unique_ptr<LtxWriter>> ListedStore::create(const LtxFileInfo& file) {
  LS_ASSIGN_OR_RETURN(auto below, origin_.create(file));
  std::unique_ptr<LtxWriter> writer =
      std::make_unique<ListedWriter>(cache_, file, std::move(below));
  return writer;
}

Result<std::vector<LtxFileInfo>> ListedStore::remove(std::span<const LtxFileInfo> files,
                                                     Status* why) {
  Status reason;
  auto remaining = origin_.remove(files, &reason);
  if (why != nullptr) *why = reason;
  if (!remaining.ok()) {
    for (const LtxFileInfo& file : files) cache_.note_doubt(file.level);
    return remaining;
  }
  for (const LtxFileInfo& file : files) {
    const bool remains =
        std::any_of(remaining->begin(), remaining->end(), [&](const LtxFileInfo& left) {
          return left.level == file.level && left.min_txid == file.min_txid &&
                 left.max_txid == file.max_txid;
        });
    if (!remains) {
      cache_.note_removed(file);
    } else if (reason.retryable()) {
      cache_.note_doubt(file.level);  // perhaps only the reply was lost
    }
  }
  return remaining;
}

}  // namespace litestream
