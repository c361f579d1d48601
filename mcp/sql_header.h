// The comment at the head of a file in sql/: the run of "--" lines at its top. "-- key: value", a
// value going on in lines that start with "--   ".
// Threading: pure functions.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "ext/base/status.h"

namespace litestream {

using SqlHeader = std::map<std::string, std::string, std::less<>>;

SqlHeader parse_sql_header(std::string_view sql);

// The value of a key as JSON on one line. InvalidArgument: it is missing or not JSON.
Result<std::string> header_json(const SqlHeader& header, const char* key);
// InvalidArgument: it is missing.
Result<std::string> header_text(const SqlHeader& header, const char* key);
// "" if it is missing.
std::string optional_header_text(const SqlHeader& header, const char* key);

}  // namespace litestream
