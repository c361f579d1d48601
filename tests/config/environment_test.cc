#include "ext/config/environment.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <map>

using namespace litestream;

namespace {

const EnvLookup kLookup = [](const std::string& name) -> std::optional<std::string> {
  static const std::map<std::string, std::string> values = {
      {"A", "alpha"}, {"A_1", "beta"}, {"EMPTY", ""}, {"LINES", "x\ny"}, {"NEST", "$A"}};
  const auto found = values.find(name);
  if (found == values.end()) return std::nullopt;
  return found->second;
};

std::string expanded(std::string_view text) { return expand_environment(text, kLookup).text; }

}  // namespace

TEST_CASE("environment: both spellings, at the edges and in a row") {
  REQUIRE(expanded("") == "");
  REQUIRE(expanded("none") == "none");
  REQUIRE(expanded("$A") == "alpha");
  REQUIRE(expanded("${A}") == "alpha");
  REQUIRE(expanded("x${A}y$A.z$A") == "xalphayalpha.zalpha");
  REQUIRE(expanded("$A_1${A}1") == "betaalpha1");
  REQUIRE(expanded("[${EMPTY}]") == "[]");
  REQUIRE(expanded("$NEST") == "$A");
  REQUIRE(expanded("$PID") == std::to_string(::getpid()));
}

TEST_CASE("environment: what is no variable, as Go treats it") {
  REQUIRE(expanded("$") == "$");
  REQUIRE(expanded("a$") == "a$");
  REQUIRE(expanded("$ $/ $.") == "$ $/ $.");
  REQUIRE(expanded("${}x") == "x");
  REQUIRE(expanded("${A") == "A");
  REQUIRE(expanded("$$A") == "A");
  REQUIRE(expanded("$1x") == "x");
}

TEST_CASE("environment: variables are remembered with their lines, unset ones vanish") {
  const ExpandedText out = expand_environment("a: $NO\nb: $LINES\nc: ${NEIN}-$EMPTY", kLookup);
  REQUIRE(out.text == "a: \nb: x\ny\nc: -");
  struct Expected {
    int line;
    const char* name;
    bool is_set;
  };
  constexpr Expected kExpected[] = {
      {1, "NO", false}, {2, "LINES", true}, {4, "NEIN", false}, {4, "EMPTY", true}};
  REQUIRE(out.variables.size() == 4);
  for (size_t i = 0; i < 4; ++i) {
    REQUIRE(out.variables[i].line == kExpected[i].line);
    REQUIRE(out.variables[i].name == kExpected[i].name);
    REQUIRE(out.variables[i].is_set == kExpected[i].is_set);
  }
}

TEST_CASE("environment: no lookup, no expansion; the process's own environment") {
  REQUIRE(expand_environment("$A ${A}", {}).text == "$A ${A}");
  REQUIRE(process_environment()("PATH").has_value());
  REQUIRE_FALSE(process_environment()("LITESTREAM_NO_SUCH_VARIABLE").has_value());
}
