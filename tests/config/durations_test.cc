#include "ext/config/durations.h"

#include <catch2/catch.hpp>

using namespace litestream;

TEST_CASE("durations: what Go reads") {
  REQUIRE(*parse_duration_ns("0") == 0);
  REQUIRE(*parse_duration_ns("-0") == 0);
  REQUIRE(*parse_duration_ns("1ns") == 1);
  REQUIRE(*parse_duration_ns("1us") == 1000);
  REQUIRE(*parse_duration_ns("1\xC2\xB5s") == 1000);
  REQUIRE(*parse_duration_ns("1\xCE\xBCs") == 1000);
  REQUIRE(*parse_duration_ms("50ms") == 50);
  REQUIRE(*parse_duration_ms("1s") == 1000);
  REQUIRE(*parse_duration_ms("1m30s") == 90'000);
  REQUIRE(*parse_duration_ms("1h1m1s1ms") == 3'661'001);
  REQUIRE(*parse_duration_ms("1.5h") == 5'400'000);
  REQUIRE(*parse_duration_ms(".5s") == 500);
  REQUIRE(*parse_duration_ms("1.s") == 1000);
  REQUIRE(*parse_duration_ms("0.1s") == 100);
  REQUIRE(*parse_duration_ms("2.007s") == 2007);
  REQUIRE(*parse_duration_ms("0.000000001s1ms999999ns") == 2);
  REQUIRE(*parse_duration_ms("-1m") == -60'000);
  REQUIRE(*parse_duration_ms("+1m") == 60'000);
  REQUIRE(*parse_duration_ns("2562047h") == 2562047ll * 3600 * 1'000'000'000);
}

TEST_CASE("durations: what Go refuses") {
  for (const char* text : {"",
                           "-",
                           "+",
                           "s",
                           ".",
                           ".s",
                           "1",
                           "10",
                           "1 s",
                           " 1s",
                           "1s ",
                           "1d",
                           "1S",
                           "1m30",
                           "--1s",
                           "1e3s",
                           "abc",
                           "5 minutes",
                           "2562048h",
                           "9999999999999999999999s",
                           "9223372036854775808ns",
                           "1s-1s"}) {
    CAPTURE(text);
    REQUIRE(parse_duration_ns(text).status().code() == StatusCode::kInvalidArgument);
  }
  REQUIRE(parse_duration_ns("10").status().message() ==
          "'10' is not a duration: a number needs a unit: ns, us, ms, s, m or h");
  REQUIRE(parse_duration_ns("soon").status().message() ==
          "'soon' is not a duration: write for example 500ms, 10s or 1m30s");
  REQUIRE(parse_duration_ms("1.5ms").status().message() == "'1.5ms' is finer than 1ms");
}

TEST_CASE("durations: written and read again") {
  REQUIRE(format_duration_ms(0) == "0s");
  REQUIRE(format_duration_ms(50) == "50ms");
  REQUIRE(format_duration_ms(90'000) == "1m30s");
  REQUIRE(format_duration_ms(3'661'001) == "1h1m1s1ms");
  REQUIRE(format_duration_ms(-1500) == "-1s500ms");
  REQUIRE(format_duration_ms(INT64_MIN).starts_with("-"));
  for (const int64_t ms : {1, 999, 1000, 59'999, 60'000, 86'400'000, -1}) {
    REQUIRE(*parse_duration_ms(format_duration_ms(ms)) == ms);
  }
}
