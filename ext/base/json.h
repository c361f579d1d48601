// The small JSON documents that reach ext/: options of SQL functions, records of ours. Strict JSON
// (RFC 8259, UTF-8): what a JSON parser elsewhere refuses is refused here.
// Threading: values, pure functions.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "ext/base/document.h"
#include "ext/base/status.h"

namespace litestream {

struct JsonScalar {
  enum class Kind { kNull, kBool, kNumber, kString };
  Kind kind = Kind::kNull;
  std::string text;      // strings: the value; numbers: as written; "true", "false", "null"
  bool boolean = false;  // kBool only
};

// One object whose values are strings, numbers, booleans or null. Text of at most
// kOptionsJsonBytesMax bytes. InvalidArgument says what is wrong; nested values and duplicate keys
// are errors.
Result<std::map<std::string, JsonScalar>> parse_flat_json_object(std::string_view text);

// Any JSON document as a tree. Strings are quoted scalars, numbers and booleans unquoted ones;
// lines are not kept. The same limits and errors.
Result<DocumentNode> parse_json(std::string_view text);

// `text` in quotes, with what JSON forbids escaped. The text must be UTF-8.
std::string json_quote(std::string_view text);

}  // namespace litestream
