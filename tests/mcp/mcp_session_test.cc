#include "mcp/mcp_session.h"

#include <catch2/catch.hpp>

namespace litestream {
namespace {

TEST_CASE("sessions begin, are found and end once") {
  McpSessions sessions(system_clock());
  const std::string id = sessions.create("2025-11-25", {});
  CHECK(id.size() == 32);
  CHECK(id.find_first_not_of("0123456789abcdef") == std::string::npos);
  CHECK(sessions.create("2025-06-18", {}) != id);
  REQUIRE(sessions.find(id) != nullptr);
  CHECK(sessions.find(id)->version() == "2025-11-25");
  CHECK(sessions.end(id));
  CHECK_FALSE(sessions.end(id));
  CHECK_FALSE(sessions.find(id));
  CHECK_FALSE(sessions.find(""));
}

TEST_CASE("a full table forgets the session unused for longest") {
  McpSessions sessions(system_clock(), 3);
  const std::string first = sessions.create("a", {});
  const std::string second = sessions.create("b", {});
  const std::string third = sessions.create("c", {});
  CHECK(sessions.find(first));  // used now
  sessions.create("d", {});
  CHECK(sessions.count() == 3);
  CHECK(sessions.find(first));
  CHECK_FALSE(sessions.find(second));
  CHECK(sessions.find(third));
}

}  // namespace
}  // namespace litestream
