#include "ext/base/json.h"

#include <catch2/catch.hpp>
#include <string>

#include "ext/base/limits.h"

using namespace litestream;
using Kind = JsonScalar::Kind;

namespace {

std::string string_value(const std::string& json_string) {
  const auto object = parse_flat_json_object("{\"k\":" + json_string + "}");
  INFO(json_string << " -> " << object.status().message());
  REQUIRE(object.ok());
  REQUIRE(object->at("k").kind == Kind::kString);
  return object->at("k").text;
}

}  // namespace

TEST_CASE("json: strings, numbers, booleans and null are told apart") {
  const auto object = parse_flat_json_object(
      " { \"s\" : \"1\", \"t\":\"true\",\"n\":-1.5e+3 ,\r\n\t\"yes\":true,\"no\":false,"
      "\"null\":null,\"z\":\"null\",\"tilde\":\"~\",\"i\":0}\n");
  REQUIRE(object.ok());
  REQUIRE(object->size() == 9);
  REQUIRE(object->at("s").kind == Kind::kString);
  REQUIRE(object->at("s").text == "1");
  REQUIRE(object->at("t").kind == Kind::kString);
  REQUIRE(object->at("n").kind == Kind::kNumber);
  REQUIRE(object->at("n").text == "-1.5e+3");
  REQUIRE(object->at("i").kind == Kind::kNumber);
  REQUIRE(object->at("yes").kind == Kind::kBool);
  REQUIRE(object->at("yes").boolean);
  REQUIRE(object->at("no").kind == Kind::kBool);
  REQUIRE_FALSE(object->at("no").boolean);
  REQUIRE(object->at("null").kind == Kind::kNull);
  REQUIRE(object->at("z").kind == Kind::kString);
  REQUIRE(object->at("tilde").kind == Kind::kString);
  REQUIRE(parse_flat_json_object("{}")->empty());
}

TEST_CASE("json: strings come back byte for byte") {
  REQUIRE(string_value(R"("")").empty());
  REQUIRE(string_value(R"("  a  b  ")") == "  a  b  ");
  REQUIRE(string_value(R"("a: b, [c] {d} # e 'f' & *g !h %i @j `k")") ==
          "a: b, [c] {d} # e 'f' & *g !h %i @j `k");
  REQUIRE(string_value(R"("\"\\\/\b\f\n\r\t")") == "\"\\/\b\f\n\r\t");
  REQUIRE(string_value(R"("\u0041\u00e9\u20AC\uD83D\uDE00\u001f")") ==
          "A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\x1f");
  REQUIRE(string_value("\"\xC3\xA9 \xE2\x80\xA8 \xC2\x85 \x7F \xF0\x9F\x98\x80\"") ==
          "\xC3\xA9 \xE2\x80\xA8 \xC2\x85 \x7F \xF0\x9F\x98\x80");
  REQUIRE(string_value("\"" + std::string(5000, 'x') + "\"") == std::string(5000, 'x'));
  for (const std::string text :
       {"plain", "\" \\ \n \t \x01 \x7f", "\xE2\x82\xAC", "", "\xEF\xBB\xBF"}) {
    REQUIRE(string_value(json_quote(text)) == text);
  }
}

TEST_CASE("json: what is YAML but not JSON is refused") {
  for (const char* text : {"",
                           " ",
                           "a: 1",
                           "{a: 1}",
                           "{'a': 1}",
                           "{\"a\": b}",
                           "{\"a\": 'b'}",
                           "{\"a\":1,}",
                           "{,}",
                           "{\"a\" 1}",
                           "{\"a\":}",
                           "{\"a\":1 \"b\":2}",
                           "{\"a\":1}x",
                           "{\"a\":1}{}",
                           "{\"a\":01}",
                           "{\"a\":+1}",
                           "{\"a\":.5}",
                           "{\"a\":1.}",
                           "{\"a\":1e}",
                           "{\"a\":0x10}",
                           "{\"a\":-}",
                           "{\"a\":tru}",
                           "{\"a\":True}",
                           "{\"a\":nul}",
                           "{\"a\":~}",
                           "{\"a\":NaN}",
                           "{\"a\":1} # no",
                           "{\"a\":\"\\x41\"}",
                           "{\"a\":\"\\u12\"}",
                           "{\"a\":\"\\u0000\"}",
                           "{\"a\":\"\\ud800\"}",
                           "{\"a\":\"\\ud800\\u0041\"}",
                           "{\"a\":\"\\udc00\"}",
                           "{\"a\":\"\n\"}",
                           "{\"a\":\"b}",
                           "{\"a\":\"\\\"}",
                           "{\"a\":*x}",
                           "{\"a\":&x 1}",
                           "{\"a\":!!str 1}",
                           "\xEF\xBB\xBF{}",
                           "{\"a\":\"\xff\"}",
                           "{",
                           "[",
                           "{\"a\":[1,2,]}",
                           "[1,2]",
                           "\"text\"",
                           "1",
                           "null"}) {
    CAPTURE(text);
    const auto object = parse_flat_json_object(text);
    REQUIRE(object.status().code() == StatusCode::kInvalidArgument);
    REQUIRE(object.status().message().starts_with("JSON: expected") ==
            (std::string_view(text).find('\xff') == std::string_view::npos));
  }
}

TEST_CASE("json: nested values, duplicates and sizes") {
  REQUIRE(parse_flat_json_object("{\"a\":{}}").status().message() ==
          "JSON: 'a' must be a single value");
  REQUIRE(parse_flat_json_object("{\"a\":[1]}").status().message() ==
          "JSON: 'a' must be a single value");
  REQUIRE(parse_flat_json_object("{\"a\":1,\"a\":2}").status().code() ==
          StatusCode::kInvalidArgument);
  REQUIRE(parse_json("[[1, {\"a\": [true]}], \"x\"]")->items.size() == 2);
  REQUIRE(parse_json(std::string(5000, '[')).status().code() == StatusCode::kInvalidArgument);
  const std::string big = "{\"a\":\"" + std::string(kOptionsJsonBytesMax, 'x') + "\"}";
  REQUIRE(parse_flat_json_object(big).status().message().starts_with("JSON: longer than"));
}
