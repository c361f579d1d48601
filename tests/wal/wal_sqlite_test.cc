// The oracle here is SQLite itself: it writes the WALs, and it says what they mean.
// Files of an open database are only ever copied by a child process: opening and closing them here
// would drop SQLite's POSIX locks.
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>
#include <fstream>
#include <iterator>
#include <string>
#include <vector>

#include "ext/wal/wal_reader.h"
#include "tests/support/temp_dir.h"
#include "tests/support/wal_builder.h"

using namespace litestream;
using litestream::test::MemoryReader;
using litestream::test::TempDir;

namespace {

using ByteVector = std::vector<uint8_t>;

ByteVector read_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

void write_bytes(const std::string& path, const ByteVector& bytes) {
  std::ofstream out(path, std::ios::binary | std::ios::trunc);
  out.write(reinterpret_cast<const char*>(bytes.data()),
            static_cast<std::streamsize>(bytes.size()));
  REQUIRE(out.good());
}

void copy_in_child(const std::string& from, const std::string& to) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    ::execlp("cp", "cp", from.c_str(), to.c_str(), nullptr);
    ::_exit(127);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE(status == 0);
}

class Connection {
 public:
  explicit Connection(const std::string& path) {
    REQUIRE(sqlite3_open(path.c_str(), &db_) == SQLITE_OK);
    int dummy = 0;
    REQUIRE(sqlite3_db_config(db_, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, &dummy) == SQLITE_OK);
  }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;
  ~Connection() { sqlite3_close(db_); }
  void run(const std::string& sql) {
    char* error = nullptr;
    const int rc = sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, &error);
    INFO(sql << ": " << (error == nullptr ? "" : error));
    REQUIRE(rc == SQLITE_OK);
  }
  int64_t number(const std::string& sql) {
    sqlite3_stmt* statement = nullptr;
    REQUIRE(sqlite3_prepare_v2(db_, sql.c_str(), -1, &statement, nullptr) == SQLITE_OK);
    REQUIRE(sqlite3_step(statement) == SQLITE_ROW);
    const int64_t value = sqlite3_column_int64(statement, 0);
    sqlite3_finalize(statement);
    return value;
  }

 private:
  sqlite3* db_ = nullptr;
};

// Database, WAL and wal-index as they were at one moment without writers.
struct Files {
  ByteVector database;
  ByteVector wal;
  ByteVector index;
};

Files copy_files(const TempDir& dir, const std::string& path) {
  for (const char* suffix : {"", "-wal", "-shm"}) {
    copy_in_child(path + suffix, dir.file(std::string("copy") + suffix));
  }
  return {read_bytes(dir.file("copy")), read_bytes(dir.file("copy-wal")),
          read_bytes(dir.file("copy-shm"))};
}

// Writes what it sees over a copy of the database file: a checkpoint of our own.
class Applier final : public WalFrameVisitor {
 public:
  Applier(ByteVector base, uint32_t page_size) : database(std::move(base)), page_size_(page_size) {}
  Status on_frame(uint32_t, uint32_t pgno, uint32_t commit, Bytes page) override {
    const size_t at = size_t{pgno - 1} * page_size_;
    if (database.size() < at + page_size_) database.resize(at + page_size_);
    std::copy(page.begin(), page.end(), database.begin() + static_cast<ptrdiff_t>(at));
    if (commit != 0) page_count = commit;
    return {};
  }
  ByteVector result() {
    database.resize(size_t{page_count} * page_size_);
    return database;
  }
  ByteVector database;
  uint32_t page_count = 0;

 private:
  uint32_t page_size_;
};

// The database file after SQLite checkpointed these two files; both empty arguments are allowed.
ByteVector checkpointed_by_sqlite(const TempDir& dir, const ByteVector& database,
                                  const ByteVector& wal) {
  const std::string path = dir.file("oracle");
  ::unlink((path + "-shm").c_str());
  write_bytes(path, database);
  write_bytes(path + "-wal", wal);
  {
    Connection connection(path);
    connection.run("PRAGMA synchronous=OFF; PRAGMA wal_checkpoint(TRUNCATE)");
  }
  return read_bytes(path);
}

WalIndex index_of(const Files& files) {
  REQUIRE(files.index.size() >= kWalIndexHeaderBytes);
  const auto index = decode_wal_index(files.index);
  REQUIRE(index.ok());
  return *index;
}

// Inside the savepoint the pages of the second half are spilled twice, so that SQLite notes to
// recompute checksums from there on; the rollback forgets the frames but not that note.
const char kSavepointBug[] =
    "BEGIN; SAVEPOINT s;"
    "UPDATE t SET b=randomblob(400) WHERE id<=30;"
    "UPDATE t SET b=randomblob(400) WHERE id>30;"
    "UPDATE t SET b=randomblob(400) WHERE id>30;"
    "ROLLBACK TO s;"
    "UPDATE t SET b=randomblob(400) WHERE id=60;"
    "COMMIT";

void open_for_savepoint_bug(Connection& writer) {
  writer.run(
      "PRAGMA page_size=512; PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
      "PRAGMA wal_autocheckpoint=0; PRAGMA cache_size=5;"
      "CREATE TABLE t(id INTEGER PRIMARY KEY, b);"
      "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i+1 FROM n WHERE i<60)"
      "  INSERT INTO t SELECT i, randomblob(400) FROM n");
}

}  // namespace

TEST_CASE("a WAL written by SQLite says the same to us and to SQLite") {
  for (uint32_t page_size = 512; page_size <= 65536; page_size *= 2) {
    CAPTURE(page_size);
    const TempDir dir;
    const std::string path = dir.file("db");
    Connection writer(path);
    writer.run("PRAGMA page_size=" + std::to_string(page_size) +
               "; PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA wal_autocheckpoint=0;"
               "CREATE TABLE t(id INTEGER PRIMARY KEY, body)");
    WalPosition position;
    for (int round = 0; round < 4; ++round) {
      const uint64_t commits = round == 0 ? 2 + 5 : 5;  // + journal_mode's and CREATE's
      for (int i = 0; i < 5; ++i) {
        writer.run("INSERT INTO t(body) VALUES(randomblob(5000)); ");
      }
      const Files files = copy_files(dir, path);
      const WalIndex index = index_of(files);
      REQUIRE(index.page_size == page_size);
      REQUIRE(index.page_count == writer.number("PRAGMA page_count"));

      MemoryReader reader(files.wal);
      const auto recovery = find_last_commit(reader);
      REQUIRE(recovery.ok());
      REQUIRE(recovery->last_commit.frame == index.mx_frame);
      REQUIRE(recovery->last_commit.checksum == index.frame_checksum);
      REQUIRE(recovery->header.salts == index.salts);
      REQUIRE(recovery->header.big_endian_checksums == index.big_endian_checksums);
      REQUIRE(recovery->page_count == index.page_count);

      // In one go from the start, compared with SQLite's own checkpoint.
      Applier whole(files.database, page_size);
      const auto all =
          scan_wal(reader, recovery->header, wal_start(recovery->header), index, whole);
      REQUIRE(all.ok());
      REQUIRE_FALSE(all->chain_broken);
      REQUIRE(all->commit_count == recovery->commit_count);
      REQUIRE(whole.result() == checkpointed_by_sqlite(dir, files.database, files.wal));

      // Continued from the round before.
      if (round == 0) position = wal_start(recovery->header);
      REQUIRE(*frame_matches(reader, page_size, position));
      Applier tail(files.database, page_size);
      const auto more = scan_wal(reader, recovery->header, position, index, tail);
      REQUIRE(more.ok());
      REQUIRE(more->end == all->end);
      if (round > 0) REQUIRE(more->commit_count == commits);
      position = more->end;
    }
  }
}

TEST_CASE("after a reset SQLite's new salts are seen, and the old position no longer fits") {
  const TempDir dir;
  const std::string path = dir.file("db");
  Connection writer(path);
  writer.run(
      "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA wal_autocheckpoint=0;"
      "CREATE TABLE t(body); INSERT INTO t VALUES(randomblob(20000))");
  const Files before = copy_files(dir, path);
  const WalIndex index_before = index_of(before);
  writer.run("PRAGMA wal_checkpoint(PASSIVE); INSERT INTO t VALUES(1)");
  const Files after = copy_files(dir, path);
  const WalIndex index_after = index_of(after);
  REQUIRE(index_before.backfill_count == 0);
  REQUIRE(index_after.salts != index_before.salts);
  REQUIRE(index_after.mx_frame < index_before.mx_frame);

  MemoryReader reader(after.wal);
  const auto recovery = find_last_commit(reader);
  REQUIRE(recovery->last_commit.frame == index_after.mx_frame);
  const WalPosition old = {index_before.salts, index_before.mx_frame, index_before.frame_checksum};
  Applier applier(after.database, index_after.page_size);
  REQUIRE(scan_wal(reader, recovery->header, old, index_after, applier).status().code() ==
          StatusCode::kPositionMismatch);
  REQUIRE(
      scan_wal(reader, recovery->header, wal_start(recovery->header), index_after, applier).ok());
  REQUIRE(applier.result() == checkpointed_by_sqlite(dir, after.database, after.wal));
}

TEST_CASE("an open database without commits has an index without frames") {
  const TempDir dir;
  const std::string path = dir.file("db");
  Connection writer(path);
  writer.run("PRAGMA journal_mode=WAL; CREATE TABLE t(x); PRAGMA wal_checkpoint(TRUNCATE)");
  copy_in_child(path, dir.file("fresh"));
  Connection reader(dir.file("fresh"));
  REQUIRE(reader.number("SELECT count(*) FROM t") == 0);
  copy_in_child(dir.file("fresh-shm"), dir.file("index"));
  const auto index = decode_wal_index(read_bytes(dir.file("index")));
  REQUIRE(index.ok());
  REQUIRE(index->mx_frame == 0);
}

TEST_CASE("a torn WAL: we stop where SQLite's recovery stops, at every byte near a frame's edge") {
  const TempDir dir;
  const std::string path = dir.file("db");
  Files files;
  {
    Connection writer(path);
    writer.run(
        "PRAGMA page_size=512; PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
        "PRAGMA wal_autocheckpoint=0; CREATE TABLE t(body); PRAGMA wal_checkpoint(TRUNCATE);"
        "INSERT INTO t VALUES(1); INSERT INTO t VALUES(randomblob(900));"
        "INSERT INTO t VALUES(randomblob(1500)); DELETE FROM t WHERE rowid=2");
    files = copy_files(dir, path);
  }
  for (size_t size = 0; size <= files.wal.size(); ++size) {
    const size_t in_frame = size < 32 ? size : (size - 32) % 536;
    if (in_frame > 26 && in_frame < 533 && in_frame % 41 != 0) continue;
    ByteVector wal(files.wal.begin(), files.wal.begin() + static_cast<ptrdiff_t>(size));
    CAPTURE(size);
    MemoryReader reader(wal);
    const auto recovery = find_last_commit(reader);
    ByteVector ours = files.database;
    if (recovery.ok() && recovery->last_commit.frame > 0) {
      Applier applier(files.database, 512);
      WalIndex index;
      index.page_size = 512;
      index.big_endian_checksums = recovery->header.big_endian_checksums;
      index.salts = recovery->header.salts;
      index.mx_frame = recovery->last_commit.frame;
      index.frame_checksum = recovery->last_commit.checksum;
      REQUIRE(scan_wal(reader, recovery->header, wal_start(recovery->header), index, applier).ok());
      ours = applier.result();
    }
    REQUIRE(ours == checkpointed_by_sqlite(dir, files.database, wal));
  }
}

TEST_CASE("a flipped byte in a WAL of either byte order: we keep what SQLite's recovery keeps") {
  for (const bool big_endian : {false, true}) {
    const TempDir dir;
    const std::string path = dir.file("db");
    Files files;
    {
      Connection writer(path);
      writer.run(
          "PRAGMA page_size=512; PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF;"
          "PRAGMA wal_autocheckpoint=0; CREATE TABLE t(body); PRAGMA wal_checkpoint(TRUNCATE);"
          "INSERT INTO t VALUES(1); INSERT INTO t VALUES(randomblob(900));"
          "INSERT INTO t VALUES(2)");
      files = copy_files(dir, path);
    }
    // The same frames, written again by the builder in the byte order asked for.
    test::WalBuilder wal(512, big_endian);
    for (size_t at = 32; at + 536 <= files.wal.size(); at += 536) {
      const WalFrameHeader frame = decode_frame_header(files.wal.data() + at);
      const auto page = files.wal.begin() + static_cast<ptrdiff_t>(at) + 24;
      wal.add_frame(frame.pgno, frame.commit, ByteVector(page, page + 512));
    }
    for (size_t at = 0; at <= wal.bytes().size(); at += 29) {
      ByteVector bytes = wal.bytes();
      if (at < bytes.size()) bytes[at] ^= 0x10;
      // SQLite refuses a WAL of another version instead of ignoring it.
      if (at >= 4 && at < 8) continue;
      CAPTURE(big_endian, at);
      MemoryReader reader(bytes);
      const auto recovery = find_last_commit(reader);
      ByteVector ours = files.database;
      if (recovery.ok()) {
        for (uint32_t n = 1; n <= recovery->last_commit.frame; ++n) {
          const test::BuiltFrame& frame = wal.frames()[n - 1];
          if (ours.size() < frame.pgno * 512u) ours.resize(frame.pgno * 512u);
          std::copy(frame.page.begin(), frame.page.end(),
                    ours.begin() + static_cast<ptrdiff_t>((frame.pgno - 1) * 512u));
        }
      }
      REQUIRE(ours == checkpointed_by_sqlite(dir, files.database, bytes));
    }
  }
}

// SQLite before 3.50: spill, ROLLBACK TO, COMMIT. The commit is real (SQLite reads it by the
// wal-index), but its frames carry no checksums; whoever follows the checksums alone loses it.
TEST_CASE("the savepoint bug of SQLite before 3.50: its commit is read, the chain is reported") {
  if (sqlite3_libversion_number() >= 3050000) return;
  const TempDir dir;
  const std::string path = dir.file("db");
  Connection writer(path);
  open_for_savepoint_bug(writer);
  writer.run(kSavepointBug);
  const Files files = copy_files(dir, path);
  const WalIndex index = index_of(files);
  MemoryReader reader(files.wal);
  const auto recovery = find_last_commit(reader);
  REQUIRE(recovery.ok());
  Applier applier(files.database, 512);
  const auto result =
      scan_wal(reader, recovery->header, wal_start(recovery->header), index, applier);
  REQUIRE(result.ok());
  REQUIRE(result->end.frame == index.mx_frame);
  REQUIRE(result->chain_broken);
  REQUIRE(recovery->last_commit.frame < index.mx_frame);

  // SQLite's own view: a checkpoint by the connection that has the wal-index.
  copy_in_child(path, dir.file("before"));
  writer.run("PRAGMA wal_checkpoint(PASSIVE)");
  copy_in_child(path, dir.file("checkpointed"));
  REQUIRE(read_bytes(dir.file("before")) != read_bytes(dir.file("checkpointed")));
  REQUIRE(applier.result() == read_bytes(dir.file("checkpointed")));
}

TEST_CASE("the savepoint bug: the commits after it continue from the checksum in the wal-index") {
  if (sqlite3_libversion_number() >= 3050000) return;
  const TempDir dir;
  const std::string path = dir.file("db");
  Connection writer(path);
  open_for_savepoint_bug(writer);
  writer.run(kSavepointBug);
  const Files broken = copy_files(dir, path);
  const WalIndex first = index_of(broken);
  writer.run("INSERT INTO t(b) VALUES(7)");
  const Files files = copy_files(dir, path);
  const WalIndex second = index_of(files);
  REQUIRE(second.mx_frame > first.mx_frame);

  MemoryReader reader(files.wal);
  const auto recovery = find_last_commit(reader);
  REQUIRE(recovery.ok());
  const WalPosition position = {first.salts, first.mx_frame, first.frame_checksum};
  Applier applier(files.database, 512);
  const auto result = scan_wal(reader, recovery->header, position, second, applier);
  REQUIRE(result.ok());
  REQUIRE_FALSE(result->chain_broken);
  REQUIRE(result->commit_count == 1);
  REQUIRE(result->end.checksum == second.frame_checksum);
  REQUIRE(*frame_matches(reader, 512, result->end));
}
