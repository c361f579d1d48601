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
#include "bench/wal_only.h"
#include "ext/base/limits.h"

namespace litestream::bench {
namespace {

constexpr uint32_t kPages = 3072;  // 12 MiB: stays below what makes Capture write early
constexpr int kCaptureAcceleration = 4;
constexpr int kRepeats = 8;

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
  WalOnly source(pages);
  const Position start = source.start();
  const PageSums sums = source.sums(pages);
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
