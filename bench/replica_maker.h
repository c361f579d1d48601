// A replica in a folder, written file by file as if every file were one transaction.
// Threading: not thread-safe.
#pragma once

#include <cstdio>
#include <cstring>
#include <filesystem>
#include <set>
#include <string>
#include <vector>

#include "bench/bench_pages.h"
#include "bench/bench_support.h"
#include "ext/ltx/checksum.h"
#include "ext/ltx/encoder.h"
#include "ext/store/file_store.h"

namespace litestream::bench {

inline constexpr int64_t kReplicaTimeMs = 1'700'000'000'000;

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

class ReplicaMaker {
 public:
  ReplicaMaker(FileStore& store, Pgno page_count)
      : store_(store), page_count_(page_count), sums_(page_count) {
    patterns_ = make_pages("mixed", 64);
  }

  // The replica continues a database of one transaction that nobody needs to write.
  void begin_without_snapshot() {
    txid_ = 1;
    database_ = kChecksumFlag;
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
    header.timestamp = kReplicaTimeMs;
    header.chain = {true, before, database_};
    const LtxFileInfo info{level, header.min_txid, header.max_txid, 0, kReplicaTimeMs};
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

}  // namespace litestream::bench
