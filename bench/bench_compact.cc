// 1000 L0 files of a replica in a folder into one file of level 1, against reading them all,
// writing as many bytes as the result has, and syncing. On one core: compaction has one thread.
#include <fcntl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "bench/bench_json.h"
#include "bench/bench_support.h"
#include "bench/replica_maker.h"
#include "ext/engine/compactor.h"
#include "ext/store/file_store.h"

namespace litestream::bench {
namespace {

constexpr int kFiles = 1000;
constexpr size_t kChunkBytes = 1 << 20;

CompactionGroup group_of(FileStore& store) {
  CompactionGroup group;
  group.files = require(store.list(0));
  for (const LtxFileInfo& file : group.files) group.size_bytes += file.size_bytes;
  if (group.files.size() != kFiles) give_up("the replica has another number of files");
  return group;
}

LtxFileInfo compact(FileStore& store, const CompactionGroup& group) {
  LocalCopies local(nullptr);
  Compactor compactor(store, local, false);
  const CompactionResult result = require(compactor.merge(group, {}, nullptr));
  if (result.file_count != group.files.size()) give_up("files were left out");
  return result.file;
}

void read_and_write(FileStore& store, const CompactionGroup& group, uint64_t left_bytes,
                    const std::string& to) {
  std::vector<char> chunk(kChunkBytes);
  const int out = ::open(to.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  if (out < 0) give_up("cannot create " + to);
  for (const LtxFileInfo& file : group.files) {
    const int in = ::open(store.path_of(file).c_str(), O_RDONLY | O_CLOEXEC);
    if (in < 0) give_up("cannot read " + store.path_of(file));
    while (true) {
      const ssize_t got = ::read(in, chunk.data(), chunk.size());
      if (got < 0) give_up("read");
      if (got == 0) break;
      const size_t count = static_cast<size_t>(std::min<uint64_t>(left_bytes, chunk.size()));
      const ssize_t put = ::write(out, chunk.data(), std::min(count, static_cast<size_t>(got)));
      if (put < 0) give_up("write");
      left_bytes -= static_cast<uint64_t>(put);
    }
    ::close(in);
  }
  if (::fsync(out) != 0) give_up("fsync");
  ::close(out);
}

// User and system time of this process.
double cpu_seconds() {
  rusage usage{};
  ::getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& time) {
    return static_cast<double>(time.tv_sec) + static_cast<double>(time.tv_usec) / 1e6;
  };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

double peak_memory_mib(FileStore& store, const CompactionGroup& group) {
  return in_child([&] {
    const double before = process_size().resident_mib;
    const LtxFileInfo made = compact(store, group);
    std::filesystem::remove(store.path_of(made));
    return std::vector<double>{process_size().resident_peak_mib - before};
  })[0];
}

void measure(const std::string& name, int64_t mebibytes, uint32_t pages_per_file, int runs) {
  const Folder folder;
  FileStore store(posix_file_system(), folder / "replica");
  (void)in_child([&] {
    ReplicaMaker maker(store, static_cast<Pgno>(mebibytes * 1048576 / kPageSize));
    maker.begin_without_snapshot();
    maker.add_files(0, kFiles, pages_per_file);
    return std::vector<double>{};
  });
  ::sync();  // what is left to write must not slow down one of the two
  const CompactionGroup group = group_of(store);
  const double memory_mib = peak_memory_mib(store, group);
  double output_bytes = 0;
  std::vector<double> subjects;
  std::vector<double> baselines;
  std::vector<double> cpus;
  for (int i = -1; i < runs; ++i) {
    LtxFileInfo made;
    const double cpu_before = cpu_seconds();
    const double compact_seconds = seconds_of([&] { made = compact(store, group); });
    const double cpu = cpu_seconds() - cpu_before;
    std::filesystem::remove(store.path_of(made));
    output_bytes = static_cast<double>(made.size_bytes);
    const double plain_seconds =
        seconds_of([&] { read_and_write(store, group, made.size_bytes, folder / "copy"); });
    if (i < 0) continue;
    subjects.push_back(compact_seconds);
    baselines.push_back(plain_seconds);
    cpus.push_back(cpu);
  }
  const double megabytes = static_cast<double>(group.size_bytes) / 1e6;
  print({"compact",
         megabytes / median(subjects),
         "MB/s",
         megabytes / median(baselines),
         {{"files", kFiles},
          {"database_mebibytes", static_cast<double>(mebibytes)},
          {"pages_per_file", pages_per_file},
          {"input_megabytes", megabytes},
          {"output_megabytes", output_bytes / 1e6},
          {"mb_per_core_second", megabytes / median(cpus)},
          {"peak_memory_mib", memory_mib}},
         {{"input", name}},
         median_ratio(baselines, subjects)});
}

}  // namespace
}  // namespace litestream::bench

int main() {
  using namespace litestream::bench;
  const int64_t mebibytes = setting("LITESTREAM_BENCH_COMPACT_MIB", 1024);
  measure("few pages a file", mebibytes, 10, 7);
  measure("many pages a file", mebibytes,
          static_cast<uint32_t>(setting("LITESTREAM_BENCH_COMPACT_PAGES", 100)), kRunsMin);
  return 0;
}
