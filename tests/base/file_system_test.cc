// The posix file system: what its header promises, against a real folder.
#include "ext/base/file_system.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>

#include "ext/base/aligned_buffer.h"
#include "tests/support/temp_dir.h"

namespace litestream {
namespace {

std::string read_all(const std::string& path) {
  auto text = read_small_file(posix_file_system(), path, 1 << 20);
  REQUIRE(text.ok());
  return *text;
}

void write_all(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
}

TEST_CASE("writes land at their offsets and appends at the end") {
  const test::TempDir dir;
  FileSystem& fs = posix_file_system();
  auto file = fs.create_new(dir.file("a"));
  REQUIRE(file.ok());
  REQUIRE((*file)->append(as_bytes("abc")).ok());
  REQUIRE((*file)->write_at(5, as_bytes("xy")).ok());
  REQUIRE((*file)->append(as_bytes("!")).ok());
  REQUIRE((*file)->write_at(0, as_bytes("A")).ok());
  CHECK(read_all(dir.file("a")) == std::string("Abc\0\0xy!", 8));
  REQUIRE((*file)->truncate(2).ok());
  REQUIRE((*file)->append(as_bytes("z")).ok());
  REQUIRE((*file)->sync().ok());
  REQUIRE((*file)->close().ok());
  CHECK((*file)->close().ok());
  CHECK(read_all(dir.file("a")) == "Abz");
}

TEST_CASE("direct writes land where they should, aligned or not") {
  const test::TempDir dir;
  FileSystem& fs = posix_file_system();
  auto file = fs.create_new(dir.file("f"));
  REQUIRE(file.ok());
  constexpr size_t kSize = 3 * kDirectAlignBytes;
  REQUIRE((*file)->allocate(kSize + 100).ok());
  (void)(*file)->enable_direct_writes();  // where there is no such way, the bytes are the same
  AlignedBuffer buffer;
  buffer.resize(kSize);
  std::fill(buffer.bytes().begin(), buffer.bytes().end(), uint8_t{'a'});
  REQUIRE((*file)->write_direct(0, buffer.bytes()).ok());
  std::fill(buffer.bytes().begin(), buffer.bytes().end(), uint8_t{'b'});
  const Bytes page = buffer.bytes();
  REQUIRE((*file)->write_direct(kDirectAlignBytes, page.first(kDirectAlignBytes)).ok());
  REQUIRE((*file)->write_direct(kSize, page.first(100)).ok());       // a tail
  REQUIRE((*file)->write_direct(7, page.first(10)).ok());            // anywhere
  REQUIRE((*file)->write_direct(4096, page.subspan(1, 4096)).ok());  // from anywhere
  REQUIRE((*file)->write_at(1, page.first(1)).ok());                 // and beside it
  REQUIRE((*file)->sync().ok());
  REQUIRE((*file)->close().ok());
  std::string expected(kSize, 'a');
  expected.replace(4096, 4096, 4096, 'b').replace(7, 10, 10, 'b').replace(1, 1, 1, 'b');
  expected += std::string(100, 'b');
  CHECK(read_all(dir.file("f")) == expected);
}

TEST_CASE("create_new and link_new never touch what exists") {
  const test::TempDir dir;
  FileSystem& fs = posix_file_system();
  write_all(dir.file("old"), "old");
  write_all(dir.file("new"), "new");
  CHECK(fs.create_new(dir.file("old")).status().code() == StatusCode::kAlreadyExists);
  CHECK(fs.link_new(dir.file("new"), dir.file("old")).code() == StatusCode::kAlreadyExists);
  CHECK(read_all(dir.file("old")) == "old");
  REQUIRE(fs.link_new(dir.file("new"), dir.file("third")).ok());
  CHECK(read_all(dir.file("third")) == "new");
  REQUIRE(fs.rename(dir.file("new"), dir.file("old")).ok());
  CHECK(read_all(dir.file("old")) == "new");
}

TEST_CASE("errors name the path and the reason") {
  const test::TempDir dir;
  FileSystem& fs = posix_file_system();
  const std::string missing = dir.file("missing");
  for (const Status& status :
       {fs.open_readable(missing).status(), fs.remove(missing), fs.stat(missing).status(),
        fs.list_directory(missing).status(), fs.rename(missing, dir.file("x")),
        fs.create_new(missing + "/x").status(), fs.canonical_path(missing).status()}) {
    CAPTURE(status.message());
    CHECK(status.code() == StatusCode::kNotFound);
    CHECK(status.message().find(missing) != std::string::npos);
    CHECK(status.message().find("No such file") != std::string::npos);
  }
}

TEST_CASE("reads stop at the end of the file") {
  const test::TempDir dir;
  write_all(dir.file("a"), "0123456789");
  auto file = posix_file_system().open_readable(dir.file("a"));
  REQUIRE(file.ok());
  CHECK((*file)->size_bytes().value() == 10);
  uint8_t buffer[8];
  CHECK((*file)->read_at(4, MutableBytes(buffer, 8)).value() == 6);
  CHECK((*file)->read_at(10, MutableBytes(buffer, 8)).value() == 0);
  CHECK((*file)->read_at(UINT64_MAX, MutableBytes(buffer, 8)).value() == 0);
  CHECK(read_exactly(**file, 2, MutableBytes(buffer, 8)).ok());
  CHECK(read_exactly(**file, 3, MutableBytes(buffer, 8)).code() == StatusCode::kCorrupt);
}

TEST_CASE("folders are created with their parents and listed completely") {
  const test::TempDir dir;
  FileSystem& fs = posix_file_system();
  REQUIRE(fs.create_directories(dir.file("a/b/c")).ok());
  REQUIRE(fs.create_directories(dir.file("a/b/c")).ok());
  REQUIRE(fs.create_directories(dir.file("a/b/d/")).ok());
  write_all(dir.file("a/b/f"), "");
  auto entries = fs.list_directory(dir.file("a/b"));
  REQUIRE(entries.ok());
  std::sort(entries->begin(), entries->end(),
            [](const auto& x, const auto& y) { return x.name < y.name; });
  REQUIRE(entries->size() == 3);
  CHECK((*entries)[0].name == "c");
  CHECK((*entries)[0].is_directory);
  CHECK((*entries)[2].name == "f");
  CHECK_FALSE((*entries)[2].is_directory);
  CHECK_FALSE(fs.create_directories(dir.file("a/b/f")).ok());
  CHECK_FALSE(fs.create_directories(dir.file("a/b/f/g")).ok());
  CHECK(fs.sync_directory(dir.file("a")).ok());
}

TEST_CASE("list_files shows the files that are wanted, with what is asked for") {
  const test::TempDir dir;
  FileSystem& fs = posix_file_system();
  CHECK(fs.list_files(
              dir.file("none"), [](const auto&) { return true; }, FileDetails::kNamesOnly)
            .status()
            .code() == StatusCode::kNotFound);
  write_all(dir.file("a.ltx"), "12345");
  write_all(dir.file("b.txt"), "1");
  std::filesystem::create_directory(dir.file("c.ltx"));
  std::filesystem::create_symlink("a.ltx", dir.file("d.ltx"));
  std::filesystem::create_symlink("c.ltx", dir.file("e.ltx"));
  std::filesystem::create_symlink("nowhere", dir.file("f.ltx"));
  const auto is_ltx = [](const std::string& name) { return name.ends_with(".ltx"); };
  for (const auto details : {FileDetails::kNamesOnly, FileDetails::kSizeAndTime}) {
    // As this file system has it, and by the means of any other.
    for (const bool own : {true, false}) {
      CAPTURE(static_cast<int>(details), own);
      auto files = own ? fs.list_files(dir.path(), is_ltx, details)
                       : fs.FileSystem::list_files(dir.path(), is_ltx, details);
      REQUIRE(files.ok());
      std::sort(files->begin(), files->end(),
                [](const auto& a, const auto& b) { return a.name < b.name; });
      REQUIRE(files->size() == 2);
      CHECK((*files)[0].name == "a.ltx");
      CHECK((*files)[1].name == "d.ltx");
      if (details == FileDetails::kNamesOnly) continue;
      for (const FileEntry& file : *files) {
        CHECK(file.size_bytes == 5);
        CHECK(file.mtime_ms == fs.stat(dir.file("a.ltx"))->mtime_ms);
      }
    }
  }
}

TEST_CASE("modification times keep their milliseconds, before 1970 too") {
  const test::TempDir dir;
  FileSystem& fs = posix_file_system();
  for (const int64_t time : {INT64_C(1767413106789), INT64_C(1), INT64_C(-1), INT64_C(-1001)}) {
    const std::string path = dir.file(std::to_string(time));
    auto file = fs.create_new(path);
    REQUIRE(file.ok());
    REQUIRE((*file)->set_mtime_ms(time).ok());
    REQUIRE((*file)->close().ok());
    const auto stat = fs.stat(path);
    REQUIRE(stat.ok());
    CHECK(stat->mtime_ns == time * 1'000'000);
    if (time >= 0) CHECK(stat->mtime_ms == time);
  }
}

TEST_CASE("an exclusive lock has one holder until it is dropped") {
  const test::TempDir dir;
  FileSystem& fs = posix_file_system();
  auto first = fs.lock_exclusive(dir.file("lock"));
  REQUIRE(first.ok());
  CHECK(fs.lock_exclusive(dir.file("lock")).status().code() == StatusCode::kBusy);
  first->reset();
  CHECK(fs.lock_exclusive(dir.file("lock")).ok());
}

TEST_CASE("small files have a limit, and files of /proc are read whole") {
  const test::TempDir dir;
  write_all(dir.file("a"), "12345");
  FileSystem& fs = posix_file_system();
  CHECK(read_small_file(fs, dir.file("a"), 5).value() == "12345");
  CHECK(read_small_file(fs, dir.file("a"), 4).status().code() == StatusCode::kInvalidArgument);
  CHECK_FALSE(read_small_file(fs, "/proc/self/stat", 4096).value().empty());
}

}  // namespace
}  // namespace litestream
