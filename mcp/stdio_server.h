// MCP over standard input and output: one JSON-RPC message per line, nothing else on the output.
// There is one session, of this process. Requests run side by side; their answers may come in any
// order.
// Threading: run() on one thread, which reads; stop signals must be blocked in all threads.
#pragma once

#include <functional>
#include <memory>

#include "mcp/mcp_server.h"

namespace litestream {

class StdioServer {
 public:
  struct Options {
    int input_fd = 0;
    int output_fd = 1;
    // How long requests that run when the input ends may take to answer.
    int finish_ms = 5'000;
  };

  // `server` must outlive the object.
  StdioServer(McpServer& server, Options options);
  ~StdioServer();
  StdioServer(const StdioServer&) = delete;
  StdioServer& operator=(const StdioServer&) = delete;

  enum class End { kInputEnded, kStopSignal };
  // Answers until SIGTERM or SIGINT comes, or the input ends and what runs has been answered, if it
  // is quick.
  End run();
  // Afterwards: cancels what still runs, and waits a moment for it. `interrupt` is called now and
  // then meanwhile.
  void finish(const std::function<void()>& interrupt);

 private:
  class Impl;
  std::unique_ptr<Impl> impl_;
};

}  // namespace litestream
