#include "tests/crash/load.h"

#include <unistd.h>

#include <exception>

#include "tests/support/prng.h"
#include "tests/support/sqlite_db.h"

namespace litestream::test {

const char kLoadSchema[] =
    "CREATE TABLE counters(writer INTEGER PRIMARY KEY, n INT);"
    "CREATE TABLE log(id INTEGER PRIMARY KEY, writer INT, chain INT);"
    "CREATE TABLE load(id INTEGER PRIMARY KEY, data BLOB);"
    "CREATE TABLE ballast(data BLOB);"
    "INSERT INTO log VALUES(0, 0, 1);"
    "WITH RECURSIVE s(i) AS (SELECT 0 UNION ALL SELECT i + 1 FROM s WHERE i < 7)"
    "  INSERT INTO counters SELECT i, 0 FROM s";

namespace {

constexpr uint64_t kRowCount = 400;

void write_rows(SqliteDb& db, Prng& random, int64_t count) {
  for (; count > 0; --count) {
    db.exec("INSERT OR REPLACE INTO load VALUES(" + std::to_string(random.below(kRowCount)) +
            ", randomblob(" + std::to_string(random.between(10, 900)) + "))");
  }
}

// Spilled pages of a transaction that is rolled back stay in the WAL as frames of nobody.
void roll_back_one(SqliteDb& db, Prng& random) {
  db.exec("BEGIN IMMEDIATE");
  write_rows(db, random, 60);
  db.exec("ROLLBACK");
}

int64_t counter_of(SqliteDb& db, const std::string& writer) {
  return db.integer("SELECT n FROM counters WHERE writer = " + writer);
}

void run_transaction(SqliteDb& db, const LoadOptions& options, int64_t n) {
  const std::string writer = std::to_string(options.writer);
  Prng random(options.seed ^
              (static_cast<uint64_t>(n) * kWriterCountMax + static_cast<uint64_t>(options.writer)));
  if (random.chance(40)) roll_back_one(db, random);
  db.exec("BEGIN IMMEDIATE");
  db.exec("UPDATE counters SET n = n + 1 WHERE writer = " + writer);
  db.exec("INSERT INTO log SELECT id + 1, " + writer + ", (chain * 31 + 1 + " + writer +
          ") % 1000000007 FROM log ORDER BY id DESC LIMIT 1");
  if (random.chance(60)) {
    write_rows(db, random, 120);
  } else if (random.chance(30)) {
    db.exec("DELETE FROM load WHERE id % 5 = " + std::to_string(random.below(5)));
  } else {
    write_rows(db, random, static_cast<int64_t>(random.between(1, 3)));
  }
  db.exec("COMMIT");
}

}  // namespace

std::string run_load(const LoadOptions& options, const std::atomic<bool>* stop) {
  try {
    SqliteDb db(options.path, options.busy_timeout_ms);
    db.exec("PRAGMA synchronous=NORMAL; PRAGMA cache_size=20");
    int64_t n = counter_of(db, std::to_string(options.writer));
    while (!*stop && (options.target == 0 || n < options.target)) {
      try {
        run_transaction(db, options, n);
        ++n;
      } catch (const std::exception&) {
        if ((db.extended_error() & 0xff) != SQLITE_BUSY || options.busy_timeout_ms == 0) throw;
        if (sqlite3_get_autocommit(db.get()) == 0) db.exec("ROLLBACK");
      }
      if (options.pause_us > 0) ::usleep(static_cast<useconds_t>(options.pause_us));
    }
  } catch (const std::exception& error) {
    return error.what();
  }
  return "";
}

}  // namespace litestream::test
