// What is particular to replicas in a folder.
#include "ext/store/file_store.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "ext/base/durable_file.h"
#include "tests/support/fault_file_system.h"
#include "tests/support/store_contract.h"
#include "tests/support/temp_dir.h"

namespace litestream {
namespace {

using test::get_file;
using test::put_file;

constexpr int64_t kTimeMs = 1767413106789;
const LtxFileInfo kFile{0, Txid{3}, Txid{3}, 0, kTimeMs};

void write_all(const std::string& path, const std::string& text) {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  std::ofstream(path, std::ios::binary) << text;
}

TEST_CASE("file store: layout and time are upstream's") {
  const test::TempDir dir;
  FileStore store(posix_file_system(), dir.file("r") + "//");
  CHECK(store.type() == "file");
  CHECK(store.url() == "file://" + dir.file("r"));
  CHECK(store.path_of(kFile) == dir.file("r/ltx/0/0000000000000003-0000000000000003.ltx"));
  CHECK_FALSE(std::filesystem::exists(dir.file("r")));
  CHECK(store.list(0).value().empty());
  CHECK_FALSE(std::filesystem::exists(dir.file("r")));
  REQUIRE(put_file(store, kFile, "abc").ok());
  CHECK(posix_file_system().stat(store.path_of(kFile))->mtime_ms == kTimeMs);
  LtxFileInfo expected = kFile;
  expected.size_bytes = 3;
  REQUIRE(store.list(0).value().size() == 1);
  CHECK(store.list(0).value()[0] == expected);
}

TEST_CASE("file store: foreign names in a level are not files") {
  const test::TempDir dir;
  FileStore store(posix_file_system(), dir.path());
  REQUIRE(put_file(store, kFile, "abc").ok());
  for (const char* name :
       {"0000000000000004-0000000000000004.ltx.tmp", "0000000000000004.ltx", "x", ".ltx",
        "0000000000000004-0000000000000004", "000000000000000A-000000000000000A.ltx",
        "0000000000000005-0000000000000004.ltx", "0000000000000000-0000000000000001.ltx",
        "0000000000000004-0000000000000004.LTX", " 0000000000000004-0000000000000004.ltx",
        "000000000000000g-000000000000000g.ltx", "..0000000000000004-0000000000000004.ltx",
        ".0000000000000004-0000000000000004.ltx.litestream-tmp-1-2",
        "0000000000000004-0000000000000004.ltx\n"}) {
    write_all(dir.file("ltx/0/") + name, "junk");
  }
  std::filesystem::create_directory(dir.file("ltx/0/0000000000000006-0000000000000006.ltx"));
  std::filesystem::create_symlink("nowhere",
                                  dir.file("ltx/0/0000000000000007-0000000000000007.ltx"));
  REQUIRE(store.list(0).ok());
  CHECK(store.list(0).value().size() == 1);
}

TEST_CASE("file store: the largest TXID has a name") {
  const test::TempDir dir;
  FileStore store(posix_file_system(), dir.path());
  const LtxFileInfo file{8, Txid{1}, Txid{UINT64_MAX}, 0, kTimeMs};
  REQUIRE(put_file(store, file, "abc").ok());
  CHECK(store.list(8).value().at(0).max_txid == Txid{UINT64_MAX});
}

TEST_CASE("file store: readers open late and keep what they opened") {
  const test::TempDir dir;
  FileStore store(posix_file_system(), dir.path());
  auto before = store.open(kFile);
  REQUIRE(before.ok());
  REQUIRE(put_file(store, kFile, "abc").ok());
  uint8_t byte = 0;
  CHECK((*before)->read_at(1, MutableBytes(&byte, 1)).value() == 1);
  CHECK(byte == 'b');
  REQUIRE(store.remove(std::span(&kFile, 1), nullptr).value().empty());
  CHECK((*before)->read_at(2, MutableBytes(&byte, 1)).value() == 1);
  CHECK(byte == 'c');
}

TEST_CASE("file store: removal reports what remains and why") {
  const test::TempDir dir;
  FileStore store(posix_file_system(), dir.path());
  const LtxFileInfo blocked{0, Txid{4}, Txid{4}, 0, kTimeMs};
  REQUIRE(put_file(store, kFile, "abc").ok());
  // A folder of that name cannot be unlinked, whoever runs the test.
  std::filesystem::create_directories(store.path_of(blocked) + "/x");
  const std::vector<LtxFileInfo> files = {blocked, kFile};
  Status why;
  const auto remaining = store.remove(files, &why);
  REQUIRE(remaining.ok());
  REQUIRE(remaining->size() == 1);
  CHECK(remaining->at(0) == blocked);
  CHECK_FALSE(why.ok());
  CHECK(why.message().find(store.path_of(blocked)) != std::string::npos);
  CHECK(store.list(0).value().empty());
}

TEST_CASE("file store: check_writable creates the root and leaves no trace") {
  const test::TempDir dir;
  FileStore store(posix_file_system(), dir.file("a/b"));
  REQUIRE(store.check_writable().ok());
  CHECK(std::filesystem::is_empty(dir.file("a/b")));
  // A young temporary file may be somebody's upload.
  write_all(dir.file("a/b/ltx/0/.x.ltx.litestream-tmp-1-2"), "partly");
  REQUIRE(store.check_writable().ok());
  CHECK(std::filesystem::exists(dir.file("a/b/ltx/0/.x.ltx.litestream-tmp-1-2")));
}

TEST_CASE("file store: a root that cannot be written is named with the reason") {
  const test::TempDir dir;
  write_all(dir.file("file"), "x");
  for (const std::string& root : {dir.file("file"), dir.file("file/r"), std::string("/proc/r")}) {
    FileStore store(posix_file_system(), root);
    const Status status = store.check_writable();
    REQUIRE_FALSE(status.ok());
    CHECK(status.message().find("the replica folder " + root + " cannot be written: ") == 0);
    CHECK_FALSE(put_file(store, kFile, "abc").ok());
  }
  if (::geteuid() != 0) {
    std::filesystem::create_directory(dir.file("ro"));
    std::filesystem::permissions(
        dir.file("ro"), std::filesystem::perms::owner_read | std::filesystem::perms::owner_exec);
    FileStore store(posix_file_system(), dir.file("ro"));
    CHECK(store.check_writable().message().find("Permission denied") != std::string::npos);
  }
}

TEST_CASE("file store: v0.3 generations are counted") {
  const test::TempDir dir;
  FileStore store(posix_file_system(), dir.path());
  CHECK(store.list_generations().value().empty());
  const std::string newer = dir.file("generations/fedcba9876543210/");
  const std::string older = dir.file("generations/0123456789abcdef/");
  write_all(newer + "snapshots/00000000.snapshot.lz4", "s");
  write_all(newer + "wal/00000000_00000000.wal.lz4", "w");
  write_all(newer + "wal/00000000_00001038.wal.lz4", "w");
  write_all(newer + "wal/00000001_123456789.wal.lz4", "w");
  write_all(newer + "wal/00000001_123456789.wal.lz4.tmp", "w");
  write_all(newer + "wal/notes.txt", "w");
  write_all(newer + "snapshots/1.snapshot.lz4", "s");
  std::filesystem::create_directories(older);
  write_all(dir.file("generations/not-a-generation/wal/00000000_00000000.wal.lz4"), "w");
  const auto generations = store.list_generations();
  REQUIRE(generations.ok());
  REQUIRE(generations->size() == 2);
  CHECK(generations->at(0).generation == "0123456789abcdef");
  CHECK(generations->at(0).snapshot_count == 0);
  CHECK(generations->at(0).created_at_ms == 0);
  CHECK(generations->at(1).snapshot_count == 1);
  CHECK(generations->at(1).wal_segment_count == 3);
  CHECK(generations->at(1).created_at_ms > 0);
  CHECK(generations->at(1).updated_at_ms >= generations->at(1).created_at_ms);
}

TEST_CASE("file store: files of a v0.3 generation are listed in order and read") {
  const test::TempDir dir;
  FileStore store(posix_file_system(), dir.path());
  const std::string generation = "fedcba9876543210";
  const std::string root = dir.file("generations/" + generation + "/");
  CHECK(store.list_v3(generation).value().empty());
  for (const char* name : {"wal/00000001_00000000.wal.lz4", "wal/00000000_123456789.wal.lz4",
                           "wal/00000000_00001038.wal.lz4", "snapshots/0000000a.snapshot.lz4",
                           "snapshots/00000002.snapshot.lz4", "snapshots/0000000A.snapshot.lz4",
                           "wal/00000000.wal.lz4", "wal/00000000_1038.wal.lz4", "wal/x"}) {
    write_all(root + name, name);
  }
  const auto files = store.list_v3(generation);
  REQUIRE(files.ok());
  REQUIRE(files->size() == 5);
  CHECK((files->at(0).is_snapshot && files->at(0).index == 2));
  CHECK((files->at(1).is_snapshot && files->at(1).index == 10));
  CHECK((!files->at(2).is_snapshot && files->at(2).offset_bytes == 0x1038));
  CHECK((files->at(3).index == 0 && files->at(3).offset_bytes == 0x123456789));
  CHECK((files->at(4).index == 1 && files->at(4).offset_bytes == 0));
  CHECK(files->at(2).size_bytes == 29);
  CHECK(files->at(2).created_at_ms > 0);
  std::string bytes(29, '?');
  const auto reader = store.open_v3(files->at(2));
  REQUIRE(reader.ok());
  CHECK((*reader)->read_at(0, {reinterpret_cast<uint8_t*>(bytes.data()), 29}).value() == 29);
  CHECK(bytes == "wal/00000000_00001038.wal.lz4");
  V3File outside = files->at(2);
  outside.name = "../../../x";
  CHECK_FALSE(store.open_v3(outside).ok());
  CHECK_FALSE(store.list_v3("../../../../../../e").ok());
}

TEST_CASE("file store: any failing call leaves the old state or the whole file") {
  const std::string content(5000, 'c');
  for (uint64_t n = 1;; ++n) {
    CAPTURE(n);
    const test::TempDir dir;
    test::FaultFileSystem fs(posix_file_system());
    FileStore store(fs, dir.file("r"));
    fs.fail_call(n, test::FaultFileSystem::After::kRecovers);
    const Status status = put_file(store, kFile, content);
    const bool fired = fs.fired();
    fs.heal();
    FileStore later(posix_file_system(), dir.file("r"));
    const auto files = later.list(0);
    REQUIRE(files.ok());
    if (status.ok()) REQUIRE(files->size() == 1);
    if (!files->empty()) CHECK(get_file(later, kFile).value() == content);
    // Whatever was left, the same write again succeeds and survives power loss.
    REQUIRE(put_file(store, kFile, content).ok());
    REQUIRE(fs.drop_unsynced().ok());
    CHECK(get_file(later, kFile).value() == content);
    if (!fired) break;
    REQUIRE(n < 1000);
  }
}

TEST_CASE("file store: power loss at any call keeps committed files") {
  auto prng = test::Prng::announced("file_store", 11);
  const std::string content(5000, 'c');
  const LtxFileInfo second{0, Txid{4}, Txid{4}, 0, kTimeMs};
  for (int round = 0; round < 5; ++round) {
    bool stopped = true;
    for (uint64_t n = 1; stopped; ++n) {
      CAPTURE(round, n);
      const test::TempDir dir;
      test::FaultFileSystem fs(posix_file_system());
      FileStore store(fs, dir.file("r"));
      fs.fail_call(n, test::FaultFileSystem::After::kDead);
      const Status first_status = put_file(store, kFile, content);
      const Status second_status = put_file(store, second, content);
      stopped = fs.fired();
      REQUIRE(fs.drop_unsynced(round == 0 ? nullptr : &prng).ok());
      FileStore later(posix_file_system(), dir.file("r"));
      const auto files = later.list(0);
      REQUIRE(files.ok());
      for (const LtxFileInfo& file : *files) CHECK(get_file(later, file).value() == content);
      if (first_status.ok()) CHECK(get_file(later, kFile).ok());
      if (second_status.ok()) CHECK(get_file(later, second).ok());
      CHECK(put_file(later, kFile, content).ok());
    }
  }
}

TEST_CASE("file store: a listing that fails is an error, not a short list") {
  const test::TempDir dir;
  test::FaultFileSystem fs(posix_file_system());
  FileStore store(fs, dir.path());
  for (uint64_t txid = 1; txid <= 5; ++txid) {
    REQUIRE(put_file(store, {0, Txid{txid}, Txid{txid}, 0, kTimeMs}, "x").ok());
  }
  for (uint64_t n = 1;; ++n) {
    CAPTURE(n);
    fs.fail_call(n, test::FaultFileSystem::After::kRecovers);
    const auto files = store.list(0);
    if (!fs.fired()) {
      CHECK(files.value().size() == 5);
      break;
    }
    CHECK_FALSE(files.ok());
  }
}

}  // namespace
}  // namespace litestream
