// Turns what a client sent as a tool's arguments into SQL parameters, checked against the tool's
// input schema. Every message says what to send instead. Upstream's names (tool_definition.h) count
// as ours; so does its "config", a text that every tool takes (tools.h compares it).
// Threading: pure functions.
#pragma once

#include <simdjson.h>

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ext/base/status.h"
#include "mcp/sql_session.h"
#include "mcp/tool_definition.h"

namespace litestream {

inline constexpr size_t kArgumentTextBytesMax = 8192;  // as long as the longest URL (limits.h)
inline constexpr std::string_view kConfigArgument = "config";

// From the `arguments` object of tools/call or a POSTed body. A member that is null counts as left
// out. InvalidArgument.
Result<SqlParameters> arguments_from_json(const ToolDefinition& tool,
                                          simdjson::dom::object arguments);

// From a decoded query string, where everything is text: integers in decimal, booleans `true`,
// `false`, `1` or `0`. InvalidArgument.
using QueryParameters = std::vector<std::pair<std::string, std::string>>;
Result<SqlParameters> arguments_from_query(const ToolDefinition& tool,
                                           const QueryParameters& query);

}  // namespace litestream
