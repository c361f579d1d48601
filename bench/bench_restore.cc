// Restoring a database from a replica in a folder, against copying the result (what `cp` does) and
// syncing the copy. Replica and result are in the page cache for both.
#include <fcntl.h>
#include <unistd.h>

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "bench/bench_json.h"
#include "bench/bench_pages.h"
#include "bench/bench_support.h"
#include "ext/engine/restore.h"
#include "ext/ltx/encoder.h"
#include "ext/store/file_store.h"

namespace litestream::bench {
namespace {

constexpr int64_t kTimeMs = 1'700'000'000'000;

class FileSink final : public ByteSink {
 public:
  explicit FileSink(const std::string& path) : file_(std::fopen(path.c_str(), "wb")) {
    if (file_ == nullptr) give_up("cannot create " + path);
  }
  ~FileSink() override { std::fclose(file_); }
  FileSink(const FileSink&) = delete;
  FileSink& operator=(const FileSink&) = delete;
  Status append(Bytes bytes) override {
    if (std::fwrite(bytes.data(), 1, bytes.size(), file_) == bytes.size()) return {};
    return io_error("short write");
  }

 private:
  std::FILE* file_;
};

// Writes a replica file by file, as if every file were one transaction.
class ReplicaMaker {
 public:
  ReplicaMaker(FileStore& store, Pgno page_count)
      : store_(store), page_count_(page_count), sums_(page_count) {
    patterns_ = make_pages("mixed", 64);
  }

  void add_snapshot() {
    std::set<Pgno> all;
    for (Pgno pgno = 1; pgno <= page_count_; ++pgno) all.insert(all.end(), pgno);
    add(kSnapshotLevel, all);
  }
  void add_files(int level, int count, uint32_t pages_per_file) {
    for (int i = 0; i < count; ++i) {
      std::set<Pgno> pages;
      while (pages.size() < pages_per_file) {
        pages.insert(static_cast<Pgno>(next_random(random_) % page_count_ + 1));
      }
      add(level, pages);
    }
  }

 private:
  void add(int level, const std::set<Pgno>& pages) {
    ++txid_;
    const Checksum before = database_;
    for (const Pgno pgno : pages) {
      const Checksum sum = page_checksum(pgno, page(pgno));
      if (database_ == 0) database_ = kChecksumFlag;
      if (sums_[pgno - 1] != 0) database_ = toggle_page(database_, sums_[pgno - 1]);
      database_ = toggle_page(database_, sum);
      sums_[pgno - 1] = sum;
    }
    LtxHeader header;
    header.page_size = kPageSize;
    header.commit = page_count_;
    header.min_txid = header.max_txid = Txid{txid_};
    header.timestamp = kTimeMs;
    header.chain = {true, before, database_};
    const LtxFileInfo info{level, header.min_txid, header.max_txid, 0, kTimeMs};
    const std::string path = store_.path_of(info);
    std::filesystem::create_directories(path_directory(path));
    FileSink sink(path);
    require(encoder_.begin(header, sink));
    for (const Pgno pgno : pages) require(encoder_.add_page(pgno, page(pgno)));
    require(encoder_.finish());
  }
  // Differs for every page number and transaction.
  const Page& page(Pgno pgno) {
    Page& pattern = patterns_[(pgno + txid_) % patterns_.size()];
    std::memcpy(pattern.data(), &pgno, sizeof pgno);
    std::memcpy(pattern.data() + sizeof pgno, &txid_, sizeof txid_);
    return pattern;
  }

  FileStore& store_;
  const Pgno page_count_;
  std::vector<Checksum> sums_;
  std::vector<Page> patterns_;
  LtxEncoder encoder_;
  Checksum database_ = 0;
  uint64_t txid_ = 0;
  uint64_t random_ = 7;
};

void restore(FileStore& store, const std::string& output) {
  RestoreOptions options;
  options.stream.parallelism = kParallelismDefault;
  (void)require(
      restore_database(store, posix_file_system(), RestoreTarget::newest(), output, options));
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
             const std::function<void(ReplicaMaker&)>& fill) {
  const Folder folder;
  FileStore store(posix_file_system(), folder / "replica");
  (void)in_child([&] {
    ReplicaMaker maker(store, static_cast<Pgno>(mebibytes * 1048576 / kPageSize));
    fill(maker);
    return std::vector<double>{};
  });
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
  using namespace litestream::bench;
  const int64_t mebibytes = setting("LITESTREAM_BENCH_RESTORE_MIB", 256);
  measure("one snapshot", mebibytes, [](ReplicaMaker& maker) { maker.add_snapshot(); });
  measure("snapshot and 10000 L0", mebibytes, [](ReplicaMaker& maker) {
    maker.add_snapshot();
    maker.add_files(0, 10'000, 8);
  });
  measure("snapshot and L3 to L0", mebibytes, [](ReplicaMaker& maker) {
    maker.add_snapshot();
    maker.add_files(3, 20, 2000);
    maker.add_files(2, 20, 500);
    maker.add_files(1, 10, 100);
    maker.add_files(0, 30, 8);
  });
  return 0;
}
