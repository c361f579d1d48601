// Typed values out of document nodes, with errors that name place and key. Internal to ext/config.
// Threading: pure functions.
#pragma once

#include <string>
#include <vector>

#include "ext/base/document.h"
#include "ext/base/status.h"
#include "ext/config/config_keys.h"
#include "ext/config/environment.h"
#include "ext/engine/options.h"

namespace litestream {

// Where nodes come from: prefixes "<file>:<line>: ", or nothing without a file.
struct ConfigSource {
  std::string file_name;
  std::vector<ExpandedText::Unset> unset;  // variables that were replaced by nothing

  // The same code, with the place in front.
  Status at(int line, const Status& status) const;
  Status error(int line, std::string why) const;                              // InvalidArgument
  Status key_error(const DocumentNode& value, const std::string& why) const;  // "key 'k' <why>"
};

// A scalar that is not empty, of at most `size_bytes_max`.
Result<std::string> read_text(const ConfigSource& source, const DocumentNode& value,
                              size_t size_bytes_max);

// A map all of whose keys check_key allows.
Status require_map(const ConfigSource& source, const DocumentNode& value, KeyScope scope);

// Whether `key` is one of the durations, counts and choices of DatabaseOptions.
bool is_option_key(std::string_view key);
// Sets such an option, checked against its range.
Status read_option(const ConfigSource& source, const DocumentNode& value, DatabaseOptions* options);

}  // namespace litestream
