// What can happen to a WAL between processes: commits that never became one, frames without
// checksums, foreign checkpoints, and writers that have no patience.
#include <sys/stat.h>

#include <chrono>
#include <fstream>
#include <sstream>
#include <thread>

#include "tests/crash/crash_database.h"

namespace litestream::test {
namespace {

constexpr const char* kSyncFailed = "error: 1034 ";  // SQLITE_IOERR_FSYNC

template <typename Done>
bool eventually(Done done) {
  for (int i = 0; i < 3000; ++i) {
    if (done()) return true;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  return false;
}

std::string names_in(const std::string& database) {
  return SqliteDb("file:" + database + "?immutable=1")
      .text("SELECT group_concat(name) FROM (SELECT name FROM names ORDER BY name)");
}

// How often the WAL was started over: a number in its header.
uint32_t wal_resets(const CrashDatabase& database) {
  std::ifstream in(database.path() + "-wal", std::ios::binary);
  unsigned char head[16] = {};
  in.read(reinterpret_cast<char*>(head), sizeof head);
  return uint32_t{head[12]} << 24 | uint32_t{head[13]} << 16 | uint32_t{head[14]} << 8 | head[15];
}

// The bytes of the wal-index on which the process holds locks.
std::string index_locks(const CrashDatabase& database, pid_t pid) {
  struct stat shm {};
  if (::stat((database.path() + "-shm").c_str(), &shm) != 0) return "no -shm";
  const std::string inode = ":" + std::to_string(shm.st_ino);
  std::string held;
  std::ifstream locks("/proc/locks");
  for (std::string line; std::getline(locks, line);) {
    std::istringstream words(line);
    std::string number, kind, advisory, mode, owner, file, first, last;
    words >> number >> kind >> advisory >> mode >> owner >> file >> first >> last;
    if (owner != std::to_string(pid) || !file.ends_with(inode)) continue;
    held += (held.empty() ? "" : ",") + first;
  }
  return held;
}

// The lock every connection holds on the whole wal-index, and read lock 0.
constexpr const char* kDeadManSwitch = "128";
constexpr const char* kReadLock0 = "123";

bool parked_on_lock_0(const CrashDatabase& database, pid_t pid) {
  const std::string locks = index_locks(database, pid);
  return locks == std::string(kReadLock0) + "," + kDeadManSwitch ||
         locks == std::string(kDeadManSwitch) + "," + kReadLock0;
}

}  // namespace

TEST_CASE("A13: a commit stopped before its publication is not replicated, what overwrites it is") {
  const std::string fault = GENERATE("kill", "fail", "fail in the owner");
  CAPTURE(fault);
  const CrashDatabase database(4096);
  const auto owner = database.replicating();
  owner->sql("CREATE TABLE names(name TEXT)");
  const auto foreign = database.plain();
  ChildProcess& writer = fault == "fail in the owner" ? *owner : *foreign;
  writer.sql("PRAGMA synchronous=FULL");
  writer.sql("INSERT INTO names VALUES('before')");
  const std::string before = owner->sql("SELECT litestream_sync()");
  if (fault == "kill") {
    writer.ask("arm kill");
    writer.tell("sql INSERT INTO names VALUES('phantom')");
    REQUIRE(writer.wait() == -SIGKILL);
  } else {
    writer.ask("arm fail");
    const std::string answer = writer.ask("sql INSERT INTO names VALUES('phantom')");
    REQUIRE(answer.substr(0, 12) == kSyncFailed);
  }
  REQUIRE(owner->sql("SELECT litestream_sync()") == before);
  REQUIRE(names_in(database.restore()) == "before");
  database.require_newest_is_source();

  const auto other = database.plain();
  other->sql("INSERT INTO names VALUES('real')");
  REQUIRE(owner->sql("SELECT litestream_sync()") > before);
  REQUIRE(names_in(database.restore()) == "before,real");
  database.require_newest_is_source();
  database.require_chain();
}

namespace {

// See tests/wal/wal_sqlite_test.cc: leaves a commit whose frames carry no checksums.
void commit_with_savepoint_bug(ChildProcess& writer) {
  writer.sql("PRAGMA wal_autocheckpoint=0");
  writer.sql("PRAGMA cache_size=5");
  for (const char* statement :
       {"BEGIN", "SAVEPOINT s", "UPDATE t SET b = randomblob(400) WHERE id <= 30",
        "UPDATE t SET b = randomblob(400) WHERE id > 30",
        "UPDATE t SET b = randomblob(400) WHERE id > 30", "ROLLBACK TO s",
        "UPDATE t SET b = 'replicated' WHERE id = 60", "COMMIT"}) {
    writer.sql(statement);
  }
}

std::string row_60(const std::string& database) {
  return SqliteDb("file:" + database + "?immutable=1").text("SELECT b FROM t WHERE id = 60");
}

}  // namespace

TEST_CASE("A14: frames without checksums (the savepoint bug) are replicated, with a warning") {
  if (sqlite3_libversion_number() >= 3050000) return;
  CrashDatabase database(512);
  database.set_options(R"({"sync-interval":"20ms","min-checkpoint-page-count":20})");
  auto owner = database.replicating();
  auto writer = database.plain();
  writer->sql("CREATE TABLE t(id INTEGER PRIMARY KEY, b)");
  writer->sql(
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 60) "
      "INSERT INTO t SELECT i, randomblob(400) FROM n");
  owner->sql("SELECT litestream_sync()");
  commit_with_savepoint_bug(*writer);
  const std::string txid = owner->sql("SELECT litestream_sync()");
  REQUIRE(row_60(database.restore()) == "replicated");
  database.require_newest_is_source();
  const std::string warning = owner->sql("SELECT warning FROM litestream_status");
  INFO(warning);
  REQUIRE(warning.find("savepoint") != std::string::npos);

  SECTION("then a barrier and a reset") {
    const uint32_t resets = wal_resets(database);
    for (int i = 0; i < 100; ++i) owner->sql("UPDATE t SET b = randomblob(400) WHERE id = 1");
    REQUIRE(wal_resets(database) > resets);
    owner->sql("SELECT litestream_sync()");
    database.require_newest_is_source();
  }
  SECTION("then everybody is killed, and SQLite's recovery drops the commit") {
    owner->kill();
    writer->kill();
    owner = database.replicating();
    REQUIRE(owner->sql("SELECT litestream_sync()") >= txid);
    database.require_newest_is_source();
    REQUIRE(row_60(database.restore(txid)) == "replicated");
  }
  database.require_chain();
}

TEST_CASE("B17: an idle owner is parked where foreign TRUNCATE checkpoints pass") {
  const CrashDatabase database(4096);
  const auto owner = database.replicating();
  owner->sql("INSERT INTO load VALUES(1, 'x')");
  const auto idle = [&] { return parked_on_lock_0(database, owner->pid()); };
  REQUIRE(eventually(idle));
  const auto foreign = database.plain();
  foreign->sql("PRAGMA busy_timeout=3000");
  // busy|frames in the WAL|frames backfilled; busy would mean that it waited its 3 s in vain.
  REQUIRE(foreign->sql("PRAGMA wal_checkpoint(TRUNCATE)") == "0|0|0");

  const auto writer = database.plain();
  writer->ask("load 1 4 0 1 1000 10000");
  for (int i = 0; i < 5; ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
    REQUIRE(foreign->sql("PRAGMA wal_checkpoint(TRUNCATE)") == "0|0|0");
  }
  REQUIRE(writer->ask("stop") == "ok");
  REQUIRE(eventually(idle));
  owner->sql("SELECT litestream_sync()");
  database.require_newest_is_source();
  database.require_chain();
}

TEST_CASE("B18: a writer without busy timeout meets no SQLITE_BUSY at barriers") {
  CrashDatabase database(4096);
  database.set_options(R"({"sync-interval":"20ms","min-checkpoint-page-count":30})");
  const auto owner = database.replicating();
  const uint32_t resets = wal_resets(database);
  owner->ask("load 1 0 3000 1 0 0");
  REQUIRE(owner->ask("join") == "ok");
  REQUIRE(database.log_count() == 3000);
  REQUIRE(wal_resets(database) > resets + 10);
  owner->sql("SELECT litestream_sync()");
  database.require_newest_is_source();
  database.require_chain();
}

}  // namespace litestream::test
