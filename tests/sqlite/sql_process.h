// Another process with one SQLite connection, driven by the test: with the extension, or as a
// program that has never heard of it. It can be killed in the middle of a statement, stopped and
// continued. The program is sql_process.cc.
// Threading: thread-compatible.
#pragma once

#include <spawn.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <csignal>
#include <cstdint>
#include <cstdio>
#include <stdexcept>
#include <string>

namespace litestream::test {

class SqlProcess {
 public:
  static constexpr const char* kPlain = "plain";
  static constexpr const char* kExtension = "extension";
  static constexpr const char* kSingleThread =
      "single-thread";  // extension, SQLite without mutexes

  SqlProcess(const std::string& database_path, const char* kind) {
    int sockets[2];
    if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sockets) != 0) fail("socketpair");
    posix_spawn_file_actions_t actions;
    ::posix_spawn_file_actions_init(&actions);
    ::posix_spawn_file_actions_adddup2(&actions, sockets[1], 0);
    std::string program = LITESTREAM_SQL_PROCESS;
    std::string path = database_path;
    std::string mode = kind;
    char* arguments[] = {program.data(), path.data(), mode.data(), nullptr};
    const int code = ::posix_spawn(&pid_, program.c_str(), &actions, nullptr, arguments, ::environ);
    ::posix_spawn_file_actions_destroy(&actions);
    ::close(sockets[1]);
    socket_ = sockets[0];
    if (code != 0) fail("posix_spawn " + program);
  }
  SqlProcess(const SqlProcess&) = delete;
  SqlProcess& operator=(const SqlProcess&) = delete;
  ~SqlProcess() {
    (void)::kill(pid_, SIGCONT);
    close();
  }

  // The first column of the first row; empty without one. Throws on an error.
  std::string text(const std::string& sql) {
    send(sql);
    return answer(sql);
  }
  void exec(const std::string& sql) { (void)text(sql); }
  std::string error_of(const std::string& sql) {
    send(sql);
    std::string message;
    if (receive(&message) != 'E') fail("did not fail: " + sql);
    return message;
  }
  // Sends without waiting; answer() waits.
  void send(const std::string& sql) {
    char head[16];
    std::snprintf(head, sizeof head, "%08zx", sql.size());
    write_all(std::string(head, 8) + sql);
  }
  std::string answer(const std::string& sql) {
    std::string message;
    if (receive(&message) != 'K') fail(sql.substr(0, 200) + ": " + message);
    return message;
  }
  // Runs SQL that ends with SELECT test_kill(): the process dies inside it.
  void die_in(const std::string& sql) {
    send(sql);
    std::string message;
    if (receive(&message) != 0) fail("did not die: " + sql.substr(0, 200) + ": " + message);
    reap();
  }
  void kill() {
    (void)::kill(pid_, SIGKILL);
    reap();
  }
  void stop() { (void)::kill(pid_, SIGSTOP); }
  void resume() { (void)::kill(pid_, SIGCONT); }
  // Ends the program in good order and waits for it; its exit code, or -1 if it was killed.
  int close() {
    if (socket_ >= 0) ::shutdown(socket_, SHUT_WR);
    return reap();
  }

 private:
  [[noreturn]] static void fail(const std::string& what) {
    throw std::runtime_error("sql_process: " + what);
  }
  int reap() {
    if (pid_ <= 0) return exit_code_;
    int status = 0;
    (void)::waitpid(pid_, &status, 0);
    pid_ = -1;
    if (socket_ >= 0) ::close(socket_);
    socket_ = -1;
    exit_code_ = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    return exit_code_;
  }
  void write_all(const std::string& bytes) {
    for (size_t at = 0; at < bytes.size();) {
      const ssize_t n = ::send(socket_, bytes.data() + at, bytes.size() - at, MSG_NOSIGNAL);
      if (n <= 0) fail("the process is gone");
      at += static_cast<size_t>(n);
    }
  }
  bool read_all(char* out, size_t count) {
    for (size_t at = 0; at < count;) {
      const ssize_t n = ::recv(socket_, out + at, count - at, 0);
      if (n <= 0) return false;
      at += static_cast<size_t>(n);
    }
    return true;
  }
  // 'K' and the text, 'E' and the error, or 0: the process is gone.
  char receive(std::string* message) {
    char head[10] = {};
    if (!read_all(head, 9)) return 0;
    message->resize(std::stoull(std::string(head + 1, 8), nullptr, 16));
    if (!read_all(message->data(), message->size())) return 0;
    return head[0];
  }

  pid_t pid_ = -1;
  int socket_ = -1;
  int exit_code_ = -1;
};

}  // namespace litestream::test
