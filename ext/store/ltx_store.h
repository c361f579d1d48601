// Where immutable LTX files live: a folder, a bucket. One interface, no policy.
//
// Consistency contract: a file is visible only when complete; a name once taken keeps its content
// until it is removed. list() is complete or an error, never a short list.
// Threading: thread-safe; every method may block on disk or network and has a deadline of its own.
// Errors: NotFound (no such file), AlreadyExists (create-only write met other content),
// Unavailable/Busy (try again), Io, Corrupt (a listing that makes no sense), Unsupported.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "ext/base/bytes.h"
#include "ext/base/file_system.h"
#include "ext/base/status.h"
#include "ext/ltx/types.h"

namespace litestream {

// Receives one file. Bytes become visible at commit() and not before.
class LtxWriter : public ByteSink {
 public:
  // ~LtxWriter without commit(): nothing becomes visible, temporary data is removed.
  // Publishes durably. If the name is already taken: Ok when the content is the same bytes (a
  // repeated upload), else AlreadyExists and the existing file stays.
  virtual Status commit() = 0;
};

// A backup of the v0.3 layout (read only).
struct GenerationInfo {
  std::string generation;  // 16 hex digits
  int64_t snapshot_count = 0;
  int64_t wal_segment_count = 0;
  int64_t created_at_ms = 0;  // oldest file; 0 if there is none
  int64_t updated_at_ms = 0;  // newest file
};

struct LeaseRequest {
  std::string owner;  // "host:pid"
  int64_t ttl_ms = 30'000;
  uint64_t generation = 0;  // 0: not held yet
};
struct Lease {
  uint64_t generation = 0;
  int64_t expires_at_ms = 0;
  std::string etag;
};

class LtxStore {
 public:
  virtual ~LtxStore() = default;
  virtual const std::string& type() const = 0;  // "file", "s3", ...
  virtual const std::string& url() const = 0;   // canonical, without secrets

  // Whether files can be written here, found out by trying; the error says what cannot and why.
  virtual Status check_writable() { return {}; }
  // Keeps other writers away, as far as the store can, while the lock is held; null where it
  // cannot. InvalidArgument: another writer uses this replica.
  virtual Result<std::unique_ptr<FileLock>> lock_for_writing() {
    return std::unique_ptr<FileLock>();
  }
  // All files of one level (0..9), sorted by (min_txid, max_txid). A level that does not exist is
  // empty. Names that are not LTX names are ignored.
  virtual Result<std::vector<LtxFileInfo>> list(int level) = 0;
  // Ranged reads of one file. The file may vanish between calls: NotFound.
  virtual Result<std::unique_ptr<RandomReader>> open(const LtxFileInfo& file) = 0;
  // Starts a create-only write. level, min_txid, max_txid, created_at_ms of `file` are used.
  virtual Result<std::unique_ptr<LtxWriter>> create(const LtxFileInfo& file) = 0;
  // Removes what it can. Returns the files that remain with the first reason in `*why` (may be
  // null); a file that is already gone counts as removed. At most 1000 files per call.
  virtual Result<std::vector<LtxFileInfo>> remove(std::span<const LtxFileInfo> files,
                                                  Status* why) = 0;
  // v0.3 backups under the same root, sorted by generation.
  virtual Result<std::vector<GenerationInfo>> list_generations() = 0;
  // Takes or renews the writer's lease; Unsupported where names alone fence (file://).
  virtual Result<Lease> acquire_lease(const LeaseRequest& request) = 0;
  // Where a file is, for people: path or key.
  virtual std::string path_of(const LtxFileInfo& file) const = 0;
};

// All levels, 9 first then 0..8.
Result<std::vector<LtxFileInfo>> list_all_levels(LtxStore& store);

}  // namespace litestream
