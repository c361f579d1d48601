// litestream restore -f: restores a copy and keeps it current until interrupted.
// Threading: main thread.
#pragma once

#include "ext/base/status.h"
#include "mcp/args.h"
#include "mcp/program.h"
#include "mcp/sql_session.h"

namespace litestream {

// -follow-interval as milliseconds ("500ms", "1s", "1m30s"); 1 s if it was not given.
// InvalidArgument.
Result<int64_t> follow_interval_ms(const ParsedArgs& args);

// `parameters` of commands/follow. Returns the exit status: 0 when interrupted, 1 when the copy
// cannot be made or not be followed any more. What may pass (readers in the way, a store that does
// not answer) is told on `err` and tried again.
int restore_and_follow(SqlSession& session, const SqlParameters& parameters, int64_t interval_ms,
                       bool as_json, Streams streams);

}  // namespace litestream
