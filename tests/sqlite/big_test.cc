// A database that crosses 1 GiB, where SQLite keeps its locks in a page that is never stored.
// Needs 3 GB on disk; compared by cmp, so that nothing of it is held in memory.
#include "tests/sqlite/replicated_database.h"

namespace litestream::test {

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
    wait_until([&] {
      const std::string answer = db.text("PRAGMA wal_checkpoint(PASSIVE)");
      const size_t second = answer.rfind('|');
      const size_t first = answer.find('|');
      return answer.substr(first + 1, second - first - 1) == answer.substr(second + 1);
    });
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

}  // namespace litestream::test
