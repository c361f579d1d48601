// Streams with workers: large databases, large files, files that vanish, stores that hang.
#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>
#include <condition_variable>
#include <thread>

#include "ext/ltx/checksum.h"
#include "ext/store/file_store.h"
#include "tests/engine/restore_support.h"

namespace litestream {
namespace {

using test::ByteVector;
using test::MemoryStore;
using test::ReplicaHistory;
using test::Target;

constexpr uint32_t kLargePage = 65536;

// A database of several blocks, with files small and large on top of each other.
ReplicaHistory large_history(bool with_chain) {
  ReplicaHistory history(kLargePage, with_chain);
  history.commit(40, {});
  history.commit(40, {3, 20, 21});
  std::set<Pgno> many;
  for (Pgno pgno = 1; pgno <= 36; pgno += 2) many.insert(pgno);
  history.commit(44, many);
  history.commit(44, {5, 7, 9, 43});
  history.commit(30, {1, 2, 29});
  history.commit(38, {17});
  return history;
}

// As files of a folder.
void put(FileStore& store, const ReplicaHistory& history, int level, uint64_t min_txid,
         uint64_t max_txid) {
  auto writer = store.create(ReplicaHistory::info(level, min_txid, max_txid));
  REQUIRE(writer.ok());
  REQUIRE((*writer)->append(as_bytes(history.file(min_txid, max_txid))).ok());
  REQUIRE((*writer)->commit().ok());
}

TEST_CASE("stream: large files, on one thread and on several") {
  for (const bool with_chain : {true, false}) {
    const ReplicaHistory history = large_history(with_chain);
    MemoryStore memory;
    const test::TempDir dir(test::TempDir::Place::kMemory);
    FileStore folder(test::files(), dir.file("replica"));
    history.put(memory, 9, 1, 2);
    put(folder, history, 9, 1, 2);
    for (uint64_t txid = 3; txid <= history.newest(); ++txid) {
      history.put(memory, 0, txid, txid);
      put(folder, history, 0, txid, txid);
    }
    for (const int parallelism : {1, 3}) {
      for (const uint64_t txid : {2u, 4u, 5u, 6u}) {
        CAPTURE(with_chain, parallelism, txid);
        for (LtxStore* store : {static_cast<LtxStore*>(&memory), static_cast<LtxStore*>(&folder)}) {
          Status status;
          const auto bytes =
              test::restored(*store, Target::at_txid(Txid{txid}), &status, parallelism);
          INFO(status.message());
          REQUIRE(bytes.has_value());
          REQUIRE(*bytes == history.image(txid));
        }
      }
    }
  }
}

TEST_CASE("stream: pages one by one are the same as blocks") {
  class Pages final : public PageSink {
   public:
    Status begin(const DatabaseShape& shape) override {
      image.resize(shape.size_bytes());
      return {};
    }
    Status add_page(Pgno pgno, Bytes page, Checksum) override {
      std::copy(page.begin(), page.end(),
                image.begin() + static_cast<ptrdiff_t>((pgno - 1) * page.size()));
      ++page_count;
      return {};
    }
    ByteVector image;
    size_t page_count = 0;
  };
  for (const bool with_chain : {true, false}) {
    const ReplicaHistory history = large_history(with_chain);
    MemoryStore store;
    history.put(store, 9, 1, 2);
    for (uint64_t txid = 3; txid <= 6; ++txid) history.put(store, 0, txid, txid);
    const auto plan = plan_restore(store.files(), Target::newest());
    for (const int parallelism : {1, 4}) {
      Pages pages;
      StreamOptions options;
      options.parallelism = parallelism;
      REQUIRE(stream_database(store, *plan, pages, options).ok());
      CHECK(pages.image == history.image(6));
      CHECK(pages.page_count == 38);
    }
  }
}

TEST_CASE("stream: files in any number are visited in the plan's order") {
  ReplicaHistory history(test::kPageSize);
  history.commit(40, {});
  test::Prng prng = test::Prng::announced("stream_order", 9);
  while (history.newest() < 600) {
    history.commit(40, {static_cast<Pgno>(prng.between(1, 40))});
  }
  MemoryStore store;
  for (uint64_t txid = 1; txid <= history.newest(); ++txid) history.put(store, 0, txid, txid);
  for (const int parallelism : {1, 4, 16}) {
    const uint64_t txid = prng.between(300, 600);
    CAPTURE(parallelism, txid);
    CHECK(test::restored(store, Target::at_txid(Txid{txid}), nullptr, parallelism).value() ==
          history.image(txid));
  }
}

TEST_CASE("stream: the sink's error ends it, as it is") {
  class Full final : public BlockSink {
   public:
    Status begin(const DatabaseShape&) override { return {}; }
    Status write_block(Pgno, Bytes) override { return io_error("the disk is full"); }
  };
  const ReplicaHistory history = large_history(true);
  MemoryStore store;
  history.put(store, 9, 1, 6);
  const auto plan = plan_restore(store.files(), Target::newest());
  const test::TempDir dir;
  for (const int parallelism : {1, 4}) {
    Full sink;
    StreamOptions options;
    options.parallelism = parallelism;
    StreamFailure failure;
    const auto result = stream_database_blocks(store, *plan, sink, test::files(), dir.file("db"),
                                               options, &failure);
    CHECK(result.status().message() == "the disk is full");
    CHECK_FALSE(failure.file_index.has_value());
  }
}

// A door that holds up whoever comes through until it is opened.
class Door {
 public:
  void wait() {
    std::unique_lock lock(mutex_);
    ++waiting_;
    changed_.wait(lock, [this] { return open_; });
  }
  bool has_somebody() {
    const std::lock_guard lock(mutex_);
    return waiting_ > 0;
  }
  void open() {
    const std::lock_guard lock(mutex_);
    open_ = true;
    changed_.notify_all();
  }

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
  int waiting_ = 0;
  bool open_ = false;
};

TEST_CASE("stream: cancelled while the store hangs, it returns and leaves nothing") {
  const ReplicaHistory history = large_history(true);
  auto store = std::make_shared<MemoryStore>();
  const auto door = std::make_shared<Door>();
  history.put(*store, 9, 1, 6);
  store->set_hook([door](test::StoreCall call, const LtxFileInfo*) -> Status {
    if (call == test::StoreCall::kRead) door->wait();
    return {};
  });
  const test::TempDir dir;
  RestoreOptions options;
  options.stream.parallelism = 4;
  options.stream.owned_store = store;
  options.stream.cancelled = [&] { return door->has_somebody(); };
  const auto result =
      restore_database(*store, posix_file_system(), Target::newest(), dir.file("db"), options);
  CHECK(result.status().code() == StatusCode::kCancelled);
  CHECK(test::is_empty(dir));
  // What was left behind holds the store and nothing else; it ends when its read does.
  options.stream.owned_store = nullptr;
  CHECK(store.use_count() > 1);
  door->open();
  while (store.use_count() > 1) std::this_thread::yield();
  CHECK(test::is_empty(dir));
}

TEST_CASE("restore: cancelled while a listing hangs, it returns") {
  auto store = std::make_shared<MemoryStore>();
  const auto door = std::make_shared<Door>();
  store->set_hook([door](test::StoreCall call, const LtxFileInfo*) -> Status {
    if (call == test::StoreCall::kList) door->wait();
    return {};
  });
  const test::TempDir dir;
  RestoreOptions options;
  options.stream.owned_store = store;
  options.stream.cancelled = [&] { return door->has_somebody(); };
  const auto result =
      restore_database(*store, posix_file_system(), Target::newest(), dir.file("db"), options);
  CHECK(result.status().code() == StatusCode::kCancelled);
  options.stream.owned_store = nullptr;
  door->open();
  while (store.use_count() > 1) std::this_thread::yield();
}

TEST_CASE("stream: cancelled at any moment with workers, it leaves nothing") {
  const ReplicaHistory history = large_history(true);
  MemoryStore store;
  history.put(store, 9, 1, 2);
  for (uint64_t txid = 3; txid <= 6; ++txid) history.put(store, 0, txid, txid);
  const test::TempDir dir;
  for (uint64_t at_call = 1;; ++at_call) {
    CAPTURE(at_call);
    std::atomic<uint64_t> calls = 0;
    store.set_hook([&](test::StoreCall, const LtxFileInfo*) -> Status {
      ++calls;
      return {};
    });
    RestoreOptions options;
    options.stream.parallelism = 3;
    options.stream.cancelled = [&] { return calls >= at_call; };
    const auto result =
        restore_database(store, test::files(), Target::newest(), dir.file("db"), options);
    if (result.ok()) break;
    REQUIRE(result.status().code() == StatusCode::kCancelled);
    REQUIRE(test::is_empty(dir));
  }
}

TEST_CASE("G4 retention in the middle of a restore: it completes") {
  const ReplicaHistory history = large_history(true);
  const test::TempDir dir(test::TempDir::Place::kMemory);
  FileStore store(test::files(), dir.file("replica"));
  put(store, history, 9, 1, 2);
  for (uint64_t txid = 3; txid <= 6; ++txid) put(store, history, 0, txid, txid);
  for (const int parallelism : {1, 2}) {
    const test::TempDir out;
    RestoreOptions options;
    options.stream.parallelism = parallelism;
    bool removed = false;
    options.stream.progress = [&](uint64_t done_bytes, uint64_t) {
      // Everything has been opened by now that the second pass reads.
      if (removed || done_bytes == 0) return;
      removed = true;
      std::filesystem::rename(dir.file("replica/ltx/9"), dir.file("gone"));
    };
    const auto result =
        restore_database(store, test::files(), Target::newest(), out.file("db"), options);
    INFO(result.status().message());
    REQUIRE(result.ok());
    CHECK(test::read_all(out.file("db")) == history.image(6));
    if (removed) std::filesystem::rename(dir.file("gone"), dir.file("replica/ltx/9"));
  }
}

TEST_CASE("G4 compaction in the middle of a restore: another way to the same TXID") {
  const ReplicaHistory history = large_history(true);
  for (const int parallelism : {1, 4}) {
    MemoryStore store;
    history.put(store, 9, 1, 2);
    for (uint64_t txid = 3; txid <= 5; ++txid) history.put(store, 0, txid, txid);
    std::atomic<bool> done = false;
    store.set_hook([&](test::StoreCall call, const LtxFileInfo* file) -> Status {
      if (call != test::StoreCall::kRead || file->min_txid != Txid{5}) return {};
      if (done.exchange(true)) return {};
      history.put(store, 1, 3, 5);
      for (uint64_t txid = 3; txid <= 5; ++txid) {
        store.erase(ReplicaHistory::info(0, txid, txid));
      }
      // What was committed meanwhile must not get into it.
      history.put(store, 0, 6, 6);
      return {};
    });
    CHECK(test::restored(store, Target::newest(), nullptr, parallelism).value() ==
          history.image(5));
    CHECK(done);
  }
}

class CountingSleeper final : public Sleeper {
 public:
  void sleep_ms(int64_t ms, const std::function<bool()>&) override {
    slept_ms += ms;
    if (on_sleep) on_sleep(slept_ms);
  }
  int64_t slept_ms = 0;
  std::function<void(int64_t)> on_sleep;
};

TEST_CASE("F4 a file that is listed before it can be read is waited for") {
  const ReplicaHistory history = large_history(true);
  for (const bool it_comes : {true, false}) {
    CAPTURE(it_comes);
    MemoryStore store;
    history.put(store, 9, 1, 2);
    std::atomic<bool> is_late = true;
    store.set_hook([&](test::StoreCall call, const LtxFileInfo*) -> Status {
      return is_late && call == test::StoreCall::kRead ? not_found("no such key") : Status();
    });
    CountingSleeper sleeper;
    sleeper.on_sleep = [&](int64_t slept_ms) { is_late = !it_comes || slept_ms < 5000; };
    const test::TempDir dir;
    RestoreOptions options;
    options.store_lag_ms = 6000;
    options.sleeper = &sleeper;
    const auto result =
        restore_database(store, test::files(), Target::newest(), dir.file("db"), options);
    CHECK(result.ok() == it_comes);
    if (it_comes) CHECK(test::read_all(dir.file("db")) == history.image(2));
    if (!it_comes) CHECK(result.status().code() == StatusCode::kNotFound);
    if (!it_comes) CHECK(sleeper.slept_ms == 6000);
  }
}

// Counts how many files are open at once.
class OpenCounter final : public FileSystem {
 public:
  struct Counted final : public ReadableFile {
    Counted(OpenCounter& counter, std::unique_ptr<ReadableFile> real)
        : owner(counter), file(std::move(real)) {
      const int now = ++owner.open;
      int seen = owner.open_max;
      while (now > seen && !owner.open_max.compare_exchange_weak(seen, now)) {
      }
    }
    ~Counted() override { --owner.open; }
    Result<size_t> read_at(uint64_t offset, MutableBytes out) override {
      return file->read_at(offset, out);
    }
    Result<uint64_t> size_bytes() override { return file->size_bytes(); }
    OpenCounter& owner;
    std::unique_ptr<ReadableFile> file;
  };
  Result<std::unique_ptr<ReadableFile>> open_readable(const std::string& path) override {
    LS_ASSIGN_OR_RETURN(auto file, real.open_readable(path));
    return std::unique_ptr<ReadableFile>(new Counted(*this, std::move(file)));
  }
  Result<std::unique_ptr<WritableFile>> create_new(const std::string& path) override {
    return real.create_new(path);
  }
  Status rename(const std::string& a, const std::string& b) override { return real.rename(a, b); }
  Status link_new(const std::string& a, const std::string& b) override {
    return real.link_new(a, b);
  }
  Status remove(const std::string& path) override { return real.remove(path); }
  Status remove_directory(const std::string& path) override { return real.remove_directory(path); }
  Result<std::vector<DirectoryEntry>> list_directory(const std::string& path) override {
    return real.list_directory(path);
  }
  Status create_directories(const std::string& path) override {
    return real.create_directories(path);
  }
  Status sync_directory(const std::string& path) override { return real.sync_directory(path); }
  Result<FileStat> stat(const std::string& path) override { return real.stat(path); }
  Result<std::unique_ptr<FileLock>> lock_exclusive(const std::string& path) override {
    return real.lock_exclusive(path);
  }
  Result<bool> is_locked(const std::string& path) override { return real.is_locked(path); }
  Result<std::string> canonical_path(const std::string& path) override {
    return real.canonical_path(path);
  }
  FileSystem& real = test::files();
  std::atomic<int> open{0};
  std::atomic<int> open_max{0};
};

TEST_CASE("H5 many large files: no more than 64 are open at once") {
  const test::TempDir dir(test::TempDir::Place::kMemory);
  OpenCounter fs;
  FileStore store(fs, dir.file("replica"));
  // Each file has a page of its own, so every one of them is needed to the end. Chain checksums
  // only at the end: computing them by definition takes its time.
  ReplicaHistory history(kLargePage, false);
  history.commit(90, {});
  for (Pgno i = 1; i <= 80; ++i) history.commit(90, {i, 86, 87, 88, 89});
  put(store, history, 9, 1, 1);
  for (uint64_t txid = 2; txid < history.newest(); ++txid) put(store, history, 0, txid, txid);
  test::LtxLiteral last = history.literal(81, 81);
  last.header.chain = {true, kChecksumFlag | 1,
                       test::database_checksum(history.image(81), kLargePage)};
  auto writer = store.create(ReplicaHistory::info(0, 81, 81));
  REQUIRE((*writer)->append(test::write_ltx(last)).ok());
  REQUIRE((*writer)->commit().ok());
  CHECK(test::restored(store, Target::newest(), nullptr, 32).value() == history.image(81));
  CHECK(fs.open_max > 10);
  CHECK(fs.open_max <= 64);
  CHECK(fs.open == 0);
}

}  // namespace
}  // namespace litestream
