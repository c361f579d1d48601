#include "tests/support/server_process.h"

#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <chrono>
#include <cstring>
#include <stdexcept>
#include <thread>

namespace litestream::test {
namespace {

std::vector<char*> pointers_of(std::vector<std::string>& texts) {
  std::vector<char*> pointers;
  for (std::string& text : texts) pointers.push_back(text.data());
  pointers.push_back(nullptr);
  return pointers;
}

}  // namespace

ServerProcess::ServerProcess(const ServerProcessOptions& options) {
  std::vector<std::string> arguments = options.arguments;
  std::vector<std::string> environment = options.environment;
  environment.emplace_back("PATH=/usr/sbin:/usr/bin:/sbin:/bin");
  posix_spawn_file_actions_t actions;
  posix_spawn_file_actions_init(&actions);
  const auto connect = [&](int target, int fd, const std::string& path, int flags) {
    if (fd >= 0) {
      posix_spawn_file_actions_adddup2(&actions, fd, target);
    } else {
      posix_spawn_file_actions_addopen(&actions, target, path.c_str(), flags, 0644);
    }
  };
  connect(STDIN_FILENO, options.stdin_fd, "/dev/null", O_RDONLY);
  connect(STDOUT_FILENO, options.stdout_fd, "/dev/null", O_WRONLY);
  connect(STDERR_FILENO, -1, options.log_file.empty() ? "/dev/null" : options.log_file,
          O_WRONLY | O_CREAT | O_APPEND);
  posix_spawnattr_t attributes;
  posix_spawnattr_init(&attributes);
  sigset_t none;
  sigemptyset(&none);
  posix_spawnattr_setsigmask(&attributes, &none);
  posix_spawnattr_setpgroup(&attributes, 0);
  posix_spawnattr_setflags(&attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETPGROUP);
  const int error = ::posix_spawn(&pid_, arguments[0].c_str(), &actions, &attributes,
                                  pointers_of(arguments).data(), pointers_of(environment).data());
  posix_spawnattr_destroy(&attributes);
  posix_spawn_file_actions_destroy(&actions);
  if (error != 0) {
    throw std::runtime_error("cannot start " + arguments[0] + ": " + std::strerror(error));
  }
}

bool ServerProcess::is_running() {
  if (pid_ < 0) return false;
  if (::waitpid(pid_, nullptr, WNOHANG) == 0) return true;
  pid_ = -1;
  return false;
}

void ServerProcess::kill() {
  if (pid_ < 0) return;
  const pid_t group = -pid_;
  ::kill(group, SIGTERM);
  for (int i = 0; i < 200 && is_running(); ++i) {
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  ::kill(group, SIGKILL);
  if (pid_ >= 0) ::waitpid(pid_, nullptr, 0);
  pid_ = -1;
}

void run_program(const std::vector<std::string>& arguments) {
  std::vector<std::string> copy = arguments;
  std::vector<std::string> environment = {"PATH=/usr/sbin:/usr/bin:/sbin:/bin"};
  pid_t pid = -1;
  int status = 0;
  const bool is_started =
      ::posix_spawn(&pid, copy[0].c_str(), nullptr, nullptr, pointers_of(copy).data(),
                    pointers_of(environment).data()) == 0;
  if (!is_started || ::waitpid(pid, &status, 0) != pid || status != 0) {
    throw std::runtime_error(arguments[0] + " failed");
  }
}

void give_to_nobody(const std::string& path) {
  if (::geteuid() == 0 && ::chown(path.c_str(), kNobody, kNobody) != 0) {
    throw std::runtime_error("chown " + path);
  }
}

}  // namespace litestream::test
