// Statements against remote stores: never inside a write transaction (I8), ended by an interrupt or
// a deadline, and a store that does not answer holds up no stop.
#include <stdlib.h>

#include <atomic>
#include <filesystem>
#include <fstream>
#include <functional>
#include <thread>

#include "ext/sqlite/remote_call.h"
#include "ext/store/store_factory.h"
#include "tests/sqlite/replicated_database.h"
#include "tests/support/s3_server.h"

namespace litestream::test {
namespace {

namespace fs = std::filesystem;

S3Fault hanging() {
  S3Fault fault;
  fault.kind = S3Fault::Kind::kHang;
  return fault;
}

bool contains(const std::string& text, const std::string& part) {
  return text.find(part) != std::string::npos;
}

// A bucket, and an environment that knows it and its keys.
class Bucket {
 public:
  explicit Bucket(bool is_tls = false) : server(with_tls(is_tls)) {
    load_extension_statically();
    const std::string ca_file = dir_.file("ca.pem");
    std::ofstream(ca_file) << server.identity().ca_pem;
    if (is_tls) ::setenv("AWS_CA_BUNDLE", ca_file.c_str(), 1);
    ::setenv("LITESTREAM_S3_ENDPOINT", server.url().c_str(), 1);
    ::setenv("AWS_REGION", server.options().region.c_str(), 1);
    ::setenv("AWS_ACCESS_KEY_ID", server.options().credentials.access_key.c_str(), 1);
    ::setenv("AWS_SECRET_ACCESS_KEY", server.options().credentials.secret_key.c_str(), 1);
  }
  ~Bucket() {
    server.set_fault({});
    for (const char* name : {"AWS_CA_BUNDLE", "LITESTREAM_S3_ENDPOINT", "AWS_REGION",
                             "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"}) {
      ::unsetenv(name);
    }
  }
  std::string url() const { return "s3://" + server.options().bucket + "/app"; }
  // Requests of that kind whose key holds `key_part` are never answered.
  void hang(S3Op op, const std::string& key_part = "") {
    server.set_fault([=](const S3Request& request) -> std::optional<S3Fault> {
      if (request.op != op || !contains(request.key, key_part)) return std::nullopt;
      return hanging();
    });
  }

  S3Server server;

 private:
  static S3Options with_tls(bool is_tls) {
    S3Options options;
    options.is_tls = is_tls;
    return options;
  }
  TempDir dir_;
};

// The end of a test process need not wait for uploads.
const std::string kHasty = R"({"linger":"1ms","shutdown-sync-timeout":"100ms"})";

// A database replicated to a bucket, with a snapshot and two files above it.
struct Replicated {
  Replicated() : app(dir.file("app.db")) {
    app.exec("PRAGMA journal_mode=WAL; CREATE TABLE t(v)");
    app.exec("SELECT litestream_replicate('" + bucket.url() + "', '" + kHasty + "')");
    for (int i = 0; i < 2; ++i) app.exec("INSERT INTO t VALUES(1); SELECT litestream_sync()");
  }
  // From here on the only requests are those of the test: a level that falls due makes some, too.
  void stop() { app.exec("SELECT litestream_stop()"); }
  std::string restore_sql() const {
    return "SELECT litestream_restore('" + bucket.url() + "', '" + dir.file("restored.db") + "')";
  }
  Bucket bucket;
  TempDir dir;
  SqliteDb app;
};

// Runs `sql` on a thread of its own until `begun()`, interrupts it, and returns its error code.
// SQLite forgets an interrupt that comes before the statement runs, hence more than one.
int interrupt_once(SqliteDb& db, const std::string& sql, const std::function<bool()>& begun) {
  constexpr int kRunning = -1;
  std::atomic<int> code{kRunning};
  std::jthread thread(
      [&] { code = sqlite3_exec(db.get(), sql.c_str(), nullptr, nullptr, nullptr); });
  wait_until(begun);
  const bool was_running = code.load() == kRunning;
  while (code.load() == kRunning) {
    sqlite3_interrupt(db.get());
    std::this_thread::sleep_for(std::chrono::milliseconds(50));
  }
  thread.join();
  return was_running ? code.load() : SQLITE_MISUSE;
}

}  // namespace

TEST_CASE("I8: inside a write transaction nothing goes to the network") {
  Replicated world;
  const std::string url = world.bucket.url();
  SqliteDb other(world.dir.file("other.db"));
  other.exec("CREATE TABLE t(v)");
  const std::vector<std::string> statements = {
      "SELECT * FROM litestream_ltx WHERE database = '" + url + "'",
      "SELECT * FROM litestream_snapshots WHERE database = '" + url + "'",
      "SELECT * FROM litestream_restore_points WHERE database = '" + url + "'",
      "SELECT * FROM litestream_plan WHERE database = '" + url + "'",
      "SELECT * FROM litestream_generations WHERE database = '" + url + "'",
      world.restore_sql(),
      "SELECT litestream_verify('" + url + "')",
      "SELECT litestream_follow('" + url + "', '" + world.dir.file("copy.db") + "')",
  };
  for (const std::string& sql : statements) {
    CAPTURE(sql);
    other.exec("BEGIN IMMEDIATE");
    const uint64_t before = world.bucket.server.request_count();
    const std::string error = other.error_of(sql);
    CHECK(contains(error, "inside a write transaction"));
    CHECK(contains(error, "COMMIT or ROLLBACK first"));
    CHECK(world.bucket.server.request_count() == before);
    // The transaction is the application's: it goes on.
    other.exec("INSERT INTO t VALUES(1); COMMIT");
    CHECK_NOTHROW(other.exec(sql));
    CHECK(world.bucket.server.request_count() > before);
  }
  const std::string count = "SELECT count(*) FROM litestream_ltx WHERE database = '" + url + "'";
  CHECK(contains(other.error_of("INSERT INTO t " + count), "inside a write transaction"));
  CHECK(contains(other.error_of("CREATE TABLE c AS " + count), "inside a write transaction"));
  // A read transaction and a temporary table hold nobody up.
  other.exec("BEGIN; SELECT * FROM t; CREATE TEMP TABLE c AS " + count + "; COMMIT");
  CHECK(other.integer("SELECT * FROM c") == 3);
}

TEST_CASE("I8: what is known without the network is told inside a write transaction, too") {
  Replicated world;
  const std::string folder = world.dir.file("folder");
  SqliteDb local(world.dir.file("local.db"));
  local.exec("PRAGMA journal_mode=WAL; CREATE TABLE t(v); SELECT litestream_replicate('file://" +
             folder + "', '" + kHasty + "'); SELECT litestream_sync()");
  world.app.exec("BEGIN IMMEDIATE; INSERT INTO t VALUES(1)");
  const uint64_t before = world.bucket.server.request_count();
  CHECK(world.app.integer("SELECT count(*) FROM litestream_ltx WHERE database = '" +
                          world.dir.file("app.db") + "'") == 3);
  CHECK(world.app.integer("SELECT count(*) FROM litestream_ltx WHERE database = 'file://" + folder +
                          "'") > 0);
  CHECK(world.app.text("SELECT status FROM litestream_status WHERE database = '" +
                       world.dir.file("app.db") + "'") == "ok");
  CHECK(world.bucket.server.count(S3Op::kList) > 0);
  CHECK(world.bucket.server.request_count() <= before + 1);  // an upload that was under way
  world.app.exec("COMMIT");
}

TEST_CASE("an interrupt ends a statement whose store does not answer") {
  Replicated world;
  const std::string url = world.bucket.url();
  SqliteDb other(":memory:");
  SECTION("a table") {
    world.stop();
    const S3Op op = GENERATE(S3Op::kList, S3Op::kGet);
    const uint64_t before = world.bucket.server.count(op);
    world.bucket.hang(op);
    // Which files are older than the target only their times of commit tell: a GET each.
    const std::string sql = "SELECT * FROM litestream_plan WHERE database = '" + url +
                            "' AND timestamp = '2000-01-01T00:00:00Z'";
    CHECK(interrupt_once(other, sql, [&] { return world.bucket.server.count(op) > before; }) ==
          SQLITE_INTERRUPT);
  }
  SECTION("restore and verify") {
    world.stop();
    const S3Op op = GENERATE(S3Op::kList, S3Op::kGet);
    const std::string sql =
        GENERATE(true, false) ? world.restore_sql() : "SELECT litestream_verify('" + url + "')";
    const uint64_t before = world.bucket.server.count(op);
    world.bucket.hang(op);
    CHECK(interrupt_once(other, sql, [&] { return world.bucket.server.count(op) > before; }) ==
          SQLITE_INTERRUPT);
    CHECK_FALSE(fs::exists(world.dir.file("restored.db")));
  }
  SECTION("verify of what this process replicates") {
    world.bucket.hang(S3Op::kGet);
    const uint64_t before = world.bucket.server.count(S3Op::kGet);
    const std::string sql = "SELECT litestream_verify('" + world.dir.file("app.db") + "')";
    CHECK(interrupt_once(other, sql, [&] {
            return world.bucket.server.count(S3Op::kGet) > before;
          }) == SQLITE_INTERRUPT);
  }
}

TEST_CASE("a deadline ends calls to a store that does not answer") {
  Replicated world;
  SqliteDb other(":memory:");
  world.bucket.hang(S3Op::kList);
  const auto store = open_store(posix_file_system(), world.bucket.url());
  REQUIRE(store.ok());
  {
    const RemoteCall limits(other.get(), 300);
    const Status status = (*store)->list(0).status();
    CHECK(status.code() == StatusCode::kUnavailable);
    CHECK(contains(status.message(), "in the time given"));
  }
  world.bucket.server.set_fault({});
  CHECK((*store)->list(0).ok());
}

TEST_CASE("a customer's key in a URL opens the store and is shown nowhere") {
  Bucket bucket(true);
  TempDir dir;
  const std::string key = "MDEyMzQ1Njc4OTAxMjM0NTY3ODkwMTIzNDU2Nzg5MDE=";
  const std::string plain = bucket.url() + "?sse-customer-algorithm=AES256";
  const std::string url = plain + "&sse-customer-key=" + key;
  SqliteDb app(dir.file("app.db"));
  app.exec("PRAGMA journal_mode=WAL; CREATE TABLE t(v); INSERT INTO t VALUES(1)");
  const std::string shown = app.text("SELECT litestream_replicate('" + url + "')");
  CHECK(shown.starts_with(bucket.url() + "?"));
  CHECK_FALSE(contains(shown, "customer-key"));
  app.exec("SELECT litestream_sync()");
  const auto objects = bucket.server.keys();
  REQUIRE(objects.size() >= 2);
  for (const std::string& object : objects) {
    if (object.ends_with(".ltx")) CHECK(bucket.server.object(object)->customer_key_md5 != "");
  }
  const auto restore_sql = [&](const std::string& from) {
    return "SELECT litestream_restore('" + from + "', '" + dir.file("restored.db") + "')";
  };
  CHECK_FALSE(contains(app.error_of(restore_sql(plain)), key.substr(0, 8)));
  CHECK_FALSE(contains(app.text(restore_sql(url)), key.substr(0, 8)));
  CHECK(SqliteDb(dir.file("restored.db")).integer("SELECT count(*) FROM t") == 1);
  for (const char* table : {"litestream_databases", "litestream_status", "litestream_ltx",
                            "litestream_plan", "litestream_config_values", "litestream_jobs"}) {
    CAPTURE(table);
    for (const std::string& row : app.rows("SELECT * FROM " + std::string(table))) {
      CHECK_FALSE(contains(row, key.substr(0, 8)));
    }
  }
  CHECK(app.text("SELECT url FROM litestream_databases").starts_with(bucket.url()));
  app.exec("SELECT litestream_stop()");
}

TEST_CASE("a store that does not answer holds up no stop, and nothing of ours stays behind") {
  Bucket bucket;
  S3Server& server = bucket.server;
  TempDir dir;
  const std::string path = dir.file("app.db");
  const std::string level = GENERATE("/0009/", "/0000/");
  CAPTURE(level);
  std::atomic<int> hanging_count{0};
  {
    SqliteDb app(path);
    app.exec("PRAGMA journal_mode=WAL; CREATE TABLE t(v)");
    app.exec("SELECT litestream_replicate('" + bucket.url() +
             "', '{\"shutdown-sync-timeout\":\"100ms\"}')");
    server.set_fault([&](const S3Request& request) -> std::optional<S3Fault> {
      if (request.op != S3Op::kPut || !contains(request.key, level)) return std::nullopt;
      ++hanging_count;
      return hanging();
    });
    app.exec("INSERT INTO t VALUES(randomblob(10000))");
    const auto hangs = [&] { return hanging_count > 0; };
    if (level == "/0009/") {
      // A snapshot is a job with a connection of its own; level 0 has all that there is to send.
      CHECK(interrupt_once(app, "SELECT litestream_snapshot()", hangs) == SQLITE_INTERRUPT);
      app.exec("SELECT litestream_stop()");
    } else {
      wait_until(hangs);
      CHECK(contains(app.error_of("SELECT litestream_stop()"), "stopped, but the replica has"));
    }
  }
  // The last connection to the database removes the WAL: ours are closed, those of jobs too.
  CHECK_FALSE(fs::exists(path + "-wal"));
  server.set_fault({});
  SqliteDb app(path);
  app.exec("SELECT litestream_replicate('" + bucket.url() + "'); SELECT litestream_sync()");
  app.exec("SELECT litestream_restore('" + bucket.url() + "', '" + dir.file("restored.db") + "')");
  SqliteDb restored(dir.file("restored.db"));
  CHECK(restored.integer("SELECT sum(length(v)) FROM t") == 10'000);
}

}  // namespace litestream::test
