#include "ext/base/nearest.h"

#include <array>
#include <catch2/catch.hpp>

using namespace litestream;

namespace {
constexpr std::array<std::string_view, 4> kWords = {"start", "status", "stop", "sync-interval"};
}  // namespace

TEST_CASE("nearest: edits and swaps") {
  REQUIRE(edit_distance("", "") == 0);
  REQUIRE(edit_distance("abc", "abc") == 0);
  REQUIRE(edit_distance("abc", "") == 3);
  REQUIRE(edit_distance("abc", "acb") == 1);
  REQUIRE(edit_distance("kitten", "sitting") == 3);
}

TEST_CASE("nearest: a beginning before an edit, and nothing when nothing is near") {
  REQUIRE(nearest_word(kWords, "stat") == "status");
  REQUIRE(nearest_word(kWords, "strat") == "start");
  REQUIRE(nearest_word(kWords, "sync-intervall") == "sync-interval");
  REQUIRE(nearest_word(kWords, "s").empty());
  REQUIRE(nearest_word(kWords, "quux").empty());
  REQUIRE(nearest_word(kWords, std::string(65, 's')).empty());
  REQUIRE(nearest_hint(kWords, "stpo") == " (did you mean 'stop'?)");
  REQUIRE(nearest_hint(kWords, "quux").empty());
}
