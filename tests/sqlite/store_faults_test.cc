// A store that takes files and does not say so, fills up, stands still or is gone: what the
// application sees, and what is there afterwards.
#include <sys/resource.h>

#include <atomic>
#include <filesystem>
#include <thread>

#include "tests/sqlite/fault_support.h"
#include "tests/support/call_gate.h"

namespace litestream::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTable = "CREATE TABLE t(id INTEGER PRIMARY KEY, data)";

// Sets a gate in another process.
void set_gate_in(SqlProcess& app, const std::string& call, const std::string& path_part,
                 const std::string& action, uint64_t number = 0) {
  app.exec("SELECT test_gate('" + call + "', '" + path_part + "', '" + action + "', " +
           std::to_string(number) + ")");
}

std::string status_in(SqlProcess& app, const std::string& column) {
  return app.text("SELECT " + column + " FROM litestream_status");
}

// Gates of this process are open again at the end of the test, whatever happened.
struct OpenGatesAtEnd {
  ~OpenGatesAtEnd() { open_gates(); }
};

// What fails is told to the caller; asked again it has passed.
void exec_until_done(SqlProcess& app, const std::string& sql) {
  wait_until([&] {
    try {
      app.exec(sql);
      return true;
    } catch (const std::exception& error) {
      REQUIRE(contains(error.what(), "Input/output error"));
      return false;
    }
  });
}

std::string bytes_of_level(const Place& place, int level) {
  std::string all;
  std::vector<fs::path> paths;
  const std::string folder = place.replica_path() + "/ltx/" + std::to_string(level);
  for (const auto& entry : fs::directory_iterator(folder)) paths.push_back(entry.path());
  std::sort(paths.begin(), paths.end());
  for (const auto& path : paths) all += path.filename().string() + file_bytes(path.string());
  return all;
}

}  // namespace

TEST_CASE("A5: an upload that took effect although its reply was lost") {
  Place place;
  SqlProcess app(place.path(), SqlProcess::kExtension);
  app.exec(Place::create_sql());
  SECTION("the snapshot") {
    set_gate_in(app, "link", "replica/ltx/9", "lose");
    exec_until_done(app, place.start_sql());
    insert_rows(app, 1);
  }
  SECTION("an L0 file") {
    app.exec(place.start_sql());
    set_gate_in(app, "link", "replica/ltx/0", "lose");
    insert_rows(app, 1);
  }
  SECTION("an L0 file in the spool") {
    app.exec(place.start_sql());
    set_gate_in(app, "link", ".app.db-litestream/ltx/0", "lose");
    insert_rows(app, 1);
  }
  exec_until_done(app, "SELECT litestream_sync()");
  // Repeated with the same bytes: success, and one file under each name.
  REQUIRE(app.text("SELECT litestream_sync()") == txid_text(2));
  REQUIRE(place.files() == std::vector<std::string>{"9|" + txid_text(1) + "|" + txid_text(1),
                                                    "0|" + txid_text(2) + "|" + txid_text(2)});
  wait_until([&] { return status_in(app, "last_error") == ""; });
  insert_rows(app, 1);
  REQUIRE(app.text("SELECT litestream_sync()") == txid_text(3));
  app.close();
  place.require_points_whole(2);
  place.require_restore_equals_source();
}

TEST_CASE("A5: killed after an upload took effect, before anything local knows of it") {
  const char* folder = GENERATE("replica/ltx/9", "replica/ltx/0", ".app.db-litestream/ltx/0");
  CAPTURE(folder);
  const bool first_snapshot = std::string(folder) == "replica/ltx/9";
  Place place;
  {
    SqlProcess app(place.path(), SqlProcess::kExtension);
    app.exec(Place::create_sql());
    if (first_snapshot) {
      insert_rows(app, 1);
      set_gate_in(app, "link", folder, "kill");
      app.die_in(place.start_sql() + "; SELECT litestream_sync()");
    } else {
      app.exec(place.start_sql());
      set_gate_in(app, "link", folder, "kill");
      app.die_in(Place::insert_sql() + "; SELECT litestream_sync()");
    }
  }
  const int level = first_snapshot ? 9 : 0;
  const bool on_replica = std::string(folder).starts_with("replica");
  const std::string before = on_replica ? bytes_of_level(place, level) : "";
  SqlProcess app(place.path(), SqlProcess::kExtension);
  app.exec(place.start_sql());
  const uint64_t newest = number_of(app.text("SELECT litestream_sync()"));
  REQUIRE(newest == (first_snapshot ? 1 : 2));
  // What was there is what is there: no name was given to other bytes, nothing was sent twice.
  if (on_replica) REQUIRE(bytes_of_level(place, level) == before);
  REQUIRE(place.rows_at() == 1);
  REQUIRE(place.snapshot_count() == 1);
  insert_rows(app, 1);
  REQUIRE(number_of(app.text("SELECT litestream_sync()")) == newest + 1);
  app.close();
  place.require_points_whole(2);
  place.require_restore_equals_source();
}

TEST_CASE("A5: other bytes under the name of the next file are a conflict") {
  Place place;
  SqlProcess app(place.path(), SqlProcess::kExtension);
  app.exec(Place::create_sql());
  app.exec(place.start_sql());
  app.exec("SELECT litestream_sync()");
  const std::string name =
      place.replica_path() + "/ltx/0/" + txid_text(2) + "-" + txid_text(2) + ".ltx";
  fs::create_directories(place.replica_path() + "/ltx/0");
  std::ofstream(name) << "LTX1, of somebody else";
  insert_rows(app, 1);
  REQUIRE(contains(app.error_of("SELECT litestream_sync()"), "another writer uses"));
  REQUIRE(status_in(app, "status") == "error");
  REQUIRE(contains(status_in(app, "last_error"), "another writer uses"));
  REQUIRE(file_bytes(name) == "LTX1, of somebody else");
  // The application does not notice.
  insert_rows(app, 5);
  REQUIRE(app.text("SELECT count(*) FROM t") == "6");
}

TEST_CASE("A12: a graceful end while the store is out of reach") {
  const bool hangs = GENERATE(false, true);
  const bool by_exit = GENERATE(false, true);
  CAPTURE(hangs, by_exit);
  Place place;
  {
    SqlProcess app(place.path(), SqlProcess::kExtension);
    app.exec(Place::create_sql());
    app.exec(place.start_sql(R"({"sync-interval":"10ms","shutdown-sync-timeout":"200ms"})"));
    app.exec("SELECT litestream_sync()");
    if (hangs) set_gate_in(app, "link", "replica/", "hold");
    if (!hangs) place.break_replica();
    insert_rows(app, 5);
    if (!by_exit) {
      const std::string told = app.error_of("SELECT litestream_stop()");
      REQUIRE(contains(told, "the replica has " + txid_text(1) + " of " + txid_text(6)));
      REQUIRE(contains(told, "the rest waits in the spool"));
      // The database is the application's alone again.
      insert_rows(app, 1);
    }
    REQUIRE(app.close() == 0);
  }
  REQUIRE_FALSE(place.spooled().empty());
  if (!hangs) place.mend_replica();
  const uint64_t rows = by_exit ? 5 : 6;
  SqlProcess app(place.path(), SqlProcess::kExtension);
  app.exec(place.start_sql());
  REQUIRE(app.text("SELECT litestream_sync()") == txid_text(1 + rows));
  REQUIRE(place.snapshot_count() == 1);
  app.close();
  place.require_points_whole(rows);
  place.require_restore_equals_source();
}

TEST_CASE("A12: a graceful end without a single write, store out of reach or not") {
  const bool broken = GENERATE(false, true);
  const bool by_exit = GENERATE(false, true);
  CAPTURE(broken, by_exit);
  Place place;
  {
    SqlProcess app(place.path(), SqlProcess::kExtension);
    app.exec(Place::create_sql());
    app.exec(place.start_sql(R"({"shutdown-sync-timeout":"1h"})"));
    app.exec("SELECT litestream_sync()");
    if (broken) place.break_replica();
    // Nothing is missing on the replica, so there is nothing to wait for.
    if (!by_exit) REQUIRE(app.text("SELECT litestream_stop()") == txid_text(1));
    REQUIRE(app.close() == 0);
    if (broken) place.mend_replica();
  }
  REQUIRE(place.files() == std::vector<std::string>{"9|" + txid_text(1) + "|" + txid_text(1)});
  SqlProcess app(place.path(), SqlProcess::kExtension);
  app.exec(place.start_sql());
  REQUIRE(app.text("SELECT litestream_sync()") == txid_text(1));
  app.close();
  place.require_restore_equals_source();
}

TEST_CASE("C10: a database larger than the free space of the local folder is streamed") {
  Place place;
  SqlProcess app(place.path(), SqlProcess::kExtension);
  app.exec(Place::create_sql());
  app.exec("INSERT INTO t(data) SELECT randomblob(3500) FROM " + series(1, 4000));
  // Sixteen megabytes; of them the local folder gets eight bytes for each page.
  set_gate_in(app, "write", ".app.db-litestream", "quota", 300'000);
  app.exec(place.start_sql());
  REQUIRE(app.text("SELECT litestream_sync()") == txid_text(1));
  REQUIRE(status_in(app, "last_error") == "");
  insert_rows(app, 3);
  REQUIRE(app.text("SELECT litestream_sync()") == txid_text(4));
  app.close();
  place.require_restore_equals_source();
}

TEST_CASE("C10: a store that is smaller than the database") {
  Place place;
  SqlProcess app(place.path(), SqlProcess::kExtension);
  app.exec(Place::create_sql());
  app.exec("INSERT INTO t(data) SELECT randomblob(3500) FROM " + series(1, 1000));
  set_gate_in(app, "write", "replica/", "quota", 1'000'000);
  // Visible at once or in the status; the application keeps writing either way.
  try {
    app.exec(place.start_sql());
  } catch (const std::exception& error) {
    REQUIRE(contains(error.what(), "No space left"));
  }
  wait_until([&] { return contains(status_in(app, "last_error"), "No space left"); });
  insert_rows(app, 5);
  REQUIRE(app.text("SELECT count(*) FROM t") == "1005");
  REQUIRE(place.points().empty());
  // What was written of it does not stay: the next try needs the space.
  wait_until([&] {
    if (!fs::exists(place.replica_path() + "/ltx")) return true;
    const auto entries = fs::recursive_directory_iterator(place.replica_path() + "/ltx");
    return std::none_of(begin(entries), end(entries),
                        [](const auto& entry) { return entry.is_regular_file(); });
  });
  app.exec("SELECT test_gate()");
  app.exec(place.start_sql());
  app.exec("SELECT litestream_sync()");
  REQUIRE(status_in(app, "last_error") == "");
  REQUIRE(place.rows_at() == 1005);
  app.close();
  place.require_restore_equals_source();
}

TEST_CASE("I8: our tables inside the application's transactions") {
  Place place;
  SqliteDb db(place.path());
  db.exec(Place::create_sql());
  db.exec(place.start_sql());
  insert_rows(db, 1);
  db.exec("SELECT litestream_sync()");
  SqlProcess other(place.path(), SqlProcess::kPlain);
  const std::string where = " WHERE database = '" + place.path() + "'";
  const auto select_all = [&] {
    REQUIRE_FALSE(db.rows("SELECT * FROM litestream_databases").empty());
    for (const char* table : {"litestream_status", "litestream_ltx", "litestream_snapshots",
                              "litestream_restore_points", "litestream_plan"}) {
      INFO(table);
      REQUIRE_FALSE(db.rows("SELECT * FROM " + std::string(table) + where).empty());
    }
  };
  const auto require_not_pinned = [&] {
    wait_until([&] { return other.text("PRAGMA wal_checkpoint(TRUNCATE)") == "0"; });
    REQUIRE(fs::file_size(place.path() + "-wal") == 0);
  };
  SECTION("a write transaction") {
    db.exec("BEGIN IMMEDIATE");
    insert_rows(db, 1);
    select_all();
    insert_rows(db, 1);
    db.exec("COMMIT");
    REQUIRE(db.text("SELECT litestream_sync()") == txid_text(3));
  }
  SECTION("a long read transaction") {
    db.exec("BEGIN");
    REQUIRE(db.integer("SELECT count(*) FROM t") == 1);
    insert_rows(other, 3);
    select_all();
    REQUIRE(db.integer("SELECT count(*) FROM t") == 1);
    SqliteDb watcher(":memory:");
    REQUIRE(watcher.text("SELECT litestream_sync('" + place.path() + "')") == txid_text(5));
    db.exec("COMMIT");
  }
  SECTION("a cursor that was closed, or left in the middle and closed") {
    sqlite3_stmt* cursor = nullptr;
    const std::string sql = "SELECT * FROM litestream_ltx" + where;
    REQUIRE(sqlite3_prepare_v2(db.get(), sql.c_str(), -1, &cursor, nullptr) == SQLITE_OK);
    REQUIRE(sqlite3_step(cursor) == SQLITE_ROW);
    insert_rows(other, 3);
    REQUIRE(sqlite3_finalize(cursor) == SQLITE_OK);
    REQUIRE(sqlite3_txn_state(db.get(), "main") == SQLITE_TXN_NONE);
    require_not_pinned();
    select_all();
    REQUIRE(sqlite3_txn_state(db.get(), "main") == SQLITE_TXN_NONE);
  }
  require_not_pinned();
  const uint64_t rows = static_cast<uint64_t>(db.integer("SELECT count(*) FROM t"));
  db.exec("SELECT litestream_stop()");
  place.require_points_whole(rows);
}

TEST_CASE("I8: our tables while the store stands still") {
  const OpenGatesAtEnd at_end;
  Place place;
  SqliteDb db(place.path());
  db.exec(Place::create_sql());
  db.exec(place.start_sql());
  db.exec("SELECT litestream_sync()");
  set_gate(GateCall::kLink, place.replica_path(), GateAction::kHold);
  insert_rows(db, 1);
  wait_until([&] { return held_count() >= 1; });
  // Nobody waits for it but who asks to: known databases are answered from memory.
  db.exec("BEGIN IMMEDIATE");
  insert_rows(db, 1);
  REQUIRE(status_of(db, place.path(), "replica_txid") == txid_text(1));
  REQUIRE(status_of(db, place.path(), "lag_ms IS NOT NULL") == "1");
  REQUIRE(db.text("SELECT replicating FROM litestream_databases WHERE path = '" + place.path() +
                  "'") == "1");
  db.exec("COMMIT");
  REQUIRE(contains(db.error_of("SELECT litestream_sync(NULL, 100)"), "within 100 ms"));
  REQUIRE(contains(db.error_of("SELECT litestream_wait(NULL, 100)"), "within 100 ms"));
  REQUIRE(sqlite3_txn_state(db.get(), "main") == SQLITE_TXN_NONE);
  open_gates();
  REQUIRE(db.text("SELECT litestream_sync()") == txid_text(3));
  SqlProcess other(place.path(), SqlProcess::kPlain);
  wait_until([&] { return other.text("PRAGMA wal_checkpoint(TRUNCATE)") == "0"; });
}

TEST_CASE("I12: a commit that waits for a slow store returns when the store has it") {
  const OpenGatesAtEnd at_end;
  ReplicatedDatabase database(
      kTable, R"({"durability":"replica","commit-timeout":"60s","sync-interval":"1h"})");
  insert_rows(database.main(), 1);
  set_gate(GateCall::kLink, database.replica_path(), GateAction::kHold);
  std::atomic<bool> returned{false};
  std::thread writer([&] {
    const auto connection = database.connect();
    insert_rows(*connection, 1);
    returned = true;
  });
  // A level that falls due at this moment is held as well.
  wait_until([&] { return held_count() >= 1; });
  // Committed, visible to others, and the statement has not come back.
  wait_until([&] { return database.main().integer("SELECT count(*) FROM t") == 2; });
  REQUIRE_FALSE(returned);
  open_gates();
  writer.join();
  REQUIRE(returned);
  REQUIRE(database.sync() == txid_text(3));
}

TEST_CASE("I12: a store that stands still beyond commit-timeout") {
  const OpenGatesAtEnd at_end;
  ReplicatedDatabase database(
      kTable, R"({"durability":"replica","commit-timeout":"200ms","sync-interval":"1h"})");
  insert_rows(database.main(), 1);
  set_gate(GateCall::kLink, database.replica_path(), GateAction::kHold);
  REQUIRE_THROWS(insert_rows(database.main(), 1));
  REQUIRE(database.main().extended_error() == 19466);
  const std::string told = database.main().text("SELECT litestream_last_error()");
  REQUIRE(contains(told, "committed locally"));
  REQUIRE(contains(told, "not confirmed on the replica"));
  REQUIRE(contains(told, "do not repeat the transaction"));
  // It stays committed, and reads as well as the next writes go on.
  REQUIRE(database.main().integer("SELECT count(*) FROM t") == 2);
  open_gates();
  REQUIRE(database.main().text("SELECT litestream_wait()") == txid_text(3));
  insert_rows(database.main(), 1);
  REQUIRE(file_bytes(database.restore("out.db")) == database.final_bytes());
}

TEST_CASE("I12: a thousand waiting commits share few uploads", "[threads]") {
  constexpr int kWaiters = 1000;
  const OpenGatesAtEnd at_end;
  ReplicatedDatabase database(
      kTable, R"({"durability":"replica","commit-timeout":"1h","sync-interval":"1h"})");
  insert_rows(database.main(), 1);
  const size_t files_before = database.points().size();
  set_gate(GateCall::kLink, database.replica_path(), GateAction::kHold);
  std::atomic<int> failures{0};
  std::vector<std::thread> waiters;
  for (int i = 0; i < kWaiters; ++i) {
    waiters.emplace_back([&] {
      try {
        SqliteDb connection(database.path(), 60'000);
        insert_rows(connection, 1, 20);
      } catch (const std::exception&) {
        ++failures;
      }
    });
  }
  // All of them are committed, none is confirmed.
  wait_until([&] { return database.main().integer("SELECT count(*) FROM t") == 1 + kWaiters; });
  open_gates();
  for (std::thread& waiter : waiters) waiter.join();
  REQUIRE(failures == 0);
  // One that was on its way, and one for all who came meanwhile; a few more for who was late.
  REQUIRE(database.points().size() - files_before <= 5);
  REQUIRE(database.main().text("SELECT litestream_txid()") == txid_text(2 + kWaiters));
  SqliteDb restored("file:" + database.restore("out.db") + "?immutable=1");
  REQUIRE(restored.integer("SELECT count(*) FROM t") == 1 + kWaiters);
}

}  // namespace litestream::test
