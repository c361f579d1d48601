// The application that `replicate -exec` runs beside replication.
// Threading: one thread at a time.
#pragma once

#include <sys/types.h>
#include <string>
#include <string_view>
#include <vector>

#include "ext/base/status.h"

namespace litestream {

// Words as a shell would see them, without its expansions: blanks separate, '...', "..." and \ keep
// together. InvalidArgument: a quote that is not closed, or no word at all.
Result<std::vector<std::string>> split_words(std::string_view command);

class ChildProcess {
 public:
  // Runs `command` (split_words) with our environment, standard streams and folder; signals are as
  // for a process started by a shell. NotFound, Io: it cannot be run.
  static Result<ChildProcess> start(std::string_view command);
  ChildProcess(ChildProcess&& other) noexcept : pid_(other.pid_) { other.pid_ = -1; }
  ChildProcess& operator=(ChildProcess&&) = delete;
  ~ChildProcess() = default;  // a child that still runs goes on without us

  pid_t pid() const { return pid_; }
  void signal(int number) const;
  // Whether it has ended; then `*exit_status` is what the program should exit with: its status, or
  // 128 and the number of the signal that killed it.
  bool has_ended(int* exit_status);

 private:
  explicit ChildProcess(pid_t pid) : pid_(pid) {}
  pid_t pid_;
};

}  // namespace litestream
