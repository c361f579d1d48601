// How a commit on an application connection reaches the replicator: a hint, never trusted.
//
// The entry point cannot set a wal hook on a connection that is being opened (sqlite3_open sets its
// own afterwards), so it sets a commit hook, which at the first commit installs the wal hook (it
// already fires for that commit) and removes itself. An application's own wal hook is put back and
// reported.
// Threading: the connection's own thread.
#pragma once

#include "ext/sqlite/sqlite_api.h"

#include "ext/sqlite/registry.h"

namespace litestream {

// For a connection that is being opened. `state` must live as long as the connection.
void arm_hook_at_first_commit(sqlite3* db, ConnectionState* state);
// For an open connection: installs the wal hook now.
void install_wal_hook(sqlite3* db, ConnectionState* state);

}  // namespace litestream
