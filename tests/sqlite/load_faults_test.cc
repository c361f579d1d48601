// Everything at once, and for long: writers, checkpoints, snapshots and restores, on a store that
// is slow and on one that is not.
//
// LITESTREAM_SOAK_ROUNDS sets the rounds of the soak test; 1800 take about half an hour.
#include <atomic>
#include <cstdlib>
#include <filesystem>
#include <functional>
#include <thread>

#include "tests/sqlite/fault_support.h"
#include "tests/support/call_gate.h"
#include "tests/support/prng.h"

namespace litestream::test {
namespace {

namespace fs = std::filesystem;

int soak_rounds() {
  const char* text = std::getenv("LITESTREAM_SOAK_ROUNDS");
  return text != nullptr ? std::atoi(text) : 20;
}

// A thread that does its work again and again until the end of the test. An exception ends it and
// is told by end().
class Busy {
 public:
  explicit Busy(std::function<void()> work)
      : thread_([this, work = std::move(work)] {
          try {
            while (!stop_) work();
          } catch (const std::exception& error) {
            error_ = error.what();
          }
        }) {}
  ~Busy() { (void)end(); }
  Busy(const Busy&) = delete;
  Busy& operator=(const Busy&) = delete;
  std::string end() {
    stop_ = true;
    if (thread_.joinable()) thread_.join();
    return error_;
  }

 private:
  std::atomic<bool> stop_{false};
  std::string error_;
  std::thread thread_;
};

// One transaction: the next row, and some old one anew, so that pages of all ages change.
std::string rewrite_sql() {
  return "BEGIN IMMEDIATE; " + Place::insert_sql() +
         "; UPDATE t SET data = randomblob(900) WHERE id = abs(random()) % 900; COMMIT";
}

const char* kModes[] = {"PASSIVE", "FULL", "RESTART", "TRUNCATE"};

}  // namespace

TEST_CASE("B8: a snapshot that takes long while writers and checkpoints go on", "[threads]") {
  struct OpenGatesAtEnd {
    ~OpenGatesAtEnd() { open_gates(); }
  } const at_end;
  Place place;
  SqliteDb db(place.path());
  db.exec(Place::create_sql());
  db.exec(place.start_sql(R"({"sync-interval":"10ms","min-checkpoint-page-count":50})"));
  db.exec("INSERT INTO t(data) SELECT randomblob(900) FROM " + series(1, 4000));
  db.exec("SELECT litestream_sync()");
  SqlProcess other(place.path(), SqlProcess::kPlain);
  other.exec("PRAGMA busy_timeout=20");
  // Each write of the snapshot waits until transactions and a checkpoint have passed it by.
  set_gate(GateCall::kWrite, place.replica_path() + "/ltx/9", GateAction::kHold);
  std::string txid;
  std::string error;
  std::atomic<bool> done{false};
  std::thread snapshot([&] {
    try {
      txid = SqliteDb(place.path()).text("SELECT litestream_snapshot()");
    } catch (const std::exception& caught) {
      error = caught.what();
    }
    done = true;
  });
  int writes = 0;
  for (; !done; ++writes) {
    wait_until([&] { return done || held_count() >= 1; });
    if (done) break;
    for (int i = 0; i < 4; ++i) db.exec(rewrite_sql());
    other.exec("PRAGMA wal_checkpoint(" + std::string(kModes[writes % 4]) + ")");
    let_pass();
  }
  snapshot.join();
  REQUIRE(error == "");
  REQUIRE(writes > 5);
  const std::string last = db.text("SELECT litestream_sync()");
  REQUIRE(number_of(last) >= number_of(txid) + 4u * 5u);
  // The chain of L0 files without that snapshot leads to the same bytes.
  require_sound(place.restore("by-snapshot.db", txid));
  const std::string by_snapshot = file_bytes(place.file("by-snapshot.db"));
  REQUIRE(fs::remove(place.replica_path() + "/ltx/9/" + txid_text(1) + "-" + txid + ".ltx"));
  REQUIRE(file_bytes(place.restore("by-chain.db", txid)) == by_snapshot);
  db.exec("SELECT litestream_stop()");
  other.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  REQUIRE(file_bytes(place.restore("newest.db")) == file_bytes(place.path()));
}

TEST_CASE("B9: writers, capture, checkpoints and restores in a loop", "[threads]") {
  const Prng seed = Prng::announced("soak", 9);
  Place place;
  SqliteDb db(place.path());
  db.exec(Place::create_sql());
  insert_rows(db, 900, 900);
  db.exec(place.start_sql(R"({"sync-interval":"20ms","min-checkpoint-page-count":200})"));
  REQUIRE(db.text("SELECT litestream_sync()") == txid_text(1));
  SqliteDb own(place.path());
  SqlProcess plain(place.path(), SqlProcess::kPlain);
  SqlProcess checkpointer(place.path(), SqlProcess::kPlain);
  checkpointer.exec("PRAGMA busy_timeout=20");
  Prng mode(seed.seed());
  Busy own_writer([&] { own.exec(rewrite_sql()); });
  Busy plain_writer([&] { plain.exec(rewrite_sql()); });
  Busy checkpoints([&] {
    checkpointer.exec("PRAGMA wal_checkpoint(" + std::string(kModes[mode.below(4)]) + ")");
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  });
  Prng random(seed.seed() + 1);
  uint64_t reached = 1;
  // Every commit has a number of its own: no more and no fewer rows than it says.
  const auto require_point = [&](const std::string& txid) {
    REQUIRE(place.rows_at(txid) == 900 + number_of(txid) - 1);
  };
  for (int round = 0; round < soak_rounds(); ++round) {
    CAPTURE(round);
    wait_until([&] { return number_of(db.text("SELECT litestream_txid()")) > reached + 100; });
    if (round % 4 == 3) db.exec("SELECT litestream_snapshot()");
    const std::string newest = db.text("SELECT litestream_sync()");
    require_point(newest);
    const auto points = place.points();
    require_point(points[random.below(points.size())]);
    reached = number_of(newest);
  }
  REQUIRE(own_writer.end() == "");
  REQUIRE(plain_writer.end() == "");
  REQUIRE(checkpoints.end() == "");
  require_point(db.text("SELECT litestream_sync()"));
  const int64_t database_bytes = db.integer("PRAGMA page_count") * 4096;
  for (const std::string& size :
       place.query("SELECT size FROM litestream_ltx WHERE level = 0 AND database = '" +
                   place.url() + "'")) {
    REQUIRE(std::stoll(size) < database_bytes / 2);
  }
  db.exec("SELECT litestream_stop()");
  plain.exec("PRAGMA wal_checkpoint(TRUNCATE)");
  REQUIRE(file_bytes(place.restore("newest.db")) == file_bytes(place.path()));
}

TEST_CASE("B14: a SQLite with the WAL-reset race is named, and we do not start it", "[threads]") {
  ReplicatedDatabase database("CREATE TABLE t(id INTEGER PRIMARY KEY, data)",
                              R"({"sync-interval":"10ms","min-checkpoint-page-count":5})");
  const std::string warning = status_of(database.main(), database.path(), "warning");
  const int version = sqlite3_libversion_number();
  const bool fixed = version >= 3051003 || (version >= 3050007 && version < 3051000) ||
                     (version >= 3044006 && version < 3045000);
  REQUIRE(contains(warning, "WAL-reset race") == !fixed);
  REQUIRE(contains(warning, sqlite3_libversion()) == !fixed);
  // As many checkpoints and resets by us as there can be, under four writers.
  constexpr int kWriters = 4;
  constexpr int kCommits = 150;
  std::atomic<int> failures{0};
  std::vector<std::thread> writers;
  for (int i = 0; i < kWriters; ++i) {
    writers.emplace_back([&] {
      try {
        insert_rows(*database.connect(), kCommits);
      } catch (const std::exception&) {
        ++failures;
      }
    });
  }
  for (std::thread& writer : writers) writer.join();
  REQUIRE(failures == 0);
  REQUIRE(database.sync() == txid_text(1 + kWriters * kCommits));
  REQUIRE(database.main().text("PRAGMA integrity_check") == "ok");
  REQUIRE(database.main().integer("SELECT count(*) FROM t") == kWriters * kCommits);
  REQUIRE(file_bytes(database.restore("out.db")) == database.final_bytes());
}

}  // namespace litestream::test
