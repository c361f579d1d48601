// What the control socket answers: Litestream's endpoints and JSON, over SQL. control_socket.h
// carries the bytes.
//
//   GET /list, /info, /txid?path=, /debug/sync-status[?path=]
//   POST /start, /stop, /register, /unregister, /sync      bodies and answers: JSON objects
//   errors: {"error","details"?} with 400 (request), 404 (unknown), 409, 500 or 504 (too late)
//
// TXIDs are numbers here, as Litestream has them.
// Threading: thread-safe.
#pragma once

#include <cstdint>
#include <string>

#include "mcp/local_server.h"
#include "mcp/session_pool.h"

namespace litestream {

class ControlApi {
 public:
  ControlApi();
  LocalReply handle(const LocalRequest& request);
  // Interrupts what runs and refuses what comes.
  void shut_down() { pool_.shut_down(); }

 private:
  struct Command;  // what the body of a POST says
  LocalReply get(const LocalRequest& request);
  LocalReply post(const LocalRequest& request);
  LocalReply list(SqlSession& session);
  LocalReply info(SqlSession& session);
  LocalReply txid(SqlSession& session, const LocalRequest& request);
  LocalReply sync_status(SqlSession& session, const LocalRequest& request);
  LocalReply start(SqlSession& session, const Command& command);
  LocalReply stop(SqlSession& session, const Command& command);
  LocalReply sync(SqlSession& session, const Command& command);
  LocalReply register_database(SqlSession& session, const Command& command);
  LocalReply unregister(SqlSession& session, const Command& command);

  SessionPool pool_;
  const int64_t started_at_ms_;  // wall time
  const int64_t started_monotonic_ms_;
};

}  // namespace litestream
