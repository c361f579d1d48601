// The keys of litestream.yml that become DatabaseOptions: where each may stand, how it is read, and
// how its value is written again. Internal to ext/config.
// Threading: pure functions.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "ext/base/document.h"
#include "ext/base/status.h"
#include "ext/config/config_values.h"
#include "ext/engine/options.h"

namespace litestream {

// Where a key was given: its full name ("snapshot.interval") and the line. 0: by the caller.
using KeyLines = std::map<std::string, int, std::less<>>;

// Options of one database on their way: what they are and where that was said.
struct OptionsInProgress {
  DatabaseOptions options;
  KeyLines lines;
};

// Keys that may stand in `scope`, nested ones by their outer name ("snapshot").
std::span<const std::string_view> option_keys(KeyScope scope);

// Sets the option, or the options of a nested key, each checked against its range.
Status read_option(const ConfigSource& source, const DocumentNode& value, OptionsInProgress* out);

// One option as it stands.
struct OptionValue {
  std::string_view key;           // full name
  std::string text;               // as a file would have it
  std::optional<int64_t> number;  // milliseconds, bytes, a count, 0 or 1; none for words and lists
};

// All of them, in the order in which they are explained.
std::vector<OptionValue> option_values(const DatabaseOptions& options);

}  // namespace litestream
