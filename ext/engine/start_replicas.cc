#include "ext/engine/start_replicas.h"

#include <algorithm>

#include "ext/engine/restore_plan.h"
#include "ext/ltx/contents.h"

namespace litestream {

Txid newest_of(const std::vector<LtxFileInfo>& files) {
  Txid newest;
  for (const LtxFileInfo& file : files) newest = std::max(newest, file.max_txid);
  return newest;
}

Result<ChainChecksum> chain_of(LtxStore& store, const LtxFileInfo& file) {
  LS_ASSIGN_OR_RETURN(const auto reader, store.open(file));
  LS_ASSIGN_OR_RETURN(const auto contents, read_ltx_contents(*reader));
  return contents.header.chain;
}

Result<ReplicaFiles> look_at_replica(const StartReplica& replica) {
  LS_RETURN_IF_ERROR(replica.lease->ensure());
  LS_RETURN_IF_ERROR(replica.store->check_writable());
  ReplicaFiles out;
  LS_ASSIGN_OR_RETURN(out.files, list_all_levels(*replica.store));
  out.newest = newest_of(out.files);
  if (out.files.empty()) {
    LS_ASSIGN_OR_RETURN(const auto generations, replica.store->list_generations());
    if (generations.empty()) return out;
    return invalid_argument(replica.store->url() +
                            " holds a backup of the layout before 0.5 (generations/): give this "
                            "database a replica folder of its own");
  }
  const auto newest = std::find_if(out.files.begin(), out.files.end(),
                                   [&](const auto& file) { return file.max_txid == out.newest; });
  const auto chain = chain_of(*replica.store, *newest);
  out.damaged = chain.status().code() == StatusCode::kCorrupt;
  if (!chain.ok() && !out.damaged) return chain.status();
  if (chain.ok() && chain->known) out.end_checksum = chain->after;
  return out;
}

ReplicaStart standing(const ReplicaFiles& replica, const std::vector<LtxFileInfo>& spooled,
                      Txid position) {
  ReplicaStart out;
  out.newest = replica.newest;
  out.end_checksum = replica.end_checksum;
  // The upload continues the replica only if no TXID between is missing from the spool.
  Txid reached = replica.newest;
  std::vector<LtxFileInfo> sorted = spooled;
  std::sort(sorted.begin(), sorted.end(),
            [](const auto& a, const auto& b) { return a.min_txid < b.min_txid; });
  for (const LtxFileInfo& file : sorted) {
    if (file.min_txid <= reached.next()) reached = std::max(reached, file.max_txid);
  }
  const bool restorable = !replica.files.empty() &&
                          plan_restore(replica.files, RestoreTarget::at_txid(replica.newest)).ok();
  if (replica.files.empty()) {
    out.why = "it is empty";
  } else if (replica.damaged) {
    out.why = "its newest file is damaged";
  } else if (!restorable) {
    out.why = "files are missing there";
  } else if (reached < position) {
    out.why = "the spool does not lead there from TXID " + format_txid(replica.newest);
  }
  out.needs_snapshot = !out.why.empty();
  return out;
}

std::string replica_urls(const std::vector<StartReplica>& replicas) {
  std::string urls;
  for (const StartReplica& replica : replicas) {
    urls += (urls.empty() ? "" : " ") + replica.store->url();
  }
  return urls;
}

bool share_replica(std::string_view urls, const std::vector<StartReplica>& replicas) {
  while (!urls.empty()) {
    const std::string_view url = urls.substr(0, urls.find(' '));
    for (const StartReplica& replica : replicas) {
      if (replica.store->url() == url) return true;
    }
    urls.remove_prefix(std::min(urls.size(), url.size() + 1));
  }
  return false;
}

Result<ReplicaStart> join_replica(const StartReplica& replica, LtxStore& spool, Txid position,
                                  Checksum checksum_at_position) {
  LS_ASSIGN_OR_RETURN(const ReplicaFiles looked, look_at_replica(replica));
  if (looked.newest > position) {
    return position_mismatch(replica.store->url() + " is ahead of this database");
  }
  LS_ASSIGN_OR_RETURN(const auto spooled, spool.list(0));
  ReplicaStart out = standing(looked, spooled, position);
  if (out.needs_snapshot || looked.end_checksum == 0) return out;
  Checksum local = looked.newest == position ? checksum_at_position : Checksum{0};
  for (const LtxFileInfo& file : spooled) {
    if (local != 0) break;
    if (file.max_txid != looked.newest && file.min_txid != looked.newest.next()) continue;
    const auto chain = chain_of(spool, file);
    if (chain.ok() && chain->known) {
      local = file.max_txid == looked.newest ? chain->after : chain->before;
    }
  }
  if (local == 0 || local == looked.end_checksum) return out;
  out.needs_snapshot = true;
  out.why = "it holds another database under TXID " + format_txid(looked.newest);
  return out;
}

}  // namespace litestream
