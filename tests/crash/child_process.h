// A child process of a test: crash_child (see crash_child.cc for its commands), spoken to line by
// line over one socket. Whatever happens to it, it is dead and reaped when the object is gone.
// Threading: thread-compatible. Failures throw std::runtime_error.
#pragma once

#include <signal.h>
#include <sys/types.h>

#include <string>
#include <vector>

namespace litestream::test {

class ChildProcess {
 public:
  static constexpr int kAnswerTimeoutMs = 60'000;
  // Starts crash_child with these arguments; it is ready for commands at once.
  explicit ChildProcess(const std::vector<std::string>& arguments);
  ~ChildProcess();
  ChildProcess(const ChildProcess&) = delete;
  ChildProcess& operator=(const ChildProcess&) = delete;

  pid_t pid() const { return pid_; }
  // Sends a command and returns its answer; throws if the child dies or is silent for so long.
  std::string ask(const std::string& command, int timeout_ms = kAnswerTimeoutMs);
  // As ask("sql ..."), throwing what SQLite said if the statement fails.
  std::string sql(const std::string& statement);
  // Sends without waiting; a dead child does not matter.
  void tell(const std::string& command);

  void send_signal(int number);
  // SIGKILL and reap. Throws if the child had already ended by itself with a failure of its own.
  void kill();
  // Waits for its end, half a minute at most: the exit status, or minus the signal's number.
  int wait();
  bool alive() const { return pid_ > 0; }

 private:
  std::string read_answer(int timeout_ms);
  void reap(int status);
  pid_t pid_ = -1;
  int socket_ = -1;
  int result_ = 0;
  std::string received_;
};

}  // namespace litestream::test
