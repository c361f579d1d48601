// Starting, stopping, coming back: what the replica gains each time, and that there is no second
// snapshot and nothing is written into the user's database.
#include <filesystem>

#include "tests/sqlite/replicated_database.h"

namespace litestream::test {
namespace {

std::vector<std::string> files(ReplicatedDatabase& database) {
  SqliteDb db(":memory:");
  return db.rows(
      "SELECT level, min_txid, max_txid FROM litestream_ltx WHERE level IN (0, 9) AND database = "
      "'" +
      database.url() + "' ORDER BY max_txid, level");
}

std::string schema_of(const std::string& path) {
  SqliteDb db("file:" + path + "?immutable=1");
  return db.text("SELECT group_concat(sql, ';') FROM sqlite_schema");
}

}  // namespace

TEST_CASE("the first contact is TXID 1, a snapshot; the next commit is TXID 2") {
  ReplicatedDatabase database("CREATE TABLE t(a)");
  REQUIRE(files(database) == std::vector<std::string>{"9|0000000000000001|0000000000000001"});
  database.main().exec("INSERT INTO t VALUES(1)");
  REQUIRE(database.main().text("SELECT litestream_txid()") == "0000000000000002");
  REQUIRE(database.sync() == "0000000000000002");
  REQUIRE(files(database).size() == 2);
  // Nothing committed: nothing written, the same TXID.
  REQUIRE(database.sync() == "0000000000000002");
  REQUIRE(files(database).size() == 2);
}

TEST_CASE("stop and start continue without a snapshot and without reusing a TXID") {
  ReplicatedDatabase database("CREATE TABLE t(a)");
  for (int round = 0; round < 4; ++round) {
    database.main().exec("INSERT INTO t VALUES(1)");
    database.main().exec("SELECT litestream_stop()");
    // Committed while nobody looks, with and without a checkpoint.
    database.main().exec("INSERT INTO t VALUES(2)");
    if (round % 2 == 0) database.main().exec("PRAGMA wal_checkpoint(TRUNCATE)");
    database.replicate();
  }
  const std::string last = database.sync();
  SqliteDb db(":memory:");
  REQUIRE(db.integer("SELECT count(*) FROM litestream_snapshots WHERE database = '" +
                     database.url() + "'") == 1);
  const std::string restored = database.restore("out.db");
  REQUIRE(SqliteDb("file:" + restored + "?immutable=1").integer("SELECT count(*) FROM t") == 8);
  REQUIRE(std::stoull(last, nullptr, 16) == 9);
  REQUIRE(file_bytes(restored) == database.final_bytes());
}

TEST_CASE("without the local folder the next file is the difference to the replica") {
  ReplicatedDatabase database("CREATE TABLE t(a)");
  database.main().exec("INSERT INTO t SELECT randomblob(900) FROM " + series(1, 500));
  database.main().exec("SELECT litestream_stop()");
  std::filesystem::remove_all(database.file(".app.db-litestream"));
  database.main().exec("UPDATE t SET a = 'changed' WHERE rowid = 250");
  database.replicate();
  REQUIRE(database.sync() == "0000000000000003");
  SqliteDb db(":memory:");
  REQUIRE(db.integer("SELECT max(size) < 10000 FROM litestream_ltx WHERE level = 0 AND "
                     "max_txid = '0000000000000003' AND database = '" +
                     database.url() + "'") == 1);
  const std::string restored = database.restore("out.db");
  REQUIRE(file_bytes(restored) == database.final_bytes());
}

TEST_CASE("a restored older state continues behind the newest TXID, and its future stays") {
  ReplicatedDatabase database("CREATE TABLE t(a)");
  database.main().exec("INSERT INTO t VALUES('old')");
  const std::string old_txid = database.sync();
  database.main().exec("INSERT INTO t VALUES('future')");
  const std::string future_txid = database.sync();
  database.final_bytes();
  const std::string restored = database.restore("old.db", old_txid);
  std::filesystem::rename(restored, database.path());
  database.open_main();
  database.replicate();
  database.main().exec("INSERT INTO t VALUES('other')");
  const std::string newest = database.sync();
  REQUIRE(newest > future_txid);
  SqliteDb future("file:" + database.restore("f.db", future_txid) + "?immutable=1");
  REQUIRE(future.text("SELECT group_concat(a) FROM t") == "old,future");
  SqliteDb now("file:" + database.restore("n.db") + "?immutable=1");
  REQUIRE(now.text("SELECT group_concat(a) FROM t") == "old,other");
}

TEST_CASE("another database's replica is refused") {
  ReplicatedDatabase database("CREATE TABLE t(a)");
  database.main().exec("INSERT INTO t SELECT randomblob(900) FROM " + series(1, 50));
  database.sync();
  const std::string path = database.file("other.db");
  SqliteDb other(path);
  SECTION("while its own database is replicated there") {
    other.exec("PRAGMA journal_mode=WAL; CREATE TABLE u(b)");
    REQUIRE(other.error_of("SELECT litestream_replicate('" + database.url() + "')")
                .find("another writer uses") != std::string::npos);
  }
  database.main().exec("SELECT litestream_stop()");
  SECTION("with other pages") {
    other.exec("PRAGMA journal_mode=WAL; CREATE TABLE u(b); INSERT INTO u VALUES(1)");
    REQUIRE(other.error_of("SELECT litestream_replicate('" + database.url() + "')")
                .find("holds another database") != std::string::npos);
  }
  SECTION("with pages of another size") {
    other.exec("PRAGMA page_size=512; PRAGMA journal_mode=WAL; CREATE TABLE u(b)");
    REQUIRE(other.error_of("SELECT litestream_replicate('" + database.url() + "')")
                .find("pages of 4096 bytes") != std::string::npos);
  }
  // The refusal let go of everything: the application goes on.
  other.exec("CREATE TABLE more(x); PRAGMA journal_mode=DELETE");
}

TEST_CASE("nothing is written into the user's database") {
  ReplicatedDatabase database("CREATE TABLE t(a); INSERT INTO t VALUES(1)");
  const std::string path = database.file("idle.db");
  {
    SqliteDb idle(path);
    idle.exec(
        "PRAGMA journal_mode=WAL; CREATE TABLE t(a); INSERT INTO t VALUES(1);"
        "PRAGMA wal_checkpoint(TRUNCATE)");
  }
  const std::string before = file_bytes(path);
  {
    SqliteDb idle(path);
    idle.exec("SELECT litestream_replicate('file://" + database.file("idle-replica") + "')");
    idle.exec("SELECT litestream_sync(); SELECT litestream_snapshot()");
    idle.exec("SELECT count(*) FROM litestream_status; SELECT litestream_stop()");
  }
  REQUIRE(file_bytes(path) == before);
  database.sync();
  const std::string restored = database.restore("out.db");
  REQUIRE(schema_of(restored) == "CREATE TABLE t(a)");
}

TEST_CASE("connections that come and go need no call of their own") {
  ReplicatedDatabase database("CREATE TABLE t(a)", R"({"sync-interval":"50ms","linger":"20ms"})");
  database.close_main();
  for (int i = 0; i < 60; ++i) {
    const auto connection = database.connect();
    connection->exec("INSERT INTO t VALUES(" + std::to_string(i) + ")");
    // Some of the pauses are longer than linger: the replicator has let go by then.
    if (i % 20 == 10) std::this_thread::sleep_for(std::chrono::milliseconds(200));
  }
  database.open_main();
  wait_until([&] {
    return database.main().text("SELECT status FROM litestream_status WHERE database = '" +
                                database.path() + "'") == "ok";
  });
  database.sync();
  SqliteDb db(":memory:");
  REQUIRE(db.integer("SELECT count(*) FROM litestream_snapshots WHERE database = '" +
                     database.url() + "'") == 1);
  SqliteDb restored("file:" + database.restore("out.db") + "?immutable=1");
  REQUIRE(restored.integer("SELECT count(*) FROM t") == 60);
}

TEST_CASE("a snapshot on demand holds its TXID exactly while a writer goes on", "[threads]") {
  ReplicatedDatabase database("CREATE TABLE t(a)");
  database.main().exec("INSERT INTO t SELECT randomblob(900) FROM " + series(1, 2000));
  std::atomic<bool> stop{false};
  std::thread writer([&] {
    const auto connection = database.connect();
    while (!stop) {
      connection->exec("UPDATE t SET a = randomblob(900) WHERE rowid = abs(random()) % 2000");
    }
  });
  std::vector<std::string> txids;
  for (int i = 0; i < 5; ++i) txids.push_back(database.main().text("SELECT litestream_snapshot()"));
  stop = true;
  writer.join();
  database.sync();
  SqliteDb db(":memory:");
  for (const std::string& txid : txids) {
    INFO(txid);
    // The plan for its TXID is the snapshot alone; L0 files of the same range give the same bytes.
    REQUIRE(db.integer("SELECT count(*) FROM litestream_plan WHERE txid = '" + txid +
                       "' AND database = '" + database.url() + "'") == 1);
    const std::string by_snapshot = file_bytes(database.restore("a.db", txid));
    const std::string name = "0000000000000001-" + txid + ".ltx";
    const std::string at = database.replica_path() + "/ltx/9/" + name;
    std::filesystem::rename(at, database.file(name));
    // Without it only a file that ends at this TXID leads there.
    if (db.integer("SELECT count(*) FROM litestream_restore_points WHERE txid = '" + txid +
                   "' AND database = '" + database.url() + "'") == 1) {
      REQUIRE(file_bytes(database.restore("b.db", txid)) == by_snapshot);
    }
    std::filesystem::rename(database.file(name), at);
  }
}

// Registering again would free the state that the hooks of the connection use.
TEST_CASE("an extension loaded twice on one connection changes nothing") {
  ReplicatedDatabase database("CREATE TABLE t(a)");
  REQUIRE(sqlite3_litestreamext_init(database.main().get(), nullptr, nullptr) == SQLITE_OK);
  database.main().exec("INSERT INTO t VALUES(1)");
  database.main().exec("SELECT litestream_stop()");
  REQUIRE(sqlite3_litestreamext_init(database.main().get(), nullptr, nullptr) == SQLITE_OK);
  database.main().exec("INSERT INTO t VALUES(2)");
  database.replicate();
  REQUIRE(database.sync() == "0000000000000003");
}

// What was asked for on purpose is not taken back by a connection that happens to open.
TEST_CASE("a stop is not cancelled by a connection that opens", "[threads]") {
  ReplicatedDatabase database("CREATE TABLE t(a)",
                              R"({"durability":"replica","commit-timeout":"60s"})");
  std::atomic<bool> done{false};
  std::thread opener([&] {
    while (!done) database.connect()->exec("SELECT count(*) FROM t");
  });
  database.main().exec("INSERT INTO t VALUES(1)");
  const std::string txid = database.main().text("SELECT litestream_stop()");
  done = true;
  opener.join();
  REQUIRE(txid == "0000000000000002");
  // Nobody waits for a replica that nobody writes.
  database.main().exec("INSERT INTO t VALUES(2)");
  REQUIRE(database.main().integer("SELECT count(*) FROM t") == 2);
}

}  // namespace litestream::test
