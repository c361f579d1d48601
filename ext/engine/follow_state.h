// Where a followed copy stands: a record beside it, `<output>-follow`.
//
// The record is durable before the copy changes and names both states, before and after; the copy's
// own change counter, which every step sets to another value, tells which of the two it is. So the
// change of the copy is the one and only commit, and a crash anywhere leaves something known.
// Threading: values.
#pragma once

#include <cstdint>
#include <string>

#include "ext/base/bytes.h"
#include "ext/base/file_system.h"
#include "ext/base/status.h"
#include "ext/ltx/types.h"

namespace litestream {

struct FollowPoint {
  Txid txid;
  int64_t created_at_ms = 0;    // of that transaction
  uint32_t page_count = 0;      // of the database there
  uint32_t change_counter = 0;  // of the copy, not of the original
  Checksum checksum = 0;        // of the original database
  Checksum page_one = 0;        // of the original's page 1
};

struct FollowState {
  std::string replica_url;  // without secrets
  uint32_t page_size = 0;   // bytes
  FollowPoint from;
  FollowPoint to;
};

std::string follow_state_path(const std::string& output);
// NotFound without a file; Corrupt for anything but a whole record of ours.
Result<FollowState> load_follow_state(FileSystem& fs, const std::string& output);
// Durable when it returns.
Status save_follow_state(FileSystem& fs, const std::string& output, const FollowState& state);

// Makes the original's page 1 the copy's: journal mode rollback instead of WAL, so that readers of
// the copy need no -wal and -shm and a step can lock them out; its own change counter, by which
// SQLite's readers notice that their caches are stale; the size that the file has.
void edit_page_one(MutableBytes page, uint32_t change_counter, uint32_t page_count);
// Of a page 1.
uint32_t change_counter_of(Bytes page);

}  // namespace litestream
