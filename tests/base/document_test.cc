#include "ext/base/document.h"

#include <catch2/catch.hpp>
#include <string>

#include "ext/base/limits.h"

using namespace litestream;

namespace {

DocumentNode parsed(std::string_view text) {
  const auto root = parse_document(text, "f");
  INFO(text << " -> " << root.status().message());
  REQUIRE(root.ok());
  return *root;
}

std::string error_of(std::string_view text) {
  const auto root = parse_document(text, "f");
  INFO(text);
  REQUIRE_FALSE(root.ok());
  REQUIRE(root.status().code() == StatusCode::kInvalidArgument);
  return root.status().message();
}

}  // namespace

TEST_CASE("document: scalars, quotes, nulls, sequences, maps, lines") {
  const DocumentNode root = parsed(
      "a: 1\n"
      "b: '2'\n"
      "c: \"\"\n"
      "d:\n"
      "e: ~\n"
      "f:\n"
      "  - x\n"
      "  - {y: z}\n");
  REQUIRE(root.kind == DocumentNode::Kind::kMap);
  REQUIRE(root.items.size() == 6);
  REQUIRE(find_value(root, "a")->scalar == "1");
  REQUIRE_FALSE(find_value(root, "a")->quoted);
  REQUIRE(find_value(root, "b")->scalar == "2");
  REQUIRE(find_value(root, "b")->quoted);
  REQUIRE(find_value(root, "c")->kind == DocumentNode::Kind::kScalar);
  REQUIRE(find_value(root, "c")->scalar.empty());
  REQUIRE(find_value(root, "d")->kind == DocumentNode::Kind::kNull);
  REQUIRE(find_value(root, "e")->kind == DocumentNode::Kind::kNull);
  const DocumentNode& list = *find_value(root, "f");
  REQUIRE(list.kind == DocumentNode::Kind::kSequence);
  REQUIRE(list.key_line == 6);
  REQUIRE(list.items[0].line == 7);
  REQUIRE(list.items[1].line == 8);
  REQUIRE(find_value(list.items[1], "y")->scalar == "z");
  REQUIRE(find_value(root, "nothing") == nullptr);
  REQUIRE(find_value(list, "y") == nullptr);
  REQUIRE(parsed("!!str 5").quoted);
}

TEST_CASE("document: nothing at all is a null on line 1") {
  for (const char* text : {"", "\n\n", "# only a comment\n", "---\n", "~"}) {
    const DocumentNode root = parsed(text);
    REQUIRE(root.kind == DocumentNode::Kind::kNull);
    REQUIRE(root.line >= 1);
  }
}

TEST_CASE("document: errors name the line") {
  REQUIRE(error_of("a: 1\nb: 2\na: 3\n") == "f:3: key 'a' appears twice (first on line 1)");
  REQUIRE(error_of("x:\n  - k: 1\n    k: 2\n") == "f:3: key 'k' appears twice (first on line 2)");
  REQUIRE(error_of("a: !!binary aGk=\n") == "f:1: tags are not supported");
  REQUIRE(error_of("a: 1\n---\nb: 2\n").starts_with("f:"));
  REQUIRE(error_of("a: 1\n---\nb: 2\n").find("a second document") != std::string::npos);
  REQUIRE(error_of("\n? [a, b]\n: c\n") == "f:2: a key must be a word");
  REQUIRE(error_of("a: 1\n\nb: [1, 2\n").starts_with("f:"));
  REQUIRE(error_of("a: 1\n\tb: 2\n").starts_with("f:2: "));
  REQUIRE(error_of("a: 1\nb: *nowhere\n").starts_with("f:2: "));
  REQUIRE(error_of("a: 1\nb: \xff\n") == "f:2: not UTF-8 text");
  REQUIRE(error_of(std::string_view("a: 1\0", 5)) == "f:1: not UTF-8 text");
}

TEST_CASE("document: a quote that is never closed does not swallow the rest") {
  REQUIRE(error_of("a: \"x\n") == "f:2: a quote before this line is not closed");
  REQUIRE(error_of("a: \"x") == "f:2: a quote before this line is not closed");
  REQUIRE(error_of("a: 'x\nb: 1\n") == "f:3: a quote before this line is not closed");
  REQUIRE(parsed("a: \"x\n  y\"\n").items[0].scalar == "x y");
  REQUIRE(parsed("a: |\n  x\n").items[0].scalar == "x\n");
  REQUIRE(parsed("a: b\n...\n").items[0].scalar == "b");
  REQUIRE(parsed("a: b\n...").items[0].scalar == "b");
}

TEST_CASE("document: text that is no UTF-8 is refused, text that is passes unchanged") {
  for (const char* good : {"\xC3\xA9", "\xE2\x82\xAC", "\xF0\x9F\x98\x80", "\xEF\xBF\xBD"}) {
    REQUIRE(parsed(std::string("k: ") + good).items[0].scalar == good);
  }
  for (const char* bad : {"\x80", "\xC0\x80", "\xC3", "\xE0\x80\x80", "\xED\xA0\x80",
                          "\xF0\x80\x80\x80", "\xF4\x90\x80\x80", "\xF8\x88\x80\x80\x80"}) {
    REQUIRE(error_of(std::string("k: ") + bad) == "f:1: not UTF-8 text");
  }
}

TEST_CASE("document: aliases are copied, counted, and never endless") {
  const DocumentNode root = parsed("a: &x {k: [1, 2]}\nb: *x\nc: *x\n");
  REQUIRE(find_value(*find_value(root, "c"), "k")->items[1].scalar == "2");
  REQUIRE(find_value(root, "b")->line == 2);
  REQUIRE(error_of("a: &x [1, *x]\n") == "f:1: an alias of what contains it");

  std::string laughs = "a0: &a0 [l, l, l, l, l, l, l, l, l, l]\n";
  for (int i = 1; i < 10; ++i) {
    const std::string last = "*a" + std::to_string(i - 1);
    const std::string name = "a" + std::to_string(i);
    laughs += name + ": &" + name + " [" + last;
    for (int j = 0; j < 9; ++j) laughs += ", " + last;
    laughs += "]\n";
  }
  REQUIRE(error_of(laughs).find("aliases counted") != std::string::npos);
}

TEST_CASE("document: depth, size and number of values are bounded") {
  REQUIRE(parsed(std::string(kDocumentDepthMax, '[') + std::string(kDocumentDepthMax, ']')).kind ==
          DocumentNode::Kind::kSequence);
  for (const size_t depth : {kDocumentDepthMax + 1, size_t{499}, size_t{5000}}) {
    REQUIRE(error_of(std::string(depth, '[') + std::string(depth, ']')).find("nested") !=
            std::string::npos);
  }
  // Depth through aliases: each level one deeper than the last.
  std::string ladder = "l0: &l0 [1]\n";
  for (int i = 1; i < 40; ++i) {
    const std::string name = "l" + std::to_string(i);
    ladder += name + ": &" + name + " [*l" + std::to_string(i - 1) + "]\n";
  }
  REQUIRE(error_of(ladder).find("nested") != std::string::npos);

  std::string many = "[";
  for (size_t i = 0; i < kDocumentNodesMax; ++i) many += "1,";
  REQUIRE(error_of(many + "1]").find("more than") != std::string::npos);
  REQUIRE(error_of(std::string(kConfigBytesMax + 1, '#')).find("longer than") != std::string::npos);
}
