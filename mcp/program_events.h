// What a long-running command waits for: signals, the end of a child process, and wake-ups from its
// own threads.
// Threading: block_program_signals() and wait() from the main thread; wake() from any.
#pragma once

#include <cstdint>
#include <memory>

#include "ext/base/status.h"

namespace litestream {

// Keeps SIGTERM, SIGINT and SIGCHLD for wait(). Call before any thread starts, so that every thread
// inherits it.
void block_program_signals();

class ProgramEvents {
 public:
  // After block_program_signals().
  static Result<std::unique_ptr<ProgramEvents>> create();
  ~ProgramEvents();
  ProgramEvents(const ProgramEvents&) = delete;
  ProgramEvents& operator=(const ProgramEvents&) = delete;

  struct Event {
    enum class Kind { kStop, kChild, kWake, kTimeout };
    Kind kind = Kind::kTimeout;
    int signal = 0;                 // of kStop
    bool is_from_terminal = false;  // Ctrl-C: every process in the foreground got it
  };
  // The next event. Below 0: without end.
  Event wait(int64_t timeout_ms);
  void wake() noexcept;

 private:
  ProgramEvents(int signal_fd, int wake_fd) : signal_fd_(signal_fd), wake_fd_(wake_fd) {}

  const int signal_fd_;
  const int wake_fd_;
};

}  // namespace litestream
