// The headers of tool files: ours are complete, damaged ones are refused with a reason.
#include "mcp/tool_definition.h"

#include <catch2/catch.hpp>

#include "mcp/embedded_sql.h"
#include "tests/mcp/json_check.h"

namespace litestream {
namespace {

using test::Json;

constexpr const char* kGood =
    "-- title: T\n"
    "-- description: One: two\n"
    "--   and three.\n"
    "-- input: {\"type\": \"object\",\n"
    "--   \"properties\": {\"a\": {\"type\": [\"integer\", \"string\"], \"minimum\": 1},\n"
    "--                  \"b\": {\"type\": \"boolean\"}}, \"required\": [\"a\"]}\n"
    "-- output: {\"type\": \"object\"}\n"
    "-- annotations: {\"readOnlyHint\": true}\n"
    "SELECT 1; -- title: not this\n";

std::string without(std::string text, std::string_view part) {
  return text.replace(text.find(part), part.size(), "");
}

TEST_CASE("a header becomes a definition") {
  const auto tool = parse_tool_definition("x", kGood);
  REQUIRE(tool.ok());
  CHECK(tool->title == "T");
  CHECK(tool->description == "One: two and three.");
  CHECK(tool->output_schema == R"({"type":"object"})");
  CHECK(tool->read_only);
  REQUIRE(tool->parameters.size() == 2);
  CHECK(tool->parameters[0].required);
  CHECK(tool->parameters[0].accepts_integer);
  CHECK(tool->parameters[0].accepts_string);
  CHECK(tool->parameters[0].minimum == 1);
  CHECK_FALSE(tool->parameters[1].required);
  CHECK(tool->parameters[1].accepts_boolean);
}

TEST_CASE("a header that lacks something is refused by name") {
  const auto message = [](const std::string& sql) {
    return parse_tool_definition("x", sql).status().message();
  };
  CHECK(message("SELECT 1;") == "x.sql: no title");
  CHECK(message(without(kGood, "-- description: One: two\n--   and three.\n")) ==
        "x.sql: no description");
  CHECK(message(without(kGood, "\"readOnlyHint\": true")) == "x.sql: no readOnlyHint");
  CHECK(message(without(kGood, "{\"type\": \"object\"}")) == "x.sql: no output");
  CHECK(message(without(kGood, "\"type\": \"boolean\"")) == "x.sql: no type for b");
  CHECK(message(without(kGood, "[\"a\"]}")) == "x.sql: input: not JSON");
}

TEST_CASE("every tool file has a complete header") {
  size_t tool_count = 0;
  for (const EmbeddedSql& file : embedded_sql()) {
    if (!file.name.starts_with("tools/")) continue;
    ++tool_count;
    CAPTURE(file.name);
    const auto tool = parse_tool_definition(file.name, file.text);
    REQUIRE(tool.ok());
    CHECK(tool->description.size() > 30);
    CHECK(tool->input_schema.find('\n') == std::string::npos);
    const Json input(tool->input_schema);
    const Json output(tool->output_schema);
    const Json annotations(tool->annotations);
    CHECK(input.text("/type") == "object");
    CHECK(bool(input.at("/additionalProperties")) == false);
    CHECK(output.text("/type") == "object");
    for (const char* hint :
         {"/readOnlyHint", "/destructiveHint", "/idempotentHint", "/openWorldHint"}) {
      CHECK(annotations.at(hint).is_bool());
    }
  }
  CHECK(tool_count == 15);
}

}  // namespace
}  // namespace litestream
