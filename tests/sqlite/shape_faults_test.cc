// Databases of every shape, under every name, and replaced under our feet; and other users of the
// WAL whose SQLite is set up differently.
#include <atomic>
#include <filesystem>
#include <functional>
#include <set>
#include <thread>

#include "tests/sqlite/fault_support.h"

namespace litestream::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTable = "CREATE TABLE t(id INTEGER PRIMARY KEY, data)";

// A database file that nobody has open, with `rows` rows of its own.
void make_other_database(const std::string& path, int rows, const std::string& setup = "") {
  SqliteDb other(path);
  other.exec(setup + "; PRAGMA journal_mode=WAL; " + kTable);
  insert_rows(other, rows, 900);
  other.exec("PRAGMA wal_checkpoint(TRUNCATE)");
}

// The status of a database answers with a warning that contains `part`, sooner or later.
void wait_for_warning(SqliteDb& db, const std::string& path, const std::string& part,
                      const std::function<void()>& provoke) {
  wait_until([&] {
    provoke();
    try {
      db.exec("SELECT litestream_sync('" + path + "')");
    } catch (const std::exception&) {
    }
    return contains(status_of(db, path, "warning"), part);
  });
}

int64_t rows_in(const std::string& path) {
  return SqliteDb("file:" + path + "?immutable=1").integer("SELECT count(*) FROM t");
}

// Not pushed down: every replicator of the process is listed, and may have this spelling.
int64_t replicator_count(SqliteDb& db, const std::string& path) {
  return db.integer("SELECT count(*) FROM litestream_status WHERE +database = '" + path + "'");
}

}  // namespace

TEST_CASE("B15: an idle database costs nothing") {
  // The thread of a sanitizer never rests; it is there once any thread was.
  std::thread([] {}).join();
  std::set<std::string> others;
  for (const auto& task : fs::directory_iterator("/proc/self/task")) {
    others.insert(task.path().filename().string());
  }
  ReplicatedDatabase database(kTable);
  database.main().exec("INSERT INTO t(data) SELECT randomblob(900) FROM " + series(1, 3000));
  const std::string txid = database.sync();
  SqlProcess other(database.path(), SqlProcess::kPlain);
  wait_until_parked(other);
  other.close();
  const auto switches = [&] {
    uint64_t count = 0;
    for (const auto& task : fs::directory_iterator("/proc/self/task")) {
      if (others.contains(task.path().filename().string())) continue;
      std::ifstream status(task.path() / "status");
      for (std::string line; std::getline(status, line);) {
        if (line.starts_with("voluntary_ctxt_switches:")) count += std::stoull(line.substr(24));
      }
    }
    return count;
  };
  const auto replica_files = [&] {
    std::vector<std::string> names;
    for (const auto& entry : fs::recursive_directory_iterator(database.replica_path())) {
      names.push_back(entry.path().string() + " " +
                      std::to_string(entry.last_write_time().time_since_epoch().count()));
    }
    return names;
  };
  // Quiet once it has nothing more to look at and the levels have what is due at the next half
  // minute; then only the slow verifier may wake it.
  bool quiet = false;
  for (int i = 0; i < 20 && !quiet; ++i) {
    const auto files_before = replica_files();
    const uint64_t before = switches();
    std::this_thread::sleep_for(std::chrono::milliseconds(1500));
    quiet = switches() - before <= 4 && replica_files() == files_before;
  }
  REQUIRE(quiet);
  REQUIRE(database.sync() == txid);
}

TEST_CASE("B16: connections and processes commit in turn, some without the extension") {
  Place place;
  SqliteDb owner(place.path());
  owner.exec(Place::create_sql());
  owner.exec(place.start_sql());
  SqliteDb second(place.path());
  SqlProcess plain(place.path(), SqlProcess::kPlain);
  SqlProcess loaded(place.path(), SqlProcess::kExtension);
  for (int i = 0; i < 40; ++i) {
    owner.exec(Place::insert_sql());
    plain.exec(Place::insert_sql());
    second.exec(Place::insert_sql());
    loaded.exec(Place::insert_sql());
    if (i % 10 == 5) (void)plain.text("PRAGMA wal_checkpoint(PASSIVE)");
  }
  REQUIRE(owner.text("SELECT litestream_sync()") == txid_text(161));
  // In WAL order, once: at TXID 1 + n there are the rows 1..n.
  for (const std::string& txid : place.points()) {
    REQUIRE(place.rows_at(txid) == number_of(txid) - 1);
  }
  REQUIRE(place.snapshot_count() == 1);
}

TEST_CASE("B19: hosts with a shared cache or a memory map") {
  SECTION("shared cache") {
    sqlite3_enable_shared_cache(1);
    {
      ReplicatedDatabase database(kTable);
      const auto second = database.connect();
      for (int i = 0; i < 50; ++i) {
        insert_rows(database.main(), 1);
        insert_rows(*second, 1);
      }
      // A snapshot while a connection of the shared cache has uncommitted pages.
      second->exec("BEGIN; INSERT INTO t(data) VALUES('uncommitted')");
      (void)database.connect()->text("SELECT litestream_snapshot()");
      REQUIRE_FALSE(contains(file_bytes(database.restore("out.db")), "uncommitted"));
      second->exec("ROLLBACK");
      REQUIRE(database.sync() == txid_text(101));
      REQUIRE(rows_in(database.restore("out.db")) == 100);
    }
    sqlite3_enable_shared_cache(0);
  }
  SECTION("mmap_size") {
    ReplicatedDatabase database(kTable);
    SqliteDb& db = database.main();
    db.exec("PRAGMA mmap_size=268435456");
    for (int i = 0; i < 3; ++i) {
      db.exec("INSERT INTO t(data) SELECT randomblob(900) FROM " + series(1, 1500));
      // Shrinks the file under every map.
      db.exec("DELETE FROM t WHERE id > 10; VACUUM");
      (void)db.text("PRAGMA wal_checkpoint(PASSIVE)");
      database.sync();
    }
    REQUIRE(file_bytes(database.restore("out.db")) == database.final_bytes());
  }
}

TEST_CASE("B20: repeated commit frames, and more readers than read marks") {
  SECTION("psow=0 with synchronous=FULL") {
    Place place;
    sqlite3_config(SQLITE_CONFIG_URI, 1);
    SqliteDb db(place.path());
    db.exec(Place::create_sql());
    db.exec(place.start_sql());
    sqlite3* raw = nullptr;
    REQUIRE(sqlite3_open_v2(("file:" + place.path() + "?psow=0").c_str(), &raw,
                            SQLITE_OPEN_READWRITE | SQLITE_OPEN_URI, nullptr) == SQLITE_OK);
    REQUIRE(sqlite3_exec(raw, "PRAGMA synchronous=FULL", nullptr, nullptr, nullptr) == SQLITE_OK);
    for (int i = 0; i < 20; ++i) {
      REQUIRE(sqlite3_exec(raw, Place::insert_sql().c_str(), nullptr, nullptr, nullptr) ==
              SQLITE_OK);
    }
    sqlite3_close(raw);
    // TXIDs may skip, data may not.
    const uint64_t newest = number_of(db.text("SELECT litestream_sync()"));
    REQUIRE(newest >= 21);
    place.require_points_whole(20);
  }
  SECTION("six long readers on different marks") {
    ReplicatedDatabase database(kTable,
                                R"({"sync-interval":"20ms","min-checkpoint-page-count":10})");
    std::vector<std::unique_ptr<SqliteDb>> readers;
    for (int i = 0; i < 6; ++i) {
      insert_rows(database.main(), 5);
      readers.push_back(database.connect());
      readers.back()->exec("BEGIN");
      REQUIRE(readers.back()->integer("SELECT count(*) FROM t") == 5 * (i + 1));
    }
    insert_rows(database.main(), 30);
    REQUIRE(database.sync() == txid_text(61));
    REQUIRE(rows_in(database.restore("out.db")) == 60);
    for (int i = 0; i < 6; ++i) {
      REQUIRE(readers[static_cast<size_t>(i)]->integer("SELECT count(*) FROM t") == 5 * (i + 1));
    }
    readers.clear();
    insert_rows(database.main(), 30);
    database.sync();
    REQUIRE(file_bytes(database.restore("final.db")) == database.final_bytes());
  }
}

TEST_CASE("C2: another page size while nobody replicates") {
  ReplicatedDatabase database(kTable);
  insert_rows(database.main(), 20);
  const std::string old_txid = database.sync();
  const std::string old_bytes = file_bytes(database.restore("old.db", old_txid));
  database.main().exec("SELECT litestream_stop()");
  database.main().exec(
      "PRAGMA journal_mode=DELETE; PRAGMA page_size=1024; VACUUM;"
      "PRAGMA journal_mode=WAL");
  // Pages of two sizes cannot stand in one chain: refused, with both sizes and what to do.
  const std::string error =
      database.main().error_of("SELECT litestream_replicate('" + database.url() + "')");
  REQUIRE(contains(error, "pages of 4096 bytes"));
  REQUIRE(contains(error, "1024"));
  REQUIRE(contains(error, "a replica folder of its own"));
  REQUIRE(file_bytes(database.restore("again.db", old_txid)) == old_bytes);
  const std::string url = "file://" + database.file("replica-1024");
  database.main().exec("SELECT litestream_replicate('" + url + "')");
  insert_rows(database.main(), 1);
  REQUIRE(database.sync() == txid_text(2));
  SqliteDb db(":memory:");
  db.exec("SELECT litestream_restore('" + url + "', '" + database.file("new.db") + "')");
  REQUIRE(file_bytes(database.file("new.db")) == database.final_bytes());
}

TEST_CASE("C3: out of WAL mode and back") {
  ReplicatedDatabase database(kTable);
  insert_rows(database.main(), 10);
  database.sync();
  // While it is replicated the switch fails and harms nothing.
  sqlite3_busy_timeout(database.main().get(), 10);
  REQUIRE(contains(database.main().error_of("PRAGMA journal_mode=DELETE"), "locked"));
  insert_rows(database.main(), 1);
  REQUIRE(database.sync() == txid_text(12));
  database.main().exec("SELECT litestream_stop()");
  database.main().exec("PRAGMA journal_mode=DELETE");
  insert_rows(database.main(), 10);
  REQUIRE(contains(database.main().error_of("SELECT litestream_sync()"), "not replicated"));
  database.main().exec("PRAGMA journal_mode=WAL");
  insert_rows(database.main(), 10);
  database.replicate();
  REQUIRE(database.sync() == txid_text(13));
  REQUIRE(database.points().size() >= 2);
  REQUIRE(rows_in(database.restore("old.db", txid_text(12))) == 11);
  REQUIRE(file_bytes(database.restore("out.db")) == database.final_bytes());
}

TEST_CASE("C3: a database in DELETE mode is switched to WAL when it is replicated") {
  Place place;
  SqliteDb db(place.path());
  db.exec(kTable);
  REQUIRE(db.text("PRAGMA journal_mode") == "delete");
  db.exec(place.start_sql());
  REQUIRE(db.text("PRAGMA journal_mode") == "wal");
  insert_rows(db, 1);
  REQUIRE(db.text("SELECT litestream_sync()") == txid_text(2));
}

TEST_CASE("C4: locking_mode EXCLUSIVE is refused or fails, never silently idle") {
  Place place;
  SECTION("before, on the same connection") {
    SqliteDb db(place.path(), 0);
    db.exec(Place::create_sql() + "; PRAGMA locking_mode=EXCLUSIVE");
    insert_rows(db, 1);
    REQUIRE(contains(db.error_of(place.start_sql()), "EXCLUSIVE"));
  }
  SECTION("before, in another process") {
    SqlProcess other(place.path(), SqlProcess::kPlain);
    other.exec("PRAGMA locking_mode=EXCLUSIVE");
    other.exec(Place::create_sql());
    SqliteDb db(place.path(), 0);
    REQUIRE(contains(db.error_of(place.start_sql()), "locked"));
  }
  SECTION("after") {
    SqliteDb db(place.path(), 0);
    db.exec(Place::create_sql());
    db.exec(place.start_sql());
    SqliteDb exclusive(place.path(), 0);
    exclusive.exec("PRAGMA locking_mode=EXCLUSIVE");
    REQUIRE(contains(exclusive.error_of(Place::insert_sql()), "locked"));
    exclusive.exec("PRAGMA locking_mode=NORMAL");
    insert_rows(exclusive, 1);
    REQUIRE(db.text("SELECT litestream_sync()") == txid_text(2));
  }
}

TEST_CASE("C5: the database file is replaced while it is replicated") {
  const char* how = GENERATE("mv", "delete and create", "cp");
  const bool new_connection_first = GENERATE(false, true);
  CAPTURE(how, new_connection_first);
  const std::string what = how;
  ReplicatedDatabase database(kTable, R"({"sync-interval":"20ms","linger":"1h"})");
  insert_rows(database.main(), 10);
  const std::string old_txid = database.sync();
  const std::string old_bytes = file_bytes(database.restore("old.db", old_txid));
  make_other_database(database.file("other.db"), 3);
  {
    SqlProcess other(database.path(), SqlProcess::kPlain);
    wait_until_parked(other);
  }
  database.close_main();  // as a careful administrator would; the replicator still has it open
  if (what == "mv") {
    fs::remove(database.path() + "-wal");
    fs::remove(database.path() + "-shm");
    fs::rename(database.file("other.db"), database.path());
  } else if (what == "delete and create") {
    for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(database.path() + suffix);
    make_other_database(database.path(), 3);
  }
  // In place, and the WAL of the old content stays beside it. Again until it is noticed: it can be
  // only once the replicator knows that it is idle.
  const std::string cat = "cat '" + database.file("other.db") + "' > '" + database.path() + "'";
  const auto overwrite = [&] {
    if (what == "cp") REQUIRE(std::system(cat.c_str()) == 0);
  };
  overwrite();
  if (new_connection_first) database.open_main();
  SqliteDb watcher(":memory:");
  wait_for_warning(watcher, database.path(), "while it was in use", overwrite);
  wait_until([&] { return rows_in(database.restore("now.db")) == 3; });
  if (!new_connection_first) database.open_main();
  REQUIRE(database.main().integer("SELECT count(*) FROM t") == 3);
  insert_rows(database.main(), 1);
  const std::string newest = database.sync();
  // The old points stay what they were; the new ones are the new database.
  REQUIRE(newest > old_txid);
  REQUIRE(file_bytes(database.restore("again.db", old_txid)) == old_bytes);
  const std::string restored = database.restore("new.db");
  require_sound(restored);
  REQUIRE(rows_in(restored) == 4);
  REQUIRE(file_bytes(restored) == database.final_bytes());
}

TEST_CASE("C6: the backup API writes a database over the replicated one") {
  ReplicatedDatabase database(kTable);
  insert_rows(database.main(), 10);
  const std::string old_txid = database.sync();
  make_other_database(database.file("other.db"), 500);
  {
    SqliteDb source(database.file("other.db"));
    sqlite3_backup* backup =
        sqlite3_backup_init(database.main().get(), "main", source.get(), "main");
    REQUIRE(backup != nullptr);
    REQUIRE(sqlite3_backup_step(backup, -1) == SQLITE_DONE);
    REQUIRE(sqlite3_backup_finish(backup) == SQLITE_OK);
  }
  // One transaction like any other.
  REQUIRE(database.sync() == txid_text(number_of(old_txid) + 1));
  REQUIRE(rows_in(database.restore("old.db", old_txid)) == 10);
  REQUIRE(rows_in(database.restore("new.db")) == 500);
  insert_rows(database.main(), 1);
  database.sync();
  REQUIRE(file_bytes(database.restore("final.db")) == database.final_bytes());
}

TEST_CASE("C7: databases that are hardly there, and attached ones") {
  Place place;
  SECTION("an empty file gets its first page with WAL mode") {
    SqliteDb db(place.path());
    db.exec(place.start_sql());
    REQUIRE(db.text("SELECT litestream_sync()") == txid_text(1));
    db.exec(kTable);
    insert_rows(db, 1);
    REQUIRE(db.text("SELECT litestream_sync()") == txid_text(3));
    REQUIRE(place.rows_at() == 1);
    REQUIRE(place.rows_at(txid_text(1)) == 0);
  }
  SECTION("a database of one page") {
    SqliteDb db(place.path());
    db.exec("PRAGMA journal_mode=WAL; PRAGMA user_version=7; PRAGMA wal_checkpoint(TRUNCATE)");
    REQUIRE(db.integer("PRAGMA page_count") == 1);
    db.exec(place.start_sql());
    db.exec("SELECT litestream_sync()");
    SqliteDb restored("file:" + place.restore("one.db") + "?immutable=1");
    REQUIRE(restored.integer("PRAGMA user_version") == 7);
  }
  SECTION("no file") {
    for (const char* name : {":memory:", ""}) {
      SqliteDb db(name);
      REQUIRE(contains(db.error_of(place.start_sql()), "cannot be replicated"));
      REQUIRE(contains(db.error_of("SELECT litestream_sync()"), "cannot be replicated"));
    }
  }
  SECTION("an attached database is not replicated, and its WAL does not grow for ever") {
    SqliteDb db(place.path());
    db.exec(Place::create_sql());
    db.exec(place.start_sql());
    db.exec("ATTACH '" + place.file("second.db") +
            "' AS second;"
            "PRAGMA second.journal_mode=WAL; CREATE TABLE second.u(a)");
    for (int i = 0; i < 30; ++i) {
      db.exec("INSERT INTO second.u SELECT zeroblob(3000) FROM " + series(1, 200));
    }
    REQUIRE(fs::file_size(place.file("second.db-wal")) < 3000u * 4120u);
    REQUIRE(db.text("SELECT litestream_sync()") == txid_text(1));
  }
  SECTION("the same file attached twice has one replicator") {
    SqliteDb db(place.path());
    db.exec(Place::create_sql());
    db.exec(place.start_sql());
    db.exec("ATTACH '" + place.path() + "' AS again");
    for (int i = 0; i < 10; ++i) db.exec("INSERT INTO again.t(data) VALUES(randomblob(300))");
    insert_rows(db, 5);
    REQUIRE(db.text("SELECT litestream_sync()") == txid_text(16));
    REQUIRE(replicator_count(db, place.path()) == 1);
    REQUIRE(place.rows_at() == 15);
  }
}

TEST_CASE("C8: one database under many names has one identity and one owner") {
  Place place;
  SqliteDb db(place.path());
  db.exec(Place::create_sql());
  db.exec(place.start_sql());
  insert_rows(db, 1);
  fs::create_symlink(place.path(), place.file("link.db"));
  fs::create_hard_link(place.path(), place.file("hard.db"));
  const std::string relative = fs::relative(place.path()).string();
  REQUIRE(relative != place.path());
  for (const std::string& name :
       {place.file("link.db"), place.file("hard.db"), relative, place.path() + ""}) {
    INFO(name);
    REQUIRE(db.text("SELECT litestream_sync('" + name + "')") == txid_text(2));
    // Echoed as it was written.
    REQUIRE(status_of(db, name, "database || ' ' || status") == name + " ok");
  }
  REQUIRE(replicator_count(db, place.path()) == 1);
  uint64_t commits = 2;
  for (const std::string& name :
       {place.file("link.db"), relative, "file:" + place.path() + "?cache=private"}) {
    INFO(name);
    sqlite3* raw = nullptr;
    REQUIRE(sqlite3_open_v2(name.c_str(), &raw, SQLITE_OPEN_READWRITE | SQLITE_OPEN_URI, nullptr) ==
            SQLITE_OK);
    sqlite3_busy_timeout(raw, 10'000);
    const std::string sql = Place::insert_sql() + ";" + place.start_sql();
    char* error = nullptr;
    const int code = sqlite3_exec(raw, sql.c_str(), nullptr, nullptr, &error);
    INFO((error == nullptr ? "" : error));
    REQUIRE(code == SQLITE_OK);
    sqlite3_close(raw);
    REQUIRE(db.text("SELECT litestream_sync()") == txid_text(++commits));
  }
  REQUIRE(replicator_count(db, place.path()) == 1);
  REQUIRE(place.snapshot_count() == 1);
}

}  // namespace litestream::test
