// Restoring a database from a replica in a folder, against copying the result (what `cp` does) and
// syncing the copy. Replica and result are in the page cache for both.
#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "bench/bench_json.h"
#include "bench/bench_support.h"
#include "bench/replica_maker.h"
#include "ext/engine/compactor.h"
#include "ext/engine/restore.h"
#include "ext/store/file_store.h"

namespace litestream::bench {
namespace {

void restore(FileStore& store, const std::string& output) {
  RestoreOptions options;
  options.stream.parallelism = kParallelismDefault;
  (void)require(
      restore_database(store, posix_file_system(), RestoreTarget::newest(), output, options));
}

// Merges what is complete of one level into the next, as the default levels would.
void compact(FileStore& store, int level, size_t files_per_group) {
  const auto files = require(store.list(level));
  LocalCopies local(nullptr);
  Compactor compactor(store, local, false);
  for (size_t i = 0; i + files_per_group <= files.size(); i += files_per_group) {
    CompactionGroup group;
    group.level = level + 1;
    for (size_t n = i; n < i + files_per_group; ++n) {
      group.files.push_back(files[n]);
      group.size_bytes += files[n].size_bytes;
    }
    (void)require(compactor.merge(group, {}, nullptr));
  }
}

void copy_and_sync(const std::string& from, const std::string& to) {
  const int in = ::open(from.c_str(), O_RDONLY | O_CLOEXEC);
  const int out = ::open(to.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644);
  if (in < 0 || out < 0) give_up("cannot copy " + from);
  while (true) {
    const ssize_t n = ::copy_file_range(in, nullptr, out, nullptr, size_t{1} << 30, 0);
    if (n < 0) give_up("copy_file_range");
    if (n == 0) break;
  }
  if (::fsync(out) != 0) give_up("fsync");
  ::close(in);
  ::close(out);
}

void measure(const std::string& name, int64_t mebibytes,
             const std::function<void(ReplicaMaker&, FileStore&)>& fill) {
  const Folder folder;
  FileStore store(posix_file_system(), folder / "replica");
  (void)in_child([&] {
    ReplicaMaker maker(store, static_cast<Pgno>(mebibytes * 1048576 / kPageSize));
    fill(maker, store);
    return std::vector<double>{};
  });
  ::sync();  // what is left to write must not slow down one of the two
  const std::string output = folder / "restored.db";
  const std::string first = folder / "first.db";
  const double memory_mib = in_child([&] {
    const double before = process_size().resident_mib;
    restore(store, first);
    return std::vector<double>{process_size().resident_peak_mib - before};
  })[0];
  std::vector<double> subjects;
  std::vector<double> baselines;
  for (int i = -1; i < kRunsMin; ++i) {
    const double copy_seconds = seconds_of([&] { copy_and_sync(first, output); });
    std::filesystem::remove(output);
    const double restore_seconds = seconds_of([&] { restore(store, output); });
    std::filesystem::remove(output);
    if (i < 0) continue;
    baselines.push_back(copy_seconds);
    subjects.push_back(restore_seconds);
  }
  print({"restore",
         median(subjects) * 1e3,
         "ms",
         median(baselines) * 1e3,
         {{"mebibytes", static_cast<double>(mebibytes)}, {"peak_memory_mib", memory_mib}},
         {{"replica", name}},
         median_ratio(subjects, baselines)});
}

}  // namespace
}  // namespace litestream::bench

int main() {
  using litestream::FileStore;
  using namespace litestream::bench;
  const int64_t mebibytes = setting("LITESTREAM_BENCH_RESTORE_MIB", 256);
  const int64_t only = setting("LITESTREAM_BENCH_RESTORE_CASE", 0);
  if (only == 0 || only == 1) {
    measure("one snapshot", mebibytes,
            [](ReplicaMaker& maker, FileStore&) { maker.add_snapshot(); });
  }
  if (only == 0 || only == 2) {
    measure("snapshot and 10000 L0", mebibytes, [](ReplicaMaker& maker, FileStore&) {
      maker.add_snapshot();
      maker.add_files(0, 10'000, 8);
    });
  }
  if (only == 0 || only == 3) {
    measure("snapshot and L3 to L0", mebibytes, [](ReplicaMaker& maker, FileStore&) {
      maker.add_snapshot();
      maker.add_files(3, 20, 2000);
      maker.add_files(2, 20, 500);
      maker.add_files(1, 10, 100);
      maker.add_files(0, 30, 8);
    });
  }
  if (only == 0 || only == 4) {
    // A commit per second for 10 000 s: 30 s, 5 min and 1 h.
    measure("snapshot, 10000 L0 and levels", mebibytes, [](ReplicaMaker& maker, FileStore& store) {
      maker.add_snapshot();
      maker.add_files(0, 10'000, 8);
      compact(store, 0, 30);
      compact(store, 1, 10);
      compact(store, 2, 12);
    });
  }
  return 0;
}
