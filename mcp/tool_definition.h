// What sql/tools/<name>.sql says about its tool in the header comment.
//
// The header is the run of "--" lines at the top of the file: "-- key: value", a value going on in
// lines that start with "--   ". Keys, all required: title, description, input (JSON Schema of the
// arguments), output (JSON Schema of the answer), annotations (JSON object). Of the input schema
// the program enforces `required`, unknown names, `type` (string, integer, boolean, or a list of
// them), `minimum` and `maximum`. Threading: immutable values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
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

struct ToolDefinition {
  std::string name;
  std::string title;
  std::string description;
  std::string input_schema;   // JSON, one line
  std::string output_schema;  // JSON, one line
  std::string annotations;    // JSON, one line
  bool read_only = false;     // annotations.readOnlyHint
  std::vector<ToolParameter> parameters;
};

// InvalidArgument: the header does not follow the rules above.
Result<ToolDefinition> parse_tool_definition(std::string_view name, std::string_view sql);

}  // namespace litestream
