// litestream_follow with real SQLite on both sides: readers of the copy in this and in other
// processes, a follower that is killed at any moment.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <filesystem>
#include <thread>

#include "tests/sqlite/replicated_database.h"
#include "tests/sqlite/sql_process.h"
#include "tests/support/prng.h"

namespace litestream::test {
namespace {

// Accounts whose sum is always the same: a reader that sees another sum saw a torn state.
constexpr int64_t kAccounts = 200;
constexpr int64_t kBalance = 1000;

void create_accounts(SqliteDb& db) {
  db.exec(
      "CREATE TABLE account(id INTEGER PRIMARY KEY, balance INTEGER, pad BLOB);"
      "CREATE TABLE log(n INTEGER)");
  db.exec("INSERT INTO account SELECT value, 1000, randomblob(600) FROM " + series(1, kAccounts));
  db.exec("INSERT INTO log VALUES (0)");
}

void transfer(SqliteDb& db, Prng& prng) {
  const std::string from = std::to_string(prng.between(1, kAccounts));
  const std::string to = std::to_string(prng.between(1, kAccounts));
  db.exec(
      "BEGIN; UPDATE account SET balance = balance - 7, pad = randomblob(600) WHERE id = " + from +
      "; UPDATE account SET balance = balance + 7, pad = randomblob(600) WHERE id = " + to +
      "; UPDATE log SET n = n + 1; COMMIT");
}

constexpr const char* kSum = "SELECT (SELECT sum(balance) FROM account)";
constexpr const char* kCount = "SELECT n FROM log";

std::string follow_sql(const ReplicatedDatabase& database, const std::string& copy) {
  return "SELECT litestream_follow('" + database.url() + "', '" + copy + "')";
}

TEST_CASE("follow: a copy keeps up while it is read, and readers never see a torn state") {
  auto prng = Prng::announced("follow_readers", 41);
  ReplicatedDatabase database;
  create_accounts(database.main());
  database.sync();
  const std::string copy = database.file("copy.db");
  SqliteDb follower(":memory:");
  follower.exec(follow_sql(database, copy));

  std::atomic<bool> ending = false;
  std::atomic<uint64_t> reads = 0;
  std::atomic<bool> torn = false;
  // One connection that stays, and with it its cache; one that comes and goes.
  const auto read_on = [&](bool stays) {
    std::unique_ptr<SqliteDb> db;
    int64_t last = -1;
    while (!ending) {
      if (db == nullptr || !stays) db = std::make_unique<SqliteDb>(copy);
      db->exec("BEGIN");
      const int64_t sum = db->integer(kSum);
      const int64_t count = db->integer(kCount);
      db->exec("COMMIT");
      if (sum != kAccounts * kBalance || count < last) torn = true;
      last = count;
      ++reads;
    }
  };
  std::thread staying(read_on, true);
  std::thread passing(read_on, false);
  for (int i = 0; i < 60; ++i) {
    for (uint64_t k = prng.between(1, 5); k > 0; --k) transfer(database.main(), prng);
    database.sync();
    follower.exec(follow_sql(database, copy));
    CHECK(SqliteDb(copy).text(kCount) == database.main().text(kCount));
  }
  ending = true;
  staying.join();
  passing.join();
  CHECK_FALSE(torn);
  CHECK(reads > 50);
  CHECK(SqliteDb(copy).text("PRAGMA integrity_check") == "ok");
  CHECK_FALSE(std::filesystem::exists(copy + "-wal"));
  CHECK_FALSE(std::filesystem::exists(copy + "-journal"));
}

TEST_CASE("H6 follow: growth, VACUUM and a schema change reach readers that stay connected") {
  ReplicatedDatabase database;
  create_accounts(database.main());
  database.sync();
  const std::string copy = database.file("copy.db");
  SqliteDb follower(":memory:");
  follower.exec(follow_sql(database, copy));
  SqliteDb reader(copy);
  REQUIRE(reader.text("SELECT count(*) FROM account") == "200");
  for (const char* sql :
       {"INSERT INTO account(balance, pad) SELECT 0, randomblob(900) FROM account",
        "CREATE TABLE later(x); INSERT INTO later VALUES (1)",
        "DELETE FROM account WHERE id > 20; VACUUM", "DROP TABLE later",
        "INSERT INTO account(balance, pad) VALUES (1, zeroblob(90000))"}) {
    CAPTURE(sql);
    database.main().exec(sql);
    database.sync();
    follower.exec(follow_sql(database, copy));
    const std::string all = "SELECT count(*) || ' ' || total(length(pad)) FROM account";
    CHECK(reader.text(all) == database.main().text(all));
    const std::string schema = "SELECT group_concat(name) FROM sqlite_schema";
    CHECK(reader.text(schema) == database.main().text(schema));
    CHECK(reader.text("PRAGMA integrity_check") == "ok");
  }
}

TEST_CASE("follow: a reader in another process in the middle of a transaction is waited for") {
  ReplicatedDatabase database;
  create_accounts(database.main());
  database.sync();
  const std::string copy = database.file("copy.db");
  SqliteDb follower(":memory:");
  follower.exec(follow_sql(database, copy));
  database.main().exec("UPDATE log SET n = 5");
  database.sync();
  SqlProcess reader(copy, SqlProcess::kPlain);
  reader.exec("BEGIN");
  REQUIRE(reader.text(kCount) == "0");
  const std::string sql =
      "SELECT litestream_follow('" + database.url() + "', '" + copy + R"(', '{"timeout_ms":50}'))";
  const std::string error = follower.error_of(sql);
  CHECK(error.find("a reader of " + copy + " is in the way") != std::string::npos);
  CHECK(reader.text(kCount) == "0");
  reader.exec("COMMIT");
  follower.exec(sql);
  CHECK(reader.text(kCount) == "5");
}

// Runs one step in a process that dies at its `call`-th call on the copy; false: there were fewer.
bool follow_and_die(const ReplicatedDatabase& database, const std::string& copy, int call) {
  const std::string number = std::to_string(call);
  const std::string replica = database.replica_path();
  const pid_t child = ::fork();
  if (child < 0) throw std::runtime_error("fork");
  if (child == 0) {
    ::execl(LITESTREAM_FOLLOW_PROCESS, LITESTREAM_FOLLOW_PROCESS, replica.c_str(), copy.c_str(),
            number.c_str(), nullptr);
    ::_exit(9);
  }
  int status = 0;
  ::waitpid(child, &status, 0);
  REQUIRE((WIFSIGNALED(status) || (WIFEXITED(status) && WEXITSTATUS(status) == 0)));
  return WIFSIGNALED(status);
}

TEST_CASE("H6 follow: killed at every call on the copy, SQLite puts the old state back") {
  auto prng = Prng::announced("follow_kill", 43);
  ReplicatedDatabase database;
  create_accounts(database.main());
  database.sync();
  const std::string copy = database.file("copy.db");
  SqliteDb(":memory:").exec(follow_sql(database, copy));
  int hot = 0;
  for (int call = 1;; ++call) {
    CAPTURE(call);
    const std::string before = SqliteDb(copy).text(kCount);
    for (int k = 0; k < 10; ++k) transfer(database.main(), prng);
    if (call % 3 == 0) database.main().exec("INSERT INTO log SELECT n FROM log LIMIT 0; VACUUM");
    database.sync();
    const bool died = follow_and_die(database, copy, call);
    hot += std::filesystem::exists(copy + "-journal") ? 1 : 0;
    {
      // Whoever opens it first puts it right: here a program that has never heard of us.
      SqlProcess reader(copy, SqlProcess::kPlain);
      REQUIRE(reader.text(kSum) == std::to_string(kAccounts * kBalance));
      REQUIRE(reader.text("PRAGMA integrity_check") == "ok");
      if (died) REQUIRE(reader.text(kCount) == before);
      REQUIRE_FALSE(std::filesystem::exists(copy + "-journal"));
    }
    SqliteDb(":memory:").exec(follow_sql(database, copy));
    REQUIRE(SqliteDb(copy).text(kCount) == database.main().text(kCount));
    if (!died) break;
  }
  CHECK(hot > 5);
}

TEST_CASE("H6 follow: killed at random moments") {
  auto prng = Prng::announced("follow_kill_random", 44);
  ReplicatedDatabase database;
  create_accounts(database.main());
  database.sync();
  const std::string copy = database.file("copy.db");
  SqliteDb(":memory:").exec(follow_sql(database, copy));
  int64_t last = 0;
  for (int round = 0; round < 25; ++round) {
    CAPTURE(round);
    for (int k = 0; k < 10; ++k) transfer(database.main(), prng);
    database.sync();
    {
      SqlProcess follower(":memory:", SqlProcess::kExtension);
      follower.exec("SELECT 1");
      follower.send(follow_sql(database, copy));
      ::usleep(static_cast<useconds_t>(prng.between(0, 30'000)));
      follower.kill();
    }
    SqliteDb reader(copy);
    REQUIRE(reader.integer(kSum) == kAccounts * kBalance);
    const int64_t count = reader.integer(kCount);
    REQUIRE(count >= last);
    REQUIRE(count % 10 == 0);
    last = count;
  }
  SqliteDb(":memory:").exec(follow_sql(database, copy));
  CHECK(SqliteDb(copy).text(kCount) == database.main().text(kCount));
}

TEST_CASE("H6 follow: raw files that are gone are made up for, a gap is an error each time") {
  ReplicatedDatabase database;
  create_accounts(database.main());
  database.sync();
  const std::string copy = database.file("copy.db");
  SqliteDb follower(":memory:");
  follower.exec(follow_sql(database, copy));
  const auto commit = [&](int count) {
    for (int i = 0; i < count; ++i) {
      database.main().exec("UPDATE log SET n = n + 1");
      database.sync();
    }
  };
  // All but the newest raw file, as retention leaves them.
  const auto remove_raw = [&] {
    std::vector<std::filesystem::path> files;
    for (const auto& entry :
         std::filesystem::directory_iterator(database.replica_path() + "/ltx/0")) {
      files.push_back(entry.path());
    }
    std::sort(files.begin(), files.end());
    files.pop_back();
    for (const auto& file : files) std::filesystem::remove(file);
  };
  commit(5);
  database.main().exec("SELECT litestream_compact('" + database.path() + "', 1)");
  remove_raw();
  follower.exec(follow_sql(database, copy));
  CHECK(SqliteDb(copy).text(kCount) == "5");
  // Now nothing else has them.
  commit(5);
  remove_raw();
  for (int i = 0; i < 3; ++i) {
    const std::string error = follower.error_of(follow_sql(database, copy));
    CAPTURE(error);
    CHECK(error.find("no file of the replica holds") != std::string::npos);
    CHECK(SqliteDb(copy).text(kCount) == "5");
    CHECK(SqliteDb(copy).text("PRAGMA integrity_check") == "ok");
  }
  // A snapshot leads on.
  commit(1);
  database.main().exec("SELECT litestream_snapshot()");
  follower.exec(follow_sql(database, copy));
  CHECK(SqliteDb(copy).text(kCount) == "11");
}

TEST_CASE("follow: what is no copy of ours is refused, and so is a copy that was written to") {
  ReplicatedDatabase database;
  create_accounts(database.main());
  database.sync();
  SqliteDb follower(":memory:");
  const std::string other = database.file("other.db");
  SqliteDb(other).exec("CREATE TABLE mine(x)");
  CHECK(follower.error_of(follow_sql(database, other)).find("is not a copy made by") !=
        std::string::npos);
  CHECK(SqliteDb(other).text("SELECT name FROM sqlite_schema") == "mine");
  CHECK(follower.error_of(follow_sql(database, database.path())).find("is not a copy made by") !=
        std::string::npos);
  const std::string copy = database.file("copy.db");
  follower.exec(follow_sql(database, copy));
  SqliteDb(copy).exec("UPDATE log SET n = 99");
  CHECK(follower.error_of(follow_sql(database, copy)).find("changed by somebody else") !=
        std::string::npos);
  CHECK(follower
            .error_of("SELECT litestream_follow('" + database.url() + "', '" + copy +
                      R"(', '{"txid":"0000000000000001"}'))")
            .find("unknown option 'txid'; known: integrity_check, parallelism, replica, "
                  "timeout_ms") != std::string::npos);
}

}  // namespace
}  // namespace litestream::test
