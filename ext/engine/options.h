// Every knob of replication: default, unit, range, effect. Filled by ext/config (litestream.yml) or
// by the options JSON of litestream_replicate; both use the YAML key named in each comment.
// Threading: immutable once a database is started with it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "ext/base/status.h"

namespace litestream {

inline constexpr size_t kReplicasMax = 16;  // of one database

struct ReplicaOptions {
  std::string name;  // `name`, else the type; a second of the same type is "file-2"
  std::string type;  // `type`, or the URL's scheme: "file"
  std::string url;   // `url`; for type file: file:// and the absolute path; may hold secrets
  // The other keys of the replica as written (`region`, `access-key-id`, ...), without `name`,
  // `type`, `url` and `path`. ext/store says what each means and which it knows. May hold secrets.
  std::vector<std::pair<std::string, std::string>> settings;
  // Whether credentials and endpoints may come from the environment, profiles and metadata
  // services. False for a URL that somebody else chose.
  bool ambient_credentials = true;
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
  // SQLite's automatic checkpoint; while several connections write, the WAL grows to four times
  // that, or by 12 000 frames more, before they are made to wait. 1 .. 2^31.
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
  // `acks`: with `durability: replica`, how many of the replicas must have a commit. 0 = all. 1
  // .. 16.
  int64_t ack_count = 1;
  // `restore-granularity`: commit. One L0 file per transaction, so that each is a restore point.
  bool file_per_commit = false;
  // `levels`: how often level 1, 2, ... is compacted from the one below; aligned to multiples.
  // 1 .. 8 of them, each 1 s .. 30 days and a longer time than the one before.
  std::vector<int64_t> level_interval_ms = {30'000, 300'000, 3'600'000};
  // `snapshot` `interval`: one level 9 file per this time. 0 = only when needed. 1 min .. 366 days.
  int64_t snapshot_interval_ms = 86'400'000;
  // `snapshot` `retention`: how far back a point in time stays restorable; at least the interval.
  int64_t snapshot_retention_ms = 86'400'000;
  // `retention` `enabled`: false leaves every delete to the store's own rules.
  bool retention_enabled = true;
  // `l0-retention`: how long an L0 file stays after level 1 has it. 0 = off: they stay until a
  // snapshot makes them superfluous.
  int64_t l0_retention_ms = 300'000;
  // `l0-retention-check-interval`: how often that is looked at. 1 s .. 24 h.
  int64_t l0_retention_check_interval_ms = 15'000;
  // `verify-compaction`: reads each compacted file back and compares it with its inputs.
  bool verify_compaction = false;
  // `validation` `interval`: a verify of the replica runs by itself each time. 0 = off.
  int64_t validation_interval_ms = 0;
  // `restore-if-db-not-exists`: a missing database is restored from its replica before the start.
  bool restore_if_missing = false;
  // `busy-timeout`: how long our own connections wait for a lock when they open. 0 .. 1 h.
  int64_t busy_timeout_ms = 1000;
  // `monitor-interval`: how often the wal-index is looked at when no hook and no file event said
  // that it changed. 10 ms .. 1 h.
  int64_t monitor_interval_ms = 10'000;
  // `max-sync-wal-bytes`: captured pages that wait in memory; beyond that a file is written before
  // `sync-interval` is over. 4 MiB .. 1 GiB.
  int64_t pending_bytes_max = int64_t{16} << 20;
  // `capture-acceleration`: of LZ4 for L0 files, which live short. 1 compresses best, larger is
  // faster. 1 .. 65537.
  int64_t capture_acceleration = 4;
  // `level-acceleration`: the same for snapshots and the highest level; with a smaller number than
  // above the pages that reach one of them are compressed again. 1 .. 65537.
  int64_t level_acceleration = 1;
  // `max-sync-ltx-files`: L0 files that one upload run copies to a replica. 1 .. 100000.
  int64_t upload_file_count_max = 256;
  // `shutdown-sync-interval`: between tries of an upload that failed while stopping. 10 ms .. 1 h.
  int64_t shutdown_sync_interval_ms = 500;
  // `shutdown-sync-timeout`: the longest that stop, exit and SIGTERM wait for the replica.
  int64_t shutdown_sync_timeout_ms = 5000;
};

// "async" or "replica".
const char* durability_word(Durability durability);

// InvalidArgument naming the key whose value is out of range by itself.
Status validate_ranges(const DatabaseOptions& options);
// The ranges, and what must hold between keys.
Status validate_options(const DatabaseOptions& options);

}  // namespace litestream
