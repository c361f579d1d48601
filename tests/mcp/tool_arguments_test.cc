// Arguments that fit the schema become SQL parameters; the others a message that says what to do.
#include "mcp/tool_arguments.h"

#include <catch2/catch.hpp>

namespace litestream {
namespace {

ToolDefinition sample() {
  ToolDefinition tool;
  tool.name = "t";
  ToolParameter text{"text", "Some text", true, false, false, true, {}, {}};
  ToolParameter number{"number", "", false, true, false, false, 1, 10};
  ToolParameter flag{"flag", "", false, false, true, false, {}, {}};
  ToolParameter either{"either", "", true, true, false, false, {}, {}};
  tool.parameters = {text, number, flag, either};
  return tool;
}

Result<SqlParameters> from_json(const std::string& json) {
  simdjson::dom::parser parser;
  return arguments_from_json(sample(), parser.parse(json).get_object().value());
}

std::string json_fault(const std::string& json) { return from_json(json).status().message(); }

std::string query_fault(const QueryParameters& query) {
  return arguments_from_query(sample(), query).status().message();
}

TEST_CASE("JSON arguments become parameters") {
  const auto parameters = from_json(R"({"text":"x","number":5.0,"flag":true,"either":7})");
  REQUIRE(parameters.ok());
  const SqlParameters expected = {{"text", std::string("x")},
                                  {"number", int64_t{5}},
                                  {"flag", int64_t{1}},
                                  {"either", int64_t{7}}};
  CHECK(*parameters == expected);
  CHECK(from_json(R"({"text":"x","either":"7","number":null})")->size() == 2);
}

TEST_CASE("JSON arguments that do not fit are refused") {
  CHECK(json_fault("{}") == "t: \"text\" is missing: Some text");
  CHECK(json_fault(R"({"text":null})") == "t: \"text\" is missing: Some text");
  CHECK(json_fault(R"({"text":5})") == "t: \"text\" must be a string");
  CHECK(json_fault(R"({"text":""})") == "t: \"text\" must not be empty; leave it out instead");
  CHECK(json_fault(R"({"text":"a\u0000b"})") == "t: \"text\" must not contain NUL characters");
  CHECK(json_fault(R"({"text":"x","number":"5"})") == "t: \"number\" must be an integer");
  CHECK(json_fault(R"({"text":"x","number":5.5})") == "t: \"number\" must be an integer");
  CHECK(json_fault(R"({"text":"x","number":1e300})") == "t: \"number\" must be an integer");
  CHECK(json_fault(R"({"text":"x","number":0})") ==
        "t: \"number\" must be at least 1 and at most 10");
  CHECK(json_fault(R"({"text":"x","number":11})") ==
        "t: \"number\" must be at least 1 and at most 10");
  CHECK(json_fault(R"({"text":"x","flag":1})") == "t: \"flag\" must be true or false");
  CHECK(json_fault(R"({"text":"x","either":[]})") ==
        "t: \"either\" must be a string or an integer");
  CHECK(json_fault(R"({"text":"x","text":"y"})") == "t: \"text\" is given twice");
  CHECK(json_fault(R"({"texxt":"x"})") ==
        "t: unknown argument \"texxt\"; known: text, number, flag, either");
  CHECK(json_fault("{\"text\":\"" + std::string(kArgumentTextBytesMax + 1, 'x') + "\"}") ==
        "t: \"text\" is too long");
}

TEST_CASE("query arguments are read by the schema's type") {
  const auto parameters = arguments_from_query(
      sample(), {{"text", "5"}, {"number", "5"}, {"flag", "false"}, {"either", "5"}});
  REQUIRE(parameters.ok());
  const SqlParameters expected = {{"text", std::string("5")},
                                  {"number", int64_t{5}},
                                  {"flag", int64_t{0}},
                                  {"either", std::string("5")}};
  CHECK(*parameters == expected);
}

TEST_CASE("query arguments that do not fit are refused") {
  CHECK(query_fault({}) == "t: \"text\" is missing: Some text");
  CHECK(query_fault({{"text", "x"}, {"number", ""}}) == "t: \"number\" must be an integer");
  CHECK(query_fault({{"text", "x"}, {"number", "5x"}}) == "t: \"number\" must be an integer");
  CHECK(query_fault({{"text", "x"}, {"number", "99999999999999999999"}}) ==
        "t: \"number\" must be an integer");
  CHECK(query_fault({{"text", "x"}, {"flag", "yes"}}) == "t: \"flag\" must be true or false");
  CHECK(query_fault({{"text", "x"}, {"text", "x"}}) == "t: \"text\" is given twice");
  CHECK(query_fault({{"text", "x"}, {"z", "1"}}) ==
        "t: unknown argument \"z\"; known: text, number, flag, either");
}

}  // namespace
}  // namespace litestream
