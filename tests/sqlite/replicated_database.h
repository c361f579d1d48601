// One database replicated by the extension linked into the test, and the oracle for it: a restore
// at a TXID must hold exactly the transactions that had committed by then, and at the end the very
// bytes of the source.
#pragma once

#include <sqlite3.h>

#include <catch2/catch.hpp>
#include <chrono>
#include <filesystem>
#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "tests/support/sqlite_db.h"
#include "tests/support/temp_dir.h"

extern "C" int sqlite3_litestreamext_init(sqlite3*, char**, const sqlite3_api_routines*);

namespace litestream::test {

inline void load_extension_statically() {
  sqlite3_auto_extension(reinterpret_cast<void (*)(void)>(sqlite3_litestreamext_init));
}

// A table expression with the column `value`, first..last.
inline std::string series(int64_t first, int64_t last) {
  return "(WITH RECURSIVE s(value) AS (SELECT " + std::to_string(first) +
         " UNION ALL SELECT value + 1 FROM s WHERE value < " + std::to_string(last) +
         ") SELECT value FROM s)";
}

inline std::string file_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

// Polls until `done()`; fails the test after half a minute, far beyond any real wait.
template <typename Done>
void wait_until(Done done) {
  for (int i = 0; i < 3000; ++i) {
    if (done()) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  FAIL("waited half a minute in vain");
}

class ReplicatedDatabase {
 public:
  // `setup` runs before WAL mode is set (page_size, auto_vacuum).
  explicit ReplicatedDatabase(const std::string& setup = "",
                              const std::string& options = R"({"sync-interval":"50ms"})") {
    load_extension_statically();
    main_ = std::make_unique<SqliteDb>(path());
    if (!setup.empty()) main_->exec(setup);
    main_->exec("PRAGMA journal_mode=WAL; PRAGMA synchronous=NORMAL");
    replicate(options);
  }
  void replicate(const std::string& options = R"({"sync-interval":"50ms"})") {
    main_->exec("SELECT litestream_replicate('" + url() + "', '" + options + "')");
  }

  std::string path() const { return dir_.file("app.db"); }
  std::string url() const { return "file://" + dir_.file("replica"); }
  std::string replica_path() const { return dir_.file("replica"); }
  std::string file(const std::string& name) const { return dir_.file(name); }
  SqliteDb& main() { return *main_; }
  void close_main() { main_.reset(); }
  void open_main() { main_ = std::make_unique<SqliteDb>(path()); }
  std::unique_ptr<SqliteDb> connect() const { return std::make_unique<SqliteDb>(path()); }

  std::string sync() { return main_->text("SELECT litestream_sync()"); }

  // Restores through a connection of its own; the newest point without a TXID.
  std::string restore(const std::string& name, const std::string& txid = "") {
    const std::string output = dir_.file(name);
    std::filesystem::remove(output);
    SqliteDb db(":memory:");
    const std::string options = txid.empty() ? "{}" : R"({"txid":")" + txid + "\"}";
    db.exec("SELECT litestream_restore('" + url() + "', '" + output + "', '" + options + "')");
    return output;
  }
  std::vector<std::string> points() {
    SqliteDb db(":memory:");
    return db.rows("SELECT txid FROM litestream_restore_points WHERE database = '" + url() +
                   "' ORDER BY txid");
  }

  // The source as one file: everything checkpointed, nobody connected. Ends replication.
  std::string final_bytes() {
    main_->exec("SELECT litestream_stop()");
    main_->exec("PRAGMA wal_checkpoint(TRUNCATE)");
    close_main();
    return file_bytes(path());
  }

 private:
  TempDir dir_;
  std::unique_ptr<SqliteDb> main_;
};

// Checkpoints what nobody reads; true if the whole WAL is in the database file. While another
// connection runs a checkpoint, and the file is not complete, the answer is "1|-1|-1".
inline bool checkpoint_completely(SqliteDb& db) {
  const std::string answer = db.text("PRAGMA wal_checkpoint(PASSIVE)");
  const size_t first = answer.find('|');
  const size_t second = answer.rfind('|');
  return answer.starts_with("0|") &&
         answer.substr(first + 1, second - first - 1) == answer.substr(second + 1);
}

inline void require_sound(const std::string& restored) {
  SqliteDb db("file:" + restored + "?immutable=1");
  REQUIRE(db.text("PRAGMA integrity_check") == "ok");
}

}  // namespace litestream::test
