// What the writer puts out is valid one-line JSON whatever it is given.
#include "mcp/json_writer.h"

#include <catch2/catch.hpp>
#include <cmath>

#include "tests/mcp/json_check.h"
#include "tests/support/prng.h"

namespace litestream {
namespace {

using test::Json;

std::string escaped(std::string_view text) {
  std::string out;
  append_json_string(out, text);
  return out;
}

TEST_CASE("JsonWriter sets commas and colons") {
  JsonWriter writer;
  writer.begin_object().key("a").integer(1).key("b").begin_array().string("x").null();
  writer.boolean(true).begin_object().end_object().end_array().key("c").raw("2").end_object();
  CHECK(writer.text() == R"({"a":1,"b":["x",null,true,{}],"c":2})");
}

TEST_CASE("JsonWriter writes numbers that are not numbers as null") {
  JsonWriter writer;
  writer.begin_array().real(0.5).real(NAN).real(INFINITY).end_array();
  CHECK(writer.text() == "[0.5,null,null]");
}

TEST_CASE("JSON strings escape what they must") {
  CHECK(escaped("plain") == R"("plain")");
  CHECK(escaped("a\"b\\c") == R"("a\"b\\c")");
  CHECK(escaped(std::string_view("\n\r\t\b\f\0\x1f\x7f", 8)) ==
        "\"\\n\\r\\t\\b\\f\\u0000\\u001f\\u007f\"");
  CHECK(escaped("\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80") ==
        "\"\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80\"");
}

TEST_CASE("bytes that are not UTF-8 become U+FFFD") {
  const std::string bad = "\xEF\xBF\xBD";
  CHECK(to_valid_utf8("\xFFx") == bad + "x");
  CHECK(to_valid_utf8("\xC0\xAF") == bad + bad);                      // overlong '/'
  CHECK(to_valid_utf8("\xED\xA0\x80") == bad + bad + bad);            // surrogate
  CHECK(to_valid_utf8("\xF4\x90\x80\x80") == bad + bad + bad + bad);  // beyond U+10FFFF
  CHECK(to_valid_utf8("\xE2\x82") == bad + bad);                      // cut off
}

TEST_CASE("random bytes survive as one line of valid JSON") {
  auto prng = test::Prng::announced("json_writer", 20260103);
  for (int i = 0; i < 2000; ++i) {
    const std::string bytes = prng.bytes(prng.below(40));
    const std::string json = escaped(bytes);
    CHECK(json.find('\n') == std::string::npos);
    CHECK(Json(json).text("") == to_valid_utf8(bytes));
  }
}

}  // namespace
}  // namespace litestream
