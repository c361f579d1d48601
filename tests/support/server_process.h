// Programs that tests run beside themselves: started with an environment and descriptors of their
// choice, always dead and reaped when the object is gone.
// Threading: thread-compatible. Failures throw std::runtime_error.
#pragma once

#include <sys/types.h>

#include <string>
#include <vector>

namespace litestream::test {

struct ServerProcessOptions {
  std::vector<std::string> arguments;    // the program's path first
  std::vector<std::string> environment;  // "NAME=value", besides PATH
  int stdin_fd = -1;                     // -1: /dev/null
  int stdout_fd = -1;                    // likewise
  std::string log_file;                  // of its standard error; "": /dev/null
};

class ServerProcess {
 public:
  explicit ServerProcess(const ServerProcessOptions& options);
  ServerProcess(const ServerProcess&) = delete;
  ServerProcess& operator=(const ServerProcess&) = delete;
  ~ServerProcess() { kill(); }

  bool is_running();
  // SIGTERM to its process group, SIGKILL after two seconds; reaps it.
  void kill();

 private:
  pid_t pid_ = -1;
};

// Runs a program to its end; throws unless it exits with 0.
void run_program(const std::vector<std::string>& arguments);

// When tests run as root, servers that would rather not get this user and group instead.
inline constexpr unsigned kNobody = 65534;
// Gives a path to that user, where the tests run as root.
void give_to_nobody(const std::string& path);

}  // namespace litestream::test
