// What a terminal needs and a file or pipe does not: a width, and a line that changes.
// Threading: terminal_width is pure but for asking the system; a ProgressLine is created and
// destroyed from one thread and has one of its own.
#pragma once

#include <condition_variable>
#include <iosfwd>
#include <memory>
#include <mutex>
#include <string>
#include <thread>

#include "mcp/sql_session.h"

namespace litestream {

// Columns of the terminal that `fd` is; $COLUMNS wins. 0: it is no terminal.
size_t terminal_width(int fd);

// While it lives, and once a second has passed, one line on a terminal says how far the job is that
// this process runs: "restore: 12 MB of 80 MB". Gone when it ends.
class ProgressLine {
 public:
  // `kind` as in litestream_jobs. Not `is_terminal`: does nothing at all.
  ProgressLine(std::ostream& out, bool is_terminal, std::string kind);
  ~ProgressLine();
  ProgressLine(const ProgressLine&) = delete;
  ProgressLine& operator=(const ProgressLine&) = delete;

 private:
  void run();
  void show(SqlSession& session);

  std::ostream& out_;
  const std::string kind_;
  bool is_shown_ = false;  // of the thread
  std::mutex mutex_;       // guards is_over_
  std::condition_variable over_;
  bool is_over_ = false;
  std::thread thread_;
};

}  // namespace litestream
