// What is larger than 32 bits of bytes, or than our memory limits. Needs 10 GB on disk, one test at
// a time; compared by cmp, so that nothing of it is held in memory.
#include "tests/sqlite/fault_support.h"

namespace litestream::test {
namespace {

// The most memory this process had since reset_peak(), in MiB.
uint64_t peak_mib() {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("VmHWM:")) return std::stoull(line.substr(6)) / 1024;
  }
  return 0;
}
void reset_peak() { std::ofstream("/proc/self/clear_refs") << 5; }

// Everything checkpointed; nobody else has it open.
void require_restores_to_source(ReplicatedDatabase& database) {
  const std::string restored = database.restore("out.db");
  database.main().exec("SELECT litestream_stop(); PRAGMA wal_checkpoint(TRUNCATE)");
  database.close_main();
  REQUIRE(std::system(("cmp '" + restored + "' '" + database.path() + "'").c_str()) == 0);
}

}  // namespace

TEST_CASE("C1: a database that crosses the lock page restores byte for byte") {
  constexpr int64_t kPageSize = 65536;
  constexpr int64_t kLockPage = (int64_t{1} << 30) / kPageSize + 1;
  ReplicatedDatabase database(
      "PRAGMA page_size=65536; CREATE TABLE t(id INTEGER PRIMARY KEY, data)",
      R"({"sync-interval":"50ms","truncate-page-n":1})");
  SqliteDb& db = database.main();
  const auto insert = [&](int64_t pages) {
    // A row of almost one page takes one overflow page and a little of a leaf.
    db.exec("INSERT INTO t(data) SELECT zeroblob(65500) FROM " + series(1, pages));
  };
  const auto pages = [&] { return db.integer("PRAGMA page_count"); };
  const auto require_same = [&](const std::string& txid) {
    INFO(txid);
    const std::string restored = database.restore("out.db", txid);
    REQUIRE(std::filesystem::file_size(restored) == static_cast<uint64_t>(pages() * kPageSize));
    wait_until([&] { return checkpoint_completely(db); });
    REQUIRE(std::system(("cmp '" + restored + "' '" + database.path() + "'").c_str()) == 0);
    std::filesystem::remove(restored);
  };
  // Some transactions on the way, each small enough for a WAL of some hundred megabytes.
  while (pages() < kLockPage - 2000) insert(std::min<int64_t>(4000, kLockPage - 1000 - pages()));
  while (pages() < kLockPage - 1) insert(1);
  REQUIRE(pages() == kLockPage - 1);
  require_same(database.sync());
  insert(1);
  REQUIRE(pages() == kLockPage + 1);  // the lock page is stepped over
  require_same(database.sync());
  insert(300);
  require_same(database.sync());
  database.main().exec("SELECT litestream_snapshot()");
  require_same(database.sync());
  // Back below it in one transaction, and above again.
  db.exec("DELETE FROM t WHERE id > 10; VACUUM");
  require_same(database.sync());
}

TEST_CASE("B12: a WAL of more than 4 GiB") {
  constexpr uint64_t kFourGiB = uint64_t{1} << 32;
  // Nothing of ours checkpoints before it has that length, and a reader keeps it from being reset.
  const std::string options = R"({"sync-interval":"100ms","min-checkpoint-page-count":2000000,)"
                              R"("checkpoint-interval":"24h","truncate-page-n":1})";
  ReplicatedDatabase database(
      "PRAGMA page_size=65536; CREATE TABLE t(id INTEGER PRIMARY KEY, data)", options);
  SqliteDb& db = database.main();
  db.exec("INSERT INTO t(data) SELECT zeroblob(60000) FROM " + series(1, 500));
  database.sync();
  const auto reader = database.connect();
  reader->exec("BEGIN");
  REQUIRE(reader->integer("SELECT count(*) FROM t") == 500);
  const auto wal_bytes = [&] { return std::filesystem::file_size(database.path() + "-wal"); };
  reset_peak();
  const uint64_t before_mib = peak_mib();
  int64_t version = 0;
  const auto rewrite = [&] {
    db.exec("UPDATE t SET data = zeroblob(60000) || " + std::to_string(++version));
  };
  while (wal_bytes() < kFourGiB + (uint64_t{64} << 20)) rewrite();
  const std::string txid = database.sync();
  REQUIRE(peak_mib() - before_mib < 128);
  // The start finds its position beyond the first 4 GiB and goes on there.
  db.exec("SELECT litestream_stop()");
  database.replicate(options);
  REQUIRE(database.sync() == txid);
  rewrite();
  REQUIRE(number_of(database.sync()) == number_of(txid) + 1);
  REQUIRE(database.points().size() > 10);
  reader->exec("COMMIT");
  require_restores_to_source(database);
}

TEST_CASE("B12: a transaction larger than what may wait in memory") {
  ReplicatedDatabase database("CREATE TABLE t(id INTEGER PRIMARY KEY, data)");
  database.sync();
  reset_peak();
  const uint64_t before_mib = peak_mib();
  // Half a gigabyte in 130 000 pages.
  database.main().exec("INSERT INTO t(data) SELECT zeroblob(4000) FROM " + series(1, 130'000));
  REQUIRE(database.sync() == txid_text(2));
  REQUIRE(peak_mib() - before_mib < 64);
  require_restores_to_source(database);
}

TEST_CASE("B12: a database of more than 4 GiB") {
  constexpr uint32_t kPageSize = 65536;
  constexpr uint32_t kPages = 65536 + 1000;
  Place place;
  {
    SqliteDb db(place.path());
    db.exec("PRAGMA page_size=65536; CREATE TABLE t(id INTEGER PRIMARY KEY, data)");
    insert_rows(db, 3);
  }
  {
    // As if many pages had been used and emptied: holes on disk, zeros to every reader.
    std::fstream file(place.path(), std::ios::in | std::ios::out | std::ios::binary);
    const char count[4] = {0, 1, static_cast<char>(1000 >> 8), static_cast<char>(1000 & 0xff)};
    file.seekp(28);
    file.write(count, 4);
  }
  std::filesystem::resize_file(place.path(), uint64_t{kPages} * kPageSize);
  const auto db = std::make_unique<SqliteDb>(place.path());
  REQUIRE(db->integer("PRAGMA page_count") == kPages);
  reset_peak();
  const uint64_t before_mib = peak_mib();
  db->exec(place.start_sql());
  for (int i = 0; i < 5; ++i) insert_rows(*db, 1, 200'000);  // pages at the end, beyond 4 GiB
  REQUIRE(db->text("SELECT litestream_sync()") == txid_text(6));
  REQUIRE(peak_mib() - before_mib < 64);
  db->exec("SELECT litestream_stop(); PRAGMA wal_checkpoint(TRUNCATE)");
  const std::string restored = place.restore("out.db");
  REQUIRE(std::filesystem::file_size(restored) > uint64_t{kPages} * kPageSize);
  REQUIRE(std::system(("cmp '" + restored + "' '" + place.path() + "'").c_str()) == 0);
}

}  // namespace litestream::test
