// Following a replica with a copy that is a plain file: what SQLite does about locks and journals
// is imitated here, from the description of the journal's format. The oracle is the page image.
#include "ext/engine/follow.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <catch2/catch.hpp>
#include <set>

#include "ext/engine/follow_state.h"
#include "tests/engine/restore_support.h"

namespace litestream {
namespace {

using test::ByteVector;
using test::kPageSize;
using test::MemoryStore;
using test::ReplicaHistory;

void write_all(const std::string& path, const ByteVector& bytes) {
  std::ofstream(path, std::ios::binary)
      .write(reinterpret_cast<const char*>(bytes.data()),
             static_cast<std::streamsize>(bytes.size()));
}

// What SQLite does on opening a database beside which a journal lies.
void roll_back(const std::string& path) {
  const std::string journal_path = path + "-journal";
  if (!test::exists(journal_path)) return;
  const ByteVector journal = test::read_all(journal_path);
  const std::vector<uint8_t> magic = {0xd9, 0xd5, 0x05, 0xf9, 0x20, 0xa1, 0x63, 0xd7};
  const bool is_hot =
      journal.size() >= 512 && std::equal(magic.begin(), magic.end(), journal.begin());
  if (is_hot) {
    ByteVector database = test::read_all(path);
    const uint32_t count = load_be32(&journal[8]);
    const uint32_t nonce = load_be32(&journal[12]);
    const uint32_t page_count = load_be32(&journal[16]);
    const size_t sector = load_be32(&journal[20]);
    const size_t page_size = load_be32(&journal[24]);
    for (size_t i = 0; i < count; ++i) {
      const size_t at = sector + i * (page_size + 8);
      REQUIRE(at + page_size + 8 <= journal.size());
      const uint8_t* page = &journal[at + 4];
      uint32_t sum = nonce;
      for (int k = static_cast<int>(page_size) - 200; k > 0; k -= 200) sum += page[k];
      REQUIRE(sum == load_be32(page + page_size));
      const size_t offset = (load_be32(&journal[at]) - 1) * page_size;
      if (database.size() < offset + page_size) database.resize(offset + page_size);
      std::copy(page, page + page_size, database.begin() + static_cast<ptrdiff_t>(offset));
    }
    database.resize(page_count * page_size);
    write_all(path, database);
  }
  std::filesystem::remove(journal_path);
}

class FakeCopy final : public FollowCopy, private RandomReader {
 public:
  explicit FakeCopy(std::string path) : path_(std::move(path)) {}
  ~FakeCopy() override { end(); }

  Status begin() override {
    roll_back(path_);
    fd_ = ::open(path_.c_str(), O_RDWR | O_CLOEXEC);
    return fd_ < 0 ? errno_status(errno, path_) : Status();
  }
  uint32_t page_size_bytes() const override { return kPageSize; }
  RandomReader& database() override { return *this; }
  Result<bool> shut_out_readers(int64_t) override {
    if (reader_is_in_the_way) return false;
    is_alone_ = true;
    return true;
  }
  Status write_at(uint64_t offset, Bytes bytes) override {
    LS_RETURN_IF_ERROR(step());
    REQUIRE(is_alone_);
    // A write that is cut in half by the end of the process is what journals are for.
    if (lives == 0) bytes = bytes.first(bytes.size() / 2);
    REQUIRE(::pwrite(fd_, bytes.data(), bytes.size(), static_cast<off_t>(offset)) ==
            static_cast<ssize_t>(bytes.size()));
    return lives == 0 ? io_error("died") : Status();
  }
  Status truncate(uint64_t size) override {
    LS_RETURN_IF_ERROR(step());
    REQUIRE(::ftruncate(fd_, static_cast<off_t>(size)) == 0);
    return {};
  }
  Status sync() override { return step(); }
  void end() override {
    if (fd_ >= 0) ::close(fd_);
    fd_ = -1;
    is_alone_ = false;
  }

  bool reader_is_in_the_way = false;
  int lives = -1;  // changes until the process dies; -1: never

 private:
  Status step() {
    if (lives == 0) return io_error("dead");
    if (lives > 0) --lives;
    return {};
  }
  Result<size_t> read_at(uint64_t offset, MutableBytes out) override {
    const ssize_t got = ::pread(fd_, out.data(), out.size(), static_cast<off_t>(offset));
    return static_cast<size_t>(std::max<ssize_t>(got, 0));
  }
  Result<uint64_t> size_bytes() override {
    return static_cast<uint64_t>(::lseek(fd_, 0, SEEK_END));
  }
  const std::string path_;
  int fd_ = -1;
  bool is_alone_ = false;
};

// Without the fields of page 1 that are the copy's own.
ByteVector masked(ByteVector image) {
  for (const auto& [first, end] : {std::pair(18, 20), std::pair(24, 32), std::pair(92, 96)}) {
    if (image.size() >= 100) std::fill(image.begin() + first, image.begin() + end, uint8_t{0});
  }
  return image;
}

bool is_at(const std::string& path, const ByteVector& image) {
  return masked(test::read_all(path)) == masked(image);
}

Result<FollowResult> step(LtxStore& store, const std::string& path, FileSystem& fs = test::files(),
                          int lives = -1) {
  FakeCopy copy(path);
  copy.lives = lives;
  return follow_step(store, fs, copy, path, {});
}

void start(LtxStore& store, const std::string& path) {
  const auto started = start_following(store, test::files(), path, {});
  INFO(started.status().message());
  REQUIRE(started.ok());
  CHECK(started->was_restored);
}

TEST_CASE("follow: step by step through random histories") {
  auto prng = test::Prng::announced("follow", 31);
  for (int round = 0; round < 30; ++round) {
    const bool with_chain = round % 3 != 0;
    ReplicaHistory history(kPageSize, with_chain);
    MemoryStore store;
    const test::TempDir dir(test::TempDir::Place::kMemory);
    history.commit(static_cast<Pgno>(prng.between(1, 30)), {});
    history.put(store, 9, 1, 1);
    start(store, dir.file("copy"));
    REQUIRE(is_at(dir.file("copy"), history.image(1)));
    for (int i = 0; i < 15; ++i) {
      const uint64_t before = history.newest();
      const uint64_t count = prng.between(0, 4);
      for (uint64_t k = 0; k < count; ++k) {
        history.commit_random(prng);
        history.put(store, 0, history.newest(), history.newest());
      }
      const auto result = step(store, dir.file("copy"));
      INFO(result.status().message());
      REQUIRE(result.ok());
      REQUIRE(result->txid == Txid{history.newest()});
      CHECK(result->is_current);
      CHECK((result->page_count > 0) == (history.newest() > before));
      REQUIRE(is_at(dir.file("copy"), history.image(history.newest())));
      REQUIRE_FALSE(test::exists(dir.file("copy-journal")));
    }
    // The copy and its record, nothing else.
    CHECK(std::distance(std::filesystem::directory_iterator(dir.path()), {}) == 2);
  }
}

// A copy at TXID 2 of a history of 9.
struct Story {
  explicit Story(bool with_chain = true) : history(kPageSize, with_chain) {
    history.commit(6, {});
    history.commit(6, {2});
    history.put(store, 9, 1, 1);
    history.put(store, 0, 2, 2);
    start(store, path());
    history.commit(9, {1});
    history.commit(9, {3, 4});
    history.commit(4, {2});
    history.commit(4, {1});
    history.commit(12, {1, 3});
    history.commit(12, {12});
    history.commit(11, {5});
  }
  std::string path() const { return dir.file("copy"); }
  void put_raw(uint64_t first, uint64_t last) {
    for (uint64_t txid = first; txid <= last; ++txid) history.put(store, 0, txid, txid);
  }
  void erase_raw(uint64_t txid) { store.erase(ReplicaHistory::info(0, txid, txid)); }

  const test::TempDir dir{test::TempDir::Place::kMemory};
  ReplicaHistory history;
  MemoryStore store;
};

TEST_CASE("H6 raw files compacted away: the copy catches up by levels") {
  for (const bool with_chain : {true, false}) {
    Story story(with_chain);
    story.erase_raw(2);
    story.history.put(story.store, 1, 2, 5);
    story.history.put(story.store, 2, 2, 7);
    story.put_raw(8, 9);
    const auto result = step(story.store, story.path());
    INFO(result.status().message());
    REQUIRE(result.ok());
    CHECK(result->txid == Txid{9});
    CHECK(is_at(story.path(), story.history.image(9)));
  }
}

TEST_CASE("H6 a gap: the copy catches up by a snapshot, and only what differs is written") {
  Story story;
  story.put_raw(7, 9);
  const auto stuck = step(story.store, story.path());
  CHECK(stuck.status().code() == StatusCode::kNotFound);
  CHECK(stuck.status().message().find("holds 0000000000000003..0000000000000006") !=
        std::string::npos);
  CHECK(is_at(story.path(), story.history.image(2)));
  story.history.put(story.store, 9, 1, 8);
  REQUIRE(step(story.store, story.path()).ok());
  CHECK(is_at(story.path(), story.history.image(9)));
  // Two pages change, and then nothing between is left.
  story.history.commit(11, {7});
  story.history.commit(11, {8});
  for (const LtxFileInfo& file : story.store.files()) story.store.erase(file);
  story.history.put(story.store, 9, 1, 11);
  const auto result = step(story.store, story.path());
  INFO(result.status().message());
  REQUIRE(result.ok());
  CHECK(result->txid == Txid{11});
  CHECK(result->page_count == 2);
  CHECK(is_at(story.path(), story.history.image(11)));
}

TEST_CASE("H6 a file that vanishes between listing and reading is replaced") {
  Story story;
  story.put_raw(3, 9);
  bool done = false;
  story.store.set_hook([&](test::StoreCall call, const LtxFileInfo* file) -> Status {
    if (call != test::StoreCall::kRead || done || file->min_txid != Txid{8}) return {};
    done = true;
    story.history.put(story.store, 1, 2, 8);
    for (uint64_t txid = 2; txid <= 8; ++txid) story.erase_raw(txid);
    return {};
  });
  const auto result = step(story.store, story.path());
  INFO(result.status().message());
  REQUIRE(result.ok());
  CHECK(done);
  CHECK(is_at(story.path(), story.history.image(9)));
}

TEST_CASE("H6 any damaged file is an error or another way, never another database") {
  Story story;
  story.put_raw(3, 9);
  const ByteVector before = test::read_all(story.path());
  const ByteVector record = test::read_all(follow_state_path(story.path()));
  int errors = 0;
  for (const LtxFileInfo& file : story.store.files()) {
    const std::string bytes = story.store.bytes(file);
    for (size_t at = 0; at < bytes.size(); at += 13) {
      CAPTURE(story.store.path_of(file), at);
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ 0x20);
      story.store.set_bytes(file, damaged);
      const auto result = step(story.store, story.path());
      if (!result.ok()) ++errors;
      const bool is_right = is_at(story.path(), story.history.image(result.ok() ? 9 : 2));
      REQUIRE(is_right);
      write_all(story.path(), before);
      write_all(follow_state_path(story.path()), record);
    }
    story.store.set_bytes(file, bytes);
  }
  CHECK(errors > 100);
}

TEST_CASE("H6 a crash at any call leaves one state or the other, and the next step goes on") {
  Story story;
  story.put_raw(3, 9);
  const ByteVector before = test::read_all(story.path());
  const ByteVector record = test::read_all(follow_state_path(story.path()));
  std::set<uint64_t> seen;
  const auto look_and_go_on = [&] {
    roll_back(story.path());
    const bool is_old = is_at(story.path(), story.history.image(2));
    const bool is_new = is_at(story.path(), story.history.image(9));
    REQUIRE((is_old || is_new));
    seen.insert(is_new ? 9 : 2);
    const auto again = step(story.store, story.path());
    INFO(again.status().message());
    REQUIRE(again.ok());
    REQUIRE(again->txid == Txid{9});
    REQUIRE(is_at(story.path(), story.history.image(9)));
    write_all(story.path(), before);
    write_all(follow_state_path(story.path()), record);
  };
  // The process dies between two changes of the copy, or in the middle of one.
  for (int lives = 0;; ++lives) {
    CAPTURE(lives);
    const auto result = step(story.store, story.path(), test::files(), lives);
    look_and_go_on();
    if (result.ok()) break;
  }
  // The process dies in a call of the file system; the machine loses what was not synced.
  for (const auto after :
       {test::FaultFileSystem::After::kDead, test::FaultFileSystem::After::kRecovers}) {
    for (uint64_t n = 1;; ++n) {
      CAPTURE(n);
      test::FaultFileSystem fs(posix_file_system());
      fs.fail_call(n, after);
      (void)step(story.store, story.path(), fs).ok();
      const bool fired = fs.fired();
      look_and_go_on();
      if (!fired) break;
    }
  }
  CHECK(seen.size() == 2);
}

TEST_CASE("follow: the record survives power loss before the copy changes") {
  Story story;
  story.put_raw(3, 9);
  test::FaultFileSystem fs(posix_file_system());
  FakeCopy copy(story.path());
  REQUIRE(follow_step(story.store, fs, copy, story.path(), {}).ok());
  REQUIRE(fs.drop_unsynced().ok());
  CHECK_FALSE(test::exists(story.path() + "-journal"));
  const auto again = step(story.store, story.path());
  REQUIRE(again.ok());
  CHECK(again->txid == Txid{9});
}

TEST_CASE("follow: a reader in the way is Busy and changes nothing") {
  Story story;
  story.put_raw(3, 9);
  FakeCopy copy(story.path());
  copy.reader_is_in_the_way = true;
  FollowOptions options;
  options.lock_wait_ms = 40;
  const auto result = follow_step(story.store, test::files(), copy, story.path(), options);
  CHECK(result.status().code() == StatusCode::kBusy);
  CHECK(is_at(story.path(), story.history.image(2)));
  CHECK_FALSE(test::exists(story.path() + "-journal"));
  REQUIRE(step(story.store, story.path()).ok());
  CHECK(is_at(story.path(), story.history.image(9)));
}

TEST_CASE("follow: a replica that went back and on from an earlier point is followed there") {
  Story story;
  story.put_raw(3, 9);
  REQUIRE(step(story.store, story.path()).ok());
  // Another history from 5 on: the same numbers, other content, and more of it.
  ReplicaHistory other(kPageSize);
  other.commit(6, {});
  for (int i = 0; i < 11; ++i) other.commit(8, {static_cast<Pgno>(i % 8 + 1)});
  MemoryStore replica;
  other.put(replica, 9, 1, 4);
  for (uint64_t txid = 5; txid <= 12; ++txid) other.put(replica, 0, txid, txid);
  const auto result = step(replica, story.path());
  INFO(result.status().message());
  REQUIRE(result.ok());
  CHECK(result->txid == Txid{12});
  CHECK(is_at(story.path(), other.image(12)));
}

TEST_CASE("follow: steps are bounded") {
  Story story;
  story.put_raw(3, 9);
  FakeCopy copy(story.path());
  FollowOptions options;
  options.step_bytes_max = 1;
  for (uint64_t txid = 3; txid <= 9; ++txid) {
    const auto result = follow_step(story.store, test::files(), copy, story.path(), options);
    REQUIRE(result.ok());
    CHECK(result->txid == Txid{txid});
    CHECK(result->is_current == (txid == 9));
    CHECK(is_at(story.path(), story.history.image(txid)));
  }
}

TEST_CASE("follow: what cannot be followed is said") {
  Story story;
  story.put_raw(3, 9);
  {
    // Somebody wrote to the copy.
    const ByteVector before = test::read_all(story.path());
    ByteVector changed = before;
    changed[27] ^= 1;
    write_all(story.path(), changed);
    const auto result = step(story.store, story.path());
    CHECK(result.status().code() == StatusCode::kPositionMismatch);
    CHECK(result.status().message().find("changed by somebody else") != std::string::npos);
    write_all(story.path(), before);
  }
  {
    MemoryStore empty;
    CHECK(step(empty, story.path()).status().code() == StatusCode::kNotFound);
    MemoryStore behind;
    story.history.put(behind, 9, 1, 1);
    const auto result = step(behind, story.path());
    CHECK(result.status().code() == StatusCode::kPositionMismatch);
    CHECK(result.status().message().find("another replica") != std::string::npos);
  }
  {
    const std::string other = story.dir.file("other");
    write_all(other, story.history.image(2));
    CHECK(step(story.store, other).status().code() == StatusCode::kNotFound);
  }
  CHECK(start_following(story.store, test::files(), story.path(), {}).status().code() ==
        StatusCode::kAlreadyExists);
  CHECK(is_at(story.path(), story.history.image(2)));
}

}  // namespace
}  // namespace litestream
