// Every function and table as a user meets it: arguments, errors word by word, what a constraint
// does, and what must stay behind after an interruption: nothing.
#include <atomic>
#include <filesystem>
#include <thread>

#include "tests/sqlite/fault_support.h"

namespace litestream::test {
namespace {

namespace fs = std::filesystem;

struct WrongCall {
  std::string sql;
  std::string error;  // how the message begins, or all of it
};

void require_errors(SqliteDb& db, const std::vector<WrongCall>& calls) {
  for (const WrongCall& call : calls) {
    INFO(call.sql);
    const std::string error = db.error_of("SELECT " + call.sql);
    INFO(error);
    REQUIRE(error.starts_with(call.error));
  }
}

void write_text(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary | std::ios::trunc) << text;
}

// A replica with a snapshot and three L0 files of one transaction each; nothing runs afterwards.
class Backup {
 public:
  Backup() {
    SqlProcess app(place_.path(), SqlProcess::kExtension);
    app.exec(Place::create_sql());
    app.exec(place_.start_sql());
    for (int i = 0; i < 3; ++i) {
      app.exec(Place::insert_sql());
      app.exec("SELECT litestream_sync()");
    }
  }
  Place* operator->() { return &place_; }
  std::string quoted_url() const { return "'" + place_.url() + "'"; }

 private:
  Place place_;
};

}  // namespace

TEST_CASE("surface: NULL, wrong types and values of the functions that replicate") {
  load_extension_statically();
  TempDir dir;
  SqliteDb db(dir.file("app.db"));
  const std::string no_replica = "'file://" + dir.file("nothing") + "'";
  require_errors(
      db,
      {
          {"litestream_version(1)", "wrong number of arguments to function litestream_version()"},
          {"litestream_config(NULL)",
           "litestream_config: the path of litestream.yml must not be NULL"},
          {"litestream_config(5)", "litestream_config: the path of litestream.yml must be text"},
          {"litestream_config('')",
           "litestream_config: the path of litestream.yml must not be empty"},
          {"litestream_config('a' || char(0))",
           "litestream_config: the path of litestream.yml is too long or holds a zero byte"},
          {"litestream_config('/no/such/litestream.yml')",
           "litestream_config: open /no/such/litestream.yml: No such file"},
          {"litestream_config_value(NULL)", "litestream_config_value: the key must not be NULL"},
          {"litestream_config_value('colour')", "litestream_config_value: unknown key 'colour'"},
          {"litestream_replicate(NULL)", "litestream_replicate: the replica URL must not be NULL"},
          {"litestream_replicate(x'00')", "litestream_replicate: the replica URL must be text"},
          {"litestream_replicate('backup')", "litestream_replicate: "},
          {"litestream_replicate('gopher://x')", "litestream_replicate: "},
          {"litestream_replicate(" + no_replica + ", 7)",
           "litestream_replicate: the options must be text"},
          {"litestream_replicate(" + no_replica + ", '[1]')",
           "litestream_replicate: options must be a JSON object"},
          {"litestream_replicate(" + no_replica + ", '{\"sync_interval\":\"1s\"}')",
           "litestream_replicate: unknown option 'sync_interval' (did you mean 'sync-interval'?)"},
          {"litestream_replicate(" + no_replica + ", '{\"sync-interval\":\"0s\"}')",
           "litestream_replicate: key 'sync-interval' is out of range: 1ms to 24h"},
          {"litestream_replicate(" + no_replica + ", '{\"sync-interval\":\"soon\"}')",
           "litestream_replicate: key 'sync-interval'"},
          {"litestream_start(NULL)", "litestream_start: the database must not be NULL"},
          {"litestream_start('/no/such.db')", "litestream_start: unknown database '/no/such.db'; "},
          {"litestream_stop(5)", "litestream_stop: the database must be text"},
          {"litestream_stop()", "litestream_stop: " + dir.file("app.db") + " is not replicated"},
          {"litestream_sync(NULL, 0)",
           "litestream_sync: the timeout in milliseconds must be an integer from 1 to 86400000"},
          {"litestream_sync(NULL, 86400001)",
           "litestream_sync: the timeout in milliseconds must be"},
          {"litestream_sync(NULL, 'soon')", "litestream_sync: the timeout in milliseconds must be"},
          {"litestream_sync('/no/such.db')", "litestream_sync: unknown database '/no/such.db'"},
          {"litestream_txid('/no/such.db')", "litestream_txid: unknown database '/no/such.db'"},
          {"litestream_snapshot('/no/such.db')",
           "litestream_snapshot: unknown database '/no/such.db'"},
          {"litestream_wait('1')", "litestream_wait: "},
          {"litestream_reset(NULL)", "litestream_reset: the database must not be NULL"},
          {"litestream_reset('/no/such.db')", "litestream_reset: unknown database '/no/such.db'"},
      });
  REQUIRE(db.text("SELECT litestream_last_error() IS NULL") == "1");
  // None of the refusals changed the database.
  REQUIRE(db.text("PRAGMA journal_mode") == "delete");
}

TEST_CASE("surface: NULL, wrong types and options of restore and verify") {
  load_extension_statically();
  TempDir dir;
  SqliteDb db(":memory:");
  const std::string out = "'" + dir.file("out.db") + "'";
  const std::string no_replica = "'file://" + dir.file("nothing") + "'";
  require_errors(
      db,
      {
          {"litestream_verify(NULL)", "litestream_verify: the source must not be NULL"},
          {"litestream_verify('/no/such.db')", "litestream_verify: unknown database '/no/such.db'"},
          {"litestream_verify(" + no_replica + ", '{\"deeper\":true}')",
           "litestream_verify: unknown option 'deeper'; known: deep"},
          {"litestream_restore(NULL, " + out + ")",
           "litestream_restore: the source must not be NULL"},
          {"litestream_restore(" + no_replica + ", NULL)",
           "litestream_restore: the output path must not be NULL"},
          {"litestream_restore(" + no_replica + ", " + out + ", '{\"when\":\"now\"}')",
           "litestream_restore: unknown option 'when'; known: txid, timestamp, integrity_check, "
           "overwrite"},
          {"litestream_restore(" + no_replica + ", " + out + ", '{\"overwrite\":\"yes\"}')",
           "litestream_restore: option 'overwrite' must be true or false"},
          {"litestream_restore(" + no_replica + ", " + out + ", '{\"integrity_check\":\"some\"}')",
           "litestream_restore: option 'integrity_check' must be none, quick or full"},
          {"litestream_restore(" + no_replica + ", " + out + ", '{\"timestamp\":\"noon\"}')",
           "litestream_restore: 'noon' is not a time; write RFC 3339"},
          {"litestream_restore(" + no_replica + ", " + out + ")", "litestream_restore: "},
          {"litestream_restore('/no/such.db', " + out + ")",
           "litestream_restore: unknown database '/no/such.db'"},
      });
  for (const char* txid : {"98765", "0x00000000000001", "000000000000000g", "00000000000000001"}) {
    const std::string wanted = std::string("TXIDs are hexadecimal, 16 digits");
    const std::string error = db.error_of("SELECT litestream_restore(" + no_replica + ", " + out +
                                          ", '{\"txid\":\"" + txid + "\"}')");
    REQUIRE(error.starts_with("litestream_restore: " + wanted));
    REQUIRE(contains(error, txid));
  }
  const std::string both = R"({"txid":"0000000000000001","timestamp":"2026-01-01T00:00:00Z"})";
  REQUIRE(db.error_of("SELECT litestream_restore(" + no_replica + ", " + out + ", '" + both +
                      "')") == "litestream_restore: give txid or timestamp, not both");
  REQUIRE_FALSE(fs::exists(dir.file("out.db")));
}

TEST_CASE("surface: what the functions return") {
  ReplicatedDatabase database("CREATE TABLE t(id INTEGER PRIMARY KEY, data)");
  SqliteDb& db = database.main();
  REQUIRE(db.text("SELECT typeof(litestream_version())") == "text");
  // The same again is no error and no second replicator; another replica is refused.
  REQUIRE(db.text("SELECT litestream_replicate('" + database.url() + "/')") == database.url());
  REQUIRE(contains(db.error_of("SELECT litestream_replicate('file:///elsewhere')"),
                   "is already replicated to " + database.url()));
  for (int i = 0; i < 2; ++i) {
    insert_rows(db, 1);
    database.sync();
  }
  for (const char* sql : {"SELECT litestream_txid()", "SELECT litestream_txid(NULL)",
                          "SELECT litestream_sync()", "SELECT litestream_sync(NULL, NULL)",
                          "SELECT litestream_wait()", "SELECT litestream_snapshot()"}) {
    INFO(sql);
    REQUIRE(db.text(sql) == txid_text(3));
  }
  const std::string output = database.file("out.db");
  const std::string json = db.text("SELECT litestream_restore('" + database.path() + "', '" +
                                   output + "', '{\"txid\":\"0000000000000002\"}')");
  REQUIRE(json.starts_with("{\"restored_path\":\"" + output +
                           "\",\"txid\":\"0000000000000002\",\"size\":" +
                           std::to_string(fs::file_size(output)) + ",\"created_at\":\""));
  // Upper case is read, lower case is written; NULL options mean none.
  fs::remove(output);
  REQUIRE(contains(
      db.text("SELECT litestream_restore('" + database.path() + "', '" + output + "', NULL)"),
      txid_text(3)));
  const std::string report = db.text("SELECT litestream_verify('" + database.path() + "')");
  REQUIRE(report.starts_with("{\"ok\":true,\"files\":"));
  REQUIRE(db.text("SELECT litestream_stop()") == txid_text(3));
  REQUIRE(contains(db.error_of("SELECT litestream_txid()"), "is not replicated by this process"));
}

TEST_CASE("surface: litestream_config") {
  load_extension_statically();
  TempDir dir;
  SqliteDb db(dir.file("one.db"));
  const std::string path = dir.file("litestream.yml");
  const auto entry = [&](const std::string& name) {
    return "  - path: " + dir.file(name) + "\n    replica:\n      url: file://" +
           dir.file(name + "-replica") + "\n";
  };
  const std::string load = "SELECT litestream_config('" + path + "')";
  write_text(path, "dbs:\n" + entry("one.db") + entry("two.db"));
  REQUIRE(db.integer(load) == 2);
  // Other tests of this process may have left databases that are known, too.
  const std::string here = " WHERE path LIKE '" + dir.path() + "/%'";
  const std::string paths = "SELECT path FROM litestream_databases" + here + " ORDER BY path";
  REQUIRE(db.rows(paths) == std::vector<std::string>{dir.file("one.db"), dir.file("two.db")});
  // Wrong files name the line, and change nothing.
  const std::pair<const char*, const char*> wrong[] = {
      {"dbs:\n  - path: /a\n    replca: {url: 'file:///b'}\n", ":3: "},
      {"dbs:\n  - path: /a\n", ":2: a database needs a 'replica'"},
      {"sync-interval: often\n", ":1: "},
      {"dbs: [\n", ":"},
  };
  for (const auto& [text, error] : wrong) {
    INFO(text);
    write_text(path, text);
    const std::string message = db.error_of(load);
    INFO(message);
    REQUIRE(message.starts_with("litestream_config: " + path + error));
    REQUIRE(db.rows(paths).size() == 2);
  }
  // A second call replaces the set; what runs goes on, and is still listed.
  db.exec("CREATE TABLE t(a)");
  REQUIRE(db.text("SELECT litestream_start('" + dir.file("one.db") + "')") == txid_text(1));
  write_text(path, "dbs:\n" + entry("three.db"));
  REQUIRE(db.integer(load) == 1);
  REQUIRE(db.rows(paths) == std::vector<std::string>{dir.file("one.db"), dir.file("three.db")});
  REQUIRE(db.text("SELECT replicating FROM litestream_databases WHERE path = '" +
                  dir.file("one.db") + "'") == "1");
  const std::string unknown = db.error_of("SELECT litestream_start('" + dir.file("two.db") + "')");
  REQUIRE(unknown.starts_with("litestream_start: unknown database '" + dir.file("two.db") + "'"));
  REQUIRE(contains(unknown, "known: " + dir.file("three.db")));
  REQUIRE(contains(unknown, dir.file("one.db")));
  REQUIRE(db.text("SELECT litestream_stop('" + dir.file("one.db") + "')") == txid_text(1));
  write_text(path, "dbs: []\n");
  REQUIRE(db.integer(load) == 0);
  // What was started by hand or ran is still known, and no longer replicated.
  REQUIRE(db.rows("SELECT path, replicating FROM litestream_databases" + here) ==
          std::vector<std::string>{dir.file("one.db") + "|0"});
}

TEST_CASE("surface: the database column echoes what was written and means the file") {
  ReplicatedDatabase database("CREATE TABLE t(a)");
  SqliteDb db(":memory:");
  fs::create_symlink(database.path(), database.file("link.db"));
  const std::string relative = fs::relative(database.path()).string();
  for (const std::string& name : {database.path(), database.file("link.db"), relative,
                                  database.url(), database.url() + "/"}) {
    INFO(name);
    for (const char* table : {"litestream_ltx", "litestream_snapshots", "litestream_restore_points",
                              "litestream_plan"}) {
      INFO(table);
      REQUIRE(db.rows("SELECT database, replica FROM " + std::string(table) +
                      " WHERE database = '" + name + "'") ==
              std::vector<std::string>{name + "|file"});
    }
  }
  // Other tests of this process may have left databases that are known, too.
  const std::string here = " LIKE '" + database.file("%") + "'";
  for (const char* table : {"litestream_ltx", "litestream_status", "litestream_snapshots"}) {
    REQUIRE(db.rows("SELECT database FROM " + std::string(table) + " WHERE database" + here) ==
            std::vector<std::string>{database.path()});
  }
  REQUIRE(db.rows("SELECT path, replica, type, url, page_size, replicating FROM "
                  "litestream_databases WHERE path" +
                  here) ==
          std::vector<std::string>{database.path() + "|file|file|" + database.url() + "|4096|1"});
  for (const char* table :
       {"litestream_ltx", "litestream_snapshots", "litestream_status", "litestream_restore_points",
        "litestream_plan", "litestream_generations"}) {
    INFO(table);
    const std::string unknown = std::string(table) + ": unknown ";
    const std::string error =
        db.error_of("SELECT * FROM " + std::string(table) + " WHERE database = '/no/such.db'");
    REQUIRE(error.starts_with(unknown + "database '/no/such.db'; known: "));
    REQUIRE(contains(error, database.path()));
    REQUIRE(db.error_of("SELECT * FROM " + std::string(table) + " WHERE replica = 'tape'") ==
            unknown + "replica 'tape'; known: file");
  }
  REQUIRE(db.rows("SELECT * FROM litestream_ltx WHERE database = (SELECT NULL)").empty());
}

TEST_CASE("surface: constraints reach the listing") {
  Backup backup;
  SqliteDb db(":memory:");
  const std::string from =
      "SELECT level, max_txid FROM litestream_ltx WHERE database = " + backup.quoted_url();
  REQUIRE(db.rows(from) == std::vector<std::string>{"0|" + txid_text(4), "0|" + txid_text(3),
                                                    "0|" + txid_text(2), "9|" + txid_text(1)});
  const size_t all = 4;
  for (const char* any :
       {" AND replica = (SELECT NULL)", " AND level = (SELECT NULL)",
        " AND replica = (SELECT NULL) AND level = (SELECT NULL)", " AND replica = 'file'"}) {
    INFO(any);
    REQUIRE(db.rows(from + any).size() == all);
  }
  // A level that cannot be listed is not listed unless it is asked for.
  fs::create_symlink("3", backup->replica_path() + "/ltx/3");
  REQUIRE(db.error_of(from) != "");
  REQUIRE(db.rows(from + " AND level = 0").size() == 3);
  REQUIRE(db.rows(from + " AND level = '9'").size() == 1);
  for (const char* none :
       {" AND level = 10", " AND level = -1", " AND level = 'x'", " AND level = 0.5"}) {
    INFO(none);
    REQUIRE(db.rows(from + none).empty());
  }
  REQUIRE(db.rows("SELECT txid FROM litestream_snapshots WHERE database = " +
                  backup.quoted_url()) == std::vector<std::string>{txid_text(1)});
}

// Columns nobody looks at are not made, and sizes and times not even asked for.
TEST_CASE("surface: each column of the listing is the same whoever else is looked at") {
  Backup backup;
  SqliteDb db(":memory:");
  const std::string from = " FROM litestream_ltx WHERE database = " + backup.quoted_url();
  const char* const columns[] = {"database", "replica", "level",     "min_txid",
                                 "max_txid", "size",    "created_at"};
  db.exec("CREATE TABLE kept AS SELECT *" + from);
  REQUIRE(db.integer("SELECT count(*)" + from) == 4);
  for (const std::string column : columns) {
    INFO(column);
    REQUIRE(db.rows("SELECT " + column + from) == db.rows("SELECT " + column + " FROM kept"));
    REQUIRE(db.rows("SELECT count(*)" + from + " AND " + column + " IS NOT NULL") ==
            std::vector<std::string>{"4"});
    REQUIRE(db.rows("SELECT level" + from + " ORDER BY " + column + ", max_txid") ==
            db.rows("SELECT level FROM kept ORDER BY " + column + ", max_txid"));
  }
  REQUIRE(db.integer("SELECT count(*)" + from + " AND size > 0 AND created_at > '2000'") == 4);
}

TEST_CASE("surface: a join takes the database from the other side and lists nothing else") {
  // Known to this process, and impossible to list: whoever listed everything would fail.
  ReplicatedDatabase known("CREATE TABLE t(a)");
  fs::create_symlink("3", known.replica_path() + "/ltx/3");
  Backup backup;
  SqliteDb db(":memory:");
  db.exec("CREATE TABLE wanted(url TEXT); INSERT INTO wanted SELECT value FROM " + series(1, 500) +
          "; CREATE TABLE one(url TEXT); INSERT INTO one VALUES(" + backup.quoted_url() + ")");
  // Stopped, so that it is not answered from memory.
  known.main().exec("SELECT litestream_stop()");
  write_text(known.file("known.yml"), "dbs:\n  - path: " + known.path() +
                                          "\n    replica:\n      url: " + known.url() + "\n");
  db.exec("SELECT litestream_config('" + known.file("known.yml") + "')");
  REQUIRE(db.error_of("SELECT * FROM litestream_ltx") != "");
  REQUIRE(db.integer("SELECT count(*) FROM litestream_ltx JOIN one ON database = url") == 4);
  REQUIRE(db.integer("SELECT count(*) FROM litestream_ltx, one WHERE url = database "
                     "AND level = 0") == 3);
  REQUIRE(db.integer("SELECT count(*) FROM one LEFT JOIN litestream_ltx ON database = url") == 4);
  // Also when the other side is so long that a full listing looks cheaper.
  REQUIRE(contains(db.error_of("SELECT count(*) FROM litestream_ltx JOIN wanted ON database = url"),
                   "unknown database '1'"));
}

TEST_CASE("surface: litestream_plan takes a point and shows its files") {
  Backup backup;
  SqliteDb db(":memory:");
  const std::string from = " FROM litestream_plan WHERE database = " + backup.quoted_url();
  const auto steps = [&](const std::string& where) {
    return db.rows("SELECT step, level, max_txid" + from + where + " ORDER BY step");
  };
  const std::vector<std::string> to_3 = {"1|9|" + txid_text(1), "2|0|" + txid_text(2),
                                         "3|0|" + txid_text(3)};
  REQUIRE(steps("").size() == 4);
  REQUIRE(steps(" AND txid = '0000000000000003'") == to_3);
  REQUIRE(steps(" AND txid = (SELECT NULL) AND timestamp = (SELECT NULL)").size() == 4);
  REQUIRE(steps(" AND timestamp = '2100-01-01T00:00:00Z'").size() == 4);
  for (const std::string& path : db.rows("SELECT path" + from)) REQUIRE(fs::exists(path));
  const std::pair<const char*, const char*> wrong[] = {
      {" AND txid = '3'", "litestream_plan: TXIDs are hexadecimal, 16 digits"},
      {" AND timestamp = 'noon'", "litestream_plan: 'noon' is not a time"},
      {" AND txid = '0000000000000003' AND timestamp = '2100-01-01T00:00:00Z'",
       "litestream_plan: give txid or timestamp, not both"},
      {" AND txid = '0000000000000099'", "litestream_plan: "},
      {" AND timestamp = '1999-01-01T00:00:00Z'", "litestream_plan: "},
  };
  for (const auto& [where, error] : wrong) {
    INFO(where);
    REQUIRE(db.error_of("SELECT *" + from + where).starts_with(error));
  }
}

TEST_CASE("surface: restore to a time is the newest point at or before it") {
  Backup backup;
  SqliteDb db(":memory:");
  const auto points = db.rows(
      "SELECT created_at, txid FROM litestream_restore_points WHERE "
      "database = " +
      backup.quoted_url() + " ORDER BY txid");
  REQUIRE(points.size() == 4);
  const std::string output = backup->file("out.db");
  for (const std::string& point : points) {
    INFO(point);
    const std::string time = point.substr(0, point.find('|'));
    fs::remove(output);
    const std::string json = db.text("SELECT litestream_restore(" + backup.quoted_url() + ", '" +
                                     output + "', '{\"timestamp\":\"" + time + "\"}')");
    // Two commits within one millisecond: the later one.
    std::string newest;
    for (const std::string& other : points) {
      if (other.substr(0, other.find('|')) <= time) newest = other.substr(other.find('|') + 1);
    }
    REQUIRE(contains(json, newest));
  }
  fs::remove(output);
  REQUIRE(db.error_of("SELECT litestream_restore(" + backup.quoted_url() + ", '" + output +
                      "', '{\"timestamp\":\"1999-12-31T23:59:59+02:00\"}')")
              .starts_with("litestream_restore: "));
  REQUIRE_FALSE(fs::exists(output));
}

TEST_CASE("surface: an interrupted restore stops and leaves nothing behind", "[threads]") {
  Place place;
  {
    SqlProcess app(place.path(), SqlProcess::kExtension);
    app.exec(Place::create_sql());
    // Zeros: quick to write and to send, not so quick to check and to lay out again.
    app.exec("INSERT INTO t(data) SELECT zeroblob(1000000) FROM " + series(1, 120));
    app.exec(place.start_sql());
    app.exec("SELECT litestream_stop()");
  }
  fs::create_directory(place.file("outputs"));
  SqliteDb db(":memory:");
  std::atomic<bool> done{false};
  std::thread interrupter([&] {
    // The unfinished file is there: the restore is in the middle of it.
    while (!done && fs::is_empty(place.file("outputs"))) std::this_thread::yield();
    while (!done) {
      sqlite3_interrupt(db.get());
      std::this_thread::sleep_for(std::chrono::milliseconds(1));
    }
  });
  const std::string sql =
      "SELECT litestream_restore('" + place.url() + "', '" + place.file("outputs/out.db") + "')";
  const int code = sqlite3_exec(db.get(), sql.c_str(), nullptr, nullptr, nullptr);
  const std::string error = sqlite3_errmsg(db.get());
  done = true;
  interrupter.join();
  REQUIRE(code == SQLITE_INTERRUPT);
  REQUIRE(contains(error, "interrupt"));
  REQUIRE(fs::is_empty(place.file("outputs")));
  // The connection is as good as before.
  db.exec(sql);
  require_sound(place.file("outputs/out.db"));
}

TEST_CASE("surface: waiting calls stop at an interrupt", "[threads]") {
  Place place;
  SqliteDb db(place.path());
  db.exec(Place::create_sql());
  db.exec(place.start_sql());
  place.break_replica();
  insert_rows(db, 1);
  for (const char* sql : {"SELECT litestream_sync()", "SELECT litestream_wait(NULL, 60000)"}) {
    INFO(sql);
    std::atomic<bool> done{false};
    std::thread interrupter([&] {
      while (!done) {
        sqlite3_interrupt(db.get());
        std::this_thread::sleep_for(std::chrono::milliseconds(5));
      }
    });
    const int code = sqlite3_exec(db.get(), sql, nullptr, nullptr, nullptr);
    done = true;
    interrupter.join();
    REQUIRE(code == SQLITE_INTERRUPT);
  }
  const std::string late = db.error_of("SELECT litestream_sync(NULL, 50)");
  REQUIRE(late.starts_with("litestream_sync: not done within 50 ms"));
  place.mend_replica();
  REQUIRE(db.text("SELECT litestream_sync()") == txid_text(2));
}

}  // namespace litestream::test
