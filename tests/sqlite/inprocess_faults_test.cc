// Inside the application's process: its locks, its connections and its exits stay its own; and what
// restore may not touch.
#include <atomic>
#include <filesystem>
#include <set>
#include <sstream>
#include <thread>

#include "ext/base/file_system.h"
#include "ext/base/log.h"
#include "ext/engine/job_pool.h"
#include "tests/sqlite/fault_support.h"

namespace litestream::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTable = "CREATE TABLE t(id INTEGER PRIMARY KEY, data)";

// Every byte of a file that this process has locked. Neighbouring ranges of one process are one in
// /proc/locks, so that the lines themselves cannot be compared.
std::set<int64_t> locked_bytes(const std::string& path) {
  const auto facts = posix_file_system().stat(path);
  REQUIRE(facts.ok());
  const std::string inode = ":" + std::to_string(facts->inode);
  std::set<int64_t> bytes;
  std::ifstream file("/proc/locks");
  for (std::string line; std::getline(file, line);) {
    std::istringstream fields(line);
    std::string number, kind, mode, type, pid, id;
    int64_t first = 0, last = 0;
    fields >> number >> kind >> mode >> type >> pid >> id >> first >> last;
    if (kind != "POSIX" || pid != std::to_string(::getpid()) || !id.ends_with(inode)) continue;
    for (int64_t byte = first; byte <= last; ++byte) bytes.insert(byte);
  }
  return bytes;
}

bool includes(const std::set<int64_t>& now, const std::set<int64_t>& before) {
  return std::includes(now.begin(), now.end(), before.begin(), before.end());
}

}  // namespace

TEST_CASE("I1: the locks of the application's connections never shrink") {
  Place place;
  SqliteDb db(place.path());
  db.exec(Place::create_sql());
  insert_rows(db, 20);
  SqliteDb reader(place.path());
  reader.exec("BEGIN");
  REQUIRE(reader.integer("SELECT count(*) FROM t") == 20);
  const auto database_locks = locked_bytes(place.path());
  const auto index_locks = locked_bytes(place.path() + "-shm");
  REQUIRE_FALSE(database_locks.empty());
  REQUIRE_FALSE(index_locks.empty());
  const auto require_locks = [&] {
    REQUIRE(includes(locked_bytes(place.path()), database_locks));
    REQUIRE(includes(locked_bytes(place.path() + "-shm"), index_locks));
  };
  const std::string source = "'" + place.path() + "'";
  const std::string url = "'" + place.url() + "'";
  for (const std::string& sql :
       {place.start_sql(), place.insert_sql(), std::string("SELECT litestream_sync()"),
        std::string("SELECT * FROM litestream_status"),
        "SELECT * FROM litestream_ltx WHERE database = " + source,
        "SELECT * FROM litestream_restore_points WHERE database = " + url,
        std::string("SELECT litestream_snapshot()"),
        "SELECT litestream_restore(" + source + ", '" + place.file("out.db") + "')",
        "SELECT litestream_verify(" + source + ")", "SELECT litestream_sync(" + source + ")",
        std::string("SELECT litestream_stop()"), place.start_sql(),
        "SELECT litestream_reset(" + source + ")", std::string("SELECT litestream_stop()")}) {
    INFO(sql);
    db.exec(sql);
    require_locks();
  }
  for (const std::string& sql :
       {"SELECT litestream_restore(" + url + ", " + source + ")",
        "SELECT litestream_restore(" + url + ", " + source + ", '{\"overwrite\":true}')"}) {
    INFO(sql);
    REQUIRE(db.error_of(sql) != "");
    require_locks();
  }
  {
    SqliteDb another(place.path());
    another.exec(place.start_sql());
    another.exec(Place::insert_sql());
  }
  require_locks();
  // Nobody else can take what the reader holds.
  SqlProcess other(place.path(), SqlProcess::kPlain);
  other.exec("PRAGMA busy_timeout=10");
  REQUIRE(contains(other.error_of("PRAGMA journal_mode=DELETE"), "locked"));
  REQUIRE(reader.integer("SELECT count(*) FROM t") == 20);
}

TEST_CASE("I4: exit and death of a host") {
  Place place;
  SECTION("a host that exits without closing sends what it has") {
    SqlProcess app(place.path(), SqlProcess::kExtension);
    app.exec(Place::create_sql());
    app.exec(place.start_sql(R"({"sync-interval":"1h"})"));
    for (int i = 0; i < 5; ++i) app.exec(Place::insert_sql());
    REQUIRE(app.close() == 0);
    REQUIRE(place.rows_at() == 5);
  }
  SECTION("a host whose replica is out of reach still ends") {
    SqlProcess app(place.path(), SqlProcess::kExtension);
    app.exec(Place::create_sql());
    app.exec(place.start_sql(R"({"sync-interval":"20ms","shutdown-sync-timeout":"100ms"})"));
    place.break_replica();
    app.exec(Place::insert_sql());
    REQUIRE(app.close() == 0);
    place.mend_replica();
    SqlProcess again(place.path(), SqlProcess::kExtension);
    again.exec(place.start_sql());
    again.exec("SELECT litestream_sync()");
    REQUIRE(place.rows_at() == 1);
  }
}

TEST_CASE("I5: connections close with statements pending, elsewhere, and come back at once") {
  ReplicatedDatabase database(kTable, R"({"sync-interval":"1ms"})");
  insert_rows(database.main(), 3);
  int rows = 3;
  for (int round = 0; round < 20; ++round) {
    sqlite3* raw = nullptr;
    REQUIRE(sqlite3_open(database.path().c_str(), &raw) == SQLITE_OK);
    sqlite3_busy_timeout(raw, 10'000);
    REQUIRE(sqlite3_exec(raw, Place::insert_sql().c_str(), nullptr, nullptr, nullptr) == SQLITE_OK);
    ++rows;
    sqlite3_stmt* pending = nullptr;
    REQUIRE(sqlite3_prepare_v2(raw, "SELECT * FROM t", -1, &pending, nullptr) == SQLITE_OK);
    REQUIRE(sqlite3_step(pending) == SQLITE_ROW);
    REQUIRE(sqlite3_close(raw) == SQLITE_BUSY);
    std::thread([&] {
      // A zombie until its last statement is gone.
      REQUIRE(sqlite3_close_v2(raw) == SQLITE_OK);
    }).join();
    const auto next = database.connect();
    insert_rows(*next, 1);
    ++rows;
    REQUIRE(sqlite3_step(pending) == SQLITE_ROW);
    REQUIRE(sqlite3_finalize(pending) == SQLITE_OK);
  }
  REQUIRE(database.sync() == txid_text(static_cast<uint64_t>(rows) + 1));
  REQUIRE(file_bytes(database.restore("out.db")) == database.final_bytes());
}

TEST_CASE("I6: in async mode COMMIT succeeds whatever happens to us, and status tells") {
  ReplicatedDatabase database(kTable, R"({"sync-interval":"10ms"})");
  insert_rows(database.main(), 3);
  database.sync();
  const std::string folder = database.file(".app.db-litestream") + "/ltx";
  fs::rename(folder, folder + "-away");
  std::ofstream(folder) << "no folder";
  const std::string last_error =
      "SELECT last_error FROM litestream_status WHERE database = '" + database.path() + "'";
  for (int i = 0; i < 30; ++i) {
    insert_rows(database.main(), 1);  // throws if COMMIT reports anything
    if (i == 15) wait_until([&] { return database.main().text(last_error) != ""; });
  }
  REQUIRE_THROWS(database.main().exec("SELECT litestream_sync(NULL, 300)"));
  fs::remove(folder);
  fs::rename(folder + "-away", folder);
  wait_until([&] {
    try {
      return database.sync() != "";
    } catch (const std::exception&) {
      return false;
    }
  });
  wait_until([&] { return database.main().text(last_error) == ""; });
  SqliteDb restored("file:" + database.restore("now.db") + "?immutable=1");
  REQUIRE(restored.integer("SELECT count(*) FROM t") == 33);
  REQUIRE(file_bytes(database.restore("out.db")) == database.final_bytes());
}

TEST_CASE("I7: a checkpoint that we hold back says busy, and the WAL survives the last close") {
  Place place;
  SECTION("busy, not OK") {
    SqliteDb db(place.path(), 0);
    db.exec(Place::create_sql());
    db.exec(place.start_sql(R"({"sync-interval":"1h"})"));
    SqliteDb reader(place.path());
    reader.exec("BEGIN");
    REQUIRE(reader.integer("SELECT count(*) FROM t") == 0);
    insert_rows(db, 5);
    const std::string answer = db.text("PRAGMA wal_checkpoint(TRUNCATE)");
    REQUIRE(answer.starts_with("1|"));
  }
  SECTION("what could not be captured stays in the WAL") {
    {
      SqlProcess app(place.path(), SqlProcess::kExtension);
      app.exec(Place::create_sql());
      app.exec(place.start_sql(R"({"sync-interval":"1h","shutdown-sync-timeout":"100ms"})"));
      app.exec(Place::insert_sql());
      app.exec("SELECT litestream_sync()");
      // No spool, no replica: nothing of this can be kept but in the WAL.
      place.break_replica();
      fs::rename(place.meta_path() + "/ltx", place.file("ltx-away"));
      std::ofstream(place.meta_path() + "/ltx") << "no folder";
      for (int i = 0; i < 5; ++i) app.exec(Place::insert_sql());
      REQUIRE(app.close() == 0);
    }
    REQUIRE(fs::exists(place.path() + "-wal"));
    REQUIRE(fs::file_size(place.path() + "-wal") > 5 * 4096);
    fs::remove(place.meta_path() + "/ltx");
    fs::rename(place.file("ltx-away"), place.meta_path() + "/ltx");
    place.mend_replica();
    SqlProcess app(place.path(), SqlProcess::kExtension);
    app.exec(place.start_sql());
    REQUIRE(app.text("SELECT litestream_sync()") == txid_text(7));
    REQUIRE(place.rows_at() == 6);
  }
}

TEST_CASE("I9: a SQLite configured for a single thread is refused at load") {
  Place place;
  SqlProcess app(place.path(), SqlProcess::kSingleThread);
  const std::string error = app.error_of("SELECT 1");
  REQUIRE(contains(error, "litestream"));
  REQUIRE(contains(error, "thread"));
}

TEST_CASE("I11: views and triggers of a foreign schema cannot call us") {
  Place place;
  SqliteDb db(place.path());
  db.exec(Place::create_sql());
  db.exec(place.start_sql());
  const std::string calls[] = {
      "litestream_restore('" + place.url() + "', '" + place.file("stolen.db") + "')",
      "litestream_config('" + place.file("litestream.yml") + "')",
      "litestream_replicate('file://" + place.file("elsewhere") + "')",
      "litestream_stop()",
      "litestream_sync()",
      "litestream_snapshot()",
      "litestream_txid()",
      "litestream_start('" + place.path() + "')",
      "litestream_wait()",
      "litestream_verify('x')",
      "litestream_reset('" + place.path() + "')",
      "litestream_last_error()"};
  for (const std::string& call : calls) {
    INFO(call);
    db.exec(
        "DROP VIEW IF EXISTS v; DROP TRIGGER IF EXISTS r; CREATE TABLE IF NOT EXISTS u(a);"
        "CREATE VIEW v AS SELECT " +
        call +
        " AS x;"
        "CREATE TRIGGER r AFTER INSERT ON u BEGIN SELECT " +
        call + "; END");
    REQUIRE(contains(db.error_of("SELECT * FROM v"), "unsafe use of litestream_"));
    REQUIRE(contains(db.error_of("INSERT INTO u VALUES(1)"), "unsafe use of litestream_"));
  }
  db.exec("DROP TRIGGER r");
  for (const char* table :
       {"litestream_databases", "litestream_ltx", "litestream_snapshots", "litestream_generations",
        "litestream_status", "litestream_restore_points", "litestream_plan"}) {
    INFO(table);
    db.exec("DROP VIEW IF EXISTS v; CREATE VIEW v AS SELECT * FROM " + std::string(table));
    REQUIRE(contains(db.error_of("SELECT * FROM v"), "unsafe use of virtual table"));
  }
  // The version tells nobody anything and may be used anywhere.
  db.exec("PRAGMA trusted_schema=OFF; DROP VIEW v; CREATE VIEW v AS SELECT litestream_version()");
  REQUIRE(db.text("SELECT * FROM v") != "");
  REQUIRE_FALSE(fs::exists(place.file("stolen.db")));
}

namespace {
std::atomic<int> start_count{0};
}  // namespace

TEST_CASE("I15: a connection per request neither restarts replication nor repeats snapshots") {
  Place place;
  {
    SqliteDb db(place.path());
    db.exec(Place::create_sql());
    db.exec(place.start_sql());
  }
  start_count = 0;
  set_log_sink([](LogLevel, std::string_view message) noexcept {
    if (message.find("TXID") != std::string_view::npos) ++start_count;
  });
  // Workers may be made meanwhile, a bounded number, not one for each connection.
  constexpr int kPoolThreads = static_cast<int>(JobPool::kThreadsMax);
  const auto threads = [] {
    return std::distance(fs::directory_iterator("/proc/self/task"), fs::directory_iterator());
  };
  { SqliteDb db(place.path()); }
  const auto threads_before = threads();
  for (int i = 0; i < 300; ++i) {
    SqliteDb db(place.path());
    insert_rows(db, 1);
  }
  SqliteDb db(place.path());
  REQUIRE(db.text("SELECT litestream_sync()") == txid_text(301));
  set_log_sink(nullptr);
  REQUIRE(start_count == 0);
  REQUIRE(threads() <= threads_before + kPoolThreads);
  REQUIRE(place.snapshot_count() == 1);
  REQUIRE(place.rows_at() == 300);
}

TEST_CASE("H1: a restore does not touch what is there") {
  Place place;
  SqliteDb db(place.path());
  db.exec(Place::create_sql());
  db.exec(place.start_sql());
  insert_rows(db, 3);
  db.exec("SELECT litestream_sync()");
  const std::string output = place.file("out.db");
  const auto restore = [&](const std::string& options) {
    return "SELECT litestream_restore('" + place.url() + "', '" + output + "', '" + options + "')";
  };
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
    INFO(suffix);
    std::ofstream(output + suffix) << "precious";
    REQUIRE(contains(db.error_of(restore("{}")), output + suffix + " exists"));
    REQUIRE(file_bytes(output + suffix) == "precious");
    fs::remove(output + suffix);
  }
  for (const char* suffix : {"", "-wal", "-shm", "-journal"}) {
    std::ofstream(output + suffix) << "precious";
  }
  db.exec(restore(R"({"overwrite":true})"));
  for (const char* suffix : {"-wal", "-shm", "-journal"}) {
    REQUIRE_FALSE(fs::exists(output + suffix));
  }
  require_sound(output);
  REQUIRE(contains(db.error_of("SELECT litestream_restore('" + place.url() + "', '" +
                               place.file("no/such/folder.db") + "')"),
                   "does not exist"));
}

TEST_CASE("H3: a restore never lands on a database in use") {
  Place place;
  SqliteDb db(place.path());
  db.exec(Place::create_sql());
  db.exec(place.start_sql());
  insert_rows(db, 3);
  db.exec("SELECT litestream_sync()");
  const auto error = [&](SqliteDb& on, const std::string& output) {
    return on.error_of("SELECT litestream_restore('" + place.url() + "', '" + output +
                       "', '{\"overwrite\":true}')");
  };
  SqliteDb elsewhere(":memory:");
  fs::create_symlink(place.path(), place.file("link.db"));
  for (const std::string& name :
       {place.path(), place.file("link.db"), fs::relative(place.path()).string()}) {
    INFO(name);
    REQUIRE(contains(error(db, name), "in use"));
    REQUIRE(contains(error(elsewhere, name), "in use"));
  }
  {
    SqlProcess other(place.file("other.db"), SqlProcess::kPlain);
    other.exec(Place::create_sql());
    REQUIRE(contains(error(db, place.file("other.db")), "in use"));
    REQUIRE(other.text("SELECT count(*) FROM t") == "0");
  }
  // The connection's own database, not replicated, in rollback mode and without any lock.
  SqliteDb own(place.file("own.db"));
  own.exec("CREATE TABLE mine(a)");
  REQUIRE(contains(error(own, place.file("own.db")), "in use"));
  own.exec("INSERT INTO mine VALUES(1)");
  insert_rows(db, 1);
  REQUIRE(db.text("SELECT litestream_sync()") == txid_text(5));
}

}  // namespace litestream::test
