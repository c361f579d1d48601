// The program as a process: starts, says where it listens, stops on a signal with the right status.
// Runs fake_litestream, which is main.cc with the double in the extension's place.
#include <fcntl.h>
#include <httplib.h>
#include <poll.h>
#include <spawn.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>
#include <catch2/catch.hpp>
#include <csignal>
#include <fstream>

#include "tests/support/temp_dir.h"

extern char** environ;

namespace litestream {
namespace {

constexpr int kPatienceMs = 20'000;

class Process {
 public:
  explicit Process(std::vector<std::string> arguments) {
    arguments.insert(arguments.begin(), LITESTREAM_FAKE_PROGRAM);
    std::vector<char*> argv;
    for (std::string& argument : arguments) argv.push_back(argument.data());
    argv.push_back(nullptr);
    int fds[2];
    REQUIRE(pipe2(fds, O_CLOEXEC) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, fds[1], STDERR_FILENO);
    REQUIRE(posix_spawn(&pid_, argv[0], &actions, nullptr, argv.data(), environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
    ::close(fds[1]);
    stderr_ = fds[0];
  }
  ~Process() {
    if (pid_ > 0) {
      ::kill(pid_, SIGKILL);
      ::waitpid(pid_, nullptr, 0);
    }
    ::close(stderr_);
  }
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  // What stderr says up to and with the line that contains `text`; fails if it ends before.
  std::string read_until(const std::string& text) {
    while (true) {
      const size_t at = log_.find(text);
      if (at != std::string::npos && log_.find('\n', at) != std::string::npos) return log_;
      pollfd poll_fd{stderr_, POLLIN, 0};
      char buffer[1024];
      const bool ready = ::poll(&poll_fd, 1, kPatienceMs) == 1;
      const ssize_t n = ready ? ::read(stderr_, buffer, sizeof buffer) : 0;
      INFO("waiting for: " << text << "\nlog: " << log_);
      REQUIRE(n > 0);
      log_.append(buffer, static_cast<size_t>(n));
    }
  }
  void signal(int number) { ::kill(pid_, number); }
  int wait() {
    int status = 0;
    CHECK(::waitpid(pid_, &status, 0) == pid_);
    pid_ = -1;
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  int port() {
    const std::string log = read_until("mcp: listening on http://");
    return std::stoi(log.substr(log.find(':', log.find("http://") + 7) + 1));
  }

 private:
  pid_t pid_ = -1;
  int stderr_ = -1;
  std::string log_;
};

struct Files {
  Files() {
    sqlite3* connection = nullptr;
    sqlite3_open(database.c_str(), &connection);
    sqlite3_exec(connection, "CREATE TABLE t(x)", nullptr, nullptr, nullptr);
    sqlite3_close(connection);
  }
  void write_config(const std::string& text) const { std::ofstream(config) << text; }

  test::TempDir dir;
  std::string database = dir.file("app.db");
  std::string config = dir.file("litestream.yml");
};

TEST_CASE("replicate DB URL runs until SIGTERM or SIGINT") {
  const Files files;
  for (const int number : {SIGTERM, SIGINT}) {
    Process process({"replicate", files.database, "file:///backup"});
    const std::string log = process.read_until("mcp: off (no mcp-addr)");
    CHECK(log.find("INFO litestream: fake registration") != std::string::npos);
    process.read_until("replicating " + files.database + " from TXID 0000000000000003");
    process.signal(number);
    process.read_until("stopped " + files.database + " at TXID 0000000000000003");
    CHECK(process.wait() == 0);
  }
}

TEST_CASE("replicate serves MCP where the flag or the configuration says") {
  const Files files;
  files.write_config("db " + files.database + "\nmcp-addr localhost:0\n");
  for (const bool flag : {false, true}) {
    std::vector<std::string> arguments = {"replicate", "-config", files.config};
    if (flag) arguments.insert(arguments.end(), {"-mcp-addr", "127.0.0.1:0"});
    Process process(arguments);
    httplib::Client client("127.0.0.1", process.port());
    client.set_keep_alive(true);
    const auto reply = client.Get("/mcp/tools/litestream_databases");
    REQUIRE(reply);
    CHECK(reply->body.find(files.database) != std::string::npos);
    CHECK((process.read_until("listening").find("http://127.0.0.1") != std::string::npos) == flag);
    // The connection still idles; the end does not wait for it.
    process.signal(SIGTERM);
    CHECK(process.wait() == 0);
  }
}

TEST_CASE("one database that does not start does not stop the others") {
  const Files files;
  files.write_config("db " + files.database + "\ndb " + files.dir.file("missing.db") + "\n");
  Process process({"replicate", "-config", files.config});
  const std::string log = process.read_until("replicating " + files.database);
  CHECK(log.find("ERROR " + files.dir.file("missing.db")) != std::string::npos);
  process.signal(SIGTERM);
  CHECK(process.wait() == 0);
  files.write_config("db " + files.dir.file("missing.db") + "\n");
  Process none({"replicate", "-config", files.config});
  none.read_until("no database could be started");
  CHECK(none.wait() == 1);
}

TEST_CASE("replicate fails clearly") {
  const Files files;
  Process no_url({"replicate", files.database, "backup"});
  no_url.read_until("not a URL");
  CHECK(no_url.wait() == 1);
  Process bad_address({"replicate", "-mcp-addr", "nonsense", files.database, "file:///backup"});
  bad_address.read_until("host:port");
  CHECK(bad_address.wait() == 1);
}

TEST_CASE("mcp alone serves configured databases and given URLs") {
  const Files files;
  files.write_config("db " + files.database + "\n");
  Process process({"mcp", "-config", files.config, "-addr", "localhost:0", "file:///other"});
  const int port = process.port();
  httplib::Client client("127.0.0.1", port);
  const auto databases = client.Get("/mcp/tools/litestream_databases");
  REQUIRE(databases);
  CHECK(databases->body.find("file:///other") != std::string::npos);
  CHECK(client.Get("/mcp/tools/litestream_ltx?database=file:///other")->status == 200);
  CHECK(client.Get("/mcp/tools/litestream_ltx?database=file:///third")->status == 422);
  Process second({"mcp", "-addr", "localhost:" + std::to_string(port), "file:///other"});
  second.read_until("the port is in use");
  CHECK(second.wait() == 1);
  process.signal(SIGTERM);
  CHECK(process.wait() == 0);
}

TEST_CASE("a second signal ends a program that is stopping") {
  const Files files;
  files.write_config("db " + files.dir.file("stuck.db") + "\n");
  Process process({"replicate", "-config", files.config});
  process.read_until("mcp: off");
  process.signal(SIGTERM);
  process.read_until("litestream: fake stop begins");
  process.signal(SIGTERM);
  CHECK(process.wait() == 1);
}

}  // namespace
}  // namespace litestream
