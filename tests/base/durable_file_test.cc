// A durable file is whole under its final name or not there at all, whichever call fails and
// wherever the machine stops.
#include "ext/base/durable_file.h"

#include <catch2/catch.hpp>
#include <fstream>

#include "tests/support/fault_file_system.h"
#include "tests/support/temp_dir.h"

namespace litestream {
namespace {

using After = test::FaultFileSystem::After;
using Publish = DurableFile::Publish;
using Sync = DurableFile::Sync;

const std::string kNew(10'000, 'n');
const std::string kOld(3'000, 'o');

Status write_durably(FileSystem& fs, const std::string& path, Publish publish) {
  LS_ASSIGN_OR_RETURN(auto file, DurableFile::create(fs, path));
  LS_RETURN_IF_ERROR(file->append(as_bytes(kNew).first(4000)));
  LS_RETURN_IF_ERROR(file->write_at(4000, as_bytes(kNew).subspan(4000)));
  LS_RETURN_IF_ERROR(file->sync());
  return file->commit(publish, Sync::kDurable, 1767413106789);
}

// "" if there is no file.
std::string content(const std::string& path) {
  const auto text = read_small_file(posix_file_system(), path, 1 << 20);
  return text.ok() ? *text : std::string();
}

size_t entry_count(const std::string& path) {
  return posix_file_system().list_directory(path).value().size();
}

TEST_CASE("commit publishes content and time, and leaves one name") {
  const test::TempDir dir;
  REQUIRE(write_durably(posix_file_system(), dir.file("a"), Publish::kCreateOnly).ok());
  CHECK(content(dir.file("a")) == kNew);
  CHECK(posix_file_system().stat(dir.file("a"))->mtime_ms == 1767413106789);
  CHECK(entry_count(dir.path()) == 1);
}

TEST_CASE("create-only keeps what is there; replace does not") {
  const test::TempDir dir;
  std::ofstream(dir.file("a")) << kOld;
  CHECK(write_durably(posix_file_system(), dir.file("a"), Publish::kCreateOnly).code() ==
        StatusCode::kAlreadyExists);
  CHECK(content(dir.file("a")) == kOld);
  CHECK(entry_count(dir.path()) == 1);
  REQUIRE(write_durably(posix_file_system(), dir.file("a"), Publish::kReplace).ok());
  CHECK(content(dir.file("a")) == kNew);
  CHECK(entry_count(dir.path()) == 1);
}

TEST_CASE("without a commit nothing stays") {
  const test::TempDir dir;
  {
    auto file = DurableFile::create(posix_file_system(), dir.file("a"));
    REQUIRE(file.ok());
    REQUIRE((*file)->append(as_bytes(kNew)).ok());
    CHECK(entry_count(dir.path()) == 1);
  }
  CHECK(entry_count(dir.path()) == 0);
}

TEST_CASE("two files for one name do not meet before they are published") {
  const test::TempDir dir;
  auto first = DurableFile::create(posix_file_system(), dir.file("a"));
  auto second = DurableFile::create(posix_file_system(), dir.file("a"));
  REQUIRE(first.ok());
  REQUIRE(second.ok());
  CHECK((*first)->temporary_path() != (*second)->temporary_path());
  CHECK((*first)->commit(Publish::kCreateOnly, Sync::kDurable).ok());
  CHECK((*second)->commit(Publish::kCreateOnly, Sync::kDurable).code() ==
        StatusCode::kAlreadyExists);
}

TEST_CASE("left-overs are found by name and nothing else is") {
  const test::TempDir dir;
  auto open = DurableFile::create(posix_file_system(), dir.file("a"));
  REQUIRE(open.ok());
  CHECK(is_temporary_name(path_basename((*open)->temporary_path())));
  CHECK_FALSE(is_temporary_name("a"));
  CHECK_FALSE(is_temporary_name(".a"));
  CHECK_FALSE(is_temporary_name("a.litestream-tmp-1-1"));
  std::ofstream(dir.file("keep")) << "x";
  REQUIRE(remove_temporary_files(posix_file_system(), dir.path()).ok());
  CHECK(entry_count(dir.path()) == 1);
  CHECK(remove_temporary_files(posix_file_system(), dir.file("missing")).ok());
}

// Each call fails once; the process goes on.
void fail_each_call(Publish publish, bool old_exists) {
  for (uint64_t n = 1;; ++n) {
    CAPTURE(n);
    const test::TempDir dir;
    if (old_exists) std::ofstream(dir.file("a")) << kOld;
    test::FaultFileSystem fs(posix_file_system());
    fs.fail_call(n, After::kRecovers);
    const Status status = write_durably(fs, dir.file("a"), publish);
    const std::string found = content(dir.file("a"));
    if (status.ok()) CHECK(found == kNew);
    // Published, and then the folder could not be synced: an error, but nothing torn.
    if (!status.ok()) CHECK((found == (old_exists ? kOld : "") || found == kNew));
    if (!fs.fired()) {
      REQUIRE(status.ok());
      REQUIRE(n > 5);
      return;
    }
  }
}

TEST_CASE("any one failing call leaves nothing or all") {
  fail_each_call(Publish::kCreateOnly, false);
  fail_each_call(Publish::kReplace, true);
}

// The machine stops in each call and forgets what was not synced, wholly or in part.
void stop_at_each_call(Publish publish, bool old_exists, test::Prng* prng) {
  for (uint64_t n = 1;; ++n) {
    CAPTURE(n);
    const test::TempDir dir;
    if (old_exists) std::ofstream(dir.file("a")) << kOld;
    test::FaultFileSystem fs(posix_file_system());
    fs.fail_call(n, After::kDead);
    const Status status = write_durably(fs, dir.file("a"), publish);
    const bool stopped = fs.fired();
    REQUIRE(fs.drop_unsynced(prng).ok());
    const std::string found = content(dir.file("a"));
    if (status.ok()) CHECK(found == kNew);
    if (!status.ok()) CHECK((found == (old_exists ? kOld : "") || found == kNew));
    REQUIRE(remove_temporary_files(fs, dir.path()).ok());
    CHECK(entry_count(dir.path()) == (found.empty() ? 0 : 1));
    if (!stopped) return;
  }
}

TEST_CASE("power loss at any call leaves nothing or all") {
  auto prng = test::Prng::announced("durable_file", 7);
  stop_at_each_call(Publish::kCreateOnly, false, nullptr);
  stop_at_each_call(Publish::kReplace, true, nullptr);
  for (int round = 0; round < 20; ++round) {
    stop_at_each_call(Publish::kCreateOnly, false, &prng);
    stop_at_each_call(Publish::kReplace, true, &prng);
  }
}

TEST_CASE("the harness notices a file that was not synced") {
  // If this passes without Sync::kDurable, the tests above prove nothing.
  const test::TempDir dir;
  test::FaultFileSystem fs(posix_file_system());
  auto file = DurableFile::create(fs, dir.file("a"));
  REQUIRE(file.ok());
  REQUIRE((*file)->append(as_bytes(kNew)).ok());
  REQUIRE((*file)->commit(Publish::kCreateOnly, Sync::kNone).ok());
  CHECK(content(dir.file("a")) == kNew);
  REQUIRE(fs.drop_unsynced().ok());
  CHECK(content(dir.file("a")).empty());
}

}  // namespace
}  // namespace litestream
