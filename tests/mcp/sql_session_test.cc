// The door to SQL: statements by name, errors with SQLite's words, nothing left open.
#include "mcp/sql_session.h"

#include <catch2/catch.hpp>

#include "mcp/embedded_sql.h"
#include "mcp/session_pool.h"
#include "tests/mcp/fake_extension.h"
#include "tests/support/temp_dir.h"

namespace litestream {
namespace {

TEST_CASE("every embedded statement compiles") {
  test::install_fake_extension();
  test::set_fake_databases({"/data/app.db"});
  auto session = SqlSession::open(":memory:", {});
  REQUIRE(session.ok());
  for (const EmbeddedSql& file : embedded_sql()) {
    if (file.name == "commands/session_setup") continue;  // has run: the table exists
    CAPTURE(file.name);
    // NULL for every parameter: a statement may refuse that, but not fail to compile.
    const auto result = (*session)->run(file.name);
    if (!result.ok()) {
      CHECK(result.status().message().find("syntax error") == std::string::npos);
      CHECK(result.status().message().find("no such") == std::string::npos);
      CHECK(result.status().message().find("ambiguous") == std::string::npos);
    }
  }
}

TEST_CASE("parameters are bound by name, the others are NULL") {
  test::install_fake_extension();
  test::set_fake_databases({"/data/app.db"});
  auto session = SqlSession::open(":memory:", {});
  REQUIRE(session.ok());
  const auto level_0 = (*session)->run(
      "commands/ltx", {{"database", std::string("/data/app.db")}, {"level", int64_t{0}}});
  REQUIRE(level_0.ok());
  CHECK(level_0->rows.size() == 2);
  const auto all = (*session)->run(
      "commands/ltx", {{"database", std::string("/data/app.db")}, {"unused", std::string("x")}});
  REQUIRE(all.ok());
  CHECK(all->rows.size() == 3);
  CHECK(all->columns ==
        std::vector<std::string>{"level", "min_txid", "max_txid", "size", "timestamp"});
  CHECK(std::get<int64_t>(all->rows[0][3]) == 300);
}

TEST_CASE("errors say what the extension says") {
  test::install_fake_extension();
  test::set_fake_databases({"/data/app.db"});
  auto session = SqlSession::open(":memory:", {});
  REQUIRE(session.ok());
  const auto unknown = (*session)->run("commands/ltx", {{"database", std::string("/nope")}});
  CHECK(unknown.status().message() ==
        "litestream_ltx: unknown database \"/nope\"; known: /data/app.db");
  CHECK((*session)->run("commands/nope").status().code() == StatusCode::kInternal);
}

TEST_CASE("a database that does not exist is not created") {
  const test::TempDir dir;
  const auto session = SqlSession::open(dir.file("app.db"), {});
  CHECK(session.status().code() == StatusCode::kNotFound);
  CHECK(session.status().message().find(dir.file("app.db")) != std::string::npos);
}

TEST_CASE("sizes for people") {
  test::install_fake_extension();
  test::set_fake_databases({"/data/app.db"});
  auto session = SqlSession::open(":memory:", {});
  REQUIRE(session.ok());
  const auto rows = (*session)->run("commands/status_json");
  REQUIRE(rows.ok());
  REQUIRE(rows->rows.size() == 1);
  CHECK(to_text(rows->rows[0][3]) == "4.1 kB");
}

TEST_CASE("the pool lends a bounded number of sessions") {
  test::install_fake_extension();
  SessionPool pool({}, 20);
  std::vector<SessionPool::Lease> leases;
  for (size_t i = 0; i < kSqlSessionCountMax; ++i) {
    auto lease = pool.acquire();
    REQUIRE(lease.ok());
    leases.push_back(std::move(lease).value());
  }
  CHECK(pool.acquire().status().code() == StatusCode::kBusy);
  SqlSession* const returned = &*leases.back();
  leases.pop_back();
  {
    auto again = pool.acquire();
    REQUIRE(again.ok());
    CHECK(&**again == returned);
  }
  pool.shut_down();
  CHECK(pool.acquire().status().code() == StatusCode::kCancelled);
}

}  // namespace
}  // namespace litestream
