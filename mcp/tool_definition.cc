#include "mcp/tool_definition.h"

#include <simdjson.h>

#include <map>

#include "mcp/json_writer.h"

namespace litestream {
namespace {

using HeaderFields = std::map<std::string, std::string, std::less<>>;

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

HeaderFields header_fields(std::string_view sql) {
  HeaderFields fields;
  std::string* current = nullptr;
  while (sql.starts_with("--")) {
    const size_t end = std::min(sql.find('\n'), sql.size());
    const std::string_view line = sql.substr(2, end - 2);
    sql.remove_prefix(std::min(end + 1, sql.size()));
    const size_t colon = line.find(": ");
    if (line.starts_with("   ") && current != nullptr) {
      *current += ' ';
      *current += trim(line);
    } else if (colon != std::string_view::npos) {
      current = &fields[std::string(trim(line.substr(0, colon)))];
      *current = trim(line.substr(colon + 2));
    }
  }
  return fields;
}

Result<std::string> one_line_json(const std::string& text) {
  simdjson::dom::parser parser;
  simdjson::dom::object object;
  if (parser.parse(text).get_object().get(object) != simdjson::SUCCESS) {
    return invalid_argument("not a JSON object");
  }
  return simdjson::minify(object);
}

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

Result<ToolDefinition> parse_header(std::string_view name, std::string_view sql) {
  const HeaderFields fields = header_fields(sql);
  for (const char* key : {"title", "description", "input", "output", "annotations"}) {
    const auto field = fields.find(key);
    if (field == fields.end() || field->second.empty()) {
      return invalid_argument(std::string("no ") + key);
    }
  }
  ToolDefinition tool;
  tool.name = name;
  tool.title = fields.at("title");
  tool.description = fields.at("description");
  LS_ASSIGN_OR_RETURN(tool.input_schema, one_line_json(fields.at("input")));
  LS_ASSIGN_OR_RETURN(tool.output_schema, one_line_json(fields.at("output")));
  LS_ASSIGN_OR_RETURN(tool.annotations, one_line_json(fields.at("annotations")));
  LS_ASSIGN_OR_RETURN(tool.read_only, parse_read_only(tool.annotations));
  LS_RETURN_IF_ERROR(parse_parameters(tool.input_schema, tool.parameters));
  return tool;
}

}  // namespace

Result<ToolDefinition> parse_tool_definition(std::string_view name, std::string_view sql) {
  auto tool = parse_header(name, sql);
  if (!tool.ok()) return tool.status().with_context(std::string(name) + ".sql");
  return tool;
}

}  // namespace litestream
