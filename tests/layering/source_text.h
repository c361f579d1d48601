// Reads C++ text just far enough to check the rules of the house: what is code and what is comment
// or literal, which files are included, how long each function is.
//
// A scanner, not a parser: it knows comments, literals and braces. It is exact for code laid out by
// clang-format, which is the only code here. Pure functions. Threading: stateless.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

namespace litestream::layering {

// The same text, same length and same line breaks, with every comment and every character inside a
// string or character literal (raw ones too) replaced by a space. Include lines keep their target.
std::string strip_comments_and_literals(std::string_view source);

struct Include {
  std::string target;      // "ext/base/status.h" or "vector"
  bool is_quoted = false;  // "..." rather than <...>
  size_t line = 0;         // 1-based
};

// Every #include line of `source`, in order.
std::vector<Include> find_includes(std::string_view source);

struct Function {
  std::string name;       // the word before the parameter list
  size_t line = 0;        // 1-based line of the opening brace
  size_t line_count = 0;  // from the opening brace's line to the closing brace's line
};

// Every function body at namespace or class level. `stripped` comes from
// strip_comments_and_literals(). Lambdas and blocks inside a function belong to it.
std::vector<Function> find_functions(std::string_view stripped);

// `text` cut at line breaks, without them.
std::vector<std::string> split_lines(std::string_view text);

}  // namespace litestream::layering
