#include "mcp/cancellation.h"

#include <catch2/catch.hpp>
#include <memory>
#include <thread>

#include "mcp/sql_session.h"
#include "tests/mcp/fake_extension.h"

namespace litestream {
namespace {

TEST_CASE("cancellation: watches run once, late ones at once, ended ones never") {
  Cancellation cancellation;
  int first = 0, second = 0, late = 0;
  const Cancellation::Watch watch(cancellation, [&] { ++first; });
  {
    const Cancellation::Watch ended(cancellation, [&] { ++second; });
  }
  CHECK_FALSE(cancellation.is_cancelled());
  cancellation.cancel();
  cancellation.cancel();
  CHECK(cancellation.is_cancelled());
  const Cancellation::Watch after(cancellation, [&] { ++late; });
  CHECK(first == 1);
  CHECK(second == 0);
  CHECK(late == 1);
}

// SQLite forgets an interrupt that comes before its statement begins; ours is not forgotten. One
// that comes while a statement is prepared for the first time is some other error to SQLite: a
// session of its own each time.
TEST_CASE("cancellation: reaches a statement whenever it comes") {
  test::install_fake_extension();
  test::set_fake_databases({"/data/slow.db"});
  const SqlParameters parameters = {{"source", std::string("/data/slow.db")},
                                    {"database", std::string("/data/slow.db")},
                                    {"output", std::string("/nonexistent/x")}};
  std::unique_ptr<SqlSession> session;
  for (int i = 0; i < 50; ++i) {
    CAPTURE(i);
    if (i % 2 == 0) {
      auto opened = SqlSession::open(":memory:", {});
      REQUIRE(opened.ok());
      session = std::move(opened).value();
    }
    Cancellation cancellation;
    std::thread canceller;
    if (i == 0) {
      cancellation.cancel();
    } else {
      canceller = std::thread([&] { cancellation.cancel(); });
    }
    const auto rows = session->run("tools/litestream_restore", parameters, cancellation);
    CHECK(rows.status().code() == StatusCode::kCancelled);
    if (canceller.joinable()) canceller.join();
    // The connection is as good as before.
    CHECK(session->run("commands/version").ok());
  }
}

}  // namespace
}  // namespace litestream
