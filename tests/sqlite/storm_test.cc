// Many connections and threads write as hard as they can while capture, barriers and uploads run.
// Goal: every commit is in the replica once and in order, at every point that is listed.
// Method: each transaction counts itself in a table; a TXID counts commits; so in a restore at TXID
// T the counters must add up to T - T0, whatever the interleaving was.
#include <atomic>
#include <thread>

#include "tests/sqlite/replicated_database.h"
#include "tests/support/prng.h"

namespace litestream::test {
namespace {

constexpr int kThreadCount = 4;

uint64_t number_of(const std::string& txid) { return std::stoull(txid, nullptr, 16); }

// One transaction in `huge_every` writes some 2 MB; the others one to four rows.
void write_load(const std::string& path, int thread, int transaction_count, int huge_every,
                uint64_t seed, std::atomic<bool>* failed, std::string* error) {
  try {
    Prng random(seed);
    SqliteDb db(path);
    db.exec("PRAGMA synchronous=NORMAL");
    const std::string id = std::to_string(thread);
    for (int i = 0; i < transaction_count && !*failed; ++i) {
      db.exec("BEGIN IMMEDIATE; UPDATE counters SET n = n + 1 WHERE thread = " + id);
      if (random.chance(static_cast<uint64_t>(huge_every))) {
        db.exec("INSERT INTO load(thread, data) SELECT " + id + ", randomblob(2000) FROM " +
                series(1, 1000));
      } else if (random.chance(20)) {
        db.exec("DELETE FROM load WHERE id % 7 = " + std::to_string(random.below(7)));
      } else {
        for (uint64_t rows = random.between(1, 4); rows > 0; --rows) {
          db.exec("INSERT INTO load(thread, data) VALUES(" + id + ", randomblob(" +
                  std::to_string(random.between(10, 600)) + "))");
        }
      }
      db.exec("COMMIT");
    }
  } catch (const std::exception& caught) {
    *error = caught.what();
    *failed = true;
  }
}

void require_prefix(ReplicatedDatabase& database, const std::string& txid, uint64_t first_txid) {
  INFO("restore at " << txid);
  const std::string restored = database.restore("prefix.db", txid);
  SqliteDb db("file:" + restored + "?immutable=1");
  REQUIRE(db.text("PRAGMA integrity_check") == "ok");
  if (number_of(txid) < first_txid) return;
  const auto committed =
      static_cast<uint64_t>(db.integer("SELECT coalesce(sum(n), 0) FROM counters"));
  REQUIRE(committed == number_of(txid) - first_txid);
}

void run_storm(const std::string& setup, int transaction_count, int huge_every, uint64_t seed) {
  ReplicatedDatabase database(setup + ";" +
                              "CREATE TABLE load(id INTEGER PRIMARY KEY, thread INT, data BLOB);"
                              "CREATE TABLE counters(thread INTEGER PRIMARY KEY, n INT)");
  for (int i = 0; i < kThreadCount; ++i) {
    database.main().exec("INSERT INTO counters VALUES(" + std::to_string(i) + ", 0)");
  }
  const uint64_t first_txid = number_of(database.main().text("SELECT litestream_txid()"));
  std::atomic<bool> failed{false};
  std::string errors[kThreadCount];
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreadCount; ++i) {
    threads.emplace_back(write_load, database.path(), i, transaction_count / kThreadCount,
                         huge_every, seed + static_cast<uint64_t>(i), &failed, &errors[i]);
  }
  for (auto& thread : threads) thread.join();
  for (const auto& error : errors) REQUIRE(error == "");
  const std::string last = database.sync();
  REQUIRE(number_of(last) - first_txid == static_cast<uint64_t>(transaction_count));
  const auto points = database.points();
  REQUIRE(points.size() > 1);
  Prng random(seed);
  for (int i = 0; i < 6; ++i) {
    require_prefix(database, points[random.below(points.size())], first_txid);
  }
  require_prefix(database, last, first_txid);
  const std::string restored = database.restore("final.db");
  REQUIRE(file_bytes(restored) == database.final_bytes());
}

}  // namespace

TEST_CASE("four writers of 20000 small and some huge transactions lose nothing", "[threads]") {
  const Prng random = Prng::announced("storm", 1);
  run_storm("PRAGMA page_size=4096", 20'000, 1000, random.seed());
}

TEST_CASE("storms on every page size", "[threads]") {
  const int page_size = GENERATE(512, 1024, 2048, 8192, 16384, 32768, 65536);
  const Prng random = Prng::announced("page size storm", 2);
  CAPTURE(page_size);
  run_storm("PRAGMA page_size=" + std::to_string(page_size), 2000, 500, random.seed());
}

TEST_CASE("storms with auto_vacuum, where every delete may shrink the database", "[threads]") {
  const char* mode = GENERATE("FULL", "INCREMENTAL");
  const Prng random = Prng::announced("auto_vacuum storm", 3);
  CAPTURE(mode);
  run_storm(std::string("PRAGMA auto_vacuum=") + mode, 2000, 200, random.seed());
}

// All transactions together change far less than the database holds, so no L0 file of any length
// can be as large as it: only a needless re-snapshot could.
TEST_CASE("a storm of small commits never makes an L0 file of the size of the database",
          "[threads]") {
  const int page_size = GENERATE(1024, 4096, 65536);
  const uint64_t seed = Prng::announced("small storm", 4).seed();
  CAPTURE(page_size);
  ReplicatedDatabase database("PRAGMA page_size=" + std::to_string(page_size) +
                              ";CREATE TABLE old(data BLOB);"
                              "INSERT INTO old SELECT randomblob(1000) FROM " +
                              series(1, 16'000) +
                              ";CREATE TABLE load(id INTEGER PRIMARY KEY, thread INT, data BLOB)");
  database.sync();
  std::string errors[kThreadCount];
  std::vector<std::thread> threads;
  for (int i = 0; i < kThreadCount; ++i) {
    threads.emplace_back([&, i] {
      try {
        Prng random(seed + static_cast<uint64_t>(i));
        SqliteDb db(database.path());
        db.exec("PRAGMA synchronous=NORMAL");
        for (int n = 0; n < 500; ++n) {
          db.exec("INSERT INTO load(thread, data) VALUES(" + std::to_string(i) + ", randomblob(" +
                  std::to_string(random.between(10, 2000)) + "))");
        }
      } catch (const std::exception& caught) {
        errors[i] = caught.what();
      }
    });
  }
  for (auto& thread : threads) thread.join();
  for (const auto& error : errors) REQUIRE(error == "");
  const uint64_t last = number_of(database.sync());
  SqliteDb db(":memory:");
  const auto source = static_cast<int64_t>(std::filesystem::file_size(database.path()));
  const auto files = db.rows(
      "SELECT min_txid || ' ' || max_txid || ' ' || size FROM litestream_ltx WHERE database = '" +
      database.url() + "' AND level = 0 AND size >= " + std::to_string(source / 2));
  for (const std::string& file : files) {
    INFO("a file of half the database, " << source << " bytes: " << file);
    // The file that began the replica holds the whole database.
    CHECK(number_of(file.substr(0, 16)) == 1);
  }
  CHECK(last > 2000);
  REQUIRE(file_bytes(database.restore("final.db")) == database.final_bytes());
}

TEST_CASE("VACUUM, shrinking and growing restore byte for byte at every point", "[threads]") {
  ReplicatedDatabase database("PRAGMA page_size=1024");
  SqliteDb& db = database.main();
  std::vector<std::pair<std::string, std::string>> copies;  // TXID, bytes of a reference copy
  const auto remember = [&] {
    const std::string txid = database.sync();
    // With the WAL fully checkpointed the file itself is the reference. A child copies it: closing
    // a descriptor of it in this process would drop SQLite's locks.
    wait_until([&] { return checkpoint_completely(db); });
    const std::string copy = database.file("copy" + txid);
    REQUIRE(std::system(("cp '" + database.path() + "' '" + copy + "'").c_str()) == 0);
    copies.emplace_back(txid, file_bytes(copy));
  };
  db.exec("CREATE TABLE t(id INTEGER PRIMARY KEY, data BLOB)");
  db.exec("INSERT INTO t SELECT value, randomblob(700) FROM " + series(1, 3000));
  remember();
  db.exec("DELETE FROM t WHERE id > 100");
  db.exec("VACUUM");
  remember();
  // Shrink and grow within one L0 file.
  db.exec(
      "DELETE FROM t WHERE id > 50; VACUUM;"
      "INSERT INTO t SELECT value, randomblob(700) FROM " +
      series(1000, 2000));
  remember();
  db.exec("DROP TABLE t; VACUUM; CREATE TABLE t(id INTEGER PRIMARY KEY, data BLOB)");
  remember();
  for (const auto& [txid, bytes] : copies) {
    INFO(txid);
    const std::string restored = database.restore("point.db", txid);
    require_sound(restored);
    REQUIRE(file_bytes(restored) == bytes);
  }
  const std::string restored = database.restore("final.db");
  REQUIRE(file_bytes(restored) == database.final_bytes());
}

// While commits flow they wake nobody; the first one after the flow must do so again.
TEST_CASE("commits after a flow of commits are found without the slow verifier") {
  ReplicatedDatabase database("", R"({"sync-interval":"50ms","monitor-interval":"1h"})");
  SqliteDb& db = database.main();
  db.exec("CREATE TABLE t(id INTEGER PRIMARY KEY, data BLOB)");
  Prng random = Prng::announced("after the flow", 5);
  const uint64_t created = number_of(database.sync()) - 1;
  uint64_t txid = created + 1;
  for (int round = 0; round < 8; ++round) {
    const uint64_t flow = random.between(100, 3000);
    for (uint64_t i = 0; i < flow; ++i) db.exec("INSERT INTO t(data) VALUES(randomblob(50))");
    // The thread looks again 20 ms after the last capture that saw commits, and once more.
    std::this_thread::sleep_for(std::chrono::milliseconds(random.below(70)));
    db.exec("INSERT INTO t(data) VALUES('alone')");
    txid += flow + 1;
    // Read from memory: nothing here asks for a capture.
    wait_until(
        [&] { return number_of(db.text("SELECT replica_txid FROM litestream_status")) == txid; });
    REQUIRE(static_cast<uint64_t>(db.integer("SELECT max(id) FROM t")) + created + 1 == txid);
  }
}

}  // namespace litestream::test
