// Restores the replica that upstream wrote (tests/interop/golden, its README says how) at each of
// its points and compares with the bytes that upstream itself makes of it.
#include <catch2/catch.hpp>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <string>

#include "ext/base/file_system.h"
#include "ext/engine/restore.h"
#include "ext/store/store_factory.h"
#include "tests/support/temp_dir.h"

namespace litestream {
namespace {

const std::filesystem::path kGolden =
    std::filesystem::path(LITESTREAM_SOURCE_DIR) / "tests/interop/golden";

std::string read_file(const std::filesystem::path& path) {
  std::ifstream in(path, std::ios::binary);
  std::ostringstream bytes;
  bytes << in.rdbuf();
  return bytes.str();
}

std::string restore_bytes(const std::string& replica, const RestoreTarget& target) {
  const test::TempDir dir;
  FileSystem& fs = posix_file_system();
  auto store = open_store(fs, file_url_of_path(replica));
  INFO(store.status().message());
  REQUIRE(store.ok());
  const auto restored = restore_database(**store, fs, target, dir.file("out.db"), {});
  INFO(restored.status().message());
  REQUIRE(restored.ok());
  return read_file(dir.file("out.db"));
}

TEST_CASE("golden: every point of upstream's replica restores to upstream's bytes") {
  int point_count = 0;
  for (const auto& entry : std::filesystem::directory_iterator(kGolden / "databases")) {
    const uint64_t txid = std::stoull(entry.path().stem().string(), nullptr, 16);
    INFO(entry.path());
    const std::string expected = read_file(entry.path());
    REQUIRE_FALSE(expected.empty());
    const RestoreTarget target = RestoreTarget::at_txid(Txid{txid});
    REQUIRE((restore_bytes((kGolden / "replica").string(), target) == expected));
    ++point_count;
  }
  REQUIRE(point_count == 5);
}

TEST_CASE("golden: the newest point is the last file's") {
  const std::string expected = read_file(kGolden / "databases/0000000000000005.db");
  REQUIRE((restore_bytes((kGolden / "replica").string(), RestoreTarget::newest()) == expected));
}

TEST_CASE("golden: one changed byte anywhere in a file is an error") {
  const std::string name = "0000000000000004-0000000000000004.ltx";
  const std::string original = read_file(kGolden / "replica/ltx/0" / name);
  FileSystem& fs = posix_file_system();
  const test::TempDir dir;
  std::filesystem::copy(kGolden / "replica", dir.file("replica"),
                        std::filesystem::copy_options::recursive);
  std::filesystem::remove(dir.file("replica/ltx/0/0000000000000005-0000000000000005.ltx"));
  for (size_t i = 0; i < original.size(); i += 7) {
    std::string damaged = original;
    damaged[i] = static_cast<char>(damaged[i] ^ 0x40);
    std::ofstream(dir.file("replica/ltx/0/" + name), std::ios::binary) << damaged;
    auto store = open_store(fs, file_url_of_path(dir.file("replica")));
    REQUIRE(store.ok());
    const auto restored =
        restore_database(**store, fs, RestoreTarget::newest(), dir.file("out.db"), {});
    INFO("byte " << i);
    REQUIRE_FALSE(restored.ok());
    REQUIRE_FALSE(std::filesystem::exists(dir.file("out.db")));
  }
}

}  // namespace
}  // namespace litestream
