// Tool calls per second, and how long the slowest hundredth takes, over loopback with 8 connections
// that each wait for an answer before the next request: the program as it is shipped, the tools
// litestream_version (no database), litestream_status and litestream_ltx of a replicated database.
#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include <array>
#include <fstream>
#include <thread>

#include "bench/bench_json.h"
#include "bench/bench_support.h"

namespace litestream::bench {
namespace {

constexpr int kConnectionCount = 8;

// The program, serving MCP on a port of its choice; stopped at the end.
class Program {
 public:
  explicit Program(const std::string& database, const std::string& replica) {
    std::array<int, 2> log{};
    if (::pipe(log.data()) != 0) give_up("pipe");
    pid_ = ::fork();
    if (pid_ < 0) give_up("fork");
    if (pid_ == 0) {
      ::dup2(log[1], STDERR_FILENO);
      ::close(log[0]);
      ::execl(LITESTREAM_PROGRAM_FILE, "litestream", "replicate", "-mcp-addr", "127.0.0.1:0",
              database.c_str(), replica.c_str(), nullptr);
      ::_exit(127);
    }
    ::close(log[1]);
    log_fd_ = log[0];
    port_ = std::stoi(wait_for("mcp: listening on http://127.0.0.1:"));
    wait_for("replicating " + database);
  }
  ~Program() {
    ::kill(pid_, SIGTERM);
    ::waitpid(pid_, nullptr, 0);
    ::close(log_fd_);
  }
  Program(const Program&) = delete;
  Program& operator=(const Program&) = delete;
  int port() const { return port_; }

 private:
  // What follows `text` in the log.
  std::string wait_for(const std::string& text) {
    while (true) {
      const size_t at = log_.find(text);
      if (at != std::string::npos && log_.find('\n', at) != std::string::npos) {
        return log_.substr(at + text.size());
      }
      char buffer[4096];
      const ssize_t n = ::read(log_fd_, buffer, sizeof buffer);
      if (n <= 0) give_up("the program ended: " + log_);
      log_.append(buffer, static_cast<size_t>(n));
    }
  }

  pid_t pid_ = -1;
  int log_fd_ = -1;
  int port_ = 0;
  std::string log_;
};

class Connection {
 public:
  explicit Connection(int port) : fd_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (::connect(fd_, reinterpret_cast<sockaddr*>(&address), sizeof address) != 0) {
      give_up("connect");
    }
    const int on = 1;
    ::setsockopt(fd_, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  }
  ~Connection() { ::close(fd_); }
  Connection(const Connection&) = delete;
  Connection& operator=(const Connection&) = delete;

  // Sends a request and reads its whole answer, which must be a tool's success.
  void call(const std::string& request) {
    if (::send(fd_, request.data(), request.size(), MSG_NOSIGNAL) !=
        static_cast<ssize_t>(request.size())) {
      give_up("send");
    }
    size_t length = 0;
    size_t used = 0;
    do {
      const ssize_t n = ::recv(fd_, buffer_.data() + used, buffer_.size() - used, 0);
      if (n <= 0) give_up("the server closed the connection");
      used += static_cast<size_t>(n);
      if (length == 0) length = whole_length(std::string_view(buffer_.data(), used));
    } while (length == 0 || used < length);
    const std::string_view answer(buffer_.data(), used);
    if (used != length || !answer.starts_with("HTTP/1.1 200") ||
        answer.find("\"isError\":false") == std::string_view::npos) {
      give_up("not an answer: " + std::string(answer));
    }
  }

 private:
  // 0: its head is not complete yet.
  static size_t whole_length(std::string_view text) {
    const size_t end = text.find("\r\n\r\n");
    if (end == std::string_view::npos) return 0;
    const std::string_view name = "Content-Length: ";
    const size_t at = text.find(name);
    if (at == std::string_view::npos) give_up("no length: " + std::string(text));
    return end + 4 + std::stoul(std::string(text.substr(at + name.size(), 12)));
  }

  int fd_;
  std::array<char, 65536> buffer_{};
};

std::string request_of(const std::string& tool, const std::string& arguments) {
  const std::string body = R"({"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":")" +
                           tool + R"(","arguments":)" + arguments +
                           R"(,"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28",)"
                           R"("io.modelcontextprotocol/clientCapabilities":{}}}})";
  return "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
         "Accept: application/json, text/event-stream\r\nMCP-Protocol-Version: 2026-07-28\r\n"
         "Mcp-Method: tools/call\r\nMcp-Name: " +
         tool + "\r\nContent-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

// Latencies in milliseconds of one connection.
std::vector<double> keep_calling(int port, const std::string& request, double seconds) {
  Connection connection(port);
  std::vector<double> latencies_ms;
  for (double spent = 0; spent < seconds;) {
    const double one = seconds_of([&] { connection.call(request); });
    latencies_ms.push_back(one * 1000);
    spent += one;
  }
  return latencies_ms;
}

std::vector<double> load(int port, const std::string& request, int connections, double seconds) {
  std::vector<std::vector<double>> parts(static_cast<size_t>(connections));
  std::vector<std::thread> threads;
  for (auto& part : parts) {
    threads.emplace_back([&] { part = keep_calling(port, request, seconds); });
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<double> all;
  for (const auto& part : parts) all.insert(all.end(), part.begin(), part.end());
  std::sort(all.begin(), all.end());
  return all;
}

double at_share(const std::vector<double>& sorted, double share) {
  return sorted[static_cast<size_t>(share * static_cast<double>(sorted.size() - 1))];
}

void measure(const Program& program, const std::string& tool, const std::string& arguments,
             double seconds) {
  const std::string request = request_of(tool, arguments);
  load(program.port(), request, kConnectionCount, seconds / 4);  // does not count
  const auto latencies = load(program.port(), request, kConnectionCount, seconds);
  Report report;
  report.name = "mcp_calls";
  report.value = static_cast<double>(latencies.size()) / seconds;
  report.unit = "1/s";
  report.numbers = {{"connections", kConnectionCount},
                    {"p50_ms", at_share(latencies, 0.5)},
                    {"p99_ms", at_share(latencies, 0.99)},
                    {"worst_ms", latencies.back()},
                    {"seconds", seconds}};
  report.texts = {{"tool", tool}};
  print(report);
}

int run() {
  const auto seconds = static_cast<double>(setting("LITESTREAM_BENCH_MCP_SECONDS", 5));
  const Folder folder;
  const std::string database = folder / "app.db";
  {
    Host host(database);
    host.exec(
        "PRAGMA journal_mode=WAL; CREATE TABLE t(v); INSERT INTO t VALUES (randomblob(9999))");
  }
  const Program program(database, "file://" + (folder / "replica"));
  const std::string of_database = R"({"database":")" + database + "\"}";
  measure(program, "litestream_version", "{}", seconds);
  measure(program, "litestream_status", of_database, seconds);
  measure(program, "litestream_ltx", of_database, seconds);
  return 0;
}

}  // namespace
}  // namespace litestream::bench

int main() { return litestream::bench::run(); }
