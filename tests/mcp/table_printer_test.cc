#include "mcp/table_printer.h"

#include <catch2/catch.hpp>

namespace litestream {
namespace {

SqlRows sample() {
  return {{"name", "size"},
          {{std::string("a"), int64_t{7}},
           {std::string("longer"), int64_t{1234567}},
           {nullptr, nullptr}}};
}

TEST_CASE("tables align text to the left and numbers to the right") {
  CHECK(format_table(sample()) ==
        "name       size\n"
        "a             7\n"
        "longer  1234567\n"
        "-             -\n");
}

TEST_CASE("a table without rows is its heading") {
  CHECK(format_table({{"path", "replica"}, {}}) == "path  replica\n");
}

TEST_CASE("data cannot drive the terminal") {
  CHECK(format_table({{"x"}, {{std::string("a\x1b[2J\nb")}}}) == "x\na?[2J?b\n");
}

TEST_CASE("JSON rows are one object per line") {
  CHECK(format_json_rows(sample()) ==
        "[\n"
        "  {\"name\":\"a\",\"size\":7},\n"
        "  {\"name\":\"longer\",\"size\":1234567},\n"
        "  {\"name\":null,\"size\":null}\n"
        "]\n");
  CHECK(format_json_rows({{"x"}, {}}) == "[]\n");
}

}  // namespace
}  // namespace litestream
