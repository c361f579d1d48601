#include "tests/mcp/json_check.h"

namespace litestream::test {
namespace {

bool has_type(std::string_view type, simdjson::dom::element value) {
  if (type == "object") return value.is_object();
  if (type == "array") return value.is_array();
  if (type == "string") return value.is_string();
  if (type == "integer") return value.is_int64();
  if (type == "boolean") return value.is_bool();
  if (type == "null") return value.is_null();
  return false;
}

bool type_fits(simdjson::dom::element type, simdjson::dom::element value) {
  if (type.is_string()) return has_type(type, value);
  for (simdjson::dom::element one : simdjson::dom::array(type)) {
    if (has_type(one, value)) return true;
  }
  return false;
}

std::string object_fault(simdjson::dom::element schema, simdjson::dom::object object) {
  simdjson::dom::object properties;
  if (schema["properties"].get(properties) != simdjson::SUCCESS) return "";
  for (const auto& member : object) {
    simdjson::dom::element member_schema;
    if (properties[member.key].get(member_schema) != simdjson::SUCCESS) {
      return "unknown member " + std::string(member.key);
    }
    const std::string fault = schema_fault(member_schema, member.value);
    if (!fault.empty()) return std::string(member.key) + ": " + fault;
  }
  simdjson::dom::array required;
  if (schema["required"].get(required) != simdjson::SUCCESS) return "";
  for (simdjson::dom::element name : required) {
    if (object[std::string_view(name)].error() != simdjson::SUCCESS) {
      return "member " + std::string(std::string_view(name)) + " is missing";
    }
  }
  return "";
}

}  // namespace

std::string schema_fault(simdjson::dom::element schema, simdjson::dom::element value) {
  if (!type_fits(schema["type"], value)) return "wrong type: " + simdjson::minify(value);
  if (value.is_object()) return object_fault(schema, value);
  simdjson::dom::element items;
  if (value.is_array() && schema["items"].get(items) == simdjson::SUCCESS) {
    for (simdjson::dom::element item : simdjson::dom::array(value)) {
      const std::string fault = schema_fault(items, item);
      if (!fault.empty()) return fault;
    }
  }
  return "";
}

}  // namespace litestream::test
