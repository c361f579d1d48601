// A level 9 file of a whole database, made by litestream_snapshot() in an application's process,
// against the least that could do it: read the file, compress each page with LZ4, write, sync.
#include <fcntl.h>
#include <lz4.h>
#include <unistd.h>

#include <filesystem>
#include <memory>
#include <string>
#include <vector>

#include "bench/bench_json.h"
#include "bench/bench_pages.h"
#include "bench/bench_support.h"

namespace litestream::bench {
namespace {

constexpr size_t kChunkBytes = 1 << 20;
constexpr int kAcceleration = 1;

// Rows of words and of noise by turns.
void fill(Host& host, int64_t mebibytes) {
  host.exec(
      "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA wal_autocheckpoint=10000;"
      "CREATE TABLE entry(id INTEGER PRIMARY KEY, body)");
  host.exec(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " +
      std::to_string(mebibytes * 1024) +
      ") INSERT INTO entry(body) SELECT CASE i % 2 WHEN 0 THEN randomblob(1000)"
      " ELSE replace(hex(randomblob(100)), '7', ' name = ') || replace(hex(randomblob(200)), '3',"
      " ' value ') END FROM n");
  host.exec("PRAGMA wal_checkpoint(TRUNCATE); PRAGMA synchronous=NORMAL");
}

void compress_file(const std::string& from, const std::string& to) {
  const int in = ::open(from.c_str(), O_RDONLY | O_CLOEXEC);
  const int out = ::open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (in < 0 || out < 0) give_up("cannot compress " + from);
  std::vector<char> pages(kChunkBytes);
  std::vector<char> blocks(kChunkBytes / kPageSize *
                           static_cast<size_t>(LZ4_compressBound(kPageSize)));
  const auto state =
      std::make_unique<uint64_t[]>(static_cast<size_t>(LZ4_sizeofState()) / sizeof(uint64_t) + 1);
  while (true) {
    const ssize_t n = ::read(in, pages.data(), pages.size());
    if (n < 0) give_up("read");
    if (n == 0) break;
    size_t used = 0;
    for (size_t at = 0; at < static_cast<size_t>(n); at += kPageSize) {
      used += static_cast<size_t>(LZ4_compress_fast_extState(
          state.get(), pages.data() + at, blocks.data() + used, kPageSize,
          static_cast<int>(blocks.size() - used), kAcceleration));
    }
    if (::write(out, blocks.data(), used) != static_cast<ssize_t>(used)) give_up("write");
  }
  if (::fsync(out) != 0) give_up("fsync");
  ::close(in);
  ::close(out);
}

enum Number { kSubject, kBaseline, kMemoryMib, kCompression };

std::vector<double> run(const std::string& path, const Folder& folder) {
  Host host(path);
  host.load_extension();
  const double before_mib = process_size().resident_mib;
  host.replicate_to(folder / "replica");  // which begins with a snapshot
  const Medians medians = alternate(
      [&] {
        // The same TXID is not written twice.
        host.exec("UPDATE entry SET body = randomblob(1000) WHERE id = 2");
        (void)host.text("SELECT litestream_snapshot()");
      },
      [&] { compress_file(path, folder / "compressed"); });
  const double memory_mib = process_size().resident_peak_mib - before_mib;
  const double size = std::stod(host.text("SELECT max(size) FROM litestream_snapshots"));
  return {medians.subject_seconds, medians.baseline_seconds, memory_mib,
          static_cast<double>(file_size_bytes(path)) / size};
}

}  // namespace
}  // namespace litestream::bench

int main() {
  using namespace litestream::bench;
  const int64_t mebibytes = setting("LITESTREAM_BENCH_SNAPSHOT_MIB", 256);
  const Folder folder;
  const std::string path = folder / "app.db";
  (void)in_child([&] {
    Host host(path);
    fill(host, mebibytes);
    return std::vector<double>{};
  });
  const std::vector<double> numbers = in_child([&] { return run(path, folder); });
  print({"snapshot",
         numbers[kSubject] * 1e3,
         "ms",
         numbers[kBaseline] * 1e3,
         {{"mebibytes", static_cast<double>(file_size_bytes(path)) / 1048576},
          {"peak_memory_mib", numbers[kMemoryMib]},
          {"compression", numbers[kCompression]}},
         {}});
  return 0;
}
