// `durability: replica`: COMMIT returns when the replica has it, and says so when it has not.
#include <atomic>
#include <filesystem>
#include <fstream>
#include <thread>

#include "tests/sqlite/replicated_database.h"

namespace litestream::test {
namespace {

constexpr const char* kDurable =
    R"({"durability":"replica","commit-timeout":"30s","sync-interval":"1h"})";

std::string newest_on_replica(ReplicatedDatabase& database) {
  SqliteDb db(":memory:");
  return db.text("SELECT max(max_txid) FROM litestream_ltx WHERE database = '" + database.url() +
                 "'");
}

}  // namespace

TEST_CASE("a commit that returned is on the replica") {
  ReplicatedDatabase database("CREATE TABLE t(a)", kDurable);
  // Also for a connection that is opened later and has never called a function of ours.
  const auto later = database.connect();
  for (int i = 0; i < 20; ++i) {
    (i % 2 == 0 ? database.main() : *later).exec("INSERT INTO t VALUES(1)");
    char expected[17];
    std::snprintf(expected, sizeof expected, "%016x", 2 + i);
    REQUIRE(newest_on_replica(database) == expected);
  }
  REQUIRE(database.main().text("SELECT durability FROM litestream_status WHERE database = '" +
                               database.path() + "'") == "replica");
  REQUIRE(database.main().text("SELECT litestream_last_error()") == "");
}

TEST_CASE("sixteen writers that wait share files", "[threads]") {
  ReplicatedDatabase database("CREATE TABLE t(writer, i)", kDurable);
  constexpr int kWriters = 16;
  constexpr int kCommits = 20;
  std::vector<std::thread> threads;
  std::atomic<int> failures{0};
  for (int writer = 0; writer < kWriters; ++writer) {
    threads.emplace_back([&, writer] {
      try {
        const auto connection = database.connect();
        for (int i = 0; i < kCommits; ++i) {
          connection->exec("INSERT INTO t VALUES(" + std::to_string(writer) + "," +
                           std::to_string(i) + ")");
        }
      } catch (const std::exception&) {
        ++failures;
      }
    });
  }
  for (auto& thread : threads) thread.join();
  REQUIRE(failures == 0);
  SqliteDb db(":memory:");
  const auto files = db.integer(
      "SELECT count(*) FROM litestream_ltx WHERE level = 0 AND "
      "database = '" +
      database.url() + "'");
  REQUIRE(files < kWriters * kCommits);
  SqliteDb restored("file:" + database.restore("out.db") + "?immutable=1");
  REQUIRE(restored.integer("SELECT count(*) FROM t") == kWriters * kCommits);
}

TEST_CASE("a replica that is gone: the commit stays, its statement says it is not confirmed") {
  ReplicatedDatabase database("CREATE TABLE t(a)",
                              R"({"durability":"replica","commit-timeout":"300ms"})");
  database.main().exec("INSERT INTO t VALUES('before')");
  // A file where the level's folder belongs: nothing can be written there, not even by root.
  const std::string level = database.replica_path() + "/ltx/0";
  std::filesystem::rename(level, level + ".away");
  std::ofstream(level) << "in the way";
  REQUIRE_THROWS(database.main().exec("INSERT INTO t VALUES('unconfirmed')"));
  REQUIRE(database.main().extended_error() == 19466);
  const std::string error = database.main().text("SELECT litestream_last_error()");
  REQUIRE(error.find("committed locally (TXID up to 0000000000000003)") != std::string::npos);
  REQUIRE(error.find("not confirmed on the replica") != std::string::npos);
  REQUIRE(database.main().integer("SELECT count(*) FROM t") == 2);
  REQUIRE_THROWS(database.main().exec("SELECT litestream_wait('0000000000000003', 50)"));
  std::filesystem::remove(level);
  std::filesystem::rename(level + ".away", level);
  // It catches up by itself; waiting forces nothing.
  REQUIRE(database.main().text("SELECT litestream_wait()") == "0000000000000003");
  SqliteDb restored("file:" + database.restore("out.db") + "?immutable=1");
  REQUIRE(restored.text("SELECT group_concat(a) FROM t") == "before,unconfirmed");
}

TEST_CASE("an async commit does not wait for a replica that is gone, and catches up in order") {
  ReplicatedDatabase database("CREATE TABLE t(a)");
  database.sync();
  const std::string level = database.replica_path() + "/ltx/0";
  std::filesystem::create_directories(database.replica_path() + "/ltx");
  std::filesystem::remove_all(level);
  std::ofstream(level) << "in the way";
  for (int i = 0; i < 50; ++i) database.main().exec("INSERT INTO t VALUES(1)");
  wait_until([&] {
    return database.main().text("SELECT status FROM litestream_status WHERE database = '" +
                                database.path() + "'") == "error";
  });
  REQUIRE(database.main()
              .text("SELECT last_error FROM litestream_status WHERE database = '" +
                    database.path() + "'")
              .find("upload") != std::string::npos);
  std::filesystem::remove(level);
  REQUIRE(database.sync() == "0000000000000033");
  SqliteDb restored("file:" + database.restore("out.db") + "?immutable=1");
  REQUIRE(restored.integer("SELECT count(*) FROM t") == 50);
}

TEST_CASE("reset forgets the local folder and resynchronises") {
  ReplicatedDatabase database("CREATE TABLE t(a)");
  database.main().exec("INSERT INTO t VALUES(1)");
  const std::string txid = database.sync();
  database.main().exec("SELECT litestream_reset('" + database.path() + "')");
  REQUIRE(database.sync() == txid);  // nothing differed
  database.main().exec("INSERT INTO t VALUES(2)");
  database.sync();
  SqliteDb restored("file:" + database.restore("out.db") + "?immutable=1");
  REQUIRE(restored.integer("SELECT count(*) FROM t") == 2);
}

TEST_CASE("verify reads every file and finds the damaged one") {
  ReplicatedDatabase database("CREATE TABLE t(a)");
  for (int i = 0; i < 3; ++i) {
    database.main().exec("INSERT INTO t VALUES(randomblob(5000))");
    database.sync();
  }
  SqliteDb db(":memory:");
  const std::string verify = "SELECT litestream_verify('" + database.url() + "', ";
  REQUIRE(db.text(verify + "'{\"deep\":true}')") == R"({"ok":true,"files":4,"errors":[]})");
  const std::string name = "0000000000000003-0000000000000003.ltx";
  {
    std::fstream file(database.replica_path() + "/ltx/0/" + name,
                      std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(300);
    file.put('x');
  }
  const std::string report = db.text(verify + "NULL)");
  REQUIRE(report.find("\"ok\":false") != std::string::npos);
  REQUIRE(report.find(name) != std::string::npos);
}

}  // namespace litestream::test
