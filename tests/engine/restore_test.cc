// Restoring: the oracle is the page image of every transaction.
#include "ext/engine/restore.h"

#include <algorithm>
#include <atomic>
#include <catch2/catch.hpp>

#include "ext/engine/restore_pins.h"
#include "ext/ltx/checksum.h"
#include "ext/ltx/encoder.h"
#include "ext/store/file_store.h"
#include "tests/engine/restore_support.h"

namespace litestream {
namespace {

using test::ByteVector;
using test::files;
using test::kPageSize;
using test::MemoryStore;
using test::ReplicaHistory;
using test::restore;
using test::restored;
using test::small_store;
using test::Target;

ReplicaHistory random_history(test::Prng& prng, uint64_t count, bool with_chain) {
  ReplicaHistory history(kPageSize, with_chain);
  history.commit(static_cast<Pgno>(prng.between(1, 20)), {});
  while (history.newest() < count) history.commit_random(prng);
  return history;
}

// Raw files, compactions of random ranges, snapshots; some of them are gone.
void fill_store(const ReplicaHistory& history, test::Prng& prng, MemoryStore& store) {
  const uint64_t newest = history.newest();
  for (uint64_t txid = 1; txid <= newest; ++txid) history.put(store, 0, txid, txid);
  for (int level = 1; level <= 3; ++level) {
    for (uint64_t first = 1; first <= newest;) {
      const uint64_t last = std::min(newest, first + prng.below(4u * static_cast<unsigned>(level)));
      history.put(store, level, first, last);
      first = last + 1;
    }
  }
  for (int i = 0; i < 2; ++i) history.put(store, 9, 1, prng.between(1, newest));
  for (const LtxFileInfo& file : store.files()) {
    if (prng.chance(3)) store.erase(file);
  }
}

TEST_CASE("restore: a snapshot alone, and with what follows") {
  MemoryStore store;
  ReplicaHistory history(kPageSize);
  history.commit(5, {});
  history.commit(7, {2});
  history.commit(3, {1});
  history.commit(6, {3});
  history.put(store, 9, 1, 1);
  for (uint64_t txid = 2; txid <= 4; ++txid) history.put(store, 0, txid, txid);
  for (uint64_t txid = 1; txid <= 4; ++txid) {
    CHECK(restored(store, Target::at_txid(Txid{txid})).value() == history.image(txid));
  }
  const test::TempDir dir;
  const auto result =
      restore(store, Target::at_time(ReplicaHistory::time_ms(3) + 1), dir.file("db"));
  REQUIRE(result.ok());
  CHECK(result->txid == Txid{3});
  CHECK(result->created_at_ms == ReplicaHistory::time_ms(3));
  CHECK(result->size_bytes == 3 * kPageSize);
}

TEST_CASE("restore: every restore point of random replicas") {
  auto prng = test::Prng::announced("restore", 5);
  for (int round = 0; round < 40; ++round) {
    const bool with_chain = round % 2 == 0;
    const ReplicaHistory history = random_history(prng, prng.between(1, 25), with_chain);
    MemoryStore store;
    fill_store(history, prng, store);
    const auto points = restore_points(store.files());
    CAPTURE(round, points.size());
    for (const RestorePoint& point : points) {
      CAPTURE(point.txid.value);
      Status status;
      const int parallelism = round % 4 < 2 ? 1 : 4;
      const auto bytes = restored(store, Target::at_txid(point.txid), &status, parallelism);
      INFO(status.message());
      REQUIRE(bytes.has_value());
      REQUIRE(*bytes == history.image(point.txid.value));
    }
  }
}

TEST_CASE("restore: every page size, old frames, and files of other writers") {
  for (uint32_t page_size = 512; page_size <= 65536; page_size *= 2) {
    CAPTURE(page_size);
    std::vector<test::LtxLiteral> literals = {
        test::snapshot_literal(page_size, 4, 1),
        test::change_literal(page_size, 6, 2, 2, {2, 5, 6}),
        test::change_literal(page_size, 5, 3, 3, {1}),
    };
    literals[1].form = test::PageForm::kOldFrame;
    MemoryStore store;
    for (const test::LtxLiteral& literal : literals) {
      const uint64_t max_txid = literal.header.max_txid.value;
      const ByteVector bytes = test::write_ltx(literal);
      store.put(ReplicaHistory::info(0, literal.header.min_txid.value, max_txid),
                {bytes.begin(), bytes.end()});
    }
    CHECK(restored(store, Target::newest()).value() == test::database_after(literals));
  }
}

TEST_CASE("restore: a foreign file's own checksum of the database is compared") {
  auto literal = test::snapshot_literal(kPageSize, 4, 1);
  literal.header.flags = 0;
  const ByteVector image = test::database_after({&literal, 1});
  for (const bool is_right : {true, false}) {
    literal.post_apply_checksum = test::database_checksum(image, kPageSize) ^ (is_right ? 0 : 1);
    MemoryStore store;
    const ByteVector bytes = test::write_ltx(literal);
    store.put(ReplicaHistory::info(9, 1, 1), {bytes.begin(), bytes.end()});
    CHECK(restored(store, Target::newest()).has_value() == is_right);
  }
}

class CountingSink final : public PageSink {
 public:
  Status begin(const DatabaseShape& shape) override {
    page_count = shape.page_count;
    return {};
  }
  Status add_page(Pgno pgno, Bytes, Checksum) override {
    saw_lock_page |= pgno == lock_page(65536);
    ++pages;
    return {};
  }
  uint32_t page_count = 0;
  uint64_t pages = 0;
  bool saw_lock_page = false;
};

TEST_CASE("restore: the lock page is not a missing page") {
  constexpr uint32_t kLarge = 65536;
  const Pgno lock = lock_page(kLarge);
  for (const Pgno commit : {lock, lock + 1}) {
    CAPTURE(commit);
    test::LtxLiteral literal;
    literal.header.page_size = kLarge;
    literal.header.commit = commit;
    literal.header.min_txid = literal.header.max_txid = Txid{1};
    const ByteVector page(kLarge, 7);
    test::VectorSink sink;
    LtxEncoder encoder;
    REQUIRE(encoder.begin(literal.header, sink).ok());
    for (Pgno pgno = 1; pgno <= commit; ++pgno) {
      if (pgno != lock) REQUIRE(encoder.add_page(pgno, page).ok());
    }
    REQUIRE(encoder.finish().ok());
    MemoryStore store;
    store.put(ReplicaHistory::info(9, 1, 1), {sink.bytes.begin(), sink.bytes.end()});
    CountingSink pages;
    const auto plan = plan_restore(store.files(), Target::newest());
    REQUIRE(plan.ok());
    const auto streamed = stream_database(store, *plan, pages, {});
    INFO(streamed.status().message());
    REQUIRE(streamed.ok());
    CHECK(pages.page_count == commit);
    CHECK(pages.pages == commit - (commit >= lock ? 1 : 0));
    CHECK_FALSE(pages.saw_lock_page);
  }
}

TEST_CASE("restore: an empty database") {
  MemoryStore store;
  ReplicaHistory history(kPageSize);
  history.commit(3, {});
  history.commit(0, {});
  history.put(store, 0, 1, 1);
  history.put(store, 0, 2, 2);
  CHECK(restored(store, Target::newest()).value().empty());
}

TEST_CASE("restore: any one file lost means another way or an error") {
  auto prng = test::Prng::announced("restore_lost", 6);
  int other_ways = 0;
  int errors = 0;
  for (int round = 0; round < 20; ++round) {
    const ReplicaHistory history = random_history(prng, 12, round % 2 == 0);
    MemoryStore store;
    fill_store(history, prng, store);
    history.put(store, 0, 12, 12);
    for (const LtxFileInfo& file : store.files()) {
      CAPTURE(round, store.path_of(file));
      const std::string bytes = store.bytes(file);
      store.erase(file);
      Status status;
      const auto result = restored(store, Target::at_txid(Txid{12}), &status);
      if (result) {
        ++other_ways;
        REQUIRE(*result == history.image(12));
      } else {
        ++errors;
        REQUIRE_FALSE(status.message().empty());
      }
      store.put(file, bytes);
    }
  }
  CHECK(other_ways > 0);
  CHECK(errors > 0);
}

TEST_CASE("restore: a gap that only one listing shows is none") {
  ReplicaHistory history(kPageSize);
  for (int i = 0; i < 6; ++i) history.commit(5, {1});
  for (const Target& target : {Target::newest(), Target::at_txid(Txid{6}),
                               Target::at_time(ReplicaHistory::time_ms(4) + 1)}) {
    MemoryStore store;
    history.put(store, 9, 1, 1);
    history.put(store, 1, 2, 4);
    history.put(store, 1, 5, 6);
    int count = 0;
    store.set_hook([&](test::StoreCall call, const LtxFileInfo*) {
      if (call != test::StoreCall::kList) return Status();
      // The file comes while level 1 is read; and the raw ones go before level 0 is.
      if (++count == 1) store.erase(ReplicaHistory::info(1, 2, 4));
      if (count == 11) history.put(store, 1, 2, 4);
      return Status();
    });
    Status status;
    const auto bytes = restored(store, target, &status);
    INFO(status.message());
    REQUIRE(bytes);
    CHECK(*bytes == history.image(target.kind == Target::Kind::kTime ? 4 : 6));
    CHECK(count == 20);
  }
}

TEST_CASE("restore: a file that vanishes after the listing is replaced or named") {
  ReplicaHistory history(kPageSize);
  history.commit(5, {});
  history.commit(5, {1});
  history.commit(5, {2});
  for (const bool has_other_way : {true, false}) {
    MemoryStore store;
    for (uint64_t txid = 1; txid <= 3; ++txid) history.put(store, 0, txid, txid);
    std::atomic<bool> done = false;
    store.set_hook([&](test::StoreCall call, const LtxFileInfo*) -> Status {
      if (call != test::StoreCall::kOpen || done.exchange(true)) return {};
      // Compaction finished, retention took the raw files.
      store.erase(ReplicaHistory::info(0, 2, 2));
      store.erase(ReplicaHistory::info(0, 3, 3));
      if (has_other_way) history.put(store, 1, 2, 3);
      return {};
    });
    Status status;
    const auto bytes = restored(store, Target::newest(), &status);
    CHECK(bytes.has_value() == has_other_way);
    if (bytes) CHECK(*bytes == history.image(3));
    if (!bytes) CHECK(status.code() == StatusCode::kNotFound);
    if (!bytes) CHECK(status.message().find("0000000000000003-") != std::string::npos);
  }
}

// Flips every byte (every third one if there is another way) of every file; the answer is the right
// one or an error that names a file.
void flip_everything(bool with_chain, bool with_other_way) {
  ReplicaHistory history(kPageSize, with_chain);
  history.commit(3, {});
  history.commit(4, {2});
  history.commit(4, {1, 4});
  MemoryStore store;
  history.put(store, 9, 1, 1);
  history.put(store, 0, 2, 2);
  history.put(store, 0, 3, 3);
  if (with_other_way) history.put(store, 1, 2, 3);
  if (with_other_way) history.put(store, 2, 1, 1);
  int errors = 0;
  for (const LtxFileInfo& file : store.files()) {
    const std::string bytes = store.bytes(file);
    for (size_t at = 0; at < bytes.size(); at += with_other_way ? 3 : 1) {
      CAPTURE(with_chain, with_other_way, store.path_of(file), at);
      std::string damaged = bytes;
      damaged[at] = static_cast<char>(damaged[at] ^ (at / 3 % 2 == 0 ? 0x01 : 0x80));
      store.set_bytes(file, damaged);
      Status status;
      const int parallelism = at % 64 == 0 ? 3 : 1;
      const auto result = restored(store, Target::newest(), &status, parallelism);
      if (result && *result != history.image(3)) FAIL("a wrong database was restored");
      if (with_other_way && !result) FAIL("the other way was not taken: " << status.message());
      if (!result && status.message().find("memory/") == std::string::npos) {
        FAIL("no file is named: " << status.message());
      }
      errors += result ? 0 : 1;
    }
    store.set_bytes(file, bytes);
  }
  if (!with_other_way) CHECK(errors > 1000);
}

TEST_CASE("restore: its files are pinned until it is published") {
  ReplicaHistory history(kPageSize);
  for (int i = 0; i < 6; ++i) history.commit(4, {1, 2});
  MemoryStore store;
  history.put(store, 9, 1, 3);
  for (uint64_t txid = 2; txid <= 6; ++txid) history.put(store, 0, txid, txid);
  const test::TempDir dir(test::TempDir::Place::kMemory);
  RestoreOptions options;
  size_t seen = 0;
  options.check = [&](const std::string&) {
    for (const LtxFileInfo& file : store.files()) {
      seen += restore_pins().is_pinned(store.url(), file) ? 1 : 0;
    }
    return Status();
  };
  REQUIRE(restore_database(store, test::files(), Target::newest(), dir.file("db"), options).ok());
  CHECK(seen == 4);  // the snapshot, 4, 5 and 6
  CHECK(restore_pins().count() == 0);
}

TEST_CASE("restore: a flipped byte anywhere is an error or does not matter") {
  flip_everything(true, false);
  flip_everything(false, false);
  flip_everything(true, true);
  flip_everything(false, true);
}

TEST_CASE("restore: truncated files are errors that name the file") {
  for (const bool with_chain : {true, false}) {
    ReplicaHistory history(kPageSize, with_chain);
    history.commit(3, {});
    history.commit(4, {2});
    MemoryStore store;
    history.put(store, 9, 1, 1);
    history.put(store, 0, 2, 2);
    for (const LtxFileInfo& file : store.files()) {
      const std::string bytes = store.bytes(file);
      for (size_t size = 0; size < bytes.size(); ++size) {
        CAPTURE(with_chain, size);
        store.set_bytes(file, bytes.substr(0, size));
        Status status;
        REQUIRE_FALSE(restored(store, Target::newest(), &status).has_value());
        REQUIRE(status.code() == StatusCode::kCorrupt);
        REQUIRE(status.message().find(store.path_of(file)) != std::string::npos);
      }
      store.set_bytes(file, bytes);
    }
  }
}

TEST_CASE("restore: a page that was cut off does not come back when the database grows") {
  std::vector<test::LtxLiteral> literals = {test::snapshot_literal(kPageSize, 4, 1),
                                            test::change_literal(kPageSize, 2, 2, 2, {1}),
                                            test::change_literal(kPageSize, 4, 3, 3, {3})};
  MemoryStore store;
  for (const test::LtxLiteral& literal : literals) {
    const uint64_t txid = literal.header.max_txid.value;
    const ByteVector bytes = test::write_ltx(literal);
    store.put(ReplicaHistory::info(0, txid, txid), {bytes.begin(), bytes.end()});
  }
  Status status;
  CHECK_FALSE(restored(store, Target::newest(), &status).has_value());
  CHECK(status.message().find("page 4 of 4") != std::string::npos);
}

TEST_CASE("restore: a file made for another state is refused") {
  ReplicaHistory mine(kPageSize);
  ReplicaHistory other(kPageSize);
  mine.commit(4, {});
  other.commit(4, {});
  mine.commit(4, {1});
  other.commit(4, {2});
  mine.commit(4, {3});
  other.commit(4, {3});
  MemoryStore store;
  mine.put(store, 0, 1, 1);
  mine.put(store, 0, 2, 2);
  other.put(store, 0, 3, 3);
  Status status;
  CHECK_FALSE(restored(store, Target::newest(), &status).has_value());
  CHECK(status.code() == StatusCode::kPositionMismatch);
  CHECK(status.message().find("0000000000000003-0000000000000003.ltx") != std::string::npos);
}

TEST_CASE("restore: a header that disagrees with the name or the page size is refused") {
  ReplicaHistory history(kPageSize);
  history.commit(4, {});
  history.commit(4, {1});
  history.commit(4, {2});
  MemoryStore store;
  history.put(store, 0, 1, 1);
  store.put(ReplicaHistory::info(0, 2, 2), history.file(3, 3));
  Status status;
  CHECK_FALSE(restored(store, Target::newest(), &status).has_value());
  CHECK(status.message().find("unlike the file name") != std::string::npos);

  ReplicaHistory larger(1024);
  larger.commit(4, {});
  larger.put(store, 0, 1, 1);
  history.put(store, 0, 2, 2);
  CHECK_FALSE(restored(store, Target::newest(), &status).has_value());
  CHECK(status.message().find("page size") != std::string::npos);
}

TEST_CASE("restore: a page that no file has is an error, and so is an absurd size") {
  MemoryStore store;
  std::vector<test::LtxLiteral> literals = {test::snapshot_literal(kPageSize, 4, 1),
                                            test::change_literal(kPageSize, 6, 2, 2, {6})};
  for (const Pgno commit : {Pgno{6}, Pgno{0xFFFFFFFE}}) {
    literals[1].header.commit = commit;
    for (const test::LtxLiteral& literal : literals) {
      const uint64_t txid = literal.header.max_txid.value;
      const ByteVector bytes = test::write_ltx(literal);
      store.put(ReplicaHistory::info(0, txid, txid), {bytes.begin(), bytes.end()});
    }
    Status status;
    CHECK_FALSE(restored(store, Target::newest(), &status).has_value());
    CHECK(status.code() == StatusCode::kCorrupt);
    CHECK(status.message().find("page") != std::string::npos);
  }
}

TEST_CASE("restore: from a folder, with more files than may be open") {
  const test::TempDir dir;
  FileStore store(files(), dir.file("replica"));
  ReplicaHistory history(kPageSize);
  history.commit(30, {});
  for (Pgno i = 0; i < 400; ++i) history.commit(30, {i % 30 + 1});
  for (uint64_t txid = 1; txid <= history.newest(); ++txid) {
    auto writer = store.create(ReplicaHistory::info(0, txid, txid));
    REQUIRE(writer.ok());
    REQUIRE((*writer)->append(as_bytes(history.file(txid, txid))).ok());
    REQUIRE((*writer)->commit().ok());
  }
  for (const uint64_t txid : {1u, 2u, 200u, 401u}) {
    CHECK(restored(store, Target::at_txid(Txid{txid})).value() == history.image(txid));
  }
  CHECK(restored(store, Target::at_time(ReplicaHistory::time_ms(300) + 999)).value() ==
        history.image(300));
}

TEST_CASE("stream: checksums given to the sink are those of the pages") {
  class Sums final : public PageSink {
   public:
    Status begin(const DatabaseShape&) override { return {}; }
    Status add_page(Pgno pgno, Bytes page, Checksum checksum) override {
      sum = toggle_page(sum, checksum);
      all_right &= checksum == page_checksum(pgno, page);
      return {};
    }
    Checksum sum = kChecksumFlag;
    bool all_right = true;
  };
  const auto plan = plan_restore(small_store().files(), Target::newest());
  REQUIRE(plan.ok());
  Sums sums;
  const auto result = stream_database(small_store(), *plan, sums, {});
  REQUIRE(result.ok());
  CHECK(sums.all_right);
  CHECK(result->checksum == sums.sum);
  const ByteVector image = restored(small_store(), Target::newest()).value();
  CHECK(result->checksum == test::database_checksum(image, kPageSize));
}

}  // namespace
}  // namespace litestream
