// What following needs from SQLite: the copy, through a connection of ours and its locks. Declared
// here, implemented by ext/sqlite with a real connection and by a fake in tests.
// Threading: one thread at a time.
// Errors: Busy (somebody else writes to the copy), NotFound (no such file), Corrupt, Io.
#pragma once

#include <cstdint>

#include "ext/base/bytes.h"
#include "ext/base/status.h"

namespace litestream {

class FollowCopy {
 public:
  virtual ~FollowCopy() = default;  // ends what was begun

  // Opens the copy, puts back what a dead follower left half-done, and keeps other writers away;
  // readers go on.
  virtual Status begin() = 0;
  virtual uint32_t page_size_bytes() const = 0;  // once begun
  virtual RandomReader& database() = 0;          // while begun
  // Waits for readers to end what they are at and keeps new ones away; false: not within `wait_ms`.
  // Then it may be tried again, or ended.
  virtual Result<bool> shut_out_readers(int64_t wait_ms) = 0;
  // While readers are shut out.
  virtual Status write_at(uint64_t offset_bytes, Bytes bytes) = 0;
  virtual Status truncate(uint64_t size_bytes) = 0;
  virtual Status sync() = 0;
  // Lets readers and writers in. Idempotent.
  virtual void end() = 0;
};

}  // namespace litestream
