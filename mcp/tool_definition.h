// What sql/tools/<name>.sql says about its tool in the header comment.
//
// Keys of the header (sql_header.h), all required: title, description, input (JSON Schema of the
// arguments), output (JSON Schema of the answer), annotations (JSON object). Of the input schema
// the program enforces `required`, unknown names, `type` (string, integer, boolean, or a list of
// them), `minimum` and `maximum`.
//
// Optional keys:
//   writes: the parameter that names a file the tool writes; mcp-restore-dir holds for it
//   confirm: the file of sql/ whose only column is the question to put to a person first, or NULL
//   job: the kind of litestream_jobs in which the tool's progress can be seen
//   upstream: JSON object, names that Litestream's own server uses -> ours
//   upstream_default: JSON object, who uses such names may leave out a parameter -> takes the value
//     of another one
// Threading: immutable values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ext/base/status.h"

namespace litestream {

struct ToolParameter {
  std::string name;
  std::string description;
  bool accepts_string = false;
  bool accepts_integer = false;
  bool accepts_boolean = false;
  bool required = false;
  std::optional<int64_t> minimum;
  std::optional<int64_t> maximum;
};
using NamePairs = std::vector<std::pair<std::string, std::string>>;

struct ToolDefinition {
  std::string name;
  std::string title;
  std::string description;
  std::string input_schema;   // JSON, one line
  std::string output_schema;  // JSON, one line
  std::string annotations;    // JSON, one line
  bool read_only = false;     // annotations.readOnlyHint
  std::vector<ToolParameter> parameters;
  std::string writes;
  std::string confirm;
  std::string job;
  NamePairs upstream;
  NamePairs upstream_default;
};

// InvalidArgument: the header does not follow the rules above.
Result<ToolDefinition> parse_tool_definition(std::string_view name, std::string_view sql);

}  // namespace litestream
