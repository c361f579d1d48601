// What the replica holds and what the local folder says do not fit: lost, moved, rolled back,
// diverged, or somebody else's.
#include <filesystem>

#include "tests/sqlite/fault_support.h"

namespace litestream::test {
namespace {

namespace fs = std::filesystem;

// Replicates `rows` rows in a process of its own, which ends in good order.
void replicate_rows(const Place& place, int rows) {
  SqlProcess app(place.path(), SqlProcess::kExtension);
  app.exec("PRAGMA journal_mode=WAL; CREATE TABLE IF NOT EXISTS t(id INTEGER PRIMARY KEY, data)");
  app.exec(place.start_sql());
  for (int i = 0; i < rows; ++i) {
    insert_rows(app, 1);
    app.exec("SELECT litestream_sync()");  // a file for each
  }
  app.exec("SELECT litestream_stop()");
}

// The database, its WAL and the local folder, as an image of the disk would have them.
void copy_disk(const Place& place, const std::string& to) {
  fs::create_directories(place.file(to));
  copy_file(place.path(), place.file(to) + "/app.db");
  if (fs::exists(place.path() + "-wal")) copy_file(place.path() + "-wal", place.file(to));
  copy_file(place.meta_path(), place.file(to));
}
void put_disk_back(const Place& place, const std::string& from) {
  for (const char* suffix : {"", "-wal", "-shm"}) fs::remove(place.path() + suffix);
  fs::remove_all(place.meta_path());
  copy_file(place.file(from) + "/app.db", place.path());
  if (fs::exists(place.file(from) + "/app.db-wal")) {
    copy_file(place.file(from) + "/app.db-wal", place.path() + "-wal");
  }
  copy_file(place.file(from) + "/.app.db-litestream", place.meta_path());
}

void require_goes_on(const Place& place, uint64_t last_txid, uint64_t rows) {
  SqlProcess app(place.path(), SqlProcess::kExtension);
  app.exec(place.start_sql());
  insert_rows(app, 1);
  const uint64_t newest = number_of(app.text("SELECT litestream_sync()"));
  REQUIRE(newest > last_txid);
  REQUIRE(place.rows_at() == rows);
  app.close();
  place.require_restore_equals_source();
}

}  // namespace

TEST_CASE("A9: power loss takes commits that the replica has") {
  const bool others_write_first = GENERATE(false, true);
  CAPTURE(others_write_first);
  Place place;
  {
    SqlProcess app(place.path(), SqlProcess::kExtension);
    app.exec(Place::create_sql());
    app.exec("PRAGMA synchronous=NORMAL");
    app.exec(place.start_sql());
    for (int row = 1; row <= 7; ++row) {
      insert_rows(app, 1);
      REQUIRE(app.text("SELECT litestream_sync()") == txid_text(1 + static_cast<uint64_t>(row)));
      if (row == 3) copy_file(place.path() + "-wal", place.file("wal-on-disk"));
    }
    app.kill();
  }
  // What had not been synced of the WAL is gone; so is shared memory.
  REQUIRE(fs::file_size(place.file("wal-on-disk")) < fs::file_size(place.path() + "-wal"));
  fs::remove(place.path() + "-shm");
  fs::rename(place.file("wal-on-disk"), place.path() + "-wal");
  if (others_write_first) {
    SqlProcess plain(place.path(), SqlProcess::kPlain);
    insert_rows(plain, 1);
  }
  require_goes_on(place, 8, others_write_first ? 5 : 4);
  for (uint64_t txid = 2; txid <= 8; ++txid) REQUIRE(place.rows_at(txid_text(txid)) == txid - 1);
  REQUIRE(place.snapshot_count() == 1);
}

TEST_CASE("D1: the local folder is deleted") {
  Place place;
  replicate_rows(place, 9);
  fs::remove_all(place.meta_path());
  SECTION("at once") { require_goes_on(place, 10, 10); }
  SECTION("after commits that nobody saw") {
    {
      SqlProcess plain(place.path(), SqlProcess::kPlain);
      insert_rows(plain, 5);
    }
    require_goes_on(place, 10, 15);
  }
  REQUIRE(place.snapshot_count() == 1);
  REQUIRE(place.rows_at(txid_text(10)) == 9);
}

TEST_CASE("D2: level 0 was emptied on the replica while higher levels remain") {
  const bool local_too = GENERATE(false, true);
  CAPTURE(local_too);
  Place place;
  {
    SqlProcess app(place.path(), SqlProcess::kExtension);
    app.exec(Place::create_sql());
    app.exec(place.start_sql());
    insert_rows(app, 9);
    app.exec("SELECT litestream_snapshot()");
    app.exec("SELECT litestream_stop()");
  }
  fs::remove_all(place.replica_path() + "/ltx/0");
  if (local_too) fs::remove_all(place.meta_path());
  require_goes_on(place, 10, 10);
  REQUIRE(place.rows_at(txid_text(10)) == 9);
}

TEST_CASE("D3: the newest point is restored on another host, which goes on in the same replica") {
  Place place;
  replicate_rows(place, 9);
  fs::create_directory(place.file("host"));
  const std::string path = place.file("host/app.db");
  fs::rename(place.restore("restored.db"), path);
  SqlProcess app(path, SqlProcess::kExtension);
  app.exec(place.start_sql());
  // Nothing differs: no file, no snapshot.
  REQUIRE(app.text("SELECT litestream_sync()") == txid_text(10));
  insert_rows(app, 1);
  REQUIRE(app.text("SELECT litestream_sync()") == txid_text(11));
  REQUIRE(place.rows_at() == 10);
  REQUIRE(place.snapshot_count() == 1);
}

TEST_CASE("D4: an earlier point is restored and goes on in the same replica") {
  Place place;
  replicate_rows(place, 9);
  fs::create_directory(place.file("host"));
  const std::string path = place.file("host/app.db");
  fs::rename(place.restore("restored.db", txid_text(6)), path);
  const std::string future = file_bytes(place.restore("future.db", txid_text(10)));
  SqlProcess app(path, SqlProcess::kExtension);
  app.exec(place.start_sql());
  app.exec("INSERT INTO t(data) VALUES('another future')");
  // TXID 11 holds the way back, 12 the insert, or 11 both.
  REQUIRE(number_of(app.text("SELECT litestream_sync()")) >= 11);
  REQUIRE(place.rows_at() == 6);
  REQUIRE(contains(file_bytes(place.restore("now.db")), "another future"));
  REQUIRE(file_bytes(place.restore("again.db", txid_text(10))) == future);
  REQUIRE(place.snapshot_count() == 1);
}

TEST_CASE("D5: the whole disk is rolled back to an older image") {
  const bool with_wal = GENERATE(false, true);
  CAPTURE(with_wal);
  Place place;
  if (with_wal) {
    SqlProcess app(place.path(), SqlProcess::kExtension);
    app.exec(Place::create_sql());
    app.exec(place.start_sql());
    insert_rows(app, 5);
    app.exec("SELECT litestream_sync()");
    app.kill();
  } else {
    replicate_rows(place, 5);
  }
  copy_disk(place, "image");
  replicate_rows(place, 5);
  const std::string newer = file_bytes(place.restore("newer.db"));
  put_disk_back(place, "image");
  require_goes_on(place, 11, 6);
  REQUIRE(file_bytes(place.restore("again.db", txid_text(11))) == newer);
  REQUIRE(place.snapshot_count() == 1);
}

TEST_CASE("D6: local and remote files have the same TXIDs and different content") {
  const int local_commits = GENERATE(1, 4);  // as many as the other history, and more
  const bool clean_stop = GENERATE(false, true);
  CAPTURE(local_commits, clean_stop);
  Place place;
  replicate_rows(place, 5);
  copy_disk(place, "image");
  {
    // One history goes to the replica.
    SqlProcess app(place.path(), SqlProcess::kExtension);
    app.exec(place.start_sql());
    app.exec("INSERT INTO t(data) VALUES('their sixth row')");
    app.exec("SELECT litestream_stop()");
  }
  const std::string theirs = file_bytes(place.restore("theirs.db", txid_text(7)));
  put_disk_back(place, "image");
  fs::rename(place.replica_path(), place.file("real-replica"));
  fs::create_directories(place.replica_path());
  {
    // The other cannot reach it, and spools the same numbers: the replica it sees is the old one.
    const std::string level = place.replica_path() + "/ltx/";
    fs::create_directories(level + "0");
    copy_file(place.file("real-replica") + "/ltx/9", level);
    for (const auto& entry : fs::directory_iterator(place.file("real-replica") + "/ltx/0")) {
      if (!entry.path().filename().string().starts_with("0000000000000007")) {
        copy_file(entry.path().string(), level + "0/");
      }
    }
    SqlProcess app(place.path(), SqlProcess::kExtension);
    app.exec(place.start_sql());
    for (int i = 0; i < local_commits; ++i) {
      app.exec("INSERT INTO t(data) VALUES('our own row')");
      app.exec("SELECT litestream_sync()");
    }
    if (clean_stop) app.exec("SELECT litestream_stop()");
    app.kill();
  }
  fs::remove_all(place.replica_path());
  fs::rename(place.file("real-replica"), place.replica_path());
  require_goes_on(place, 6 + static_cast<uint64_t>(local_commits),
                  6 + static_cast<uint64_t>(local_commits));
  REQUIRE(file_bytes(place.restore("again.db", txid_text(7))) == theirs);
  const std::string newest = file_bytes(place.restore("out.db"));
  REQUIRE(contains(newest, "our own row"));
  REQUIRE_FALSE(contains(newest, "their sixth row"));
}

TEST_CASE("D7: the replica holds something else") {
  Place place;
  const auto refusal = [&] {
    SqlProcess app(place.path(), SqlProcess::kExtension);
    app.exec(Place::create_sql());
    insert_rows(app, 3);
    const std::string error = app.error_of(place.start_sql());
    app.exec("PRAGMA journal_mode=DELETE");  // nothing of ours holds it
    return error;
  };
  SECTION("another database") {
    {
      SqlProcess app(place.file("other.db"), SqlProcess::kExtension);
      app.exec(
          "PRAGMA journal_mode=WAL; CREATE TABLE people(name TEXT); INSERT INTO people "
          "SELECT 'somebody' FROM " +
          series(1, 300));
      app.exec(place.start_sql());
      app.exec("SELECT litestream_stop()");
    }
    REQUIRE(contains(refusal(), "holds another database"));
  }
  SECTION("another page size") {
    {
      SqlProcess app(place.file("other.db"), SqlProcess::kExtension);
      app.exec("PRAGMA page_size=512");
      app.exec(Place::create_sql());
      app.exec(place.start_sql());
      app.exec("SELECT litestream_stop()");
    }
    REQUIRE(contains(refusal(), "pages of 512 bytes"));
  }
  SECTION("a backup of the layout before 0.5") {
    const std::string generation = place.replica_path() + "/generations/0123456789abcdef";
    fs::create_directories(generation + "/snapshots");
    fs::create_directories(generation + "/wal");
    std::ofstream(generation + "/snapshots/00000000.snapshot.lz4") << "old";
    REQUIRE(contains(refusal(), "generations"));
    REQUIRE_FALSE(fs::exists(place.replica_path() + "/ltx"));
  }
}

}  // namespace litestream::test
