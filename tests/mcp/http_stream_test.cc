// Event streams and slow, silent or many clients, over real sockets.
#include <sys/resource.h>

#include <fstream>

#include "mcp/http_server.h"
#include "tests/mcp/mcp_client.h"
#include "tests/mcp/raw_socket.h"
#include "tests/support/temp_dir.h"

namespace litestream {
namespace {

using test::call_params;
using test::McpFixture;
using test::RawSocket;
using test::request;
using test::with_meta;

constexpr const char* kPong = R"({"jsonrpc":"2.0","id":1,"result":{}})";

struct Server {
  explicit Server(McpFixture& fixture, ConnectionLimits limits = HttpServer::default_limits()) {
    auto started = HttpServer::start({"127.0.0.1", 0}, *fixture.endpoint, limits);
    REQUIRE(started.ok());
    http = std::move(started).value();
    const std::string url = http->url();
    port = std::stoi(url.substr(url.rfind(':') + 1));
  }
  std::unique_ptr<HttpServer> http;
  int port = 0;
};

std::string post(const std::string& body, const std::string& headers = "") {
  return "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
         "Accept: application/json, text/event-stream\r\n" +
         headers + "Content-Length: " + std::to_string(body.size()) + "\r\n\r\n" + body;
}

std::string ping() { return post(request("ping")); }

std::string modern(const std::string& method, const std::string& params,
                   const std::string& name = "") {
  return post(request(method, with_meta(params)),
              "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: " + method + "\r\n" +
                  (name.empty() ? "" : "Mcp-Name: " + name + "\r\n"));
}

std::string restore_params(const std::string& output, const std::string& more) {
  return call_params("litestream_restore",
                     R"({"database":"/data/steady.db","output":")" + output + "\"}", more);
}

std::string session_of(RawSocket& socket, const std::string& capabilities = "{}") {
  socket.send(post(request(
      "initialize", R"({"protocolVersion":"2025-11-25","capabilities":)" + capabilities + "}")));
  const std::string reply = socket.read_until("\"instructions\"");
  const std::string name = "Mcp-Session-Id: ";
  const size_t at = reply.find(name);
  REQUIRE(at != std::string::npos);
  socket.read_until("}}");
  socket.forget();
  return reply.substr(at + name.size(), 32);
}

TEST_CASE("a call with progress answers as a stream, and the connection goes on") {
  McpFixture f;
  test::set_fake_databases({"/data/steady.db"});
  Server server(f);
  const test::TempDir dir;
  RawSocket socket(server.port);
  socket.send(post(request("tools/call",
                           restore_params(dir.file("a.db"), R"(,"_meta":{"progressToken":"p"})"))) +
              ping());
  const std::string reply = socket.read_until(kPong);
  CHECK(reply.starts_with("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"));
  CHECK(reply.find("X-Accel-Buffering: no\r\n") != std::string::npos);
  CHECK(reply.find(
            "event: message\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/progress\"") <
        reply.find("\"restored_path\""));
  CHECK(reply.find("0\r\n\r\n") != std::string::npos);
}

TEST_CASE("a stream to HTTP/1.0 ends with its connection") {
  McpFixture f;
  test::set_fake_databases({"/data/steady.db"});
  Server server(f);
  const test::TempDir dir;
  RawSocket socket(server.port);
  std::string bytes = post(
      request("tools/call", restore_params(dir.file("a.db"), R"(,"_meta":{"progressToken":"p"})")));
  bytes.replace(bytes.find("HTTP/1.1"), 8, "HTTP/1.0");
  socket.send(bytes);
  const std::string reply = socket.read_all();
  CHECK(reply.find("Transfer-Encoding") == std::string::npos);
  CHECK(reply.find("\"restored_path\"") != std::string::npos);
}

TEST_CASE("a client of the stateless era that closes its connection has cancelled") {
  McpFixture f;
  test::set_fake_databases({"/data/slow.db"});
  Server server(f);
  const test::TempDir dir;
  RawSocket socket(server.port);
  socket.send(modern("tools/call",
                     call_params("litestream_restore", R"({"database":"/data/slow.db","output":")" +
                                                           dir.file("a.db") + "\"}"),
                     "litestream_restore"));
  while (test::fake_waiting_count() == 0) std::this_thread::yield();
  socket.close();
  while (test::fake_waiting_count() != 0) std::this_thread::yield();
  CHECK(std::filesystem::is_empty(dir.path()));
}

TEST_CASE("a plain request whose client leaves is stopped as well") {
  McpFixture f;
  test::set_fake_databases({"/data/slow.db"});
  Server server(f);
  RawSocket socket(server.port);
  const std::string body = R"({"database":"/data/slow.db","output":"/nonexistent/x"})";
  socket.send(
      "POST /mcp/tools/litestream_restore HTTP/1.1\r\nHost: localhost\r\n"
      "Content-Type: application/json\r\nContent-Length: " +
      std::to_string(body.size()) + "\r\n\r\n" + body);
  while (test::fake_waiting_count() == 0) std::this_thread::yield();
  socket.close();
  while (test::fake_waiting_count() != 0) std::this_thread::yield();
}

TEST_CASE("a question and its answer travel on different connections") {
  McpSettings settings;
  settings.allow_overwrite = true;
  McpFixture f({}, settings);
  Server server(f);
  const test::TempDir dir;
  std::ofstream(dir.file("a.db")) << "precious";
  RawSocket socket(server.port);
  const std::string session =
      "Mcp-Session-Id: " + session_of(socket, R"({"elicitation":{}})") + "\r\n";
  socket.send(post(request("tools/call", call_params("litestream_restore",
                                                     R"({"database":"/data/app.db","output":")" +
                                                         dir.file("a.db") + "\"}")),
                   session));
  const std::string question = socket.read_until("elicitation/create");
  const size_t at = question.find("\"litestream-");
  REQUIRE(at != std::string::npos);
  const std::string id = question.substr(at, question.find('"', at + 1) + 1 - at);
  RawSocket second(server.port);
  second.send(post(R"({"jsonrpc":"2.0","id":)" + id +
                       R"(,"result":{"action":"accept","content":{"overwrite":true}}})",
                   session));
  CHECK(second.read_until("\r\n\r\n").starts_with("HTTP/1.1 202"));
  CHECK(socket.read_until("0\r\n\r\n").find("\"isError\":false") != std::string::npos);
}

TEST_CASE("a cancelled request ends with an empty stream") {
  McpFixture f;
  test::set_fake_databases({"/data/slow.db"});
  Server server(f);
  RawSocket socket(server.port);
  const std::string session = "Mcp-Session-Id: " + session_of(socket) + "\r\n";
  socket.send(post(
      request("tools/call",
              call_params("litestream_restore", R"({"database":"/data/slow.db","output":"/x/y"})")),
      session));
  while (test::fake_waiting_count() == 0) std::this_thread::yield();
  RawSocket second(server.port);
  second.send(post(test::notification("notifications/cancelled", R"({"requestId":1})"), session));
  second.read_until("\r\n\r\n");
  const std::string reply = socket.read_until("0\r\n\r\n");
  CHECK(reply.find("text/event-stream") != std::string::npos);
  CHECK(reply.find("data:") == std::string::npos);
}

std::string get_stream(const std::string& session_id) {
  return "GET /mcp HTTP/1.1\r\nHost: localhost\r\nAccept: text/event-stream\r\nMcp-Session-Id: " +
         session_id + "\r\n\r\n";
}

TEST_CASE("streams stay open without a thread, with comments to keep them alive") {
  McpFixture f;
  ConnectionLimits limits;
  limits.heartbeat_ms = 50;
  Server server(f, limits);
  RawSocket socket(server.port);
  const std::string session_id = session_of(socket);
  RawSocket stream(server.port);
  stream.send(get_stream(session_id));
  RawSocket listening(server.port);
  listening.send(
      modern("subscriptions/listen", R"({"notifications":{"resourcesListChanged":true}})"));
  CHECK(listening.read_until("acknowledged").find("text/event-stream") != std::string::npos);
  CHECK(stream.read_until("\n:\n\n").find("text/event-stream") != std::string::npos);
  CHECK(listening.read_until("\n:\n\n").find("\n:\n\n") != std::string::npos);
  CHECK(server.http->reactor().shared().stream_count == 2);
  CHECK(server.http->drain(0));  // nobody works
  f.server->publish({McpChange::Kind::kResources, ""});
  CHECK(stream.read_until("list_changed").find("list_changed") != std::string::npos);
  CHECK(listening.read_until("list_changed").find("list_changed") != std::string::npos);
  // A second stream of the session, and one that went.
  RawSocket second(server.port);
  second.send(get_stream(session_id));
  CHECK(second.read_until("\r\n\r\n").find("409") != std::string::npos);
  stream.close();
  while (server.http->reactor().shared().stream_count != 1) std::this_thread::yield();
  RawSocket third(server.port);
  third.send(get_stream(session_id));
  CHECK(third.read_until("\r\n\r\n").find("200 OK") != std::string::npos);
  f.server->close_streams();
  CHECK(listening.read_all().find(R"("resultType":"complete")") != std::string::npos);
  third.read_all();
}

TEST_CASE("there are only so many streams") {
  McpFixture f;
  ConnectionLimits limits;
  limits.stream_count_max = 2;
  Server server(f, limits);
  const std::string listen =
      modern("subscriptions/listen", R"({"notifications":{"resourcesListChanged":true}})");
  RawSocket first(server.port), second(server.port), third(server.port);
  first.send(listen);
  first.read_until("acknowledged");
  second.send(listen);
  second.read_until("acknowledged");
  third.send(listen + ping());
  const std::string refused = third.read_until(kPong);
  CHECK(refused.starts_with("HTTP/1.1 503"));
  first.close();
  while (server.http->reactor().shared().stream_count != 1) std::this_thread::yield();
  third.forget();
  third.send(listen);
  CHECK(third.read_until("acknowledged").find("acknowledged") != std::string::npos);
}

TEST_CASE("a client that listens and does not read is dropped, not waited for") {
  McpFixture f;
  ConnectionLimits limits;
  limits.stream_bytes_max = 64 << 10;
  Server server(f, limits);
  RawSocket listening(server.port);
  listening.send(
      modern("subscriptions/listen", R"({"notifications":{"resourcesListChanged":true}})"));
  listening.read_until("acknowledged");
  // What the kernel takes, and then what we keep.
  for (int i = 0; i < 200'000 && server.http->reactor().shared().stream_count != 0; ++i) {
    f.server->publish({McpChange::Kind::kResources, ""});
  }
  while (server.http->reactor().shared().stream_count != 0) std::this_thread::yield();
  CHECK_FALSE(f.server->listeners().any);
  CHECK(server.http->reactor().shared().buffered_bytes < 64 << 10);
}

TEST_CASE("requests that follow each other at once are answered in order") {
  McpFixture f;
  Server server(f);
  RawSocket socket(server.port);
  std::string bytes;
  for (int i = 0; i < 100; ++i) bytes += post(request("ping", "{}", std::to_string(i)));
  bytes += post(request("ping", "{}", "\"last\""), "Connection: close\r\n");
  CHECK(socket.send(bytes));
  const std::string reply = socket.read_all();
  size_t at = 0;
  for (int i = 0; i < 100; ++i) {
    at = reply.find("\"id\":" + std::to_string(i) + ",", at);
    REQUIRE(at != std::string::npos);
  }
  CHECK(reply.find("\"last\"", at) != std::string::npos);
}

TEST_CASE("a body that waits to be asked for is asked for") {
  McpFixture f;
  Server server(f);
  RawSocket socket(server.port);
  std::string bytes = post(request("ping"), "Expect: 100-continue\r\n");
  const size_t body_at = bytes.find("\r\n\r\n") + 4;
  socket.send(bytes.substr(0, body_at));
  CHECK(socket.read_until("\r\n\r\n") == "HTTP/1.1 100 Continue\r\n\r\n");
  socket.send(bytes.substr(body_at));
  CHECK(socket.read_until(kPong).find("HTTP/1.1 200 OK") != std::string::npos);
}

TEST_CASE("slow senders are told so and closed, and hold nobody up") {
  McpFixture f;
  ConnectionLimits limits;
  limits.head_ms = 100;
  limits.body_ms = 100;
  limits.idle_ms = 100;
  limits.linger_ms = 100;
  Server server(f, limits);
  RawSocket head(server.port), body(server.port), idle(server.port);
  head.send("POST /mcp HTTP/1.1\r\nHost: localh");
  body.send(ping().substr(0, ping().size() - 3));
  CHECK(head.read_all().starts_with("HTTP/1.1 408"));
  CHECK(body.read_all().starts_with("HTTP/1.1 408"));
  CHECK(idle.read_all().empty());
  while (server.http->reactor().connection_count() != 0) std::this_thread::yield();
}

TEST_CASE("a client that does not read its answers is dropped") {
  McpFixture f;
  test::set_fake_databases({"/data/many.db"});
  ConnectionLimits limits;
  limits.write_ms = 200;
  Server server(f, limits);
  RawSocket socket(server.port);
  const int small = 4096;
  ::setsockopt(socket.fd(), SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
  std::string bytes;
  for (int i = 0; i < 200; ++i) {
    bytes +=
        "GET /mcp/tools/litestream_ltx?database=/data/many.db&limit=3000 HTTP/1.1\r\n"
        "Host: localhost\r\n\r\n";
  }
  socket.send(bytes);
  while (server.http->reactor().connection_count() != 1) std::this_thread::yield();
  while (server.http->reactor().connection_count() != 0) std::this_thread::yield();
  CHECK(server.http->reactor().shared().buffered_bytes == 0);
}

void raise_descriptor_limit() {
  rlimit limit{};
  REQUIRE(::getrlimit(RLIMIT_NOFILE, &limit) == 0);
  limit.rlim_cur = limit.rlim_max;
  REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
}

TEST_CASE("a thousand idle connections stop nobody") {
  raise_descriptor_limit();
  McpFixture f;
  ConnectionLimits limits;
  limits.connection_count_max = 600;
  Server server(f, limits);
  std::vector<std::unique_ptr<RawSocket>> idle;
  for (int i = 0; i < 1000; ++i) {
    idle.push_back(std::make_unique<RawSocket>(server.port));
    // Some say nothing, some begin a request.
    if (i % 2 == 0) idle.back()->send("POST /mcp HTTP/1.1\r\nHost:");
  }
  RawSocket socket(server.port);
  for (int i = 0; i < 20; ++i) {
    socket.forget();
    CHECK(socket.send(ping()));
    CHECK(socket.read_until(kPong).find("200 OK") != std::string::npos);
  }
  CHECK(server.http->reactor().connection_count() <= 600);
}

TEST_CASE("all connections together hold only so much") {
  McpFixture f;
  ConnectionLimits limits;
  limits.buffered_bytes_max = 1 << 20;
  Server server(f, limits);
  std::vector<std::unique_ptr<RawSocket>> greedy;
  const std::string head = post(std::string(3 << 20, ' ')).substr(0, 400'000);
  for (int i = 0; i < 10; ++i) {
    greedy.push_back(std::make_unique<RawSocket>(server.port));
    greedy.back()->send(head);
  }
  RawSocket socket(server.port);
  CHECK(socket.send(ping()));
  CHECK(socket.read_until(kPong).find("200 OK") != std::string::npos);
  CHECK(server.http->reactor().shared().buffered_bytes <= (1 << 20) + (64 << 10));
  greedy.clear();
  while (server.http->reactor().connection_count() > 1) std::this_thread::yield();
}

TEST_CASE("the server stops while streams and questions are open") {
  McpSettings settings;
  settings.allow_overwrite = true;
  McpFixture f({}, settings);
  auto server = std::make_unique<Server>(f);
  const test::TempDir dir;
  std::ofstream(dir.file("a.db")) << "precious";
  RawSocket asked(server->port), listening(server->port), half(server->port);
  const std::string session_id = session_of(asked, R"({"elicitation":{}})");
  asked.send(post(request("tools/call", call_params("litestream_restore",
                                                    R"({"database":"/data/app.db","output":")" +
                                                        dir.file("a.db") + "\"}")),
                  "Mcp-Session-Id: " + session_id + "\r\n"));
  asked.read_until("elicitation/create");
  listening.send(
      modern("subscriptions/listen", R"({"notifications":{"resourcesListChanged":true}})"));
  listening.read_until("acknowledged");
  half.send("POST /mcp HTTP/1.1\r\n");
  server.reset();
  asked.read_all();
  listening.read_all();
  half.read_all();
  CHECK_FALSE(f.server->listeners().any);
}

}  // namespace
}  // namespace litestream
