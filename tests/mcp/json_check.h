// JSON in tests: parse or fail, and a small check against the part of JSON Schema our tools use.
#pragma once

#include <simdjson.h>

#include <stdexcept>
#include <string>
#include <string_view>

namespace litestream::test {

class Json {
 public:
  explicit Json(std::string_view text) {
    if (parser_.parse(text.data(), text.size()).get(root_) != simdjson::SUCCESS) {
      throw std::runtime_error("not JSON: " + std::string(text));
    }
  }
  simdjson::dom::element root() const { return root_; }
  // JSON pointer; throws where there is nothing.
  simdjson::dom::element at(std::string_view pointer) const { return root_.at_pointer(pointer); }
  bool has(std::string_view pointer) const {
    return root_.at_pointer(pointer).error() == simdjson::SUCCESS;
  }
  std::string text(std::string_view pointer) const {
    return std::string(std::string_view(at(pointer)));
  }
  int64_t integer(std::string_view pointer) const { return int64_t(at(pointer)); }
  std::string raw(std::string_view pointer) const { return simdjson::minify(at(pointer)); }

 private:
  simdjson::dom::parser parser_;
  simdjson::dom::element root_;
};

// "" if `value` follows `schema` (type, properties, required, additionalProperties, items), else
// why not.
std::string schema_fault(simdjson::dom::element schema, simdjson::dom::element value);

}  // namespace litestream::test
