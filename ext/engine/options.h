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
  // `linger`: how long the database is kept open after its last application connection closed.
  int64_t linger_ms = 2000;
  // `shutdown-sync-timeout`: the longest that stop, exit and SIGTERM wait for the replica.
  int64_t shutdown_sync_timeout_ms = 5000;
};

// InvalidArgument naming the key whose value is out of range.
Status validate_options(const DatabaseOptions& options);

}  // namespace litestream
