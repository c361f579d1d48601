// litestream.yml, and the options JSON of litestream_replicate, as typed options. Both have
// Litestream's keys; a key that is not obeyed is an error, never ignored.
//
// Threading: pure functions, but for reading the environment, the working directory and the file.
// Errors: "<file>:<line>: <why>" with the key in quotes; InvalidArgument for wrong input,
// Unsupported for what Litestream can, or could, and this build cannot. No message holds a secret:
// values are repeated only where they are durations, sizes, numbers or paths of databases.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "ext/base/file_system.h"
#include "ext/base/status.h"
#include "ext/config/config_report.h"
#include "ext/config/directories.h"
#include "ext/config/environment.h"
#include "ext/config/program_keys.h"
#include "ext/engine/options.h"

namespace litestream {

struct Config {
  std::string path;                      // the file this came from, as given
  std::vector<ProgramSetting> settings;  // of the process: every key there is
  // In written order; paths as written but for "~/" and variables; every one with its replicas; no
  // two with the same path, meta path or replica.
  std::vector<DatabaseOptions> databases;
  std::vector<DirectoryOptions> directories;
  std::vector<ConfigValue> values;  // all of it, for people; without secrets
};

// `env` empty: no `$VAR` expansion. `defaults` holds what keys that are not in the text mean.
// At most kConfigBytesMax bytes before and after the expansion.
Result<Config> parse_config(std::string_view yaml_text, const std::string& file_name,
                            const EnvLookup& env, const DatabaseOptions& defaults = {});

// Reads and parses a file. NotFound, Io: the file's.
Result<Config> load_config(FileSystem& fs, const std::string& path,
                           const EnvLookup& env = process_environment(),
                           const DatabaseOptions& defaults = {});

// A JSON object with keys of a database or its replica, but for those that say what is replicated
// where. On error `options` is unchanged. The caller prefixes its function's name.
Status apply_options_json(std::string_view json, DatabaseOptions* options);

}  // namespace litestream
