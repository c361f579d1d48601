// The keys of litestream.yml that concern the process and not one database: addresses, logging, the
// control socket, MCP. Internal to ext/config but for find_setting().
// Threading: values, pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "ext/base/document.h"
#include "ext/base/log.h"
#include "ext/base/status.h"
#include "ext/config/config_values.h"
#include "ext/config/environment.h"

namespace litestream {

struct ProgramSetting {
  std::string_view key;           // full name: "mcp-addr", "logging.level"
  std::string text;               // as a file would have it, lists as JSON; "": not set
  std::optional<int64_t> number;  // milliseconds, 0 or 1, permission bits
  bool is_secret = false;
  int line = 0;          // 0: not in the file
  std::string variable;  // the environment variable it came from; "" else
};

// Every key with its default, or with what the environment says (LITESTREAM_MCP_TOKEN), which the
// file does not change.
std::vector<ProgramSetting> default_program_settings(const EnvLookup& env);

// Names that may stand in the group `group` ("logging", "socket"), or at the top level for "".
std::span<const std::string_view> program_keys(std::string_view group);

// Reads a key of the top level, with all that is nested in it.
Status read_program_key(const ConfigSource& source, const DocumentNode& value, const EnvLookup& env,
                        std::vector<ProgramSetting>* settings);

// Null: no such key. "log-level" is another name of "logging.level".
const ProgramSetting* find_setting(std::span<const ProgramSetting> settings, std::string_view key);

}  // namespace litestream
