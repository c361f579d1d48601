// Takes the place of fdatasync() and fsync() in this program, libsqlite3 included, so that a test
// can stop a commit between its last frame and its publication.
#pragma once

namespace litestream::test {

enum class WalSyncFault {
  kNone,
  kKill,  // SIGKILL to this process
  kFail,  // EIO
};

// What the next sync of a file whose name ends in -wal does; then kNone again.
void arm_wal_sync_fault(WalSyncFault fault);

}  // namespace litestream::test
