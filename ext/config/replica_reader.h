// `replica` and `replicas` of one database, as ReplicaOptions. Internal to ext/config.
// Threading: thread-compatible.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "ext/base/document.h"
#include "ext/base/status.h"
#include "ext/config/config_values.h"
#include "ext/config/environment.h"
#include "ext/config/option_keys.h"
#include "ext/config/replica_keys.h"

namespace litestream {

// One replica and where its keys were given.
struct ReplicaInProgress {
  ReplicaOptions options;
  KeyLines lines;  // of "url", "path", "type", "name" and the settings
  int line = 0;
};

class ReplicaReader {
 public:
  // All must outlive the reader. `defaults`: settings of the top level, for every replica whose
  // type takes them.
  ReplicaReader(const ConfigSource& source, const EnvLookup& env,
                const std::vector<ReplicaSetting>& defaults)
      : source_(source), env_(env), defaults_(defaults) {}

  // Reads what `database` has under `replica` or `replicas`; options of a replica that are the
  // database's (`sync-interval`) go to `out`. No URL may be a replica of two databases, or twice of
  // one: the reader remembers those it has seen.
  Result<std::vector<ReplicaInProgress>> read(const DocumentNode& database, OptionsInProgress* out);

 private:
  Result<ReplicaInProgress> read_one(const DocumentNode& node, OptionsInProgress* out);
  Status read_type(const DocumentNode& node, ReplicaInProgress* replica) const;
  Status read_settings(const DocumentNode& node, ReplicaInProgress* replica) const;
  Status build_url(const DocumentNode& node, ReplicaInProgress* replica) const;
  Status build_url_of_parts(const DocumentNode& node, ReplicaInProgress* replica) const;
  Status check_store(const ReplicaInProgress& replica) const;
  Status read_options(const DocumentNode& node, OptionsInProgress* out);
  Status require_new_url(const DocumentNode& node, const ReplicaInProgress& replica);
  Status name_all(std::vector<ReplicaInProgress>* replicas) const;

  const ConfigSource& source_;
  const EnvLookup& env_;
  const std::vector<ReplicaSetting>& defaults_;
  std::map<std::string, int> urls_;           // places seen so far, and the line
  std::map<std::string, std::string> given_;  // options the replicas of this database have given
};

}  // namespace litestream
