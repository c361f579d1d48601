// What a start finds on each replica (start_job.h).
// Threading: free functions; they read the store.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "ext/engine/start_job.h"
#include "ext/ltx/header.h"
#include "ext/ltx/types.h"
#include "ext/store/ltx_store.h"

namespace litestream {

struct ReplicaFiles {
  std::vector<LtxFileInfo> files;  // of all levels
  Txid newest;
  Checksum end_checksum = 0;  // of the database at `newest`; 0: its files do not say
  bool damaged = false;       // the newest file cannot be read
};

// Takes the lease, finds out whether files can be written, lists all levels and reads the end of
// the newest file. Busy: another writer. InvalidArgument: a v0.3 backup is there.
Result<ReplicaFiles> look_at_replica(const StartReplica& replica);

// Whether uploading what is spooled makes `position` restorable there.
ReplicaStart standing(const ReplicaFiles& replica, const std::vector<LtxFileInfo>& spooled,
                      Txid position);

// The highest TXID in `files`; 0 if there is none.
Txid newest_of(const std::vector<LtxFileInfo>& files);

// The whole-database checksums at which a file starts and ends, as far as it says.
Result<ChainChecksum> chain_of(LtxStore& store, const LtxFileInfo& file);

// Whether one of the URLs remembered in `urls` (replica_urls) is that of one of the replicas.
bool share_replica(std::string_view urls, const std::vector<StartReplica>& replicas);

}  // namespace litestream
