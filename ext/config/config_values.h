// Typed values out of document nodes, with errors that name place and key. Internal to ext/config.
// Threading: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ext/base/document.h"
#include "ext/base/status.h"
#include "ext/config/config_keys.h"
#include "ext/config/environment.h"

namespace litestream {

// Where nodes come from: prefixes "<file>:<line>: ", or nothing without a file.
struct ConfigSource {
  std::string file_name;
  std::vector<ExpandedText::Variable> variables;  // what was replaced, and where

  // The same code, with the place in front.
  Status at(int line, const Status& status) const;
  Status error(int line, std::string why) const;                              // InvalidArgument
  Status key_error(const DocumentNode& value, const std::string& why) const;  // "key 'k' <why>"
  // `result`, or its error with place and key in front.
  template <typename T>
  Result<T> at_key(const DocumentNode& value, Result<T> result) const {
    if (result.ok()) return result;
    return at(value.key_line, result.status().with_context("key '" + value.key + "'"));
  }
};

// A scalar that is not empty, of at most `size_bytes_max`.
Result<std::string> read_text(const ConfigSource& source, const DocumentNode& value,
                              size_t size_bytes_max);
// Milliseconds, bytes, a whole number without quotes, a switch without quotes.
Result<int64_t> read_duration_ms(const ConfigSource& source, const DocumentNode& value);
Result<int64_t> read_size_bytes(const ConfigSource& source, const DocumentNode& value);
Result<int64_t> read_count(const ConfigSource& source, const DocumentNode& value);
Result<bool> read_switch(const ConfigSource& source, const DocumentNode& value);
// One scalar, or a sequence of them: at most 100.
Result<std::vector<std::string>> read_list(const ConfigSource& source, const DocumentNode& value,
                                           size_t size_bytes_max);
// A path that is not empty and no URL, with "~/" replaced by the home folder that `env` knows.
Result<std::string> read_path(const ConfigSource& source, const DocumentNode& value,
                              const EnvLookup& env);

// A map all of whose keys check_key allows.
Status require_map(const ConfigSource& source, const DocumentNode& value, KeyScope scope);

}  // namespace litestream
