#include "mcp/sql_header.h"

#include <simdjson.h>

#include <algorithm>

namespace litestream {
namespace {

std::string_view trim(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t\r");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t\r") - first + 1);
}

}  // namespace

SqlHeader parse_sql_header(std::string_view sql) {
  SqlHeader fields;
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

std::string optional_header_text(const SqlHeader& header, const char* key) {
  const auto found = header.find(key);
  return found == header.end() ? "" : found->second;
}

Result<std::string> header_text(const SqlHeader& header, const char* key) {
  std::string text = optional_header_text(header, key);
  if (text.empty()) return invalid_argument(std::string("no ") + key);
  return text;
}

Result<std::string> header_json(const SqlHeader& header, const char* key) {
  LS_ASSIGN_OR_RETURN(const std::string text, header_text(header, key));
  simdjson::dom::parser parser;
  simdjson::dom::element element;
  if (parser.parse(text).get(element) != simdjson::SUCCESS) {
    return invalid_argument(std::string(key) + ": not JSON");
  }
  return simdjson::minify(element);
}

}  // namespace litestream
