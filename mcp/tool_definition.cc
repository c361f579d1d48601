#include "mcp/tool_definition.h"

#include <simdjson.h>

#include <algorithm>

#include "mcp/json_writer.h"
#include "mcp/sql_header.h"

namespace litestream {
namespace {

Status add_type(std::string_view type, ToolParameter& parameter) {
  if (type == "string") {
    parameter.accepts_string = true;
  } else if (type == "integer") {
    parameter.accepts_integer = true;
  } else if (type == "boolean") {
    parameter.accepts_boolean = true;
  } else {
    return invalid_argument("unknown type " + std::string(type));
  }
  return {};
}

Result<ToolParameter> parse_parameter(std::string_view name, simdjson::dom::element schema) {
  ToolParameter parameter;
  parameter.name = name;
  std::string_view text;
  if (schema["description"].get(text) == simdjson::SUCCESS) parameter.description = text;
  simdjson::dom::array types;
  if (schema["type"].get(text) == simdjson::SUCCESS) {
    LS_RETURN_IF_ERROR(add_type(text, parameter));
  } else if (schema["type"].get(types) == simdjson::SUCCESS) {
    for (simdjson::dom::element type : types) {
      if (type.get(text) != simdjson::SUCCESS) return invalid_argument("type is not text");
      LS_RETURN_IF_ERROR(add_type(text, parameter));
    }
  } else {
    return invalid_argument("no type for " + parameter.name);
  }
  int64_t bound = 0;
  if (schema["minimum"].get(bound) == simdjson::SUCCESS) parameter.minimum = bound;
  if (schema["maximum"].get(bound) == simdjson::SUCCESS) parameter.maximum = bound;
  return parameter;
}

Status parse_parameters(const std::string& schema_text, std::vector<ToolParameter>& parameters) {
  simdjson::dom::parser parser;
  simdjson::dom::object schema;
  simdjson::dom::object properties;
  if (parser.parse(schema_text).get_object().get(schema) != simdjson::SUCCESS ||
      schema["properties"].get(properties) != simdjson::SUCCESS) {
    return invalid_argument("no properties");
  }
  for (const auto& property : properties) {
    LS_ASSIGN_OR_RETURN(ToolParameter parameter, parse_parameter(property.key, property.value));
    parameters.push_back(std::move(parameter));
  }
  simdjson::dom::array required;
  if (schema["required"].get(required) != simdjson::SUCCESS) return {};
  for (simdjson::dom::element element : required) {
    std::string_view name;
    bool found = false;
    if (element.get(name) == simdjson::SUCCESS) {
      for (ToolParameter& parameter : parameters) {
        if (parameter.name != name) continue;
        parameter.required = true;
        found = true;
      }
    }
    if (!found) return invalid_argument("required names an unknown property");
  }
  return {};
}

Result<bool> parse_read_only(const std::string& annotations) {
  simdjson::dom::parser parser;
  bool read_only = false;
  if (parser.parse(annotations)["readOnlyHint"].get(read_only) != simdjson::SUCCESS) {
    return invalid_argument("no readOnlyHint");
  }
  return read_only;
}

bool has_parameter(const ToolDefinition& tool, std::string_view name) {
  return std::any_of(tool.parameters.begin(), tool.parameters.end(),
                     [&](const ToolParameter& parameter) { return parameter.name == name; });
}

// A JSON object of texts; `values` must name parameters of the tool.
Result<NamePairs> parse_names(const ToolDefinition& tool, const std::string& text) {
  NamePairs pairs;
  if (text.empty()) return pairs;
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  if (parser.parse(text).get_object().get(object) != simdjson::SUCCESS) {
    return invalid_argument("not a JSON object: " + text);
  }
  for (const auto& member : object) {
    std::string_view value;
    if (member.value.get(value) != simdjson::SUCCESS || !has_parameter(tool, value)) {
      return invalid_argument("names an unknown parameter: " + text);
    }
    pairs.emplace_back(member.key, value);
  }
  return pairs;
}

Status parse_optional_fields(const SqlHeader& header, ToolDefinition& tool) {
  tool.writes = optional_header_text(header, "writes");
  tool.confirm = optional_header_text(header, "confirm");
  tool.job = optional_header_text(header, "job");
  if (!tool.writes.empty() && !has_parameter(tool, tool.writes)) {
    return invalid_argument("\"writes\" names an unknown parameter");
  }
  LS_ASSIGN_OR_RETURN(tool.upstream, parse_names(tool, optional_header_text(header, "upstream")));
  LS_ASSIGN_OR_RETURN(tool.upstream_default,
                      parse_names(tool, optional_header_text(header, "upstream_default")));
  return {};
}

Result<ToolDefinition> parse_header(std::string_view name, std::string_view sql) {
  const SqlHeader header = parse_sql_header(sql);
  ToolDefinition tool;
  tool.name = name;
  LS_ASSIGN_OR_RETURN(tool.title, header_text(header, "title"));
  LS_ASSIGN_OR_RETURN(tool.description, header_text(header, "description"));
  LS_ASSIGN_OR_RETURN(tool.input_schema, header_json(header, "input"));
  LS_ASSIGN_OR_RETURN(tool.output_schema, header_json(header, "output"));
  LS_ASSIGN_OR_RETURN(tool.annotations, header_json(header, "annotations"));
  LS_ASSIGN_OR_RETURN(tool.read_only, parse_read_only(tool.annotations));
  LS_RETURN_IF_ERROR(parse_parameters(tool.input_schema, tool.parameters));
  LS_RETURN_IF_ERROR(parse_optional_fields(header, tool));
  return tool;
}

}  // namespace

Result<ToolDefinition> parse_tool_definition(std::string_view name, std::string_view sql) {
  auto tool = parse_header(name, sql);
  if (!tool.ok()) return tool.status().with_context(std::string(name) + ".sql");
  return tool;
}

}  // namespace litestream
