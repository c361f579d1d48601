// YAML text as a small tree with line numbers. The only place of ext/ that sees yaml-cpp.
//
// What a configuration needs and no more: one document of nulls, scalars, sequences and maps with
// scalar keys. Aliases are resolved by copying; size, depth and number of nodes are bounded before
// anything grows. Duplicate keys are errors.
// Threading: values, pure function.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "ext/base/status.h"

namespace litestream {

inline constexpr size_t kDocumentDepthMax = 32;
// Copies made for aliases count, so that a few lines cannot grow into gigabytes.
inline constexpr size_t kDocumentNodesMax = 100'000;

struct DocumentNode {
  enum class Kind { kNull, kScalar, kSequence, kMap };
  Kind kind = Kind::kNull;  // kNull: nothing, `~` or `null`, unquoted
  bool quoted = false;      // scalars: written in quotes (or tagged !!str), so never a number
  int line = 0;             // from 1; of the alias for a copied node's top
  std::string scalar;
  std::vector<DocumentNode> items;  // of a sequence, or the values of a map in written order
  std::string key;                  // of a map's value
  int key_line = 0;
};

// Text of at most kConfigBytesMax bytes of UTF-8. InvalidArgument "<name>:<line>: <why>". A text
// without any content is a kNull node on line 1.
Result<DocumentNode> parse_document(std::string_view text, const std::string& name);

// The value of `key` in a map; nullptr if there is none or `map` is no map.
const DocumentNode* find_value(const DocumentNode& map, std::string_view key);
const DocumentNode* find_value(DocumentNode&& map, std::string_view key) = delete;

}  // namespace litestream
