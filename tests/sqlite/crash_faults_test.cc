// Processes that die, disks that lose what was not synced: what the next start makes of it.
#include <filesystem>

#include "tests/sqlite/fault_support.h"
#include "tests/support/prng.h"

namespace litestream::test {
namespace {

namespace fs = std::filesystem;

// `count` transactions in one message, so that nothing waits between them.
std::string inserts(uint64_t count, int bytes = 300) {
  std::string sql;
  for (uint64_t i = 0; i < count; ++i) sql += Place::insert_sql(bytes) + ";";
  return sql;
}

// Starts replication again in a new process, commits once more, and compares everything.
void require_recovers(const Place& place, uint64_t rows_before) {
  {
    SqlProcess app(place.path(), SqlProcess::kExtension);
    app.exec(place.start_sql());
    app.exec("SELECT litestream_sync()");
    REQUIRE(place.rows_at() == rows_before);
    app.exec(Place::insert_sql());
    app.exec("SELECT litestream_sync()");
    REQUIRE(app.text("SELECT last_error FROM litestream_status") == "");
  }
  place.require_points_whole(rows_before + 1);
  place.require_restore_equals_source();
}

// Leaves a spool with files that are not on the replica: `sent` rows there, `unsent` more here.
void leave_unsent_files(Place& place, uint64_t sent, uint64_t unsent) {
  SqlProcess app(place.path(), SqlProcess::kExtension);
  app.exec(Place::create_sql());
  app.exec(place.start_sql(R"({"sync-interval":"10ms"})"));
  app.exec(inserts(sent));
  app.exec("SELECT litestream_sync()");
  place.break_replica();
  for (uint64_t i = 0; i < unsent; ++i) {
    const size_t before = place.spooled().size();
    app.exec(Place::insert_sql());
    wait_until([&] { return place.spooled().size() > before; });
  }
  app.kill();
  place.mend_replica();
}

}  // namespace

TEST_CASE("A1: a commit whose process was killed at once is captured by the next start") {
  Prng random = Prng::announced("A1", 11);
  Place place;
  uint64_t rows = 0;
  SqlProcess(place.path(), SqlProcess::kPlain).exec(Place::create_sql());
  for (int round = 0; round < 8; ++round) {
    CAPTURE(round);
    SqlProcess app(place.path(), SqlProcess::kExtension);
    app.exec(place.start_sql());
    const uint64_t first = random.below(4);
    app.exec(inserts(first));
    if (random.chance(2)) app.exec("SELECT litestream_sync()");
    const uint64_t count = random.between(1, 30);
    app.die_in(inserts(count) + "SELECT test_kill()");
    rows += first + count;
  }
  SqlProcess app(place.path(), SqlProcess::kExtension);
  app.exec(place.start_sql());
  app.exec("SELECT litestream_sync()");
  REQUIRE(place.rows_at() == rows);
  // After a resync one TXID may stand for several commits, never the other way round.
  REQUIRE(number_of(app.text("SELECT litestream_txid()")) <= rows + 1);
  REQUIRE(place.snapshot_count() == 1);
  app.close();
  place.require_points_whole(rows);
  place.require_restore_equals_source();
}

TEST_CASE("A2: files of an unfinished write are removed and their TXID is written again") {
  Place place;
  {
    SqlProcess app(place.path(), SqlProcess::kExtension);
    app.exec(Place::create_sql());
    app.exec(place.start_sql(R"({"sync-interval":"1h"})"));
    app.die_in(inserts(3) + "SELECT test_kill()");
  }
  const std::string name = ".0000000000000002-0000000000000004.ltx.litestream-tmp-77-0";
  fs::create_directories(place.spool_path());
  fs::create_directories(place.replica_path() + "/ltx/0");
  for (const std::string& folder :
       {place.spool_path(), place.meta_path(), place.replica_path() + "/ltx/0"}) {
    std::ofstream(folder + "/" + name) << "LTX1 and then the power went";
  }
  require_recovers(place, 3);
  REQUIRE_FALSE(fs::exists(place.spool_path() + "/" + name));
  REQUIRE_FALSE(fs::exists(place.meta_path() + "/" + name));
  // On the replica somebody else may be writing it; it is old enough to go after a day.
  REQUIRE(place.snapshot_count() == 1);
}

TEST_CASE("A3: a spooled file that lost its content or its name after power loss") {
  const char* damage = GENERATE("gone", "empty", "half", "garbage", "state", "pages", "middle");
  CAPTURE(damage);
  Place place;
  leave_unsent_files(place, 4, 3);
  const std::string what = damage;
  const std::vector<std::string> spooled = place.spooled();
  REQUIRE(spooled.size() >= 3);
  const std::string& newest = spooled.back();
  if (what == "gone") fs::remove(newest);
  if (what == "middle") fs::remove(spooled[spooled.size() - 2]);
  if (what == "empty") fs::resize_file(newest, 0);
  if (what == "half") fs::resize_file(newest, fs::file_size(newest) / 2);
  if (what == "garbage") {
    std::fstream(newest, std::ios::in | std::ios::out | std::ios::binary).seekp(150) << "garbage!";
  }
  if (what == "state") fs::resize_file(place.meta_path() + "/state", 20);
  if (what == "pages") fs::resize_file(place.meta_path() + "/pages", 9);
  require_recovers(place, 7);
}

TEST_CASE("A3: an empty file on the replica under the newest name") {
  Place place;
  {
    SqlProcess app(place.path(), SqlProcess::kExtension);
    app.exec(Place::create_sql());
    app.exec(place.start_sql());
    app.exec(inserts(5));
    app.exec("SELECT litestream_sync()");
    app.kill();
  }
  const std::string level = place.replica_path() + "/ltx/0";
  std::vector<std::string> names;
  for (const auto& entry : fs::directory_iterator(level)) names.push_back(entry.path().string());
  std::sort(names.begin(), names.end());
  fs::resize_file(names.back(), 0);
  SqlProcess app(place.path(), SqlProcess::kExtension);
  app.exec(place.start_sql());
  app.exec(Place::insert_sql());
  app.exec("SELECT litestream_sync()");
  REQUIRE(place.rows_at() == 6);
  app.close();
  place.require_restore_equals_source();
}

TEST_CASE("A4: L0 files that were durable but not uploaded") {
  Place place;
  leave_unsent_files(place, 4, 5);
  SECTION("are uploaded in order by the next start") {
    require_recovers(place, 9);
    REQUIRE(place.snapshot_count() == 1);
    uint64_t reached = 1;
    for (const std::string& file :
         place.query("SELECT min_txid || '|' || max_txid FROM litestream_ltx WHERE level = 0 AND "
                     "database = '" +
                     place.url() + "' ORDER BY min_txid")) {
      REQUIRE(number_of(file.substr(0, 16)) == reached + 1);
      reached = number_of(file.substr(17));
    }
    REQUIRE(reached == 11);
  }
  SECTION("without the spool the gap is healed") {
    fs::remove_all(place.spool_path());
    require_recovers(place, 9);
  }
  SECTION("without any local state the gap is healed") {
    fs::remove_all(place.meta_path());
    require_recovers(place, 9);
  }
}

TEST_CASE("A7: a level that covers what lower levels still hold restores the same") {
  // Snapshots and L0 files overlap when a process dies between an upload and a removal.
  ReplicatedDatabase database("CREATE TABLE t(id INTEGER PRIMARY KEY, data)");
  std::vector<std::pair<std::string, std::string>> copies;
  for (int i = 0; i < 6; ++i) {
    database.main().exec(Place::insert_sql());
    if (i % 2 == 1) database.main().exec("SELECT litestream_snapshot()");
    const std::string txid = database.sync();
    copies.emplace_back(txid, file_bytes(database.restore("copy.db", txid)));
  }
  // The same snapshot again is no new file and no error.
  database.main().exec("SELECT litestream_snapshot(); SELECT litestream_snapshot()");
  for (const auto& [txid, bytes] : copies) {
    INFO(txid);
    REQUIRE(file_bytes(database.restore("again.db", txid)) == bytes);
  }
  REQUIRE(file_bytes(database.restore("final.db")) == database.final_bytes());
}

TEST_CASE("A8: killed between capture, checkpoint and the next capture") {
  Prng random = Prng::announced("A8", 12);
  Place place;
  SqlProcess(place.path(), SqlProcess::kPlain).exec(Place::create_sql());
  uint64_t rows = 0;
  for (int round = 0; round < 12; ++round) {
    CAPTURE(round);
    SqlProcess app(place.path(), SqlProcess::kExtension);
    // A barrier every eight frames: most kills fall into or next to one.
    app.exec(place.start_sql(R"({"sync-interval":"10ms","min-checkpoint-page-count":8})"));
    const uint64_t count = random.between(1, 60);
    app.die_in(inserts(count, 1500) + "SELECT test_kill()");
    rows += count;
    if (round % 4 == 3) {
      SqlProcess(place.path(), SqlProcess::kPlain).exec("PRAGMA wal_checkpoint(TRUNCATE)");
    }
  }
  require_recovers(place, rows);
  REQUIRE(place.snapshot_count() == 1);
}

TEST_CASE("A10: pages of a rolled back transaction that spilled into the WAL are in no point") {
  ReplicatedDatabase database("CREATE TABLE t(id INTEGER PRIMARY KEY, data)");
  SqliteDb& db = database.main();
  db.exec("PRAGMA cache_size=5; PRAGMA cache_spill=5");
  for (int round = 0; round < 5; ++round) {
    CAPTURE(round);
    const uint64_t before = wal_facts(database.path()).size_bytes;
    db.exec("BEGIN; INSERT INTO t(data) SELECT 'uncommitted' || zeroblob(3000) FROM " +
            series(1, 200));
    // It did spill: frames without a commit stand in the WAL, and capture is asked to look.
    REQUIRE(wal_facts(database.path()).size_bytes > before);
    const auto other = database.connect();
    other->exec("SELECT litestream_sync()");
    db.exec("ROLLBACK");
    db.exec(Place::insert_sql());
    if (round % 2 == 0) database.sync();
  }
  REQUIRE(number_of(database.sync()) == 6);
  for (const std::string& txid : database.points()) {
    INFO(txid);
    const std::string restored = database.restore("point.db", txid);
    require_sound(restored);
    REQUIRE_FALSE(contains(file_bytes(restored), "uncommitted"));
    SqliteDb point("file:" + restored + "?immutable=1");
    REQUIRE(point.integer("SELECT count(*) FROM t") == static_cast<int64_t>(number_of(txid)) - 1);
  }
  REQUIRE(file_bytes(database.restore("final.db")) == database.final_bytes());
}

TEST_CASE("A11: a process that dies inside a transaction leaves nothing of it behind") {
  Place place;
  ReplicatedDatabase unused("CREATE TABLE t(a)");  // the owner has other databases, too
  SqliteDb owner(place.path());
  owner.exec(Place::create_sql());
  owner.exec(place.start_sql());
  {
    SqlProcess app(place.path(), SqlProcess::kPlain);
    app.exec(inserts(3));
    app.die_in(
        "PRAGMA cache_size=5; BEGIN IMMEDIATE; INSERT INTO t(data) SELECT 'uncommitted' || "
        "zeroblob(3000) FROM " +
        series(1, 200) + "; SELECT test_kill()");
  }
  owner.exec(Place::insert_sql());
  owner.exec("SELECT litestream_sync()");
  REQUIRE(place.rows_at() == 4);
  for (const std::string& txid : place.points()) {
    REQUIRE_FALSE(contains(file_bytes(place.restore("point.db", txid)), "uncommitted"));
  }
}

}  // namespace litestream::test
