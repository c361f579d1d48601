// An L0 file that nobody waits for is written by the pool while capture goes on: what others see
// while that takes its time, fails, or has no thread, and what is there afterwards.
#include <filesystem>
#include <memory>
#include <thread>
#include <vector>

#include "tests/sqlite/fault_support.h"
#include "tests/support/call_gate.h"

namespace litestream::test {
namespace {

namespace fs = std::filesystem;

struct OpenGatesAtEnd {
  ~OpenGatesAtEnd() { open_gates(); }
};

// Replicated, with one row; the link that gives an L0 file its name in the local folder is held,
// failed or lost as `action` says, from the next file on.
struct World {
  explicit World(const std::string& options = R"({"sync-interval":"20ms"})") : db(place.path()) {
    db.exec(Place::create_sql());
    db.exec(place.start_sql(options));
    insert(1);
    db.exec("SELECT litestream_sync()");
  }
  void gate(GateAction action) { set_gate(GateCall::kLink, place.spool_path(), action); }
  void insert(int count, int bytes = 300) {
    insert_rows(db, count, bytes);
    rows += static_cast<uint64_t>(count);
  }
  void hold_a_file() {
    gate(GateAction::kHold);
    insert(1);
    wait_until([] { return held_count() >= 1; });
  }
  std::string status(const std::string& column) { return status_of(db, place.path(), column); }
  // Every listed point is whole, the newest restore is the source.
  void require_nothing_lost() {
    db.exec("SELECT litestream_sync()");
    place.require_points_whole(rows);
    db.exec("SELECT litestream_stop()");
    place.require_restore_equals_source();
  }

  const OpenGatesAtEnd at_end;
  Place place;
  SqliteDb db;
  uint64_t rows = 0;
};

}  // namespace

TEST_CASE("spool: while a file is written, commits are captured and the WAL can be reset") {
  World world;
  world.hold_a_file();
  world.insert(20);
  const std::string newest = txid_text(1 + world.rows);
  wait_until([&] { return world.status("local_txid") == newest; });
  REQUIRE(number_of(world.status("replica_txid")) < 1 + world.rows);
  // What is in memory needs no WAL: others may reset it.
  SqlProcess other(world.place.path(), SqlProcess::kPlain);
  const std::string salts = wal_facts(world.place.path()).salts;
  wait_until([&] { return other.text("PRAGMA wal_checkpoint(RESTART)") == "0"; });
  world.insert(20);
  REQUIRE(wal_facts(world.place.path()).salts != salts);
  wait_until([&] { return world.status("local_txid") == txid_text(1 + world.rows); });
  REQUIRE(held_count() == 1);
  open_gates();
  world.require_nothing_lost();
}

// Nobody takes the write lock for a barrier that no commit waits for, however long the WAL.
TEST_CASE("spool: while a file is written, a writer without busy timeout is not refused") {
  World world;
  world.db.exec("PRAGMA busy_timeout = 0");
  world.hold_a_file();
  const auto wal_bytes = [&] { return wal_facts(world.place.path()).size_bytes; };
  for (int i = 0; i < 50 && wal_bytes() < 4120 * 2200; ++i) world.insert(100);
  REQUIRE(wal_bytes() >= 4120 * 2200);
  // Commits put the barrier off until the WAL has four times the frames, and are captured.
  for (int i = 0; i < 1000; ++i) {
    world.insert(1);
    std::this_thread::sleep_for(std::chrono::microseconds(300));
  }
  // From there on they wait for it themselves.
  world.insert(4000);
  REQUIRE(wal_bytes() < 4120 * 8000);
  REQUIRE(held_count() == 1);
  open_gates();
  world.insert(1000);
  world.require_nothing_lost();
}

TEST_CASE("spool: who asks for a file waits for the one before it") {
  World world;
  world.hold_a_file();
  world.insert(3);
  REQUIRE(contains(world.db.error_of("SELECT litestream_sync(NULL, 100)"), "within 100 ms"));
  std::string snapshot_txid;
  std::thread snapshot(
      [&] { snapshot_txid = SqliteDb(world.place.path()).text("SELECT litestream_snapshot()"); });
  REQUIRE(held_count() == 1);
  open_gates();
  snapshot.join();
  REQUIRE(snapshot_txid == txid_text(1 + world.rows));
  REQUIRE(world.db.text("SELECT litestream_sync()") == snapshot_txid);
  const size_t before = world.place.snapshot_count();
  world.insert(1);
  REQUIRE(world.db.text("SELECT litestream_snapshot()") == txid_text(1 + world.rows));
  REQUIRE(world.place.snapshot_count() > before);
  world.require_nothing_lost();
}

TEST_CASE("spool: a file that fails is tried again, with later commits behind it") {
  const GateAction action = GENERATE(GateAction::kFail, GateAction::kLoseReply);
  World world;
  world.gate(action);
  const uint64_t from = world.rows;
  world.insert(1);
  wait_until([] { return gated_count(GateCall::kLink) >= 1; });
  if (action == GateAction::kFail) {
    wait_until([&] { return contains(world.status("last_error"), "write L0 file"); });
  }
  world.insert(5);
  wait_until([&] { return world.status("local_txid") == txid_text(1 + world.rows); });
  set_gate(GateCall::kLink, "", GateAction::kPass);
  world.db.exec("SELECT litestream_sync()");
  REQUIRE(world.rows == from + 6);
  wait_until([&] { return world.status("last_error") == ""; });
  world.require_nothing_lost();
}

TEST_CASE("spool: more than memory holds while a file is written stays in the WAL") {
  World world(R"({"sync-interval":"20ms","max-sync-wal-bytes":"4MiB"})");
  world.hold_a_file();
  world.insert(300, 40'000);  // 12 MB
  // The mark protects what memory does not hold.
  SqlProcess other(world.place.path(), SqlProcess::kPlain);
  other.exec("PRAGMA busy_timeout = 100");
  wait_until([&] { return world.status("local_txid") == txid_text(1 + world.rows); });
  REQUIRE(other.text("PRAGMA wal_checkpoint(RESTART)") == "1");
  world.insert(5);
  REQUIRE(held_count() == 1);
  open_gates();
  world.require_nothing_lost();
}

TEST_CASE("spool: a burst is written in pieces while it is captured") {
  World world(R"({"sync-interval":"1h","max-sync-wal-bytes":"4MiB"})");
  world.insert(200, 40'000);  // 8 MB
  // Nobody asked and the interval is far away: half of what memory may hold is reason enough.
  wait_until([&] { return number_of(world.status("replica_txid")) > 2; });
  world.require_nothing_lost();
}

TEST_CASE("spool: who stops keeps the local folder until the file is there") {
  World world(R"({"sync-interval":"20ms","shutdown-sync-timeout":"300ms"})");
  world.hold_a_file();
  world.insert(3);
  REQUIRE(world.db.error_of("SELECT litestream_stop()") != "");
  // Another process may not continue the chain of files meanwhile.
  SqlProcess other(world.place.path(), SqlProcess::kExtension);
  other.exec(world.place.start_sql());
  REQUIRE(other.text("SELECT status FROM litestream_status") == "standby");
  REQUIRE(held_count() == 1);
  open_gates();
  wait_until([&] { return other.text("SELECT status FROM litestream_status") == "ok"; });
  other.exec("SELECT litestream_sync()");
  world.place.require_points_whole(world.rows);
  other.exec("SELECT litestream_stop()");
}

TEST_CASE("spool: a capture that is given up waits for the file it began") {
  const OpenGatesAtEnd at_end;
  Place place;
  auto db = std::make_unique<SqliteDb>(place.path());
  db->exec(Place::create_sql());
  db->exec(place.start_sql(R"({"sync-interval":"20ms","linger":"1h"})"));
  insert_rows(*db, 1);
  db->exec("SELECT litestream_sync()");
  set_gate(GateCall::kLink, place.spool_path(), GateAction::kHold);
  insert_rows(*db, 1);
  wait_until([] { return held_count() >= 1; });
  insert_rows(*db, 3);
  // The same bytes under the same name, but another file: resynchronise.
  copy_file(place.path(), place.file("copy"));
  fs::rename(place.file("copy"), place.path());
  wait_until([&] { return contains(status_of(*db, place.path(), "last_error"), "was replaced"); });
  REQUIRE(status_of(*db, place.path(), "status") != "ok");
  db = std::make_unique<SqliteDb>(place.path());
  insert_rows(*db, 2);
  REQUIRE(held_count() == 1);
  open_gates();
  db->exec("SELECT litestream_sync()");
  place.require_points_whole(7);
  db->exec("SELECT litestream_stop()");
  db.reset();
  place.require_restore_equals_source();
}

TEST_CASE("spool: uploads that stand still take no file its thread") {
  constexpr int kDatabases = 8;  // more than the pool has threads
  const OpenGatesAtEnd at_end;
  std::vector<std::unique_ptr<Place>> places;
  std::vector<std::unique_ptr<SqliteDb>> dbs;
  for (int i = 0; i < kDatabases; ++i) {
    places.push_back(std::make_unique<Place>());
    dbs.push_back(std::make_unique<SqliteDb>(places[i]->path()));
    dbs[i]->exec(Place::create_sql());
    dbs[i]->exec(places[i]->start_sql());
    dbs[i]->exec("SELECT litestream_sync()");
  }
  set_gate(GateCall::kLink, "/replica/", GateAction::kHold);
  for (int i = 0; i < kDatabases; ++i) {
    const auto newest = [&place = *places[i]] {
      if (!fs::exists(place.spool_path())) return std::string();
      const auto names = place.spooled();
      return names.empty() ? std::string() : names.back();
    };
    const std::string before = newest();
    insert_rows(*dbs[i], 1);
    wait_until([&] { return newest() != before; });
  }
  REQUIRE(held_count() < kDatabases);
  open_gates();
  for (int i = 0; i < kDatabases; ++i) {
    dbs[i]->exec("SELECT litestream_sync()");
    places[i]->require_points_whole(1);
    dbs[i]->exec("SELECT litestream_stop()");
  }
}

}  // namespace litestream::test
