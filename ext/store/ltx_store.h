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
#include <optional>
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

// One file of such a backup: a snapshot of the database, or a piece of a WAL; both LZ4 frames.
struct V3File {
  std::string generation;
  std::string name;  // in its folder; what identifies the file to open_v3
  bool is_snapshot = false;
  uint32_t index = 0;         // which WAL, counted from 0; a snapshot precedes the WAL of its index
  uint64_t offset_bytes = 0;  // where in its WAL a segment begins; 0 for snapshots
  uint64_t size_bytes = 0;    // as stored, compressed
  int64_t created_at_ms = 0;  // when it was stored
  bool operator==(const V3File&) const = default;
};

// The lease object of a replica (lock.json, FORMATS.md). It tells writers on different hosts who
// may write; the rules of renewal and takeover are ext/engine/lease.h.
struct Lease {
  uint64_t generation = 0;    // grows by one with every write
  int64_t expires_at_ms = 0;  // wall time of the writer; informative
  std::string owner;          // "host:pid"
  std::string etag;           // what a conditional write names; of the store, opaque
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
  // The same for who needs neither size nor time, which may stay 0: cheaper where they cost extra.
  virtual Result<std::vector<LtxFileInfo>> list_names(int level) { return list(level); }
  // Whether created_at_ms of list() is the time of a file's last commit. If not, it is when the
  // file was stored, and fill_times() knows better.
  virtual bool lists_commit_times() const { return true; }
  // Sets created_at_ms of each of `files` to the time of its last commit. May cost a request per
  // file: for the few that a decision depends on. NotFound: one of them is gone.
  virtual Status fill_times(std::span<LtxFileInfo> /*files*/) { return {}; }
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
  // The files of one of them: snapshots by index, then segments by (index, offset). Foreign names
  // are ignored; a generation that does not exist is empty.
  virtual Result<std::vector<V3File>> list_v3(const std::string& generation);
  // Ranged reads of one file as stored, like open().
  virtual Result<std::unique_ptr<RandomReader>> open_v3(const V3File& file);
  // The lease as it stands, nullopt if there is none. Unsupported: no lease here, names alone fence
  // (file://), or the store does not honour conditional writes.
  virtual Result<std::optional<Lease>> read_lease() {
    return unsupported("this store has no lease");
  }
  // Writes `next` (its etag is ignored) if the object still has `expected_etag`, or does not exist
  // when that is empty; returns it with its new etag. PositionMismatch: somebody else wrote.
  virtual Result<Lease> write_lease(const Lease& /*next*/, const std::string& /*expected_etag*/) {
    return unsupported("this store has no lease");
  }
  // Where a file is, for people: path or key.
  virtual std::string path_of(const LtxFileInfo& file) const = 0;
  // What is weaker here than this contract, in a sentence for people; empty if nothing is. Known
  // after check_writable().
  virtual std::string warning() const { return {}; }
  // True: calls under way and all later ones end with Cancelled within 100 ms, for a stop that
  // cannot wait for a network. False: as before.
  virtual void set_interrupted(bool /*interrupted*/) {}
};

// All levels, 9 first then 0..8.
Result<std::vector<LtxFileInfo>> list_all_levels(LtxStore& store, bool names_only = false);

}  // namespace litestream
