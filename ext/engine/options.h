// Every knob of replication: default, unit, range, effect. Filled by ext/config (litestream.yml) or
// by the options JSON of litestream_replicate; both use the YAML key named in each comment.
// Threading: immutable once a database is started with it.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "ext/base/status.h"

namespace litestream {

struct ReplicaOptions {
  std::string name;  // `name`, else the type; a second of the same type is "file-2"
  std::string type;  // `type`, or the URL's scheme: "file"
  std::string url;   // `url`; for type file: file:// and the absolute path; may hold secrets
};

// When COMMIT returns.
enum class Durability {
  kAsync,    // at once
  kReplica,  // when an L0 file that contains it is on the replica, or commit-timeout is over
};

struct DatabaseOptions {
  std::string path;       // `path`, as written by the user; empty = given by the connection
  std::string meta_path;  // `meta-path`; empty = .<file name>-litestream beside the database
  std::vector<ReplicaOptions> replicas;

  // `sync-interval`: one L0 file per this time with everything committed since. Smaller: less to
  // lose with the machine, more files. Range 1 ms .. 24 h.
  int64_t sync_interval_ms = 1000;
  // `checkpoint-interval`: a WAL not empty for this long is checkpointed even if short. 1 s .. 24
  // h.
  int64_t checkpoint_interval_ms = 60'000;
  // `min-checkpoint-page-count`: frames in the WAL after which the owner runs a barrier in place of
  // SQLite's automatic checkpoint. 1 .. 2^31.
  int64_t min_checkpoint_page_count = 1000;
  // `truncate-page-n`: a WAL file that was longer than this many frames is cut down after a
  // barrier. 0 = never.
  int64_t truncate_page_n = 121'359;
  // `durability`: async or replica. Replica: the commits that wait at one moment share one file.
  Durability durability = Durability::kAsync;
  // `commit-timeout`: the longest a COMMIT waits for the replica; then the statement fails with
  // extended code 19466 while the transaction stays committed locally. 1 ms .. 1 h.
  int64_t commit_timeout_ms = 10'000;
  // `spool-limit`: bytes of unsent L0 files after which capture stops writing more and lets the WAL
  // go; when the replica is back, the difference is uploaded. 1 MiB .. 1 TiB.
  int64_t spool_limit_bytes = int64_t{1} << 30;
  // `linger`: how long the database is kept open after its last application connection closed.
  int64_t linger_ms = 2000;
  // `shutdown-sync-timeout`: the longest that stop, exit and SIGTERM wait for the replica.
  int64_t shutdown_sync_timeout_ms = 5000;
};

// "async" or "replica".
const char* durability_word(Durability durability);

// InvalidArgument naming the key whose value is out of range.
Status validate_options(const DatabaseOptions& options);

}  // namespace litestream
