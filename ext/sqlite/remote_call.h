// What a statement may ask of a remote store: for how long, until when, and whether at all.
//
// While it lives, store calls of this thread (and of threads that a store starts for them) end
// within 100 ms of sqlite3_interrupt() on the connection, end at the deadline, and are refused
// while the connection holds a write transaction: nobody else could commit until a network answers.
// What needs no network (folders, replicas known from memory) is never refused.
// Threading: the connection's own thread.
#pragma once

#include "ext/sqlite/sqlite_api.h"

#include <memory>

#include "ext/base/status.h"
#include "ext/store/call_limits.h"

namespace litestream {

// For reading tables, during which the statement's read mark is held.
inline constexpr int64_t kTableReadMsMax = 30'000;

// Whether a statement of `db` has been interrupted. Works on every SQLite: a nested statement of an
// interrupted connection is interrupted too.
bool is_interrupted(sqlite3* db);

// InvalidArgument, saying what to do, while `db` holds a write transaction on a file.
Status refuse_in_write_transaction(sqlite3* db);

class RemoteCall {
 public:
  static constexpr int64_t kNoLimit = CallLimits::kNoDeadline;
  // `time_ms`: from now.
  RemoteCall(sqlite3* db, int64_t time_ms);
  RemoteCall(const RemoteCall&) = delete;
  RemoteCall& operator=(const RemoteCall&) = delete;

 private:
  // Limits nest: what was made last goes first.
  const CallLimits limits_;
  std::unique_ptr<CallLimits> refusal_;
};

}  // namespace litestream
