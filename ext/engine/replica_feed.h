// One replica of a database as its replicator sees it: how far it is, what it lacks, what went
// wrong there. Plain state; Replicator (replicator_feeds.cc) does what is due.
// Threading: per member as marked; "guarded" means by the replicator's mutex.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "ext/engine/counters.h"
#include "ext/engine/lease.h"
#include "ext/engine/listed_store.h"
#include "ext/engine/replica_keeper.h"
#include "ext/engine/start_job.h"
#include "ext/store/ltx_store.h"

namespace litestream {

struct ReplicaFeed {
  ReplicaFeed(std::string replica_name, std::unique_ptr<LtxStore> replica, LtxStore* spool,
              const DatabaseOptions& options, FileSystem& fs, const Clock& clock,
              const std::string& owner, const std::string& lease_record_path)
      : name(std::move(replica_name)),
        store(std::move(replica), clock),
        lease(store.origin(), fs, clock, owner, lease_record_path),
        keeper({&store, spool, &options, &clock, &restore_pins(), &big_job_gate(),
                [this] { return lease.ensure(); }}) {}

  // Constant, or with a lock of their own.
  const std::string name;
  ListedStore store;
  LeaseKeeper lease;
  ReplicaKeeper keeper;

  // Replicator thread only.
  std::unique_ptr<FileLock> lock;
  int64_t due_ms = 0, backoff_ms = 0;  // monotonic: nothing is tried there before
  int64_t keeper_due_ms = 0;           // likewise, for the keeper's runs

  // Guarded.
  bool joined = false;  // its files are known; false: not reached since the start
  bool upload_running = false, snapshot_running = false, join_running = false;
  bool keeper_running = false;
  bool keeper_cancelled = false;  // somebody stopped its work: not at once again
  bool needs_snapshot = false;    // what is newest cannot be restored without one
  bool snapshot_wanted = false;   // somebody asked for one
  std::string needs_snapshot_why;
  std::optional<Status> upload_result, snapshot_result;
  std::optional<ReplicaStart> join_result;
  Status failed;              // not ok: given up for good, another writer uses it
  Txid newest;                // newest that can be restored from it
  Txid uploaded;              // newest of the L0 files there; behind when a snapshot overtook them
  Checksum end_checksum = 0;  // of the database at `uploaded`; 0: not known
  Txid snapshot_txid;         // of the snapshot that was written last
  Checksum snapshot_checksum = 0;   // of the database there
  uint64_t unsent_bytes = 0;        // of the spool beyond `uploaded`
  int64_t last_sync_at_ms = 0;      // wall time; 0: never
  int64_t oldest_unsent_at_ms = 0;  // wall time of the oldest capture that it lacks; 0: none
  std::string last_error;
  std::string keeper_error, warning;  // of the keeper
  ReplicaCounters counters;

  bool has(Txid txid) const { return !needs_snapshot && newest >= txid; }
  bool busy() const { return upload_running || snapshot_running || join_running; }
};

}  // namespace litestream
