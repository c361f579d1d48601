// The SQL functions, one per row of the table in register.cc; the reference is sql/README.md.
#pragma once

#include "ext/sqlite/sql_function.h"

namespace litestream {

Status run_version(SqlCall& call);
Status run_config(SqlCall& call);
Status run_config_value(SqlCall& call);
Status run_discover(SqlCall& call);
Status run_heartbeat(SqlCall& call);
Status run_register(SqlCall& call);
Status run_unregister(SqlCall& call);
Status run_replicate(SqlCall& call);
Status run_start(SqlCall& call);
Status run_stop(SqlCall& call);
Status run_stop_all(SqlCall& call);
Status run_sync(SqlCall& call);
Status run_txid(SqlCall& call);
Status run_snapshot(SqlCall& call);
Status run_compact(SqlCall& call);
Status run_enforce_retention(SqlCall& call);
Status run_restore(SqlCall& call);
Status run_follow(SqlCall& call);
Status run_cancel(SqlCall& call);
Status run_wait(SqlCall& call);
Status run_reset(SqlCall& call);
Status run_verify(SqlCall& call);

// Flushes within its shutdown timeout and lets go of the database; later connections do not start
// it again.
Result<Txid> stop_replication(Replicator& replicator, const CancelCheck& cancel);
Status run_last_error(SqlCall& call);

}  // namespace litestream
