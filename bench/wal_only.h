// What drives the engine's Capture without SQLite, disk or threads.
// Threading: thread-compatible.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "bench/bench_json.h"
#include "bench/bench_pages.h"
#include "ext/engine/capture.h"
#include "ext/ltx/checksum.h"
#include "tests/support/wal_builder.h"

namespace litestream::bench {

// A WAL in memory; nothing else of a database is ever asked for.
class WalOnly final : public SourceDatabase {
 public:
  // Each page once and in order, ten to a transaction, over a database that has them all already.
  explicit WalOnly(const std::vector<Page>& pages) : wal_({}) {
    test::WalBuilder builder(kPageSize, false);
    page_count_ = static_cast<uint32_t>(pages.size());
    for (uint32_t i = 0; i < page_count_; ++i) {
      const bool commits = i % 10 == 9 || i + 1 == page_count_;
      builder.add_frame(i + 1, commits ? page_count_ : 0, pages[i]);
    }
    wal_.content = builder.bytes();
    index_ = decode_wal_index(builder.index_bytes(page_count_)).value();
  }
  Position start() const {
    Position start;
    start.txid = Txid{1};
    start.page_count = page_count_;
    return start;
  }
  PageSums sums(const std::vector<Page>& pages) const {
    PageSums sums(kPageSize);
    for (uint32_t i = 0; i < page_count_; ++i) sums.set(i + 1, page_checksum(i + 1, pages[i]));
    sums.set_txid(Txid{1});
    return sums;
  }
  Status open(bool) override { return {}; }
  void close(bool) override {}
  uint32_t page_size_bytes() const override { return kPageSize; }
  Result<WalIndex> read_index() override { return index_; }
  RandomReader& wal() override { return wal_; }
  RandomReader& database() override { return wal_; }
  Status advance() override { return {}; }
  Result<CheckpointOutcome> relief_checkpoint() override { return CheckpointOutcome{}; }
  Result<bool> relief_lock_writes(int64_t) override { return false; }
  Status relief_unlock_writes() override { return {}; }
  Result<CheckpointOutcome> guard_checkpoint_and_renew() override { return CheckpointOutcome{}; }
  Result<bool> relief_truncate() override { return false; }
  Result<std::unique_ptr<SourceReader>> open_reader() override { return unsupported("no reader"); }

 private:
  test::MemoryReader wal_;
  WalIndex index_;
  uint32_t page_count_ = 0;
};

// Takes files and forgets them.
class Nowhere final : public LtxStore {
 public:
  class Writer final : public LtxWriter {
   public:
    Status append(Bytes bytes) override {
      keep(bytes.data());
      return {};
    }
    Status commit() override { return {}; }
  };
  const std::string& type() const override { return name_; }
  const std::string& url() const override { return name_; }
  Result<std::vector<LtxFileInfo>> list(int) override { return std::vector<LtxFileInfo>{}; }
  Result<std::unique_ptr<RandomReader>> open(const LtxFileInfo&) override {
    return not_found("nothing is kept");
  }
  Result<std::unique_ptr<LtxWriter>> create(const LtxFileInfo&) override {
    std::unique_ptr<LtxWriter> writer = std::make_unique<Writer>();
    return writer;
  }
  Result<std::vector<LtxFileInfo>> remove(std::span<const LtxFileInfo>, Status*) override {
    return std::vector<LtxFileInfo>{};
  }
  Result<std::vector<GenerationInfo>> list_generations() override {
    return std::vector<GenerationInfo>{};
  }
  std::string path_of(const LtxFileInfo&) const override { return name_; }

 private:
  const std::string name_ = "nowhere";
};

}  // namespace litestream::bench
