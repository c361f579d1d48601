// Writing, verifying and merging LTX files in memory, against bare LZ4 on the same pages.
#include <lz4.h>

#include <memory>
#include <string>
#include <vector>

#include "bench/bench_json.h"
#include "bench/bench_pages.h"
#include "ext/ltx/decoder.h"
#include "ext/ltx/encoder.h"
#include "ext/ltx/merger.h"

namespace litestream::bench {
namespace {

constexpr Pgno kPages = 8192;
constexpr double kMegabytes = double{kPages} * kPageSize / 1e6;

// Takes everything at no cost, or keeps it.
class MemorySink final : public ByteSink {
 public:
  explicit MemorySink(std::vector<uint8_t>* kept) : kept_(kept) {}
  Status append(Bytes bytes) override {
    if (kept_ != nullptr) kept_->insert(kept_->end(), bytes.begin(), bytes.end());
    keep(bytes.data());
    return {};
  }

 private:
  std::vector<uint8_t>* kept_;
};

LtxHeader make_header(uint64_t min_txid, uint64_t max_txid) {
  LtxHeader header;
  header.page_size = kPageSize;
  header.commit = kPages;
  header.min_txid = Txid{min_txid};
  header.max_txid = Txid{max_txid};
  return header;
}

void require(const Status& status) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s\n", status.message().c_str());
  std::exit(1);
}

// Every `stride`-th page from `first` on.
void encode(LtxEncoder& encoder, const LtxHeader& header, const std::vector<Page>& pages,
            ByteSink& sink, Pgno first = 1, Pgno stride = 1) {
  require(encoder.begin(header, sink));
  for (Pgno pgno = first; pgno <= kPages; pgno += stride) {
    require(encoder.add_page(pgno, pages[pgno - 1]));
  }
  require(encoder.finish());
}

void bare_lz4(const std::vector<Page>& pages, int acceleration) {
  std::vector<char> out(static_cast<size_t>(LZ4_compressBound(kPageSize)));
  const auto state =
      std::make_unique<uint64_t[]>(static_cast<size_t>(LZ4_sizeofState()) / sizeof(uint64_t) + 1);
  for (const Page& page : pages) {
    keep(LZ4_compress_fast_extState(state.get(), reinterpret_cast<const char*>(page.data()),
                                    out.data(), kPageSize, static_cast<int>(out.size()),
                                    acceleration));
  }
}

void measure_encoder(const std::string& kind, int acceleration) {
  const std::vector<Page> pages = make_pages(kind, kPages);
  MemorySink sink(nullptr);
  LtxEncoder encoder(acceleration);
  const Medians medians = alternate([&] { encode(encoder, make_header(1, 1), pages, sink); },
                                    [&] { bare_lz4(pages, acceleration); });
  print({"ltx_encode",
         kMegabytes / medians.subject_seconds,
         "MB/s",
         kMegabytes / medians.baseline_seconds,
         {{"acceleration", acceleration},
          {"compression", kMegabytes * 1e6 / static_cast<double>(encoder.size_bytes())}},
         {{"pages", kind}}});
}

void measure_decoder(const std::string& kind) {
  const std::vector<Page> pages = make_pages(kind, kPages);
  std::vector<uint8_t> file;
  MemorySink sink(&file);
  LtxEncoder encoder;
  encode(encoder, make_header(1, 1), pages, sink);
  BytesReader reader(file);
  const Medians medians =
      alternate([&] { require(verify_ltx(reader).status()); }, [&] { bare_lz4(pages, 1); });
  print({"ltx_verify",
         kMegabytes / medians.subject_seconds,
         "MB/s",
         kMegabytes / medians.baseline_seconds,
         {},
         {{"pages", kind}}});
}

class MemoryReaders final : public MergeReaders {
 public:
  explicit MemoryReaders(const std::vector<std::vector<uint8_t>>& files) {
    for (const auto& file : files) readers_.emplace_back(Bytes(file));
  }
  Result<RandomReader*> reader_of(size_t number) override { return &readers_[number]; }

 private:
  std::vector<BytesReader> readers_;
};

void merge(const std::vector<std::vector<uint8_t>>& files) {
  std::vector<LtxContents> inputs;
  for (const auto& file : files) {
    BytesReader reader(file);
    auto contents = read_ltx_contents(reader);
    require(contents.status());
    inputs.push_back(std::move(contents).value());
  }
  auto plan = MergePlan::create(std::move(inputs));
  require(plan.status());
  MemoryReaders readers(files);
  PageMerger merger(*plan, readers);
  MemorySink sink(nullptr);
  LtxEncoder encoder;
  require(encoder.begin(plan->header(), sink));
  while (true) {
    const auto view = merger.next();
    require(view.status());
    if (!view->has_value()) break;
    require(encoder.add_compressed_page((*view)->pgno, (*view)->page, (*view)->block));
  }
  require(encoder.finish());
}

// 1000 small files into one; the rate counts pages read in.
void measure_merger() {
  constexpr uint64_t kFiles = 1000;
  constexpr Pgno kStride = 400;
  const std::vector<Page> pages = make_pages("mixed", kPages);
  std::vector<std::vector<uint8_t>> files(kFiles);
  LtxEncoder encoder;
  size_t page_count = 0;
  for (uint64_t i = 0; i < kFiles; ++i) {
    MemorySink sink(&files[i]);
    encode(encoder, make_header(i + 2, i + 2), pages, sink, static_cast<Pgno>(i % 97 + 1), kStride);
    page_count += encoder.page_count();
  }
  const double megabytes = static_cast<double>(page_count) * kPageSize / 1e6;
  const Medians medians = alternate([&] { merge(files); }, [&] { bare_lz4(pages, 1); });
  print({"ltx_merge",
         megabytes / medians.subject_seconds,
         "MB/s",
         kMegabytes / medians.baseline_seconds,
         {{"files", static_cast<double>(kFiles)}},
         {{"pages", "mixed"}}});
}

}  // namespace
}  // namespace litestream::bench

int main() {
  using namespace litestream::bench;
  for (const char* kind : {"noise", "text", "mixed"}) {
    for (const int acceleration : {1, 4}) measure_encoder(kind, acceleration);
    measure_decoder(kind);
  }
  measure_merger();
  return 0;
}
