// One line in, one line out: the protocol over a pair of pipes.
#include "mcp/stdio_server.h"

#include <fcntl.h>
#include <poll.h>
#include <unistd.h>

#include <csignal>
#include <set>

#include "tests/mcp/mcp_client.h"
#include "tests/support/temp_dir.h"

namespace litestream {
namespace {

using test::call_params;
using test::Json;
using test::McpFixture;
using test::notification;
using test::request;
using test::with_meta;

// The server on a thread of its own, and the client's ends of its pipes.
class Session {
 public:
  explicit Session(McpFixture& fixture, int finish_ms = 5000) : fixture_(fixture) {
    REQUIRE(::pipe2(input_, O_CLOEXEC) == 0);
    REQUIRE(::pipe2(output_, O_CLOEXEC) == 0);
    StdioServer::Options options;
    options.input_fd = input_[0];
    options.output_fd = output_[1];
    options.finish_ms = finish_ms;
    server_ = std::make_unique<StdioServer>(*fixture.server, options);
    thread_ = std::thread([this] {
      server_->run();
      server_->finish([this] { fixture_.pool.shut_down(); });
      ::close(output_[1]);
    });
  }
  ~Session() {
    end_input();
    if (thread_.joinable()) thread_.join();
    ::close(input_[0]);
    ::close(output_[0]);
  }
  Session(const Session&) = delete;
  Session& operator=(const Session&) = delete;

  void send(const std::string& text) {
    REQUIRE(::write(input_[1], text.data(), text.size()) == static_cast<ssize_t>(text.size()));
  }
  void end_input() {
    if (input_[1] >= 0) ::close(input_[1]);
    input_[1] = -1;
  }
  // The next line, without its end; "" at the end of the output.
  std::string read_line() {
    while (true) {
      const size_t end = received_.find('\n');
      if (end != std::string::npos) {
        std::string line = received_.substr(0, end);
        received_.erase(0, end + 1);
        return line;
      }
      pollfd poll_fd{output_[0], POLLIN, 0};
      REQUIRE(::poll(&poll_fd, 1, 20'000) == 1);
      char buffer[65536];
      const ssize_t n = ::read(output_[0], buffer, sizeof buffer);
      if (n <= 0) return received_;
      received_.append(buffer, static_cast<size_t>(n));
    }
  }

 private:
  McpFixture& fixture_;
  int input_[2] = {-1, -1};
  int output_[2] = {-1, -1};
  std::string received_;
  std::unique_ptr<StdioServer> server_;
  std::thread thread_;
};

std::string initialize(const std::string& capabilities = "{}") {
  return request("initialize",
                 R"({"protocolVersion":"2025-11-25","capabilities":)" + capabilities + "}") +
         "\n" + notification("notifications/initialized") + "\n";
}

TEST_CASE("stdio: both eras in one process, in any order") {
  McpFixture f;
  Session session(f);
  session.send(request("server/discover", with_meta("{}"), "0") + "\n");
  CHECK(Json(session.read_line()).raw("/result/supportedVersions") == R"(["2026-07-28"])");
  session.send(initialize());
  CHECK(Json(session.read_line()).text("/result/protocolVersion") == "2025-11-25");
  session.send(request("tools/call", call_params("litestream_version"), "\"a\"") + "\r\n");
  CHECK(Json(session.read_line()).text("/result/structuredContent/version") == "0.1.0");
  session.send(request("tools/list", with_meta("{}"), "2") + "\n\n  \n");
  CHECK(Json(session.read_line()).text("/result/resultType") == "complete");
  session.send("nonsense\n[]\n");
  // Two lines that no thread is needed for, and so in order.
  std::set<int64_t> codes;
  for (int i = 0; i < 2; ++i) codes.insert(Json(session.read_line()).integer("/error/code"));
  CHECK(codes == std::set<int64_t>{kRpcParseError, kRpcInvalidRequest});
}

TEST_CASE("stdio: what was asked is answered although the input ends, and then nothing") {
  McpFixture f;
  Session session(f);
  std::string lines = initialize();
  for (int i = 0; i < 50; ++i) {
    lines +=
        request("tools/call", call_params("litestream_databases"), std::to_string(100 + i)) + "\n";
  }
  // The last line has no end.
  session.send(lines + request("ping", "{}", "999"));
  session.end_input();
  std::set<int64_t> ids;
  for (std::string line = session.read_line(); !line.empty(); line = session.read_line()) {
    ids.insert(Json(line).integer("/id"));
  }
  CHECK(ids.size() == 52);
}

TEST_CASE("stdio: a question, progress and cancellation") {
  McpSettings settings;
  settings.allow_overwrite = true;
  McpFixture f({}, settings);
  test::set_fake_databases({"/data/steady.db", "/data/slow.db"});
  const test::TempDir dir;
  Session session(f);
  session.send(initialize(R"({"elicitation":{}})"));
  session.read_line();
  const std::string output = dir.file("a.db");
  const auto restore = [&](const char* database, const char* id) {
    return request("tools/call",
                   call_params("litestream_restore",
                               R"({"database":")" + std::string(database) + R"(","output":")" +
                                   output + "\"}",
                               R"(,"_meta":{"progressToken":"t"})"),
                   id) +
           "\n";
  };
  session.send(restore("/data/steady.db", "7"));
  std::string line = session.read_line();
  while (line.find("notifications/progress") != std::string::npos) line = session.read_line();
  CHECK(Json(line).text("/result/structuredContent/restored_path") == output);
  // Now the file is there, and somebody must agree.
  session.send(restore("/data/slow.db", "8"));
  const Json question(session.read_line());
  CHECK(question.text("/method") == "elicitation/create");
  session.send(R"({"jsonrpc":"2.0","id":)" + question.raw("/id") +
               R"(,"result":{"action":"accept","content":{"overwrite":true}}})" + "\n");
  while (test::fake_waiting_count() == 0) std::this_thread::yield();
  session.send(notification("notifications/cancelled", R"({"requestId":8})") + "\n");
  while (test::fake_waiting_count() != 0) std::this_thread::yield();
  session.send(request("ping", "{}", "9") + "\n");
  line = session.read_line();
  while (line.find("notifications/progress") != std::string::npos) line = session.read_line();
  CHECK(Json(line).integer("/id") == 9);  // and never an answer to 8
}

TEST_CASE("stdio: subscriptions") {
  McpFixture f;
  Session session(f);
  session.send(request("subscriptions/listen",
                       with_meta(R"({"notifications":{"resourcesListChanged":true}})"), "5") +
               "\n");
  CHECK(session.read_line().find("acknowledged") != std::string::npos);
  f.server->publish({McpChange::Kind::kResources, ""});
  CHECK(session.read_line().find("list_changed") != std::string::npos);
  session.send(notification("notifications/cancelled", with_meta(R"({"requestId":5})")) + "\n" +
               request("ping", "{}", "6") + "\n");
  CHECK(Json(session.read_line()).integer("/id") == 6);
  f.server->publish({McpChange::Kind::kResources, ""});
  session.end_input();
  CHECK(session.read_line().empty());
}

TEST_CASE("stdio: lines that are too long are refused, and the next one is read") {
  McpFixture f;
  Session session(f);
  std::thread sending([&] {
    session.send(std::string(kRpcMessageBytesMax + 100, ' ') + request("ping", "{}", "1") + "\n" +
                 request("ping", "{}", "2") + "\n");
  });
  CHECK(Json(session.read_line()).integer("/error/code") == kRpcInvalidRequest);
  CHECK(Json(session.read_line()).integer("/id") == 2);
  sending.join();
}

TEST_CASE("stdio: work that is not done when the input ends is stopped") {
  McpFixture f;
  test::set_fake_databases({"/data/slow.db"});
  const test::TempDir dir;
  Session session(f, 50);
  session.send(request("tools/call", call_params("litestream_restore",
                                                 R"({"database":"/data/slow.db","output":")" +
                                                     dir.file("a.db") + "\"}")) +
               "\n");
  while (test::fake_waiting_count() == 0) std::this_thread::yield();
  session.end_input();
  CHECK(session.read_line().empty());
  CHECK(test::fake_waiting_count() == 0);
  CHECK(std::filesystem::is_empty(dir.path()));
}

TEST_CASE("stdio: a client that asks much and reads late gets every answer") {
  McpFixture f;
  Session session(f);
  constexpr int kCount = 600;
  std::thread asking([&] {
    for (int i = 0; i < kCount; ++i) {
      const char* method = i % 2 == 0 ? "tools/list" : "resources/list";
      session.send(request(method, "{}", std::to_string(i)) + "\n");
    }
  });
  std::set<int64_t> ids;
  std::this_thread::sleep_for(std::chrono::milliseconds(100));
  while (ids.size() < kCount) ids.insert(Json(session.read_line()).integer("/id"));
  asking.join();
}

}  // namespace
}  // namespace litestream
