// From WAL bytes to an L0 file through the engine's Capture, against bare LZ4 at the same
// acceleration on the same pages. One core, nothing on disk: reading, the WAL's checksums, page and
// file checksums, compression and the file's index are all there is.
#include <lz4.h>

#include <memory>
#include <string>
#include <vector>

#include "bench/bench_json.h"
#include "bench/bench_pages.h"
#include "bench/bench_support.h"
#include "ext/base/limits.h"
#include "ext/engine/capture.h"
#include "tests/support/wal_builder.h"

namespace litestream::bench {
namespace {

constexpr uint32_t kPages = 3072;  // 12 MiB: stays below what makes Capture write early
constexpr int kCaptureAcceleration = 4;
constexpr int kRepeats = 8;

// A WAL in memory; nothing else of a database is ever asked for.
class WalOnly final : public SourceDatabase {
 public:
  WalOnly(std::vector<uint8_t> wal, const WalIndex& index) : wal_(std::move(wal)), index_(index) {}
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
  const WalIndex index_;
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

void bare_lz4(const std::vector<Page>& pages) {
  std::vector<char> out(static_cast<size_t>(LZ4_compressBound(kPageSize)));
  const auto state =
      std::make_unique<uint64_t[]>(static_cast<size_t>(LZ4_sizeofState()) / sizeof(uint64_t) + 1);
  for (int repeat = 0; repeat < kRepeats; ++repeat) {
    for (const Page& page : pages) {
      keep(LZ4_compress_fast_extState(state.get(), reinterpret_cast<const char*>(page.data()),
                                      out.data(), kPageSize, static_cast<int>(out.size()),
                                      kCaptureAcceleration));
    }
  }
}

void measure(const std::string& kind) {
  const std::vector<Page> pages = make_pages(kind, kPages);
  test::WalBuilder builder(kPageSize, false);
  // Ten pages to a transaction.
  for (uint32_t i = 0; i < kPages; ++i) {
    const bool commits = i % 10 == 9 || i + 1 == kPages;
    builder.add_frame(i + 1, commits ? kPages : 0, pages[i]);
  }
  WalOnly source(builder.bytes(), require(decode_wal_index(builder.index_bytes(kPages))));
  Position start;
  start.txid = Txid{1};
  start.page_count = kPages;
  PageSums sums(kPageSize);
  for (uint32_t i = 0; i < kPages; ++i) sums.set(i + 1, page_checksum(i + 1, pages[i]));
  sums.set_txid(start.txid);
  Nowhere spool;
  uint64_t file_bytes = 0;
  const auto capture_all = [&] {
    for (int repeat = 0; repeat < kRepeats; ++repeat) {
      Capture capture(source, start, sums, kPendingBytesMax);
      (void)require(capture.run());
      file_bytes = require(capture.flush(spool, 1)).size_bytes;
    }
  };
  const Medians medians = alternate(
      capture_all, [&] { bare_lz4(pages); }, 11);
  const double megabytes = double{kPages} * kPageSize * kRepeats / 1e6;
  print({"capture",
         megabytes / medians.subject_seconds,
         "MB/s",
         megabytes / medians.baseline_seconds,
         {{"acceleration", kCaptureAcceleration},
          {"compression", double{kPages} * kPageSize / static_cast<double>(file_bytes)}},
         {{"pages", kind}}});
}

}  // namespace
}  // namespace litestream::bench

int main() {
  for (const char* kind : {"noise", "text", "mixed"}) litestream::bench::measure(kind);
  return 0;
}
