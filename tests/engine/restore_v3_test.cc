// What Litestream 0.3 left behind, restored. The backups are written here from the description of
// the layout: WALs by WalBuilder, LZ4 frames of stored blocks.
#include "ext/engine/restore_v3.h"

#include <fcntl.h>
#include <sys/stat.h>

#include <catch2/catch.hpp>
#include <map>

#include "ext/store/file_store.h"
#include "tests/engine/restore_support.h"
#include "tests/support/wal_builder.h"

namespace litestream {
namespace {

using test::ByteVector;

constexpr uint32_t kPage = 1024;
constexpr int64_t kEpochMs = 1'700'000'000'000;
const std::string kGeneration = "0123456789abcdef";

// One LZ4 frame of stored blocks of at most 64 KiB.
ByteVector lz4_frame(Bytes content) {
  ByteVector out{0x04, 0x22, 0x4D, 0x18, 0x60, 0x40, 0x82};
  while (!content.empty()) {
    const Bytes block = content.first(std::min<size_t>(content.size(), 65536));
    const uint32_t size = static_cast<uint32_t>(block.size()) | 0x80000000u;
    for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<uint8_t>(size >> shift));
    out.insert(out.end(), block.begin(), block.end());
    content = content.subspan(block.size());
  }
  out.insert(out.end(), 4, 0);
  return out;
}

// A database through commits in several WALs, and what 0.3 would have stored of it.
class OldBackup {
 public:
  explicit OldBackup(const std::string& root, std::string generation = kGeneration)
      : root_(root), generation_(std::move(generation)) {
    ByteVector page = test::make_page(kPage, 1);
    const std::string magic("SQLite format 3\0", 16);
    std::copy(magic.begin(), magic.end(), page.begin());
    page[16] = kPage >> 8;
    page[17] = kPage & 0xff;
    image_ = page;
    for (Pgno pgno = 2; pgno <= 4; ++pgno) grow(pgno, 0);
  }

  void snapshot() { put("snapshots", name(index_) + ".snapshot.lz4", image_); }
  // A transaction in the WAL at hand. Page 1 stays as it is.
  void commit(Pgno size, const std::vector<Pgno>& pages) {
    ++version_;
    std::vector<Pgno> all = pages;
    for (Pgno pgno = static_cast<Pgno>(image_.size() / kPage) + 1; pgno <= size; ++pgno) {
      all.push_back(pgno);
    }
    image_.resize(size_t{size} * kPage);
    for (const Pgno pgno : all) {
      const ByteVector page = test::make_page(kPage, pgno, version_);
      std::copy(page.begin(), page.end(),
                image_.begin() + static_cast<ptrdiff_t>(size_t{pgno - 1} * kPage));
    }
    for (size_t i = 0; i < all.size(); ++i) {
      const auto* page = image_.data() + size_t{all[i] - 1} * kPage;
      wal_.add_frame(all[i], i + 1 == all.size() ? size : 0, ByteVector(page, page + kPage));
    }
  }
  // Stores what the WAL has grown by since the last segment.
  void segment() {
    const ByteVector& wal = wal_.bytes();
    put("wal", name(index_) + "_" + name(stored_bytes_) + ".wal.lz4",
        Bytes(wal).subspan(stored_bytes_));
    stored_bytes_ = static_cast<uint32_t>(wal.size());
    images_[now_ms_] = image_;
  }
  void next_wal() {
    ++index_;
    stored_bytes_ = 0;
    wal_ = test::WalBuilder(kPage, index_ % 2 == 1, 100 + index_, 7 * index_);
  }

  const ByteVector& image() const { return image_; }
  const std::map<int64_t, ByteVector>& images() const { return images_; }  // by time of a segment
  int64_t now_ms() const { return now_ms_; }
  std::string folder() const { return root_ + "/generations/" + generation_; }

 private:
  static std::string name(uint32_t number) {
    char text[16];
    std::snprintf(text, sizeof text, "%08x", number);
    return text;
  }
  void grow(Pgno pgno, uint32_t version) {
    const ByteVector page = test::make_page(kPage, pgno, version);
    image_.insert(image_.end(), page.begin(), page.end());
  }
  void put(const std::string& kind, const std::string& file, Bytes content) {
    now_ms_ += 1000;
    std::filesystem::create_directories(folder() + "/" + kind);
    const std::string path = folder() + "/" + kind + "/" + file;
    const ByteVector bytes = lz4_frame(content);
    std::ofstream(path, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
    const timespec times[2] = {{0, UTIME_OMIT}, {now_ms_ / 1000, now_ms_ % 1000 * 1'000'000}};
    REQUIRE(::utimensat(AT_FDCWD, path.c_str(), times, 0) == 0);
  }

  const std::string root_;
  const std::string generation_;
  ByteVector image_;
  test::WalBuilder wal_{kPage, false};
  uint32_t index_ = 0;
  uint32_t stored_bytes_ = 0;
  uint32_t version_ = 0;
  static inline int64_t now_ms_ = kEpochMs;
  std::map<int64_t, ByteVector> images_;
};

void write_story(OldBackup& backup) {
  backup.snapshot();
  backup.commit(4, {2, 3});
  backup.commit(7, {2});
  backup.segment();
  backup.commit(7, {5, 6});
  backup.segment();
  backup.next_wal();
  backup.commit(3, {3});
  backup.segment();
  backup.snapshot();
  backup.commit(6, {2});
  backup.segment();
  backup.next_wal();
  backup.commit(6, {6});
  backup.commit(90, {4});
  backup.segment();
}

Result<V3RestoreResult> restore(LtxStore& store, const V3Target& target, const std::string& path) {
  return restore_v3(store, test::files(), target, path, {});
}

TEST_CASE("v0.3: newest, and every time") {
  const test::TempDir dir;
  OldBackup backup(dir.file("replica"));
  write_story(backup);
  FileStore store(test::files(), dir.file("replica"));
  const test::TempDir out;
  const auto newest = restore(store, {}, out.file("db"));
  INFO(newest.status().message());
  REQUIRE(newest.ok());
  CHECK(test::read_all(out.file("db")) == backup.image());
  CHECK(newest->size_bytes == 90 * kPage);
  CHECK(newest->plan.generation == kGeneration);
  CHECK(newest->plan.snapshot.index == 1);
  CHECK(newest->plan.created_at_ms == backup.now_ms());
  CHECK(std::distance(std::filesystem::directory_iterator(out.path()), {}) == 1);
  for (const auto& [time_ms, image] : backup.images()) {
    for (const int64_t at : {time_ms, time_ms + 999}) {
      const test::TempDir there;
      const auto result = restore(store, {"", at}, there.file("db"));
      INFO(result.status().message());
      REQUIRE(result.ok());
      CHECK(test::read_all(there.file("db")) == image);
    }
  }
  const auto early = restore(store, {"", kEpochMs - 1}, out.file("early"));
  CHECK(early.status().code() == StatusCode::kNotFound);
  CHECK_FALSE(test::exists(out.file("early")));
}

TEST_CASE("v0.3: the generation that was written last, or the one asked for") {
  const test::TempDir dir;
  OldBackup first(dir.file("replica"), "ffffffffffffffff");
  write_story(first);
  OldBackup second(dir.file("replica"), "1111111111111111");
  second.snapshot();
  second.commit(4, {4});
  second.segment();
  FileStore store(test::files(), dir.file("replica"));
  CHECK(plan_restore_v3(store, {})->generation == "1111111111111111");
  CHECK(plan_restore_v3(store, {"ffffffffffffffff", {}})->generation == "ffffffffffffffff");
  // A time when the second one did not exist yet.
  const int64_t before = first.images().rbegin()->first;
  CHECK(plan_restore_v3(store, {"", before})->generation == "ffffffffffffffff");
  const test::TempDir out;
  REQUIRE(restore(store, {"", before}, out.file("db")).ok());
  CHECK(test::read_all(out.file("db")) == first.image());
  const auto unknown = plan_restore_v3(store, {"2222222222222222", {}});
  CHECK(unknown.status().message().find("known: 1111111111111111, ffffffffffffffff") !=
        std::string::npos);
  const auto none = plan_restore_v3(store, {"1111111111111111", kEpochMs});
  CHECK(none.status().message().find("has no snapshot at or before") != std::string::npos);
  const test::TempDir empty;
  FileStore nothing(test::files(), empty.path());
  CHECK(plan_restore_v3(nothing, {}).status().code() == StatusCode::kNotFound);
}

TEST_CASE("v0.3: any one file lost or damaged is an error, never another database") {
  const test::TempDir dir;
  OldBackup backup(dir.file("replica"));
  write_story(backup);
  FileStore store(test::files(), dir.file("replica"));
  std::vector<std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(backup.folder())) {
    if (entry.is_regular_file()) files.push_back(entry.path().string());
  }
  REQUIRE(files.size() == 7);
  int errors = 0;
  for (const std::string& file : files) {
    CAPTURE(file);
    const ByteVector bytes = test::read_all(file);
    const auto attempt = [&](const std::string& what) {
      CAPTURE(what);
      const test::TempDir out(test::TempDir::Place::kMemory);
      const auto result = restore(store, {}, out.file("db"));
      if (result.ok()) {
        const bool is_right = test::read_all(out.file("db")) == backup.image();
        REQUIRE(is_right);
      } else {
        ++errors;
        REQUIRE(result.status().message().find("generation") != std::string::npos);
        REQUIRE(test::is_empty(out));
      }
    };
    for (size_t at = 0; at < bytes.size(); at += bytes.size() / 40 + 1) {
      ByteVector damaged = bytes;
      damaged[at] ^= 0x10;
      std::ofstream(file, std::ios::binary)
          .write(reinterpret_cast<const char*>(damaged.data()),
                 static_cast<std::streamsize>(damaged.size()));
      // A page of a snapshot has no checksum of its own: only WALs and frames are judged here.
      if (file.find("snapshots") == std::string::npos || at < 11) attempt(std::to_string(at));
    }
    std::filesystem::resize_file(file, bytes.size() / 2);
    attempt("half");
    std::filesystem::remove(file);
    // Without the newest snapshot there is the older one; that the newest WAL was ever there,
    // nothing else says.
    const bool is_newest = file.find("snapshots/00000001") != std::string::npos ||
                           file.find("wal/00000002") != std::string::npos;
    if (!is_newest) attempt("lost");
    std::ofstream(file, std::ios::binary)
        .write(reinterpret_cast<const char*>(bytes.data()),
               static_cast<std::streamsize>(bytes.size()));
  }
  CHECK(errors > 100);
}

TEST_CASE("v0.3: cancelled at any moment it leaves nothing") {
  const test::TempDir dir;
  OldBackup backup(dir.file("replica"));
  write_story(backup);
  FileStore store(test::files(), dir.file("replica"));
  const test::TempDir out;
  for (int allowed = 0;; ++allowed) {
    int asked = 0;
    uint64_t last = 0;
    RestoreOptions options;
    options.stream.cancelled = [&] { return ++asked > allowed; };
    options.stream.progress = [&](uint64_t done, uint64_t total) {
      REQUIRE(done >= last);
      REQUIRE(done <= total);
      last = done;
    };
    const auto result = restore_v3(store, test::files(), {}, out.file("db"), options);
    if (result.ok()) {
      CHECK(allowed > 3);
      break;
    }
    REQUIRE(result.status().code() == StatusCode::kCancelled);
    REQUIRE(test::is_empty(out));
  }
}

TEST_CASE("v0.3: any failing call leaves no output or the right one") {
  const test::TempDir dir;
  OldBackup backup(dir.file("replica"));
  write_story(backup);
  for (uint64_t n = 1;; ++n) {
    CAPTURE(n);
    const test::TempDir out(test::TempDir::Place::kMemory);
    test::FaultFileSystem fs(posix_file_system());
    FileStore store(fs, dir.file("replica"));
    fs.fail_call(n, test::FaultFileSystem::After::kRecovers);
    const auto result = restore_v3(store, fs, {}, out.file("db"), {});
    if (test::exists(out.file("db"))) {
      CHECK(test::read_all(out.file("db")) == backup.image());
    }
    CHECK((result.ok() || fs.fired()));
    if (!fs.fired()) break;
  }
}

}  // namespace
}  // namespace litestream
