// Where a restore writes: what it refuses, what it leaves behind when it stops.
#include <unistd.h>

#include <catch2/catch.hpp>

#include "ext/engine/restore.h"
#include "tests/engine/restore_support.h"

namespace litestream {
namespace {

using test::ByteVector;
using test::exists;
using test::files;
using test::is_empty;
using test::kPageSize;
using test::MemoryStore;
using test::read_all;
using test::ReplicaHistory;
using test::restore;
using test::restored;
using test::small_store;
using test::Target;

TEST_CASE("restore: existing outputs and journals are refused, or replaced on request") {
  const ByteVector expected = restored(small_store(), Target::newest()).value();
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
    CAPTURE(suffix);
    const test::TempDir dir;
    std::ofstream(dir.file("db") + suffix) << "precious";
    const auto refused = restore(small_store(), Target::newest(), dir.file("db"));
    CHECK(refused.status().code() == StatusCode::kAlreadyExists);
    CHECK(refused.status().message().find(dir.file("db") + suffix + " exists") == 0);
    CHECK(refused.status().message().find("choose another path or pass overwrite") !=
          std::string::npos);
    const ByteVector kept = read_all(dir.file("db") + suffix);
    CHECK(std::string(kept.begin(), kept.end()) == "precious");
    REQUIRE(restore(small_store(), Target::newest(), dir.file("db"), true).ok());
    CHECK(read_all(dir.file("db")) == expected);
    CHECK(std::distance(std::filesystem::directory_iterator(dir.path()), {}) == 1);
  }
}

TEST_CASE("restore: through a symbolic link the file behind it is replaced") {
  const test::TempDir dir;
  std::filesystem::create_directory(dir.file("real"));
  std::ofstream(dir.file("real/db")) << "old";
  std::filesystem::create_symlink(dir.file("real/db"), dir.file("link"));
  CHECK_FALSE(restore(small_store(), Target::newest(), dir.file("link")).ok());
  REQUIRE(restore(small_store(), Target::newest(), dir.file("link"), true).ok());
  CHECK(std::filesystem::is_symlink(dir.file("link")));
  CHECK(read_all(dir.file("real/db")).size() == 9 * kPageSize);
}

// A large database goes past the page cache; here any size does. Blocks are a mebibyte, the last
// one need not be a multiple of anything.
TEST_CASE("restore: past the page cache the bytes are the same") {
  const uint32_t page_size = GENERATE(512u, 4096u, 65536u);
  CAPTURE(page_size);
  ReplicaHistory history(page_size);
  const Pgno page_count = (3u << 20) / page_size + 3;
  history.commit(page_count, {});
  history.commit(page_count + 2, {1, 7, page_count});
  MemoryStore store;
  history.put(store, 9, 1, 1);
  history.put(store, 0, 2, 2);
  const test::TempDir dir;
  RestoreOptions options;
  options.stream.parallelism = 3;
  options.edit_page_one = [](MutableBytes page) { page[100] = 0x5a; };
  const auto restore_to = [&](const std::string& name, uint64_t direct_from_bytes) {
    options.direct_from_bytes = direct_from_bytes;
    // A real file system: the one of the other tests has no such way.
    REQUIRE(restore_database(store, posix_file_system(), Target::newest(), dir.file(name), options)
                .ok());
    return read_all(dir.file(name));
  };
  const ByteVector direct = restore_to("direct", 0);
  CHECK(direct.size() == uint64_t{page_count + 2} * page_size);
  CHECK(direct[100] == 0x5a);
  CHECK(direct == restore_to("cached", UINT64_MAX));
}

TEST_CASE("restore: outputs that cannot be are clear errors") {
  const test::TempDir dir;
  std::ofstream(dir.file("file")) << "x";
  const auto message = [&](const std::string& output, bool overwrite = false) {
    const auto result = restore(small_store(), Target::newest(), output, overwrite);
    REQUIRE_FALSE(result.ok());
    return result.status().message();
  };
  CHECK(message("") == "the output path is empty");
  CHECK(message(dir.file("no/db")) ==
        "the folder " + dir.file("no") + " does not exist; create it first");
  CHECK(message(dir.file("file/db")).find("does not exist") != std::string::npos);
  CHECK(message(dir.path(), true) == dir.path() + " is not a file");
  CHECK_FALSE(message("/proc/db").empty());
  if (::geteuid() != 0) {
    std::filesystem::create_directory(dir.file("ro"));
    std::filesystem::permissions(
        dir.file("ro"), std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
    CHECK(message(dir.file("ro/db")).find("Permission denied") != std::string::npos);
  }
}

TEST_CASE("restore: targets out of range leave nothing") {
  const test::TempDir dir;
  for (const Target& target : {Target::at_txid(Txid{99}), Target::at_time(0)}) {
    CHECK(restore(small_store(), target, dir.file("db")).status().code() ==
          StatusCode::kInvalidArgument);
  }
  MemoryStore empty;
  CHECK(restore(empty, Target::newest(), dir.file("db")).status().code() == StatusCode::kNotFound);
  CHECK(is_empty(dir));
}

TEST_CASE("restore: the check sees the finished file and can stop it") {
  const test::TempDir dir;
  RestoreOptions options;
  ByteVector seen;
  options.check = [&](const std::string& path) {
    seen = read_all(path);
    return corrupt("integrity_check: no");
  };
  const auto result =
      restore_database(small_store(), files(), Target::newest(), dir.file("db"), options);
  CHECK(result.status().message() == "integrity_check: no");
  CHECK(seen.size() == 9 * kPageSize);
  CHECK(is_empty(dir));
}

TEST_CASE("restore: cancelled at any moment it leaves nothing") {
  const test::TempDir dir;
  for (int allowed = 0;; ++allowed) {
    CAPTURE(allowed);
    int asked = 0;
    RestoreOptions options;
    options.stream.cancelled = [&] { return ++asked > allowed; };
    const auto result =
        restore_database(small_store(), files(), Target::newest(), dir.file("db"), options);
    if (result.ok()) {
      CHECK(allowed >= 3);
      break;
    }
    REQUIRE(result.status().code() == StatusCode::kCancelled);
    REQUIRE(is_empty(dir));
  }
}

TEST_CASE("restore: progress grows up to the size of the plan") {
  const test::TempDir dir;
  RestoreOptions options;
  uint64_t last = 0;
  uint64_t total = 0;
  options.stream.progress = [&](uint64_t done_bytes, uint64_t total_bytes) {
    REQUIRE(done_bytes >= last);
    REQUIRE(done_bytes <= total_bytes);
    last = done_bytes;
    total = total_bytes;
  };
  REQUIRE(restore_database(small_store(), files(), Target::newest(), dir.file("db"), options).ok());
  CHECK(total > 0);
  CHECK(last == total);
}

TEST_CASE("restore: any failing call leaves no output or the right one") {
  const ByteVector expected = restored(small_store(), Target::newest()).value();
  for (const auto after :
       {test::FaultFileSystem::After::kRecovers, test::FaultFileSystem::After::kDead}) {
    for (uint64_t n = 1;; ++n) {
      CAPTURE(n);
      const test::TempDir dir;
      test::FaultFileSystem fs(posix_file_system());
      fs.fail_call(n, after);
      const auto result = restore_database(small_store(), fs, Target::newest(), dir.file("db"), {});
      const bool fired = fs.fired();
      if (after == test::FaultFileSystem::After::kDead) REQUIRE(fs.drop_unsynced().ok());
      if (result.ok()) CHECK(read_all(dir.file("db")) == expected);
      if (exists(dir.file("db"))) {
        CHECK(read_all(dir.file("db")) == expected);
        std::filesystem::remove(dir.file("db"));
      }
      // Run again, it works and clears away what the first one left.
      REQUIRE(restore(small_store(), Target::newest(), dir.file("db")).ok());
      CHECK(std::distance(std::filesystem::directory_iterator(dir.path()), {}) == 1);
      if (!fired) break;
    }
  }
}

TEST_CASE("restore: any failing store call is an error or does not matter") {
  const ByteVector expected = restored(small_store(), Target::newest()).value();
  for (const StatusCode code :
       {StatusCode::kUnavailable, StatusCode::kIo, StatusCode::kNotFound, StatusCode::kCorrupt}) {
    for (uint64_t n = 1; n <= 30; ++n) {
      CAPTURE(n);
      small_store().fail_call(n, Status(code, "injected"));
      Status status;
      const auto bytes = restored(small_store(), Target::newest(), &status);
      if (bytes) CHECK(*bytes == expected);
      if (!bytes) CHECK(status.message().find("injected") != std::string::npos);
    }
  }
  small_store().fail_call(1'000'000'000, {});
}

TEST_CASE("restore: a live restore's temporary file is left alone") {
  const test::TempDir dir;
  RestoreOptions options;
  Status inner;
  options.check = [&](const std::string& path) -> Status {
    inner = restore(small_store(), Target::newest(), dir.file("db")).status();
    CHECK(exists(path));
    return {};
  };
  const auto outer =
      restore_database(small_store(), files(), Target::newest(), dir.file("db"), options);
  // The inner one was first; the outer one must not overwrite it.
  CHECK(inner.ok());
  CHECK(outer.status().code() == StatusCode::kAlreadyExists);
  CHECK(read_all(dir.file("db")).size() == 9 * kPageSize);
}

}  // namespace
}  // namespace litestream
