// What litestream_restore, litestream_follow and litestream_verify share: their options, which
// replica they read, and the job that shows them in litestream_jobs.
// Threading: the connection's own thread.
#pragma once

#include "ext/sqlite/sqlite_api.h"

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "ext/base/json.h"
#include "ext/engine/jobs.h"
#include "ext/engine/restore.h"
#include "ext/sqlite/source_lookup.h"
#include "ext/sqlite/sql_function.h"

namespace litestream {

// The options of one call; which of them it knows, the function says.
struct RestoreRequest {
  RestoreTarget target;
  std::string integrity_check = "none";  // "none", "quick", "full"
  std::string replica;                   // name; empty: whichever reaches furthest
  std::string generation;                // of a v0.3 backup
  bool overwrite = false;
  bool if_db_not_exists = false;
  bool if_replica_exists = false;
  bool deep = false;
  bool live = false;
  int parallelism = kParallelismDefault;
  int64_t timeout_ms = 5000;
};
// `known`: names of the options, comma-separated, as an error lists them.
Result<RestoreRequest> parse_restore_request(const std::optional<std::string>& json,
                                             const std::string& known);

// A store that no one else in this process uses, so that it can be interrupted.
Result<std::shared_ptr<LtxStore>> open_private_store(const ReplicaSource& source);
// The replicas of `source`, only `name` if that is not empty. NotFound lists the known names.
Result<std::vector<ReplicaSource>> sources_named(const std::string& source,
                                                 const std::string& name);

// An error of refuse_in_write_transaction() if one of the replicas is not a folder.
Status refuse_remote_in_write(SqlCall& call, const std::vector<ReplicaSource>& sources);

// A row of litestream_jobs while it lives, and stream options that report to it and end when the
// statement is interrupted or the job cancelled.
class CallJob {
 public:
  CallJob(SqlCall& call, std::string kind, const ReplicaSource& source);
  StreamOptions options(const RestoreRequest& request, std::shared_ptr<LtxStore> store);

 private:
  Job job_;
  CancelCheck interrupted_;
};

// Patience with stores that list a file before they hand it out.
int64_t store_lag_ms(const LtxStore& store);

// PRAGMA integrity_check or quick_check of a finished file that nobody else writes. Cancelled when
// `cancel` (may be empty) says so.
Status check_integrity(const std::string& path, bool full, const CancelCheck& cancel);

}  // namespace litestream
