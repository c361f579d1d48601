// The work whose instructions instructions_test.py counts under valgrind. Each mode does one thing
// `count` times, so that the difference between two counts is free of start and end.
//
//   instruction_work plain   <count> <folder>   commits of one row, the extension absent
//   instruction_work commit  <count> <folder>   the same while replicating to a folder
//   instruction_work capture <count>            kPages pages of a WAL in memory become an L0 file
//   instruction_work restore <count> <folder>   a snapshot of kPages pages becomes a database
//
// What commits is the main thread. `restore` first makes its replica when <folder> has none, so run
// it once before it counts. Prints kPages.
#include <cstdio>
#include <filesystem>
#include <string>

#include "bench/bench_support.h"
#include "bench/wal_only.h"
#include "ext/base/limits.h"
#include "ext/engine/restore.h"
#include "ext/store/file_store.h"

namespace litestream::bench {
namespace {

constexpr uint32_t kPages = 1000;

void commit_rows(Host& host, int count) {
  sqlite3_stmt* insert = nullptr;
  sqlite3_prepare_v2(host.get(), "INSERT INTO entry(body) VALUES (hex(zeroblob(50)))", -1, &insert,
                     nullptr);
  for (int i = 0; i < count; ++i) {
    sqlite3_step(insert);
    if (sqlite3_reset(insert) != SQLITE_OK) give_up(sqlite3_errmsg(host.get()));
  }
  sqlite3_finalize(insert);
}

void commit(int count, const std::string& folder, bool replicated) {
  Host host(folder + "/app.db");
  host.exec(
      "PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL;"
      "CREATE TABLE entry(id INTEGER PRIMARY KEY, body TEXT)");
  if (replicated) {
    host.load_extension();
    host.replicate_to(folder + "/replica");
  }
  commit_rows(host, count);
}

void capture(int count) {
  const std::vector<Page> pages = make_pages("mixed", kPages);
  WalOnly source(pages);
  const PageSums sums = source.sums(pages);
  Nowhere spool;
  for (int i = 0; i < count; ++i) {
    Capture capture(source, source.start(), sums, kPendingBytesMax);
    (void)require(capture.run());
    (void)require(capture.flush(spool, 1));
  }
}

void make_replica(const std::string& replica) {
  FileStore store(posix_file_system(), replica);
  uint64_t random = 42;
  LtxHeader header;
  header.page_size = kPageSize;
  header.commit = kPages;
  header.min_txid = header.max_txid = Txid{1};
  header.timestamp = 1;
  const LtxFileInfo info{kSnapshotLevel, Txid{1}, Txid{1}, 0, 1};
  auto writer = require(store.create(info));
  LtxEncoder encoder(1);
  require(encoder.begin(header, *writer));
  for (Pgno pgno = 1; pgno <= kPages; ++pgno) {
    require(encoder.add_page(pgno, pgno % 2 == 0 ? text_page(random) : noise_page(random)));
  }
  require(encoder.finish());
  require(writer->commit());
}

void restore(int count, const std::string& folder) {
  const std::string replica = folder + "/replica";
  if (!std::filesystem::exists(replica)) make_replica(replica);
  FileStore store(posix_file_system(), replica);
  for (int i = 0; i < count; ++i) {
    RestoreOptions options;
    options.overwrite = true;
    options.stream.parallelism = 1;
    (void)require(
        restore_database(store, posix_file_system(), RestoreTarget{}, folder + "/out.db", options));
  }
}

int run(int argc, char** argv) {
  const std::string mode = argc > 1 ? argv[1] : "";
  const int count = argc > 2 ? std::atoi(argv[2]) : 0;
  if (mode == "plain" && argc == 4) {
    commit(count, argv[3], false);
  } else if (mode == "commit" && argc == 4) {
    commit(count, argv[3], true);
  } else if (mode == "capture" && argc == 3) {
    capture(count);
  } else if (mode == "restore" && argc == 4) {
    restore(count, argv[3]);
  } else {
    give_up("usage: instruction_work plain|commit|capture|restore <count> [folder]");
  }
  std::printf("%u\n", kPages);
  return 0;
}

}  // namespace
}  // namespace litestream::bench

int main(int argc, char** argv) { return litestream::bench::run(argc, argv); }
