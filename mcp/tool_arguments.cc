#include "mcp/tool_arguments.h"

#include <algorithm>
#include <charconv>

namespace litestream {
namespace {

std::string in_quotes(std::string_view text) {
  return '"' + std::string(text.substr(0, 100)) + '"';
}

std::string parameter_names(const ToolDefinition& tool) {
  std::string names;
  for (const ToolParameter& parameter : tool.parameters) {
    if (!names.empty()) names += ", ";
    names += parameter.name;
  }
  return names;
}

Status unknown_argument(const ToolDefinition& tool, std::string_view name) {
  std::string message = tool.name + ": unknown argument " + in_quotes(name);
  message += tool.parameters.empty() ? "; this tool takes no arguments"
                                     : "; known: " + parameter_names(tool);
  return invalid_argument(std::move(message));
}

Status wrong_type(const ToolDefinition& tool, const ToolParameter& parameter) {
  std::string types;
  const auto add = [&](bool accepted, const char* name) {
    if (!accepted) return;
    if (!types.empty()) types += " or ";
    types += name;
  };
  add(parameter.accepts_string, "a string");
  add(parameter.accepts_integer, "an integer");
  add(parameter.accepts_boolean, "true or false");
  return invalid_argument(tool.name + ": " + in_quotes(parameter.name) + " must be " + types);
}

Status out_of_range(const ToolDefinition& tool, const ToolParameter& parameter) {
  std::string message = tool.name + ": " + in_quotes(parameter.name) + " must be ";
  if (parameter.minimum) message += "at least " + std::to_string(*parameter.minimum);
  if (parameter.minimum && parameter.maximum) message += " and ";
  if (parameter.maximum) message += "at most " + std::to_string(*parameter.maximum);
  return invalid_argument(std::move(message));
}

const ToolParameter& config_parameter() {
  static const ToolParameter parameter = [] {
    ToolParameter config;
    config.name = kConfigArgument;
    config.accepts_string = true;
    return config;
  }();
  return parameter;
}

// By our name or upstream's.
const ToolParameter* find_parameter(const ToolDefinition& tool, std::string_view name) {
  for (const auto& [upstream_name, our_name] : tool.upstream) {
    if (upstream_name == name) name = our_name;
  }
  for (const ToolParameter& parameter : tool.parameters) {
    if (parameter.name == name) return &parameter;
  }
  return name == kConfigArgument ? &config_parameter() : nullptr;
}

Result<SqlValue> checked_integer(const ToolDefinition& tool, const ToolParameter& parameter,
                                 int64_t value) {
  if ((parameter.minimum && value < *parameter.minimum) ||
      (parameter.maximum && value > *parameter.maximum)) {
    return out_of_range(tool, parameter);
  }
  return SqlValue(value);
}

// Text with a NUL in it would be cut short where the extension reads it as C text.
Result<SqlValue> checked_text(const ToolDefinition& tool, const ToolParameter& parameter,
                              std::string_view text) {
  const std::string context = tool.name + ": " + in_quotes(parameter.name);
  if (text.size() > kArgumentTextBytesMax) return invalid_argument(context + " is too long");
  if (text.find('\0') != std::string_view::npos) {
    return invalid_argument(context + " must not contain NUL characters");
  }
  if (text.empty()) return invalid_argument(context + " must not be empty; leave it out instead");
  return SqlValue(std::string(text));
}

Result<SqlValue> value_from_json(const ToolDefinition& tool, const ToolParameter& parameter,
                                 simdjson::dom::element element) {
  std::string_view text;
  if (parameter.accepts_string && element.get(text) == simdjson::SUCCESS) {
    return checked_text(tool, parameter, text);
  }
  bool boolean = false;
  if (parameter.accepts_boolean && element.get(boolean) == simdjson::SUCCESS) {
    return SqlValue(int64_t{boolean});
  }
  int64_t integer = 0;
  if (parameter.accepts_integer && element.get(integer) == simdjson::SUCCESS) {
    return checked_integer(tool, parameter, integer);
  }
  double real = 0;  // 5.0 is an integer in JSON Schema
  if (parameter.accepts_integer && element.is_double() && element.get(real) == simdjson::SUCCESS &&
      real >= -9e15 && real <= 9e15 && static_cast<double>(static_cast<int64_t>(real)) == real) {
    return checked_integer(tool, parameter, static_cast<int64_t>(real));
  }
  return wrong_type(tool, parameter);
}

Result<SqlValue> value_from_text(const ToolDefinition& tool, const ToolParameter& parameter,
                                 std::string_view text) {
  if (parameter.accepts_string) return checked_text(tool, parameter, text);
  if (parameter.accepts_boolean) {
    if (text == "true" || text == "1") return SqlValue(int64_t{1});
    if (text == "false" || text == "0") return SqlValue(int64_t{0});
    return wrong_type(tool, parameter);
  }
  int64_t integer = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), integer);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) {
    return wrong_type(tool, parameter);
  }
  return checked_integer(tool, parameter, integer);
}

bool is_given(const SqlParameters& parameters, std::string_view name) {
  return std::any_of(parameters.begin(), parameters.end(),
                     [&](const auto& entry) { return entry.first == name; });
}

// Whoever speaks upstream's names may leave out what upstream lets them leave out.
void add_upstream_defaults(const ToolDefinition& tool, SqlParameters& parameters) {
  for (const auto& [name, other_name] : tool.upstream_default) {
    if (is_given(parameters, name)) continue;
    for (const auto& [given_name, value] : parameters) {
      if (given_name != other_name) continue;
      parameters.emplace_back(name, SqlValue(value));
      break;
    }
  }
}

Status check_complete(const ToolDefinition& tool, const SqlParameters& parameters) {
  for (const ToolParameter& parameter : tool.parameters) {
    if (!parameter.required || is_given(parameters, parameter.name)) continue;
    std::string message = tool.name + ": " + in_quotes(parameter.name) + " is missing";
    if (!parameter.description.empty()) message += ": " + parameter.description;
    return invalid_argument(std::move(message));
  }
  return {};
}

Status given_twice(const ToolDefinition& tool, std::string_view name) {
  return invalid_argument(tool.name + ": " + in_quotes(name) + " is given twice");
}

}  // namespace

Result<SqlParameters> arguments_from_json(const ToolDefinition& tool,
                                          simdjson::dom::object arguments) {
  SqlParameters parameters;
  bool is_upstreams = false;
  for (const auto& member : arguments) {
    const ToolParameter* parameter = find_parameter(tool, member.key);
    if (parameter == nullptr) return unknown_argument(tool, member.key);
    is_upstreams = is_upstreams || parameter->name != member.key;
    if (member.value.is_null()) continue;
    if (is_given(parameters, parameter->name)) return given_twice(tool, parameter->name);
    LS_ASSIGN_OR_RETURN(SqlValue value, value_from_json(tool, *parameter, member.value));
    parameters.emplace_back(parameter->name, std::move(value));
  }
  if (is_upstreams) add_upstream_defaults(tool, parameters);
  LS_RETURN_IF_ERROR(check_complete(tool, parameters));
  return parameters;
}

Result<SqlParameters> arguments_from_query(const ToolDefinition& tool,
                                           const QueryParameters& query) {
  SqlParameters parameters;
  bool is_upstreams = false;
  for (const auto& [name, text] : query) {
    const ToolParameter* parameter = find_parameter(tool, name);
    if (parameter == nullptr) return unknown_argument(tool, name);
    is_upstreams = is_upstreams || parameter->name != name;
    if (is_given(parameters, parameter->name)) return given_twice(tool, parameter->name);
    LS_ASSIGN_OR_RETURN(SqlValue value, value_from_text(tool, *parameter, text));
    parameters.emplace_back(parameter->name, std::move(value));
  }
  if (is_upstreams) add_upstream_defaults(tool, parameters);
  LS_RETURN_IF_ERROR(check_complete(tool, parameters));
  return parameters;
}

}  // namespace litestream
