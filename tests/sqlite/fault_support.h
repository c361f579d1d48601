// What the fault tests share: a database and its replica that outlive the processes working on
// them, and the oracle for both.
//
// The table is always t(id INTEGER PRIMARY KEY, data), and every transaction of a test inserts the
// next id: a point in time is right if its ids are 1..n without a hole, and n follows its TXID.
#pragma once

#include <fcntl.h>

#include <algorithm>
#include <string>
#include <vector>

#include "tests/sqlite/replicated_database.h"
#include "tests/sqlite/sql_process.h"

namespace litestream::test {

inline uint64_t number_of(const std::string& txid) { return std::stoull(txid, nullptr, 16); }
inline std::string txid_text(uint64_t number) {
  char text[17];
  std::snprintf(text, sizeof text, "%016llx", static_cast<unsigned long long>(number));
  return text;
}
inline bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// A child copies it: this process may have the file open, and closing a descriptor of it here
// would drop SQLite's locks.
inline void copy_file(const std::string& from, const std::string& to) {
  REQUIRE(std::system(("cp -rp '" + from + "' '" + to + "'").c_str()) == 0);
}

class Place {
 public:
  Place() { load_extension_statically(); }

  std::string path() const { return dir_.file("app.db"); }
  std::string meta_path() const { return dir_.file(".app.db-litestream"); }
  std::string spool_path() const { return meta_path() + "/ltx/0"; }
  std::string replica_path() const { return dir_.file("replica"); }
  std::string url() const { return "file://" + replica_path(); }
  std::string file(const std::string& name) const { return dir_.file(name); }
  std::string start_sql(const std::string& options = R"({"sync-interval":"20ms"})") const {
    return "SELECT litestream_replicate('" + url() + "', '" + options + "')";
  }
  static std::string create_sql() {
    return "PRAGMA journal_mode=WAL; CREATE TABLE t(id INTEGER PRIMARY KEY, data)";
  }
  // One transaction: the next row.
  static std::string insert_sql(int bytes = 300) {
    return "INSERT INTO t(data) VALUES(randomblob(" + std::to_string(bytes) + "))";
  }

  // While broken nothing can be uploaded.
  void break_replica() {
    std::filesystem::rename(replica_path(), file("replica-away"));
    std::ofstream(replica_path()) << "in the way";
  }
  void mend_replica() {
    std::filesystem::remove(replica_path());
    std::filesystem::rename(file("replica-away"), replica_path());
  }

  std::vector<std::string> query(const std::string& sql) const {
    SqliteDb db(":memory:");
    return db.rows(sql);
  }
  // "level|min_txid|max_txid", by TXID.
  std::vector<std::string> files() const {
    return query(
        "SELECT level, min_txid, max_txid FROM litestream_ltx WHERE level IN (0, 9) AND database = "
        "'" +
        url() + "' ORDER BY max_txid, level");
  }
  std::vector<std::string> points() const {
    return query("SELECT txid FROM litestream_restore_points WHERE database = '" + url() +
                 "' ORDER BY txid");
  }
  size_t snapshot_count() const {
    return query("SELECT txid FROM litestream_snapshots WHERE database = '" + url() + "'").size();
  }
  std::vector<std::string> spooled() const {
    std::vector<std::string> names;
    for (const auto& entry : std::filesystem::directory_iterator(spool_path())) {
      if (entry.path().extension() == ".ltx") names.push_back(entry.path().string());
    }
    std::sort(names.begin(), names.end());
    return names;
  }
  std::string restore(const std::string& name, const std::string& txid = "") const {
    const std::string output = dir_.file(name);
    std::filesystem::remove(output);
    const std::string options = txid.empty() ? "{}" : R"({"txid":")" + txid + "\"}";
    query("SELECT litestream_restore('" + url() + "', '" + output + "', '" + options + "')");
    return output;
  }
  // The number of rows at that point; the point is whole.
  uint64_t rows_at(const std::string& txid = "") const {
    INFO("restore at '" << txid << "'");
    const std::string restored = restore("point.db", txid);
    require_sound(restored);
    SqliteDb db("file:" + restored + "?immutable=1");
    if (db.integer("SELECT count(*) FROM sqlite_schema WHERE name = 't'") == 0) return 0;
    const int64_t count = db.integer("SELECT count(*) FROM t");
    REQUIRE(db.integer("SELECT coalesce(max(id), 0) FROM t") == count);
    return static_cast<uint64_t>(count);
  }
  // Every listed point is whole, and later ones have more rows, up to `last`.
  void require_points_whole(uint64_t last) const {
    uint64_t before = 0;
    for (const std::string& txid : points()) {
      const uint64_t now = rows_at(txid);
      REQUIRE(now >= before);
      before = now;
    }
    REQUIRE(before == last);
  }
  // Nobody has the database open: as one file, byte for byte what the newest restore gives.
  void require_restore_equals_source() const {
    SqlProcess(path(), SqlProcess::kPlain).exec("PRAGMA wal_checkpoint(TRUNCATE)");
    REQUIRE(file_bytes(restore("newest.db")) == file_bytes(path()));
  }

 private:
  TempDir dir_;
};

// As many transactions, on a SqliteDb or in a SqlProcess.
template <typename Connection>
void insert_rows(Connection& connection, int count, int bytes = 300) {
  for (int i = 0; i < count; ++i) connection.exec(Place::insert_sql(bytes));
}

// One column of the status row of a database, asked on `db`.
inline std::string status_of(SqliteDb& db, const std::string& path, const std::string& column) {
  return db.text("SELECT " + column + " FROM litestream_status WHERE database = '" + path + "'");
}

struct WalFacts {
  uint64_t size_bytes = 0;
  std::string salts;
};

// Opening the -wal (not the database, not the -shm) harms no lock.
inline WalFacts wal_facts(const std::string& database_path) {
  const std::string bytes = file_bytes(database_path + "-wal");
  return {bytes.size(), bytes.size() < 32 ? std::string() : bytes.substr(16, 8)};
}

// Until everything in the WAL is in the database file and the mark of the replicator is out of the
// way: then the next writer starts the WAL over.
inline void wait_until_parked(SqlProcess& other) {
  wait_until([&] { return other.text("PRAGMA wal_checkpoint(RESTART)") == "0"; });
}

}  // namespace litestream::test
