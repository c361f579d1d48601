// C9: databases whose files are reached through another VFS than the default one. Pages come
// through SQLite's own file handles, so what works for SQLite's WAL works for us; the rest is
// refused.
#include <filesystem>

#include "tests/sqlite/fault_support.h"
#include "tests/support/xor_vfs.h"

namespace litestream::test {
namespace {

namespace fs = std::filesystem;

// A connection through a VFS; throws as SqliteDb does.
class VfsDb {
 public:
  VfsDb(const std::string& name, const char* vfs) {
    constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_URI;
    if (sqlite3_open_v2(name.c_str(), &db_, kFlags, vfs) != SQLITE_OK) fail("open " + name);
    sqlite3_busy_timeout(db_, 10'000);
  }
  ~VfsDb() { sqlite3_close_v2(db_); }
  VfsDb(const VfsDb&) = delete;
  VfsDb& operator=(const VfsDb&) = delete;

  void exec(const std::string& sql) { (void)text(sql); }
  // First column of the first row of the last statement that has one.
  std::string text(const std::string& sql) {
    std::string value;
    const auto keep = [](void* out, int count, char** values, char**) {
      if (count > 0 && values[0] != nullptr) *static_cast<std::string*>(out) = values[0];
      return 0;
    };
    if (sqlite3_exec(db_, sql.c_str(), keep, &value, nullptr) != SQLITE_OK) fail(sql);
    return value;
  }
  std::string error_of(const std::string& sql) {
    REQUIRE(sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK);
    return sqlite3_errmsg(db_);
  }

 private:
  [[noreturn]] void fail(const std::string& what) {
    throw std::runtime_error(what + ": " + sqlite3_errmsg(db_));
  }
  sqlite3* db_ = nullptr;
};

}  // namespace

TEST_CASE("C9: unix-excl, one process with the wal-index in its memory") {
  Place place;
  {
    VfsDb db(place.path(), "unix-excl");
    db.exec(Place::create_sql());
    db.exec(place.start_sql());
    insert_rows(db, 20);
    VfsDb second(place.path(), "unix-excl");
    insert_rows(second, 20);
    REQUIRE(db.text("SELECT litestream_sync()") == txid_text(41));
    db.exec("SELECT litestream_snapshot()");
    insert_rows(db, 1);
    REQUIRE(db.text("SELECT litestream_sync()") == txid_text(42));
    db.exec("SELECT litestream_stop()");
  }
  place.require_points_whole(41);
  place.require_restore_equals_source();
}

TEST_CASE("C9: VFSes that cannot share a WAL are refused, and the database goes on") {
  const char* vfs = GENERATE("unix-none", "unix-dotfile", "xor-without-shm");
  CAPTURE(vfs);
  register_xor_vfs("xor-without-shm", XorShm::kNone);
  Place place;
  VfsDb db(place.path(), vfs);
  db.exec("CREATE TABLE t(id INTEGER PRIMARY KEY, data)");
  insert_rows(db, 1);
  const std::string error = db.error_of(place.start_sql());
  REQUIRE(contains(error, "cannot be switched to WAL mode"));
  REQUIRE(contains(error, place.path()));
  insert_rows(db, 1);
  REQUIRE(db.text("SELECT count(*) FROM t") == "2");
  REQUIRE_FALSE(fs::exists(place.replica_path()));
  REQUIRE_FALSE(fs::exists(place.meta_path()));
}

TEST_CASE("C9: databases without a file are refused, whatever they are called") {
  Place place;
  for (const char* name : {"file:/shared?vfs=memdb", "file:/app.db?vfs=memdb",
                           "file:memory?mode=memory&cache=shared", "file:?mode=memory"}) {
    INFO(name);
    VfsDb db(name, nullptr);
    db.exec("CREATE TABLE t(id INTEGER PRIMARY KEY, data)");
    REQUIRE(contains(db.error_of(place.start_sql()), "cannot be"));
    insert_rows(db, 1);
    REQUIRE(db.text("SELECT count(*) FROM t") == "1");
  }
  REQUIRE_FALSE(fs::exists(place.replica_path()));
}

TEST_CASE("C9: a VFS that keeps the bytes in another form") {
  register_xor_vfs("xor", XorShm::kForwarded);
  Place place;
  {
    VfsDb db(place.path(), "xor");
    db.exec(Place::create_sql());
    insert_rows(db, 300);
    db.exec(place.start_sql(R"({"sync-interval":"20ms","min-checkpoint-page-count":20})"));
    insert_rows(db, 100);
    REQUIRE(db.text("SELECT litestream_sync()") == txid_text(101));
    db.exec("SELECT litestream_snapshot()");
    db.exec("DELETE FROM t WHERE id > 350; VACUUM");
    db.exec("SELECT litestream_stop()");
    // Committed while nobody looks: the next start compares.
    insert_rows(db, 10);
    db.exec("PRAGMA wal_checkpoint(TRUNCATE)");
    db.exec(place.start_sql());
    REQUIRE(db.text("SELECT litestream_sync()") == txid_text(104));
    REQUIRE(place.snapshot_count() == 2);
    db.exec("SELECT litestream_stop(); PRAGMA wal_checkpoint(TRUNCATE)");
  }
  const std::string bytes = file_bytes(place.path());
  REQUIRE(xor_decoded(bytes).starts_with("SQLite format 3"));
  // The restored database is an ordinary one.
  REQUIRE(file_bytes(place.restore("out.db")) == xor_decoded(bytes));
  REQUIRE(place.rows_at() == 360);
}

}  // namespace litestream::test
