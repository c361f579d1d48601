// Where capture stands, and the local records that let the next start continue there.
// Threading: values.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "ext/base/file_system.h"
#include "ext/ltx/types.h"
#include "ext/wal/wal_reader.h"

namespace litestream {

struct Position {
  Txid txid;
  // False: nothing of the WAL as it is counts; the next commit is frame 1 of whatever salts it
  // brings. Such a position is only valid while the mark that was taken with it is held, or
  // together with a clean-shutdown record.
  bool wal_known = false;
  WalPosition wal;
  uint32_t page_count = 0;
};

// The `state` record of the local folder. Written without sync: it may be lost or stale after a
// power loss, never wrong without its checksum noticing; then the start compares pages.
struct LocalState {
  Position position;
  uint32_t page_size_bytes = 0;
  Checksum database_checksum = 0;
  std::string replica_url;  // of the replica these TXIDs belong to, without secrets
  // Clean shutdown: everything was in the database file, and the file was this one. Unset fields of
  // FileStat are not compared.
  struct CleanFile {
    uint64_t device = 0;
    uint64_t inode = 0;
    uint64_t size_bytes = 0;
    int64_t mtime_ns = 0;
    int64_t ctime_ns = 0;
    Checksum page_one = 0;
    int64_t recorded_at_ms = 0;
    bool operator==(const CleanFile&) const = default;
  };
  std::optional<CleanFile> clean;
};

// NotFound without a file; Corrupt for anything but a whole record of ours.
Result<LocalState> load_state(FileSystem& fs, const std::string& path);
// What forget_local_state would remove: paths, sorted. Empty if there is no such folder.
Result<std::vector<std::string>> local_state_files(FileSystem& fs, const std::string& meta_path);
// Removes state, page checksums and spool of a local folder. Busy while a process owns it.
Status forget_local_state(FileSystem& fs, const std::string& meta_path);
Status save_state(FileSystem& fs, const std::string& path, const LocalState& state);

}  // namespace litestream
