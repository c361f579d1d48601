#include "ext/base/clock.h"

#include <catch2/catch.hpp>

#include "tests/support/prng.h"

namespace litestream {
namespace {

int64_t parsed(const char* text) {
  const auto result = parse_rfc3339_ms(text);
  INFO(text);
  REQUIRE(result.ok());
  return *result;
}

TEST_CASE("times are printed in UTC with milliseconds") {
  CHECK(format_rfc3339_ms(0) == "1970-01-01T00:00:00.000Z");
  CHECK(format_rfc3339_ms(1767413106789) == "2026-01-03T04:05:06.789Z");
  CHECK(format_rfc3339_ms(951782400000) == "2000-02-29T00:00:00.000Z");
  CHECK(format_rfc3339_ms(-1) == "1969-12-31T23:59:59.999Z");
  CHECK(format_rfc3339_ms(253402300799999) == "9999-12-31T23:59:59.999Z");
}

TEST_CASE("years beyond four digits are clamped") {
  CHECK(format_rfc3339_ms(INT64_MAX) == "9999-12-31T23:59:59.999Z");
  CHECK(format_rfc3339_ms(INT64_MIN) == "0000-01-01T00:00:00.000Z");
}

TEST_CASE("any offset, fraction and separator is read") {
  const int64_t expected = 1767413106789;
  CHECK(parsed("2026-01-03T04:05:06.789Z") == expected);
  CHECK(parsed("2026-01-03t04:05:06.789z") == expected);
  CHECK(parsed("2026-01-03 04:05:06.789Z") == expected);
  CHECK(parsed("2026-01-03T06:05:06.789+02:00") == expected);
  CHECK(parsed("2026-01-02T22:35:06.789-05:30") == expected);
  CHECK(parsed("2026-01-03T04:05:06.789999999Z") == expected);
  CHECK(parsed("2026-01-03T04:05:06Z") == expected - 789);
  CHECK(parsed("2026-01-03T04:05:06.7Z") == expected - 89);
  CHECK(parsed("2026-01-03T04:05:06-00:00") == expected - 789);
  CHECK(parsed("2026-01-03T04:05:06.78900000000000000000000000001Z") == expected);
}

TEST_CASE("calendar corners are read") {
  CHECK(parsed("2000-02-29T00:00:00Z") == 951782400000);
  CHECK(parsed("1969-12-31T23:59:59.999Z") == -1);
  CHECK(parsed("2016-12-31T23:59:60Z") == parsed("2017-01-01T00:00:00Z"));
  CHECK(parsed("0000-01-01T00:00:00Z") == -62167219200000);
}

TEST_CASE("what is not a time is refused with an example") {
  for (const char* text : {"",
                           "now",
                           "2026-01-03",
                           "2026-01-03T04:05:06",
                           "2026-01-03T04:05Z",
                           "2026-13-03T04:05:06Z",
                           "2026-00-03T04:05:06Z",
                           "2026-02-29T04:05:06Z",
                           "1900-02-29T00:00:00Z",
                           "2026-01-32T04:05:06Z",
                           "2026-01-03T24:00:00Z",
                           "2026-01-03T04:60:00Z",
                           "2026-01-03T04:05:61Z",
                           "2026-01-03T04:05:06.Z",
                           "2026-01-03T04:05:06,5Z",
                           "2026-01-03T04:05:06+0200",
                           "2026-01-03T04:05:06+24:00",
                           "2026-01-03T04:05:06+02:60",
                           "2026-01-03T04:05:06Z ",
                           " 2026-01-03T04:05:06Z",
                           "2026-1-3T04:05:06Z",
                           "-026-01-03T04:05:06Z",
                           "2026-01-03T04:05:06ZZ",
                           "1767413106789"}) {
    INFO("'" << text << "'");
    const auto result = parse_rfc3339_ms(text);
    REQUIRE_FALSE(result.ok());
    CHECK(result.status().code() == StatusCode::kInvalidArgument);
    CHECK(result.status().message().find("RFC 3339") != std::string::npos);
  }
}

TEST_CASE("what is printed is read back") {
  auto prng = test::Prng::announced("clock", 20260103);
  for (int i = 0; i < 20'000; ++i) {
    const int64_t time = -62167219200000 + static_cast<int64_t>(prng.below(315569519999999));
    CHECK(parsed(format_rfc3339_ms(time).c_str()) == time);
  }
}

TEST_CASE("the monotonic clock does not go back") {
  const int64_t before = system_clock().monotonic_ms();
  CHECK(system_clock().monotonic_ms() >= before);
}

}  // namespace
}  // namespace litestream
