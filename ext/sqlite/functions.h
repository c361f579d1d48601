// The SQL functions, one per row of the table in register.cc; the reference is sql/README.md.
#pragma once

#include "ext/sqlite/sql_function.h"

namespace litestream {

Status run_version(SqlCall& call);
Status run_config(SqlCall& call);
Status run_config_value(SqlCall& call);
Status run_replicate(SqlCall& call);
Status run_start(SqlCall& call);
Status run_stop(SqlCall& call);
Status run_sync(SqlCall& call);
Status run_txid(SqlCall& call);
Status run_snapshot(SqlCall& call);
Status run_restore(SqlCall& call);
Status run_wait(SqlCall& call);
Status run_reset(SqlCall& call);
Status run_verify(SqlCall& call);
Status run_last_error(SqlCall& call);

}  // namespace litestream
