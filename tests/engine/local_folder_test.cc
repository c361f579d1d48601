// The records of the local folder: page checksums, state, the owner's status and requests. Goal: a
// torn or foreign file is noticed, never believed.
#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <thread>

#include "ext/base/durable_file.h"
#include "ext/engine/owner.h"
#include "ext/engine/page_sums.h"
#include "ext/engine/pending_pages.h"
#include "ext/engine/position.h"
#include "ext/ltx/checksum.h"
#include "tests/support/temp_dir.h"

namespace litestream::test {
namespace {

std::string bytes_of(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void write_bytes(const std::string& path, const std::string& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out << bytes;
}

Checksum top(uint64_t value) { return value | (uint64_t{1} << 63); }

LocalState sample_state() {
  LocalState state;
  state.position = {Txid{77}, true, {{1, 2}, 3, {4, 5}}, 6};
  state.page_size_bytes = 4096;
  state.database_checksum = top(8);
  state.replica_url = "file:///replica";
  state.clean = LocalState::CleanFile{1, 2, 3, 4, 5, 6, 7};
  return state;
}

}  // namespace

TEST_CASE("page checksums: the database checksum is the XOR of the pages there are") {
  PageSums sums(512);
  REQUIRE(sums.database_checksum() == 0);
  sums.set(1, top(3));
  sums.set(2, top(5));
  REQUIRE(sums.database_checksum() == top(6));
  sums.set(2, top(9));
  REQUIRE(sums.database_checksum() == top(10));
  sums.resize(1);
  REQUIRE(sums.database_checksum() == top(3));
  REQUIRE(sums.sum_of(2) == 0);
  sums.resize(0);
  REQUIRE(sums.database_checksum() == 0);
  // The lock page has none.
  sums.set(0x40000000 / 512 + 1, top(1));
  REQUIRE(sums.page_count() == 0);
}

TEST_CASE("page checksums: every flipped byte and every cut of the file is noticed") {
  const TempDir dir;
  const std::string path = dir.file("pages");
  PageSums sums(1024);
  sums.set_txid(Txid{42});
  for (Pgno pgno = 1; pgno <= 20; ++pgno) sums.set(pgno, top(pgno * 1000));
  REQUIRE(sums.save(posix_file_system(), path).ok());
  const auto loaded = PageSums::load(posix_file_system(), path);
  REQUIRE(loaded.ok());
  REQUIRE(*loaded == sums);
  const std::string good = bytes_of(path);
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x10);
    write_bytes(path, bad);
    REQUIRE_FALSE(PageSums::load(posix_file_system(), path).ok());
    write_bytes(path, good.substr(0, i));
    REQUIRE_FALSE(PageSums::load(posix_file_system(), path).ok());
  }
}

TEST_CASE("state: round trip, and every flipped byte is noticed") {
  const TempDir dir;
  const std::string path = dir.file("state");
  const LocalState state = sample_state();
  REQUIRE(save_state(posix_file_system(), path, state).ok());
  const auto loaded = load_state(posix_file_system(), path);
  REQUIRE(loaded.ok());
  REQUIRE(loaded->position.txid == state.position.txid);
  REQUIRE(loaded->position.wal == state.position.wal);
  REQUIRE(loaded->position.page_count == state.position.page_count);
  REQUIRE(loaded->clean == state.clean);
  REQUIRE(loaded->replica_url == state.replica_url);
  const std::string good = bytes_of(path);
  for (size_t i = 0; i < good.size(); ++i) {
    std::string bad = good;
    bad[i] = static_cast<char>(bad[i] ^ 0x01);
    write_bytes(path, bad);
    REQUIRE_FALSE(load_state(posix_file_system(), path).ok());
  }
}

TEST_CASE("pending pages: the newest version wins, and what does not fit names its frame") {
  PendingPages pending(512, 2 * 512);
  const std::vector<uint8_t> a(512, 'a');
  const std::vector<uint8_t> b(512, 'b');
  pending.put(7, 1, a);
  pending.put(3, 2, a);
  REQUIRE_FALSE(pending.needs_mark());
  pending.put(5, 3, a);
  REQUIRE(pending.needs_mark());
  pending.put(7, 4, b);
  pending.put(5, 6, b);
  auto pages = pending.sorted(7);
  REQUIRE(pages.size() == 3);
  REQUIRE(pages[0].pgno == 3);
  REQUIRE(pages[0].bytes[0] == 'a');
  REQUIRE(pages[1].frame == 6);
  REQUIRE(pages[1].sum == page_checksum(5, b));
  REQUIRE(pages[2].bytes[0] == 'b');
  REQUIRE(pending.sorted(4).size() == 1);  // pages beyond the commit size are dropped
  PendingPages small(512, 512);
  small.put(1, 1, a);
  small.set_bytes_max(3 * 512);
  small.put(2, 2, b);
  REQUIRE_FALSE(small.needs_mark());
  REQUIRE(small.bytes_in_memory() == 2 * 512);
}

TEST_CASE("owner: nobody holds the lock, nobody answers") {
  const TempDir dir;
  FileSystem& fs = posix_file_system();
  REQUIRE(open_requests(fs, dir.path()).ok());
  OwnerStatus status;
  status.owner = "host:1";
  REQUIRE(save_owner_status(fs, dir.path(), status).ok());
  // A record that a dead owner left counts for nothing.
  REQUIRE(load_owner_status(fs, dir.path()).status().code() == StatusCode::kNotFound);
  const auto asked =
      ask_owner(fs, system_clock(), dir.path(), OwnerVerb::kSync, 10'000, {});
  REQUIRE(asked.status().code() == StatusCode::kNotFound);
}

TEST_CASE("owner: a request is answered once, with the value or the error") {
  const TempDir dir;
  FileSystem& fs = posix_file_system();
  auto lock = fs.lock_exclusive(dir.file("owner.lock"));
  REQUIRE(lock.ok());
  REQUIRE(open_requests(fs, dir.path()).ok());
  OwnerStatus status;
  status.owner = "host:1";
  status.last_error = "two\nlines";
  REQUIRE(save_owner_status(fs, dir.path(), status).ok());
  REQUIRE(load_owner_status(fs, dir.path())->owner == "host:1");
  REQUIRE(load_owner_status(fs, dir.path())->last_error == "two lines");

  const bool fails = GENERATE(false, true);
  std::atomic<bool> done{false};
  int answered = 0;
  std::thread owner([&] {
    while (!done) {
      for (const OwnerRequest& request : take_requests(fs, system_clock(), dir.path())) {
        ++answered;
        const Result<Txid> answer =
            fails ? Result<Txid>(io_error("disk full")) : Result<Txid>(Txid{9});
        (void)answer_request(fs, dir.path(), request.id, answer).ok();
      }
    }
  });
  const auto asked = ask_owner(fs, system_clock(), dir.path(), OwnerVerb::kSnapshot, 60'000, {});
  done = true;
  owner.join();
  REQUIRE(answered == 1);
  if (fails) {
    REQUIRE(asked.status().code() == StatusCode::kIo);
    REQUIRE(asked.status().message() == "disk full");
  } else {
    REQUIRE(asked.ok());
    REQUIRE(*asked == Txid{9});
  }
  REQUIRE(fs.list_directory(dir.file("answers"))->empty());
}

TEST_CASE("owner: silence is an error that names the owner, and leaves no request behind") {
  const TempDir dir;
  FileSystem& fs = posix_file_system();
  auto lock = fs.lock_exclusive(dir.file("owner.lock"));
  REQUIRE(open_requests(fs, dir.path()).ok());
  OwnerStatus status;
  status.owner = "host:4711";
  REQUIRE(save_owner_status(fs, dir.path(), status).ok());
  const auto asked = ask_owner(fs, system_clock(), dir.path(), OwnerVerb::kSync, 30, {});
  REQUIRE(asked.status().code() == StatusCode::kUnavailable);
  REQUIRE(asked.status().message().find("host:4711") != std::string::npos);
  REQUIRE(fs.list_directory(dir.file("requests"))->empty());
  // Garbage in the folder is dropped.
  write_bytes(dir.file("requests/zzz"), "verb=sync");
  REQUIRE(take_requests(fs, system_clock(), dir.path()).empty());
  REQUIRE(fs.list_directory(dir.file("requests"))->empty());
}

}  // namespace litestream::test
