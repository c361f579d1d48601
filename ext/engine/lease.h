// Who may write to a replica when several hosts could: the lease object's policy (FORMATS.md, Lease
// object). The store only reads it and writes it conditionally.
//
// A lease lasts kLeaseTtlMs from the moment our own clock showed before it was written. It is
// renewed only when less than half of that is left and something is to be uploaded; an idle writer
// lets it lapse. A lease of somebody else is taken only after its object was seen unchanged for a
// whole TTL on our own monotonic clock: wall clocks of two hosts are never compared. The object
// that this host itself wrote last, remembered in the local folder, is taken over at once: that the
// folder's owner lock is ours proves that its writer is gone.
// A store without conditional writes has no lease; there only the names of files, taken once,
// fence. Threading: thread-safe; calls wait for the store.
#pragma once

#include <cstdint>
#include <mutex>
#include <optional>
#include <string>

#include "ext/base/clock.h"
#include "ext/base/file_system.h"
#include "ext/base/status.h"
#include "ext/store/ltx_store.h"

namespace litestream {

inline constexpr int64_t kLeaseTtlMs = 30'000;

class LeaseKeeper {
 public:
  // `owner`: for people, "host:pid"; a random number is added.
  // `record_path`: where the etag of our newest lease is remembered; empty: nowhere.
  // All must outlive the object.
  LeaseKeeper(LtxStore& store, FileSystem& fs, const Clock& clock, std::string owner,
              std::string record_path);

  // Ok: for half a TTL from now nobody else writes (or the store has no lease).
  // Busy: somebody else does, or did within the last TTL; ask again in a second or so.
  // PositionMismatch: we had it and somebody took it over: stop writing, for good.
  // Others: the store's.
  Status ensure();
  // Whether what was written since the last ensure() was written under the lease; asks the store
  // only if time has run out meanwhile (the process was stopped, the upload took long). Errors as
  // ensure(): then nothing of it may be called durable.
  Status confirm();
  // The last ensure() found another writer at work.
  bool is_held_elsewhere() const;
  // False: the store has no lease, as far as is known.
  bool is_fenced() const;
  // Forgets that we held it, so that ensure() competes for it again: after a deliberate stop.
  void release();

 private:
  Status ensure_locked();
  Status compete();
  Status write(const std::optional<Lease>& seen);
  std::optional<std::string> remembered() const;

  LtxStore& store_;
  FileSystem& fs_;
  const Clock& clock_;
  const std::string owner_;
  const std::string record_path_;
  mutable std::mutex mutex_;
  std::optional<Lease> held_;
  int64_t held_until_ms_ = 0;  // monotonic
  bool unsupported_ = false;
  std::optional<Lease> watched_;  // somebody else's; only while it is in the way
  int64_t watched_since_ms_ = 0;  // monotonic
};

}  // namespace litestream
