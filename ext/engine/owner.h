// What processes that do not own a database know of its owner, and how they ask it to do something:
// files in the local folder.
//
//   status           the owner's record, replaced when something changed; it counts only while
//                    owner.lock is held
//   requests/<id>    one record per request: verb, deadline (wall time)
//   answers/<id>     the owner's answer; the asker removes it
//
// Threading: free functions, thread-safe; each file is written by one side only.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ext/base/clock.h"
#include "ext/base/file_system.h"
#include "ext/ltx/types.h"

namespace litestream {

struct ReplicaStatus {
  std::string name;
  Txid replica_txid;                // newest that can be restored from it
  bool needs_snapshot = false;      // ... unless what it holds must be healed by a snapshot first
  int64_t last_sync_at_ms = 0;      // wall time; 0: never
  int64_t oldest_unsent_at_ms = 0;  // wall time of the oldest capture that it lacks; 0: none
  std::string last_error;
  std::string warning;
  bool operator==(const ReplicaStatus&) const = default;
};

struct OwnerStatus {
  std::string owner;   // "host:pid"
  std::string status;  // as litestream_status.status
  Txid local_txid;
  Txid replica_txid;
  uint32_t page_size_bytes = 0;
  uint64_t wal_size_bytes = 0;
  uint64_t spool_size_bytes = 0;
  int64_t last_sync_at_ms = 0;
  int64_t oldest_unsent_at_ms = 0;
  std::string last_error;
  std::string durability;
  std::string warning;
  std::vector<ReplicaStatus> replicas;  // at most 16
  bool operator==(const OwnerStatus&) const = default;
};

// "host:pid" of this process.
std::string this_process_name();

Status save_owner_status(FileSystem& fs, const std::string& meta_path, const OwnerStatus& status);
// NotFound unless a process owns the database right now and has told how it stands.
Result<OwnerStatus> load_owner_status(FileSystem& fs, const std::string& meta_path);

enum class OwnerVerb { kSync, kSnapshot, kStop, kReset, kCompact };

// Asks and waits. `argument`: compact: the level; the answer is then the number of files merged.
// NotFound: "not replicated by any process". Unavailable names the owner when no answer came in
// time. Else the owner's own error.
Result<Txid> ask_owner(FileSystem& fs, const Clock& clock, const std::string& meta_path,
                       OwnerVerb verb, int64_t timeout_ms, const std::function<bool()>& cancel,
                       int64_t argument = 0);

// --- the owner's side ---
struct OwnerRequest {
  std::string id;
  OwnerVerb verb = OwnerVerb::kSync;
  int64_t deadline_ms = 0;  // wall time
  int64_t argument = 0;
};
std::string requests_path(const std::string& meta_path);
// Creates the folders; requests and answers left by dead processes are removed.
Status open_requests(FileSystem& fs, const std::string& meta_path);
// Takes the waiting requests, at most 1000; malformed and late ones are dropped.
std::vector<OwnerRequest> take_requests(FileSystem& fs, const Clock& clock,
                                        const std::string& meta_path);
Status answer_request(FileSystem& fs, const std::string& meta_path, const std::string& id,
                      const Result<Txid>& answer);

}  // namespace litestream
