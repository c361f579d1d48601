// The effective values of a configuration, one by one, and where each came from.
// Threading: values, pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ext/config/config_values.h"
#include "ext/config/directories.h"
#include "ext/config/option_keys.h"
#include "ext/config/program_keys.h"
#include "ext/config/replica_reader.h"

namespace litestream {

struct ConfigValue {
  std::string database;           // as the configuration spells it; "": of the process
  std::string replica;            // name; "": of the database
  std::string key;                // full name: "snapshot.interval"
  std::string value;              // as a file would have it; secrets are replaced by ***
  std::optional<int64_t> number;  // milliseconds, bytes, a count, 0 or 1
  std::string origin;             // "default", "litestream.yml:3", "litestream.yml:3 ($DB)", ...
};

class ConfigReport {
 public:
  explicit ConfigReport(const ConfigSource& source) : source_(source) {}

  // Values of the process, of one database, and of its replicas. `name` is what the database is
  // called: its path, or the pattern of a directory.
  void add_program(const std::vector<ProgramSetting>& settings);
  void add_database(const std::string& name, const OptionsInProgress& database);
  // What a `dir` entry has besides; `lines` of its keys.
  void add_directory(const std::string& name, const DirectoryOptions& directory,
                     const KeyLines& lines);
  void add_replica(const std::string& database, const ReplicaInProgress& replica);

  std::vector<ConfigValue> take() && { return std::move(values_); }

 private:
  std::string origin(int line) const;
  std::string origin_of(const KeyLines& lines, std::string_view key) const;

  const ConfigSource& source_;
  std::vector<ConfigValue> values_;
};

}  // namespace litestream
