#include "tests/crash/child_process.h"

#include <poll.h>
#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cerrno>
#include <chrono>
#include <stdexcept>
#include <thread>

namespace litestream::test {
namespace {

constexpr int kEndTimeoutMs = 30'000;

}  // namespace

ChildProcess::ChildProcess(const std::vector<std::string>& arguments) {
  int sockets[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) {
    throw std::runtime_error("socketpair");
  }
  socket_ = sockets[0];
  std::vector<std::string> words = arguments;
  words.insert(words.begin(), LITESTREAM_CRASH_CHILD);
  std::vector<char*> pointers;
  for (std::string& word : words) pointers.push_back(word.data());
  pointers.push_back(nullptr);
  posix_spawn_file_actions_t actions;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawn_file_actions_adddup2(&actions, sockets[1], 0);
  ::posix_spawn_file_actions_adddup2(&actions, sockets[1], 1);
  const int error =
      ::posix_spawn(&pid_, LITESTREAM_CRASH_CHILD, &actions, nullptr, pointers.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::close(sockets[1]);
  if (error != 0) throw std::runtime_error("cannot start " LITESTREAM_CRASH_CHILD);
}

ChildProcess::~ChildProcess() {
  if (pid_ > 0) {
    (void)::kill(pid_, SIGKILL);
    (void)::waitpid(pid_, nullptr, 0);
  }
  ::close(socket_);
}

void ChildProcess::tell(const std::string& command) {
  const std::string line = command + "\n";
  (void)!::send(socket_, line.data(), line.size(), MSG_NOSIGNAL);
}

std::string ChildProcess::read_answer(int timeout_ms) {
  while (true) {
    const size_t end = received_.find('\n');
    if (end != std::string::npos) {
      const std::string line = received_.substr(0, end);
      received_.erase(0, end + 1);
      return line;
    }
    pollfd fd{socket_, POLLIN, 0};
    if (::poll(&fd, 1, timeout_ms) <= 0) throw std::runtime_error("child: no answer");
    char buffer[4096];
    const ssize_t n = ::recv(socket_, buffer, sizeof buffer, 0);
    if (n <= 0) {
      throw std::runtime_error("child: died without an answer, result " + std::to_string(wait()));
    }
    received_.append(buffer, static_cast<size_t>(n));
  }
}

std::string ChildProcess::ask(const std::string& command, int timeout_ms) {
  tell(command);
  return read_answer(timeout_ms);
}

std::string ChildProcess::sql(const std::string& statement) {
  const std::string answer = ask("sql " + statement);
  if (answer.starts_with("error: ")) throw std::runtime_error(statement + ": " + answer);
  return answer;
}

void ChildProcess::send_signal(int number) {
  if (pid_ > 0) (void)::kill(pid_, number);
}

void ChildProcess::reap(int status) {
  pid_ = -1;
  result_ = WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

void ChildProcess::kill() {
  if (pid_ <= 0) return;
  send_signal(SIGKILL);
  int status = 0;
  (void)::waitpid(pid_, &status, 0);
  reap(status);
  if (result_ != -SIGKILL && result_ != 0) {
    throw std::runtime_error("child: ended by itself, result " + std::to_string(result_));
  }
}

int ChildProcess::wait() {
  for (int waited_ms = 0; pid_ > 0 && waited_ms < kEndTimeoutMs; ++waited_ms) {
    int status = 0;
    if (::waitpid(pid_, &status, WNOHANG) == pid_) reap(status);
    if (pid_ > 0) std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  if (pid_ > 0) throw std::runtime_error("child: does not end");
  return result_;
}

}  // namespace litestream::test
