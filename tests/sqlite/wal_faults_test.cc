// What other users of the WAL do to it: checkpoints, resets, deletions, readers, other processes.
#include <atomic>
#include <chrono>
#include <filesystem>
#include <thread>

#include "tests/sqlite/fault_support.h"
#include "tests/support/wal_builder.h"

namespace litestream::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTable = "CREATE TABLE t(id INTEGER PRIMARY KEY, data)";

}  // namespace

// SQLite's savepoint bug (before 3.50) leaves committed frames without checksums. Recovery ends
// before them, and then pages that are older in the WAL hide newer ones in the database file.
TEST_CASE("A14: what recovery would cut is not what we leave when we are the last to close") {
  if (sqlite3_libversion_number() >= 3050000) return;
  Place place;
  {
    SqlProcess app(place.path(), SqlProcess::kExtension);
    app.exec("PRAGMA page_size=512; " + Place::create_sql());
    app.exec(place.start_sql(R"({"sync-interval":"1h","shutdown-sync-timeout":"100ms"})"));
    app.exec("PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=5");
    app.exec("INSERT INTO t(data) SELECT randomblob(400) FROM " + series(1, 60));
    app.exec("SELECT litestream_sync()");
    // No spool, no replica: nothing of what follows can be kept, so the WAL stays as it is.
    place.break_replica();
    fs::rename(place.meta_path() + "/ltx", place.file("ltx-away"));
    std::ofstream(place.meta_path() + "/ltx") << "no folder";
    app.exec(
        "BEGIN; SAVEPOINT s;"
        "UPDATE t SET data = randomblob(400) WHERE id <= 30;"
        "UPDATE t SET data = randomblob(400) WHERE id > 30;"
        "UPDATE t SET data = randomblob(400) WHERE id > 30;"
        "ROLLBACK TO s; UPDATE t SET data = 'committed' WHERE id = 60; COMMIT");
    const std::string wal = file_bytes(place.path() + "-wal");
    REQUIRE(contains(wal, std::string(16, '\0') + std::string(1, '\r')));  // salts, sums, a leaf
    REQUIRE(app.close() == 0);
  }
  SqlProcess plain(place.path(), SqlProcess::kPlain);
  REQUIRE(plain.text("SELECT data FROM t WHERE id = 60") == "committed");
  REQUIRE(plain.text("PRAGMA integrity_check") == "ok");
  plain.close();
  fs::remove(place.meta_path() + "/ltx");
  fs::rename(place.file("ltx-away"), place.meta_path() + "/ltx");
  place.mend_replica();
  {
    SqlProcess app(place.path(), SqlProcess::kExtension);
    app.exec(place.start_sql());
    app.exec("SELECT litestream_sync()");
    REQUIRE(place.snapshot_count() == 1);
  }
  place.require_restore_equals_source();
}

TEST_CASE("B1: another process checkpoints in every mode while the owner does not look") {
  const char* mode = GENERATE("PASSIVE", "FULL", "RESTART", "TRUNCATE");
  const bool parked = GENERATE(false, true);
  CAPTURE(mode, parked);
  Place place;
  SqlProcess owner(place.path(), SqlProcess::kExtension);
  owner.exec(Place::create_sql());
  owner.exec(place.start_sql());
  SqlProcess other(place.path(), SqlProcess::kPlain);
  other.exec("PRAGMA wal_autocheckpoint=0");
  insert_rows(other, 3);
  owner.exec("SELECT litestream_sync()");
  if (parked) wait_until_parked(other);
  other.exec("PRAGMA busy_timeout=50");
  owner.stop();  // all its threads
  for (int i = 0; i < 4; ++i) {
    insert_rows(other, 10);
    (void)other.text("PRAGMA wal_checkpoint(" + std::string(mode) + ")");
  }
  insert_rows(other, 10);
  owner.resume();
  // Every commit has its own number: none was passed over.
  REQUIRE(owner.text("SELECT litestream_sync()") == txid_text(1 + 53));
  REQUIRE(place.snapshot_count() == 1);
  owner.close();
  other.close();
  place.require_points_whole(53);
  place.require_restore_equals_source();
}

TEST_CASE("B2: commits and checkpoints while nobody replicates become one difference") {
  Place place;
  const bool killed = GENERATE(false, true);
  CAPTURE(killed);
  {
    SqlProcess owner(place.path(), SqlProcess::kExtension);
    owner.exec(Place::create_sql());
    owner.exec(place.start_sql());
    insert_rows(owner, 20, 2000);
    owner.exec("SELECT litestream_sync()");
    if (killed) owner.kill();
  }
  {
    SqlProcess other(place.path(), SqlProcess::kPlain);
    for (const char* mode : {"PASSIVE", "RESTART", "TRUNCATE"}) {
      insert_rows(other, 5);
      other.exec("PRAGMA wal_checkpoint(" + std::string(mode) + ")");
    }
    insert_rows(other, 5);
  }
  SqlProcess owner(place.path(), SqlProcess::kExtension);
  owner.exec(place.start_sql());
  owner.exec("SELECT litestream_sync()");
  REQUIRE(place.snapshot_count() == 1);
  owner.close();
  place.require_points_whole(40);
  place.require_restore_equals_source();
}

TEST_CASE("B3: a WAL that was started over and is exactly as long as before") {
  SECTION("while it is replicated") {
    ReplicatedDatabase database(kTable);
    SqlProcess other(database.path(), SqlProcess::kPlain);
    std::vector<WalFacts> facts;
    for (int round = 0; round < 3; ++round) {
      database.main().exec(Place::insert_sql());
      facts.push_back(wal_facts(database.path()));
      database.sync();
      wait_until_parked(other);
    }
    // The provocation worked: same length, other salts.
    REQUIRE(facts[1].size_bytes == facts[2].size_bytes);
    REQUIRE(facts[1].salts != facts[2].salts);
    REQUIRE(database.sync() == txid_text(4));
    other.close();
    REQUIRE(file_bytes(database.restore("out.db")) == database.final_bytes());
  }
  SECTION("while nobody replicates") {
    Place place;
    SqlProcess owner(place.path(), SqlProcess::kExtension);
    owner.exec(Place::create_sql());
    owner.exec(place.start_sql());
    owner.exec("SELECT litestream_sync(); PRAGMA wal_autocheckpoint=0");
    {
      SqlProcess other(place.path(), SqlProcess::kPlain);
      wait_until_parked(other);
    }
    insert_rows(owner, 3);
    owner.exec("SELECT litestream_sync()");
    const WalFacts before = wal_facts(place.path());
    owner.kill();
    {
      SqlProcess other(place.path(), SqlProcess::kPlain);
      other.exec("PRAGMA wal_checkpoint(RESTART)");
      insert_rows(other, 3);
      const WalFacts after = wal_facts(place.path());
      REQUIRE(after.size_bytes == before.size_bytes);
      REQUIRE(after.salts != before.salts);
      other.kill();
    }
    SqlProcess again(place.path(), SqlProcess::kExtension);
    again.exec(place.start_sql());
    again.exec("SELECT litestream_sync()");
    again.close();
    REQUIRE(place.snapshot_count() == 1);
    place.require_points_whole(6);
    place.require_restore_equals_source();
  }
}

TEST_CASE("B4: a WAL that was started over and is shorter than the position") {
  // Frames after the restart: 0 leaves an empty file, or, reopened, the position at the header.
  const int frames_after = GENERATE(0, 1, 3);
  const bool killed = GENERATE(false, true);
  CAPTURE(frames_after, killed);
  Place place;
  auto owner = std::make_unique<SqlProcess>(place.path(), SqlProcess::kExtension);
  owner->exec(Place::create_sql());
  owner->exec(place.start_sql());
  insert_rows(*owner, 30);
  owner->exec("SELECT litestream_sync()");
  const uint64_t before = wal_facts(place.path()).size_bytes;
  if (killed) owner->kill();
  {
    SqlProcess other(place.path(), SqlProcess::kPlain);
    other.exec("PRAGMA wal_autocheckpoint=0");
    wait_until_parked(other);
    other.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    insert_rows(other, frames_after, 10);
    REQUIRE(wal_facts(place.path()).size_bytes < before);
    if (killed) other.kill();
  }
  if (killed) {
    owner = std::make_unique<SqlProcess>(place.path(), SqlProcess::kExtension);
    owner->exec(place.start_sql());
  }
  owner->exec(Place::insert_sql());
  owner->exec("SELECT litestream_sync()");
  REQUIRE(place.snapshot_count() == 1);
  owner->close();
  place.require_points_whole(static_cast<uint64_t>(31 + frames_after));
  place.require_restore_equals_source();
}

TEST_CASE("B5: -wal and -shm are deleted under a running replicator") {
  const bool only_shm = GENERATE(false, true);
  CAPTURE(only_shm);
  ReplicatedDatabase database(kTable, R"({"sync-interval":"20ms","linger":"1h"})");
  insert_rows(database.main(), 5);
  database.sync();
  SqlProcess other(database.path(), SqlProcess::kPlain);
  wait_until_parked(other);
  other.close();
  // The application is gone; the replicator still has both files open.
  database.close_main();
  if (!only_shm) fs::remove(database.path() + "-wal");
  fs::remove(database.path() + "-shm");
  {
    SqlProcess writer(database.path(), SqlProcess::kPlain);
    insert_rows(writer, 5);
    writer.kill();  // the commits stay in the new WAL
  }
  // The next look notices at the latest; sync looks at once.
  SqliteDb watcher(":memory:");
  const std::string sync = "SELECT litestream_sync('" + database.path() + "')";
  wait_until([&] {
    try {
      watcher.exec(sync);
    } catch (const std::exception&) {
      return false;
    }
    SqliteDb restored("file:" + database.restore("now.db") + "?immutable=1");
    return restored.integer("SELECT count(*) FROM t") == 10;
  });
  const char* lost = only_shm ? "app.db-shm was" : "app.db-wal was";
  REQUIRE(contains(status_of(watcher, database.path(), "warning"), lost));
  database.open_main();
  database.main().exec(Place::insert_sql());
  database.sync();
  REQUIRE(file_bytes(database.restore("out.db")) == database.final_bytes());
}

TEST_CASE("B6: a hook that the application replaced") {
  ReplicatedDatabase database(kTable);
  const auto second = database.connect();
  const auto third = database.connect();
  insert_rows(*second, 1);
  insert_rows(*third, 1);
  second->exec("PRAGMA wal_autocheckpoint=1000");
  static int calls = 0;
  sqlite3_wal_hook(
      third->get(), [](void*, sqlite3*, const char*, int) { return ++calls, SQLITE_OK; }, nullptr);
  insert_rows(*second, 3);
  insert_rows(*third, 3);
  REQUIRE(calls == 3);
  // File events bring them, without any call of ours.
  wait_until(
      [&] { return status_of(database.main(), database.path(), "replica_txid") == txid_text(9); });
  wait_until([&] {
    (void)database.sync();
    return contains(status_of(database.main(), database.path(), "warning"), "hook");
  });
  // The application's hook is the application's: it still runs.
  insert_rows(*third, 1);
  REQUIRE(calls == 4);
  REQUIRE(database.sync() == txid_text(10));
  REQUIRE(file_bytes(database.restore("out.db")).size() > 0);
}

TEST_CASE("B7: a reader that stays, under write load") {
  ReplicatedDatabase database(kTable, R"({"sync-interval":"20ms","min-checkpoint-page-count":20})");
  insert_rows(database.main(), 1);
  const auto reader = database.connect();
  reader->exec("BEGIN");
  REQUIRE(reader->integer("SELECT count(*) FROM t") == 1);
  SqliteDb writer(database.path(), 0);  // no busy timeout: a lock of ours would show at once
  insert_rows(writer, 300, 2000);
  REQUIRE(database.sync() == txid_text(302));
  REQUIRE(reader->integer("SELECT count(*) FROM t") == 1);
  SqliteDb restored("file:" + database.restore("out.db") + "?immutable=1");
  REQUIRE(restored.integer("SELECT count(*) FROM t") == 301);
  // With the reader gone the WAL is started over again.
  reader->exec("COMMIT");
  const std::string salts = wal_facts(database.path()).salts;
  wait_until([&] {
    insert_rows(writer, 1);
    std::this_thread::sleep_for(std::chrono::milliseconds(20));
    return wal_facts(database.path()).salts != salts;
  });
  database.sync();
  REQUIRE(file_bytes(database.restore("final.db")) == database.final_bytes());
}

TEST_CASE("B10: one transaction grows the database by many pages while others checkpoint") {
  ReplicatedDatabase database(kTable, R"({"sync-interval":"10ms"})");
  std::atomic<bool> stop{false};
  std::string error;
  std::thread checkpoints([&] {
    try {
      SqlProcess other(database.path(), SqlProcess::kPlain);
      while (!stop) (void)other.text("PRAGMA wal_checkpoint(PASSIVE)");
    } catch (const std::exception& caught) {
      error = caught.what();
    }
  });
  for (int i = 0; i < 4; ++i) {
    database.main().exec("INSERT INTO t(data) SELECT zeroblob(3500) FROM " + series(1, 1500));
    database.main().exec("DELETE FROM t WHERE id % 2 = 0");
    database.sync();
  }
  stop = true;
  checkpoints.join();
  REQUIRE(error == "");
  for (const std::string& txid : database.points()) {
    INFO(txid);
    require_sound(database.restore("point.db", txid));
  }
  REQUIRE(file_bytes(database.restore("final.db")) == database.final_bytes());
}

TEST_CASE("B11: shrinking and growing within one L0 file") {
  const char* mode = GENERATE("NONE", "FULL", "INCREMENTAL");
  CAPTURE(mode);
  ReplicatedDatabase database("PRAGMA auto_vacuum=" + std::string(mode) + ";" + kTable,
                              R"({"sync-interval":"1h"})");
  SqliteDb& db = database.main();
  const std::string shrink = std::string(mode) == "NONE" ? "VACUUM" : "PRAGMA incremental_vacuum";
  const std::string many = "INSERT INTO t(data) SELECT randomblob(3000) FROM " + series(1, 300);
  const auto check = [&] {
    database.sync();
    const int64_t pages = db.integer("PRAGMA page_count");
    const std::string restored = database.restore("point.db");
    require_sound(restored);
    REQUIRE(fs::file_size(restored) == static_cast<uint64_t>(pages) * 4096);
  };
  db.exec(many);
  check();
  db.exec("DELETE FROM t WHERE id > 20");
  db.exec(shrink);
  check();
  db.exec(many);
  db.exec("DELETE FROM t WHERE id > 10");
  db.exec(shrink);
  db.exec("INSERT INTO t(data) SELECT randomblob(3000) FROM " + series(1, 60));
  check();
  REQUIRE(file_bytes(database.restore("final.db")) == database.final_bytes());
}

TEST_CASE("B13: a WAL damaged before the extension was loaded") {
  const char* damage = GENERATE("none", "flipped byte", "torn last frame", "big-endian sums");
  CAPTURE(damage);
  const std::string what = damage;
  Place place;
  {
    SqlProcess app(place.path(), SqlProcess::kPlain);
    app.exec(Place::create_sql() +
             "; PRAGMA wal_autocheckpoint=0; PRAGMA wal_checkpoint(TRUNCATE)");
    insert_rows(app, 20);
    app.kill();
  }
  const std::string wal_path = place.path() + "-wal";
  std::string wal = file_bytes(wal_path);
  REQUIRE(wal.size() > 10 * 4120);
  if (what == "flipped byte") wal[wal.size() / 2] = static_cast<char>(wal[wal.size() / 2] ^ 1);
  if (what == "torn last frame") wal.resize(wal.size() - 2000);
  if (what == "big-endian sums") {
    const auto word = [&](size_t at) {
      uint32_t value = 0;
      for (size_t i = 0; i < 4; ++i) value = value << 8 | static_cast<uint8_t>(wal[at + i]);
      return value;
    };
    WalBuilder built(4096, true, word(16), word(20));
    for (size_t at = 32; at + 4120 <= wal.size(); at += 4120) {
      built.add_frame(word(at), word(at + 4),
                      std::vector<uint8_t>(wal.begin() + static_cast<ptrdiff_t>(at) + 24,
                                           wal.begin() + static_cast<ptrdiff_t>(at) + 4120));
    }
    wal.assign(built.bytes().begin(), built.bytes().end());
  }
  std::ofstream(wal_path, std::ios::binary | std::ios::trunc) << wal;
  fs::remove(place.path() + "-shm");
  // What SQLite itself makes of it.
  copy_file(place.path(), place.file("copy.db"));
  copy_file(wal_path, place.file("copy.db-wal"));
  const int64_t rows = SqliteDb(place.file("copy.db")).integer("SELECT count(*) FROM t");
  if (what == "none" || what == "big-endian sums") REQUIRE(rows == 20);
  if (what == "torn last frame") REQUIRE(rows == 19);
  if (what == "flipped byte") REQUIRE((rows > 0 && rows < 15));
  {
    SqlProcess app(place.path(), SqlProcess::kExtension);
    app.exec(place.start_sql());
    REQUIRE(place.rows_at() == static_cast<uint64_t>(rows));
    insert_rows(app, 5);
    app.exec("SELECT litestream_sync()");
    // SQLite goes on in the byte order it found.
    if (what == "big-endian sums") REQUIRE(file_bytes(wal_path)[3] == '\x83');
  }
  place.require_points_whole(static_cast<uint64_t>(rows) + 5);
  place.require_restore_equals_source();
}

// While commits of ours flow, the -wal is not watched.
TEST_CASE("B16: another process commits while ours flow and after they stopped") {
  Place place;
  SqliteDb app(place.path());
  app.exec(Place::create_sql());
  app.exec(place.start_sql());
  SqlProcess plain(place.path(), SqlProcess::kPlain);
  uint64_t rows = 0;
  for (int round = 0; round < 3; ++round) {
    for (int i = 0; i < 5; ++i) {
      insert_rows(app, 200);
      insert_rows(plain, 1);
      rows += 201;
    }
    insert_rows(plain, 1);
    ++rows;
    // Nobody asks for a sync: the replica gets there by itself.
    bool there = false;
    for (int look = 0; look < 600 && !there; ++look) {
      there = place.rows_at() == rows;
      if (!there) std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    REQUIRE(there);
  }
  app.exec("SELECT litestream_stop()");
}

}  // namespace litestream::test
