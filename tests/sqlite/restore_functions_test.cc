// litestream_restore, litestream_verify, litestream_jobs and litestream_cancel beyond their plain
// use: which point and replica they choose, what they refuse, how they are stopped.
#include <atomic>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "tests/sqlite/replicated_database.h"
#include "tests/support/prng.h"

namespace litestream::test {
namespace {

std::string quoted(const std::string& text) { return "'" + text + "'"; }

// A replica with a snapshot and commits one after the other; nothing runs afterwards.
struct Backup {
  explicit Backup(int commits, const std::string& rows = "randomblob(50)") {
    database.main().exec("CREATE TABLE t(n INTEGER, v BLOB)");
    for (int i = 1; i <= commits; ++i) {
      database.main().exec("INSERT INTO t VALUES (" + std::to_string(i) + ", " + rows + ")");
      txids.push_back(database.sync());
    }
    database.main().exec("SELECT litestream_stop()");
  }
  std::string restore(const std::string& name, const std::string& options) {
    return db.text("SELECT litestream_restore(" + quoted(database.url()) + ", " +
                   quoted(database.file(name)) + ", " + quoted(options) + ")");
  }
  std::string restore_error(const std::string& name, const std::string& options) {
    return db.error_of("SELECT litestream_restore(" + quoted(database.url()) + ", " +
                       quoted(database.file(name)) + ", " + quoted(options) + ")");
  }
  int64_t rows_of(const std::string& name) {
    return SqliteDb(database.file(name)).integer("SELECT count(*) FROM t");
  }
  std::string time_of(const std::string& txid) {
    return db.text("SELECT created_at FROM litestream_restore_points WHERE database = " +
                   quoted(database.url()) + " AND txid = " + quoted(txid));
  }

  ReplicatedDatabase database;
  std::vector<std::string> txids;
  SqliteDb db{":memory:"};
};

bool has(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

TEST_CASE("restore: says which TXID and time it chose, and the plan says the same") {
  Backup backup(4);
  for (size_t i = 0; i < backup.txids.size(); ++i) {
    const std::string time = backup.time_of(backup.txids[i]);
    const std::string name = "at" + std::to_string(i);
    const std::string answer =
        backup.restore(name, R"({"timestamp":")" + time + R"(","integrity_check":"full"})");
    CAPTURE(answer);
    CHECK(has(answer, R"("txid":")" + backup.txids[i] + "\""));
    CHECK(has(answer, R"("created_at":")" + time + "\""));
    CHECK(has(answer, R"("replica":"file")"));
    CHECK(backup.rows_of(name) == static_cast<int64_t>(i) + 1);
    CHECK(backup.db.text("SELECT max(max_txid) FROM litestream_plan WHERE database = " +
                         quoted(backup.database.url()) + " AND timestamp = " + quoted(time)) ==
          backup.txids[i]);
  }
}

TEST_CASE("restore: parallelism, and the conditions under which nothing is done") {
  Backup backup(3);
  for (const char* parallelism : {"1", "2", "32"}) {
    backup.restore(std::string("p") + parallelism,
                   std::string(R"({"parallelism":)") + parallelism + "}");
    CHECK(backup.rows_of(std::string("p") + parallelism) == 3);
  }
  for (const char* wrong : {"0", "33", "1.5", "\"8\"", "true"}) {
    CHECK(has(backup.restore_error("w", std::string(R"({"parallelism":)") + wrong + "}"),
              "option 'parallelism' must be an integer from 1 to 32"));
  }
  CHECK(has(backup.restore("p1", R"({"if_db_not_exists":true})"), R"("restored_path":null)"));
  CHECK(has(backup.restore_error("p1", "{}"), "exists"));
  const std::string nothing = quoted("file://" + backup.database.file("empty"));
  const std::string sql =
      "SELECT litestream_restore(" + nothing + ", " + quoted(backup.database.file("none")) + ", ";
  CHECK(has(backup.db.text(sql + R"('{"if_replica_exists":true}'))"), R"("txid":null)"));
  CHECK(has(backup.db.error_of(sql + "'{}')"), "the replica holds no backup"));
  CHECK(has(backup.restore_error("x", R"({"replica":"s3"})"), "unknown replica 's3'; known: file"));
  CHECK(has(backup.restore_error("x", R"({"nonsense":1})"),
            "unknown option 'nonsense'; known: txid"));
  CHECK_FALSE(std::filesystem::exists(backup.database.file("x")));
}

TEST_CASE("verify: deep restores every snapshot's newest point, live compares with the database") {
  ReplicatedDatabase database;
  database.main().exec("CREATE TABLE t(v BLOB)");
  for (int i = 0; i < 3; ++i) {
    database.main().exec("INSERT INTO t VALUES (randomblob(5000))");
    database.sync();
    database.main().exec("SELECT litestream_snapshot()");
  }
  const std::string verify = "SELECT litestream_verify('" + database.path() + "', ";
  CHECK(has(database.main().text(verify + R"('{"deep":true}'))"), R"({"ok":true)"));
  CHECK(has(database.main().text(verify + R"('{"live":true}'))"), R"({"ok":true)"));
  CHECK(has(database.main().error_of(verify + R"('{"livid":true}'))"),
            "unknown option 'livid'; known: deep, live, parallelism, replica"));
  CHECK(has(SqliteDb(":memory:")
                .error_of("SELECT litestream_verify('" + database.url() + R"(', '{"live":true}'))"),
            "give its path, not a URL"));
}

TEST_CASE("verify: live goes on beside a writer, and finds a database that differs") {
  ReplicatedDatabase database("", R"({"sync-interval":"50ms","min-checkpoint-page-count":10})");
  database.main().exec("CREATE TABLE t(v BLOB); CREATE TABLE u(v BLOB)");
  std::atomic<bool> ending = false;
  std::thread writer([&] {
    SqliteDb db(database.path());
    while (!ending) {
      db.exec("INSERT INTO t VALUES (randomblob(300))");
      std::this_thread::sleep_for(std::chrono::milliseconds(20));
    }
  });
  const std::string verify =
      "SELECT litestream_verify('" + database.path() + R"(', '{"live":true}'))";
  const std::string answer = database.main().text(verify);
  ending = true;
  writer.join();
  CHECK(has(answer, R"({"ok":true)"));
  // A byte that changed on the disk, behind SQLite's back. Another process writes it: a file that
  // this one closes would take SQLite's locks along.
  // After some checkpoints the WAL no longer has the page.
  for (int i = 0; i < 60; ++i) database.main().exec("INSERT INTO u VALUES (randomblob(300))");
  const std::string sql = "SELECT file FROM pragma_database_list WHERE name = 'main'";
  const std::string overwrite = "printf X | dd of='" + database.main().text(sql) +
                                "' bs=1 seek=8000 conv=notrunc 2>/dev/null";
  REQUIRE(std::system(overwrite.c_str()) == 0);
  const std::string differs = database.main().text(verify);
  CAPTURE(differs);
  CHECK(has(differs, R"({"ok":false)"));
  CHECK(has(differs, "are not what the database has: 2"));
}

TEST_CASE("restore: overwrite and what lies beside the output") {
  Backup backup(3);
  const std::string output = backup.database.file("out");
  backup.restore("out", R"({"txid":")" + backup.txids[0] + "\"}");
  CHECK(backup.rows_of("out") == 1);
  for (const char* suffix : {"-wal", "-shm", "-journal"}) {
    const std::string stale = output + suffix;
    std::ofstream(stale) << "stale";
    CHECK(has(backup.restore_error("out", "{}"), "exists"));
    std::filesystem::remove(output);
    // Alone it would be taken for the new database's.
    CHECK(has(backup.restore_error("out", "{}"), std::string("out") + suffix));
    CHECK_FALSE(std::filesystem::exists(output));
    backup.restore("out", R"({"overwrite":true})");
    CHECK_FALSE(std::filesystem::exists(stale));
    CHECK(backup.rows_of("out") == 3);
  }
  for (size_t i = 0; i < backup.txids.size(); ++i) {
    const std::string answer =
        backup.restore("out", R"({"overwrite":true,"txid":")" + backup.txids[i] + "\"}");
    CHECK(has(answer, backup.txids[i]));
    CHECK(backup.rows_of("out") == static_cast<int64_t>(i) + 1);
  }
  // A TXID that is none leaves what is there.
  CHECK(has(backup.restore_error("out", R"({"overwrite":true,"txid":"00000000000000ff"})"),
            "is not in the replica; earliest restorable point is"));
  CHECK(backup.rows_of("out") == 3);
}

TEST_CASE("restore: integrity-check none, quick and full on a database that was damaged before") {
  ReplicatedDatabase database;
  SqliteDb& main = database.main();
  main.exec("CREATE TABLE t(n INTEGER PRIMARY KEY, v TEXT)");
  main.exec("CREATE INDEX i ON t(v)");
  main.exec("INSERT INTO t SELECT value, hex(randomblob(8)) FROM " + series(1, 500));
  // Sound pages, but the index and its table are no longer of one mind: only the full check sees.
  main.exec("PRAGMA writable_schema=ON");
  main.exec("UPDATE sqlite_schema SET sql = 'CREATE INDEX i ON t(v DESC)' WHERE name = 'i'");
  main.exec("PRAGMA writable_schema=OFF");
  database.sync();
  const auto restore = [&](const std::string& mode) {
    return "SELECT litestream_restore('" + database.url() + "', '" + database.file(mode) +
           R"(', '{"integrity_check":")" + mode + "\"}')";
  };
  SqliteDb db(":memory:");
  for (const char* mode : {"none", "quick"}) {
    db.exec(restore(mode));
    CHECK(std::filesystem::exists(database.file(mode)));
  }
  CHECK(has(db.error_of(restore("full")), "fails its integrity check"));
  CHECK_FALSE(std::filesystem::exists(database.file("full")));
}

// An SQLite that is interrupted by its progress handler, as a user's Ctrl-C would.
TEST_CASE("jobs: a running restore is a row, and can be cancelled from another connection") {
  Backup backup(2, "randomblob(30000000)");
  std::atomic<bool> ended = false;
  std::string error;
  std::thread restoring([&] {
    SqliteDb db(":memory:");
    try {
      // One thread, so that it lasts.
      for (int i = 0; i < 1000; ++i) {
        db.exec("SELECT litestream_restore(" + quoted(backup.database.url()) + ", " +
                quoted(backup.database.file("out")) +
                R"(, '{"parallelism":1,"overwrite":true,"integrity_check":"full"}'))");
      }
    } catch (const std::exception& thrown) {
      error = thrown.what();
    }
    ended = true;
  });
  std::string row;
  wait_until([&] {
    const auto rows = backup.db.rows(
        "SELECT id || ' ' || kind || ' ' || database || ' ' || replica FROM litestream_jobs");
    if (!rows.empty()) row = rows[0];
    return !row.empty() || ended;
  });
  CHECK(has(row, " restore " + backup.database.url() + " file"));
  wait_until([&] {
    (void)backup.db.rows("SELECT litestream_cancel(id) FROM litestream_jobs");
    return ended.load();
  });
  restoring.join();
  CHECK(has(error, "interrupted"));
  CHECK(backup.db.rows("SELECT * FROM litestream_jobs").empty());
  // What was restored before is whole, and of what was cancelled nothing is left.
  for (const auto& entry : std::filesystem::directory_iterator(
           std::filesystem::path(backup.database.path()).parent_path())) {
    const std::string name = entry.path().filename();
    CAPTURE(name);
    CHECK((name == "out" || name == "replica" || name.starts_with("app.db") ||
           name.starts_with(".app.db")));
  }
  if (std::filesystem::exists(backup.database.file("out"))) CHECK(backup.rows_of("out") == 2);
  CHECK(backup.db.text("SELECT litestream_cancel(999999)") == "0");
  CHECK(has(backup.db.error_of("SELECT litestream_cancel(NULL)"), "litestream_cancel: "));
}

// Job rows of one kind, seen from a thread of their own while `work` runs. Each is cancelled if
// `cancels`.
struct Seen {
  std::string row;
  bool has_progress = false;
};
template <typename Work>
Seen watch_jobs(const std::string& kind, bool cancels, Work work) {
  std::atomic<bool> ended = false;
  Seen seen;
  std::thread watcher([&] {
    SqliteDb db(":memory:");
    while (!ended) {
      const auto rows = db.rows(
          "SELECT database || ' ' || ifnull(replica, '-') FROM litestream_jobs WHERE kind = '" +
          kind + "'");
      if (!rows.empty()) seen.row = rows[0];
      seen.has_progress |= !db.rows(
                                  "SELECT 1 FROM litestream_jobs WHERE done_bytes BETWEEN 1 AND "
                                  "total_bytes AND kind = '" +
                                  kind + "'")
                                .empty();
      if (cancels) {
        db.rows("SELECT litestream_cancel(id) FROM litestream_jobs WHERE kind = '" + kind + "'");
      }
    }
  });
  work();
  ended = true;
  watcher.join();
  return seen;
}

TEST_CASE("jobs: snapshots and compactions are rows, too, and a cancelled one is made again") {
  ReplicatedDatabase database;
  SqliteDb& main = database.main();
  main.exec("CREATE TABLE t(v BLOB)");
  const auto write = [&] {
    for (int i = 0; i < 3; ++i) {
      main.exec("INSERT INTO t SELECT randomblob(4000) FROM " + series(1, 2000));
      database.sync();
    }
  };
  // Until the watcher has met one: how long one takes is the machine's business.
  const auto until_seen = [&](const std::string& kind, const std::string& sql) {
    Seen seen;
    for (int i = 0; i < 50 && !(seen.has_progress && !seen.row.empty()); ++i) {
      write();
      const Seen now = watch_jobs(kind, false, [&] { main.exec(sql); });
      if (!now.row.empty()) seen.row = now.row;
      seen.has_progress |= now.has_progress;
    }
    CAPTURE(kind);
    CHECK(seen.row == database.path() + " file");
    CHECK(seen.has_progress);
  };
  until_seen("snapshot", "SELECT litestream_snapshot()");
  const std::string compact = "SELECT litestream_compact('" + database.path() + "', 1)";
  until_seen("compaction", compact);
  std::string error;
  for (int i = 0; i < 50 && error.empty(); ++i) {
    write();
    (void)watch_jobs("compaction", true, [&] {
      try {
        main.exec(compact);
      } catch (const std::exception& thrown) {
        error = thrown.what();
      }
    });
  }
  CHECK(has(error, "interrupted"));
  main.exec(compact);
  main.exec("SELECT litestream_snapshot()");
  const std::string restored = database.restore("restored");
  require_sound(restored);
  CHECK(file_bytes(restored) == database.final_bytes());
}

}  // namespace
}  // namespace litestream::test
