// CRC-64 over pages: what Crc64 uses on this machine and the portable way, against a byte-table
// loop.
#include <vector>

#include "bench/bench_json.h"
#include "ext/ltx/checksum.h"

namespace litestream::bench {
namespace {

constexpr size_t kPages = 4096;

using Step = uint64_t (*)(uint64_t, Bytes);

void measure(const char* way, Step step, size_t page_bytes) {
  std::vector<uint8_t> page(page_bytes);
  for (size_t i = 0; i < page_bytes; ++i) page[i] = static_cast<uint8_t>(i * 2654435761u >> 13);
  const auto run = [&page](Step chosen) {
    uint64_t state = 1;
    for (size_t i = 0; i < kPages; ++i) state = chosen(state, page);
    keep(state);
  };
  const Medians medians = alternate([&] { run(step); }, [&] { run(crc64_bytewise); });
  const double gigabytes = static_cast<double>(page_bytes * kPages) / 1e9;
  print({"crc64",
         gigabytes / medians.subject_seconds,
         "GB/s",
         gigabytes / medians.baseline_seconds,
         {{"page_bytes", static_cast<double>(page_bytes)}},
         {{"way", way}}});
}

}  // namespace
}  // namespace litestream::bench

int main() {
  using namespace litestream;
  for (const size_t page_bytes : {512, 4096, 65536}) {
    if (crc64_wide_available()) bench::measure("wide", crc64_wide, page_bytes);
    if (crc64_clmul_available()) bench::measure("clmul", crc64_clmul, page_bytes);
    bench::measure("portable", crc64_portable, page_bytes);
  }
  return 0;
}
