#include "tests/crash/crash_database.h"

#include <algorithm>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "ext/base/file_system.h"
#include "ext/engine/verify.h"
#include "ext/ltx/contents.h"
#include "ext/store/store_factory.h"

extern "C" int sqlite3_litestreamext_init(sqlite3*, char**, const sqlite3_api_routines*);

namespace litestream::test {
namespace {

constexpr int kBallastRows = 500;

template <typename T>
T value_of(Result<T> result) {
  if (!result.ok()) throw std::runtime_error(result.status().message());
  return std::move(result).value();
}

// A connection that is never the one to checkpoint and delete the WAL.
std::unique_ptr<SqliteDb> observe(const std::string& path) {
  auto db = std::make_unique<SqliteDb>(path);
  sqlite3_db_config(db->get(), SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, nullptr);
  return db;
}

std::string joined(const std::vector<std::string>& lines) {
  std::string text;
  for (const std::string& line : lines) text += line + "\n";
  return text;
}

}  // namespace

std::string file_bytes(const std::string& path) {
  std::ifstream in(path, std::ios::binary);
  if (!in) throw std::runtime_error("cannot read " + path);
  return {std::istreambuf_iterator<char>(in), std::istreambuf_iterator<char>()};
}

CrashDatabase::CrashDatabase(int page_size_bytes, TempDir::Place place) : dir_(place) {
  {
    SqliteDb db(path());
    db.exec("PRAGMA page_size=" + std::to_string(page_size_bytes));
    db.exec("PRAGMA journal_mode=WAL");
    db.exec(kLoadSchema);
    ballast_first_ = db.integer("PRAGMA page_count") + 1;
    db.exec("WITH RECURSIVE s(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM s WHERE i < " +
            std::to_string(kBallastRows) + ") INSERT INTO ballast SELECT randomblob(900) FROM s");
    ballast_last_ = db.integer("PRAGMA page_count");
  }
  replica_ = value_of(open_store(posix_file_system(), url()));
  restorer_ = std::make_unique<SqliteDb>(":memory:");
  sqlite3_litestreamext_init(restorer_->get(), nullptr, nullptr);
}

std::unique_ptr<ChildProcess> CrashDatabase::plain() const {
  return std::make_unique<ChildProcess>(std::vector<std::string>{"plain", path()});
}

std::unique_ptr<ChildProcess> CrashDatabase::extended() const {
  return std::make_unique<ChildProcess>(std::vector<std::string>{"extended", path()});
}

std::string CrashDatabase::replicate_statement() const {
  return "SELECT litestream_replicate('" + url() + "', '" + options_ + "')";
}

std::unique_ptr<ChildProcess> CrashDatabase::replicating() const {
  auto child = extended();
  child->sql(replicate_statement());
  return child;
}

std::string CrashDatabase::restore(const std::string& txid) const {
  const std::string output = dir_.file("restored.db");
  std::filesystem::remove(output);
  const std::string options = txid.empty() ? "{}" : R"({"txid":")" + txid + "\"}";
  restorer_->exec("SELECT litestream_restore('" + url() + "', '" + output + "', '" + options +
                  "')");
  return output;
}

std::vector<std::string> CrashDatabase::points() const {
  return restorer_->rows("SELECT txid FROM litestream_restore_points WHERE database = '" + url() +
                         "' ORDER BY txid");
}

std::string CrashDatabase::image() const {
  const auto db = observe(path());
  sqlite3_int64 size = 0;
  unsigned char* bytes = sqlite3_serialize(db->get(), "main", &size, 0);
  if (bytes == nullptr) throw std::runtime_error("cannot read the source");
  std::string image(reinterpret_cast<const char*>(bytes), static_cast<size_t>(size));
  sqlite3_free(bytes);
  return image;
}

void CrashDatabase::open_and_close() const {
  (void)SqliteDb(path()).integer("SELECT count(*) FROM sqlite_schema");
}

int64_t CrashDatabase::log_count() const {
  return observe(path())->integer("SELECT max(id) FROM log");
}

void CrashDatabase::require_newest_is_source() const {
  const std::string restored = restore();
  const std::string expected = image();
  const std::string got = file_bytes(restored);
  INFO("source of " << expected.size() << " bytes in " << path());
  REQUIRE(got.size() == expected.size());
  const auto different = std::mismatch(got.begin(), got.end(), expected.begin()).first;
  INFO("first difference at byte " << different - got.begin());
  REQUIRE(different == got.end());
  REQUIRE(SqliteDb("file:" + restored + "?immutable=1").text("PRAGMA integrity_check") == "ok");
}

int64_t CrashDatabase::require_prefix(const std::string& txid) const {
  INFO("restore at " << txid << " of " << path());
  const std::string restored = restore(txid);
  SqliteDb db("file:" + restored + "?immutable=1");
  REQUIRE(db.text("PRAGMA integrity_check") == "ok");
  const int64_t last = db.integer("SELECT max(id) FROM log");
  REQUIRE(db.integer("SELECT count(*) FROM log") == last + 1);
  REQUIRE(db.integer("SELECT sum(n) FROM counters") == last);
  REQUIRE(db.integer("SELECT count(*) FROM counters AS c WHERE n <> "
                     "(SELECT count(*) FROM log WHERE log.writer = c.writer AND log.id > 0)") == 0);
  const std::string row = "SELECT id, writer, chain FROM log WHERE id = " + std::to_string(last);
  REQUIRE(db.text(row) == observe(path())->text(row));
  return last;
}

void CrashDatabase::require_points(const std::vector<std::string>& txids) const {
  int64_t before = 0;
  for (const std::string& txid : txids) {
    const int64_t count = require_prefix(txid);
    INFO("point " << txid << " holds " << count << " transactions, the one before " << before);
    REQUIRE(count >= before);
    before = count;
  }
}

std::vector<LtxFileInfo> CrashDatabase::list(int level) const {
  return value_of(replica_->list(level));
}

void CrashDatabase::require_no_ballast(const LtxFileInfo& file) const {
  const auto reader = value_of(replica_->open(file));
  const LtxIndexedFile indexed = value_of(LtxIndexedFile::open(*reader));
  for (auto entries = indexed.entries(); entries.next();) {
    const int64_t pgno = entries.entry().pgno;
    INFO(replica_->path_of(file) << " holds page " << pgno << ", which nobody changed");
    REQUIRE((pgno < ballast_first_ || pgno > ballast_last_));
  }
}

void CrashDatabase::require_chain() const {
  REQUIRE(list(9).size() == 1);
  Txid reached = list(9)[0].max_txid;
  REQUIRE(reached == Txid{1});
  for (const LtxFileInfo& file : list(0)) {
    INFO(replica_->path_of(file));
    REQUIRE(file.min_txid == reached.next());
    reached = file.max_txid;
    require_no_ballast(file);
  }
  const VerifyReport report = value_of(verify_replica(*replica_, {}));
  INFO(joined(report.errors));
  REQUIRE(report.ok());
}

uint64_t CrashDatabase::level_0_bytes() const {
  uint64_t bytes = 0;
  for (const LtxFileInfo& file : list(0)) bytes += file.size_bytes;
  return bytes;
}

void CrashDatabase::require_no_errors() const {
  const std::string errors = path() + ".errors";
  if (!std::filesystem::exists(errors)) return;
  INFO(file_bytes(errors));
  REQUIRE(!std::filesystem::exists(errors));
}

}  // namespace litestream::test
