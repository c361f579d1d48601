// Flags in all their spellings, and what is refused.
#include "mcp/args.h"

#include <catch2/catch.hpp>

namespace litestream {
namespace {

constexpr FlagSpec kFlags[] = {{"o", FlagKind::kValue}, {"json", FlagKind::kSwitch}};

Result<ParsedArgs> parse(const std::vector<std::string>& arguments) {
  return parse_args(kFlags, arguments);
}

TEST_CASE("flags take one dash or two, a space or an equals sign") {
  for (const std::vector<std::string>& arguments :
       {std::vector<std::string>{"-o", "x", "-json", "db"},
        {"--o", "x", "--json", "db"},
        {"-o=x", "db", "-json=true"},
        {"db", "--json=1", "--o=x"}}) {
    const auto parsed = parse(arguments);
    REQUIRE(parsed.ok());
    CHECK(parsed->value("o") == "x");
    CHECK(parsed->is_on("json"));
    CHECK(parsed->positionals() == std::vector<std::string>{"db"});
  }
}

TEST_CASE("values may look like anything") {
  CHECK(parse({"-o", "-json"})->value("o") == "-json");
  CHECK(parse({"-o=a=b"})->value("o") == "a=b");
  CHECK(parse({"-o="})->has("o"));
  CHECK(parse({"-"})->positionals() == std::vector<std::string>{"-"});
  CHECK(parse({"--", "-o", "x"})->positionals() == std::vector<std::string>{"-o", "x"});
  CHECK_FALSE(parse({"-json=false"})->is_on("json"));
}

TEST_CASE("wrong flags are refused by name") {
  CHECK(parse({"-nope"}).status().message() == "unknown flag -nope");
  CHECK(parse({"-o"}).status().message() == "-o needs a value");
  CHECK(parse({"-jsno"}).status().message() == "unknown flag -jsno (did you mean -json?)");
  CHECK(parse({"-json=maybe"}).status().message().find("true or false") != std::string::npos);
}

TEST_CASE("help is always known") {
  CHECK(parse({"-h"})->is_on("help"));
  CHECK(parse({"--help"})->is_on("help"));
}

}  // namespace
}  // namespace litestream
