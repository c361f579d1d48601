// The same answers through real sockets, and what only sockets can get wrong.
#include "mcp/http_server.h"

#include <arpa/inet.h>
#include <httplib.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mcp/jsonrpc.h"
#include "tests/mcp/json_check.h"
#include "tests/mcp/mcp_fixture.h"

namespace litestream {
namespace {

using test::Json;
using test::McpFixture;

constexpr const char* kPing = R"({"jsonrpc":"2.0","id":1,"method":"ping"})";
constexpr const char* kPong = R"({"jsonrpc":"2.0","id":1,"result":{}})";

int port_of(const HttpServer& server) {
  const std::string url = server.url();
  return std::stoi(url.substr(url.rfind(':') + 1));
}

std::unique_ptr<HttpServer> start(McpFixture& fixture, const char* host = "localhost") {
  auto server = HttpServer::start({host, 0}, *fixture.endpoint);
  REQUIRE(server.ok());
  return std::move(server).value();
}

bool has_ipv6_loopback() {
  const int fd = ::socket(AF_INET6, SOCK_STREAM, 0);
  if (fd < 0) return false;
  sockaddr_in6 address{};
  address.sin6_family = AF_INET6;
  address.sin6_addr = in6addr_loopback;
  const bool bound = ::bind(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0;
  ::close(fd);
  return bound;
}

// Sends bytes as they are and returns the beginning of the answer, its headers included.
std::string exchange_raw(int port, const std::string& bytes) {
  const int fd = ::socket(AF_INET, SOCK_STREAM, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  REQUIRE(::connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0);
  CHECK(::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL) == static_cast<ssize_t>(bytes.size()));
  std::string answer;
  char buffer[4096];
  for (ssize_t n = 0; (n = ::recv(fd, buffer, sizeof buffer, 0)) > 0;) {
    answer.append(buffer, static_cast<size_t>(n));
    if (answer.find("\r\n\r\n") != std::string::npos) break;
  }
  ::close(fd);
  return answer;
}

TEST_CASE("localhost answers on both loopback addresses") {
  McpFixture f;
  const auto server = start(f);
  CHECK(server->url().starts_with("http://localhost:"));
  std::vector<const char*> hosts = {"127.0.0.1"};
  if (has_ipv6_loopback()) hosts.push_back("::1");
  for (const char* host : hosts) {
    httplib::Client client(host, port_of(*server));
    client.set_default_headers({{"Host", "localhost"}});
    for (const char* path : {"/", "/mcp", "/mcp/"}) {
      const auto reply = client.Post(path, kPing, "application/json");
      REQUIRE(reply);
      CHECK(reply->status == 200);
      CHECK(reply->body == kPong);
      CHECK(reply->get_header_value("Content-Type") == "application/json");
    }
  }
}

TEST_CASE("every method reaches the endpoint, on one connection") {
  McpFixture f;
  const auto server = start(f);
  httplib::Client client("127.0.0.1", port_of(*server));
  client.set_keep_alive(true);
  for (int round = 0; round < 2; ++round) {
    CHECK(client.Get("/mcp")->status == 405);
    CHECK(client.Delete("/mcp")->status == 405);
    CHECK(client.Delete("/mcp", "{}", "application/json")->status == 405);
    CHECK(client.Put("/mcp", "{}", "application/json")->status == 405);
    CHECK(client.Patch("/mcp", "{}", "application/json")->status == 405);
    CHECK(client.Options("/mcp")->status == 405);
    CHECK(client.Head("/mcp/tools")->status == 200);
    CHECK(client.Get("/nowhere")->body == R"({"error":"not_found"})");
    CHECK(client.Post("/nowhere", "x", "text/plain")->status == 404);
    CHECK(client.Post("/mcp", "{}", "text/plain")->status == 415);
    CHECK(client.Post("/mcp", kPing, "application/json")->body == kPong);
  }
}

TEST_CASE("query parameters arrive decoded") {
  McpFixture f;
  const auto server = start(f, "127.0.0.1");
  httplib::Client client("127.0.0.1", port_of(*server));
  const auto reply = client.Get("/mcp/tools/litestream_ltx?database=%2Fdata%2Fapp.db&limit=2");
  REQUIRE(reply);
  CHECK(reply->status == 200);
  CHECK(Json(reply->body).at("/files").get_array().size() == 2);
}

TEST_CASE("long bodies are refused, and the connection stays in step") {
  McpFixture f;
  const auto server = start(f);
  httplib::Client client("127.0.0.1", port_of(*server));
  client.set_keep_alive(true);
  const std::string too_long(kRpcMessageBytesMax + 1, ' ');
  const std::string longest =
      std::string(kRpcMessageBytesMax - std::string(kPing).size(), ' ') + kPing;
  for (int round = 0; round < 2; ++round) {
    CHECK(client.Post("/mcp", too_long, "application/json")->status == 413);
    CHECK(client.Post("/mcp", longest, "application/json")->body == kPong);
    const auto chunked = client.Post(
        "/mcp",
        [&](size_t, httplib::DataSink& sink) {
          for (int i = 0; i < 2; ++i) sink.write(too_long.data(), too_long.size());
          sink.done();
          return true;
        },
        "application/json");
    REQUIRE(chunked);
    CHECK(chunked->status == 413);
    CHECK(client.Post("/mcp", kPing, "application/json")->body == kPong);
  }
}

TEST_CASE("compressed and multipart bodies") {
  McpFixture f;
  const auto server = start(f);
  httplib::Client client("127.0.0.1", port_of(*server));
  client.set_keep_alive(true);
  client.set_compress(true);
  CHECK(client.Post("/mcp", kPing, "application/json")->status == 415);
  client.set_compress(false);
  const httplib::MultipartFormDataItems items = {{"a", "b", "c.txt", "text/plain"}};
  CHECK(client.Post("/mcp", items)->status == 415);
  CHECK(client.Post("/mcp", kPing, "application/json")->body == kPong);
}

TEST_CASE("raw requests that clients do not send") {
  McpFixture f;
  const auto server = start(f);
  const int port = port_of(*server);
  CHECK(exchange_raw(port, "nonsense\r\n\r\n").find("400") != std::string::npos);
  CHECK(exchange_raw(port, "GET /mcp/tools HTTP/1.1\r\nHost: evil.com\r\nConnection: close\r\n\r\n")
            .find("403") != std::string::npos);
  const std::string long_path(8000, 'a');
  CHECK(exchange_raw(port, "POST /" + long_path +
                               " HTTP/1.1\r\nHost: localhost\r\nContent-Length: 2\r\n"
                               "Connection: close\r\n\r\n{}")
            .find("404") != std::string::npos);
  CHECK(
      exchange_raw(port, "GET /" + std::string(9000, 'a') + " HTTP/1.1\r\nHost: localhost\r\n\r\n")
          .find("414") != std::string::npos);
  const std::string ping =
      "POST /%0A/../mcp HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n"
      "Connection: close\r\n\r\n";
  CHECK(exchange_raw(port, ping).find("404") != std::string::npos);
}

TEST_CASE("many clients at once") {
  McpFixture f;
  const auto server = start(f);
  const int port = port_of(*server);
  // What the HTTP library sets up at its first request; the thread sanitizer does not see that it
  // does so once, since the library is not instrumented.
  REQUIRE(httplib::Client("127.0.0.1", port).Get("/mcp/tools"));
  std::atomic<int> answered{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 16; ++i) {
    threads.emplace_back([&] {
      httplib::Client client("127.0.0.1", port);
      client.set_keep_alive(true);
      for (int j = 0; j < 20; ++j) {
        const auto reply = client.Get("/mcp/tools/litestream_ltx?database=/data/app.db");
        if (reply && reply->status == 200) answered.fetch_add(1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  CHECK(answered == 16 * 20);
}

TEST_CASE("a port in use is a clear error") {
  McpFixture f;
  const auto server = start(f);
  const int port = port_of(*server);
  for (const char* host : {"localhost", "127.0.0.1"}) {
    const auto second = HttpServer::start({host, port}, *f.endpoint);
    REQUIRE_FALSE(second.ok());
    CHECK(second.status().message() == std::string("listen on ") + host + ":" +
                                           std::to_string(port) +
                                           ": the port is in use by another program");
  }
  const auto foreign = HttpServer::start({"192.0.2.1", 0}, *f.endpoint);
  CHECK_FALSE(foreign.ok());
}

TEST_CASE("a restore that runs is interrupted by shut_down") {
  McpFixture f;
  test::set_fake_databases({"/data/slow.db"});
  const auto server = start(f);
  std::atomic<int> status{0};
  std::thread waiting([&] {
    httplib::Client client("127.0.0.1", port_of(*server));
    client.set_read_timeout(30);
    const auto reply = client.Post("/mcp/tools/litestream_restore",
                                   R"({"database":"/data/slow.db","output":"/nonexistent/x"})",
                                   "application/json");
    status = reply ? reply->status : -1;
  });
  while (server->drain(0)) std::this_thread::yield();  // until the request is being answered
  server->stop_listening();
  bool drained = false;
  for (int i = 0; i < 1000 && !drained; ++i) {
    f.pool.shut_down();
    drained = server->drain(10);
  }
  CHECK(drained);
  waiting.join();
  CHECK(status == 422);
}

TEST_CASE("addresses") {
  const auto parsed = parse_listen_address("[::1]:8080");
  REQUIRE(parsed.ok());
  CHECK(parsed->host == "::1");
  CHECK(parsed->port == 8080);
  CHECK(parse_listen_address(":0")->host.empty());
  CHECK(parse_listen_address("localhost:65535")->port == 65535);
  for (const char* text : {"", "localhost", "8080", "localhost:", "localhost:x", "localhost:65536",
                           "::1:80", "localhost:-1", "a:1234567"}) {
    CAPTURE(text);
    CHECK_FALSE(parse_listen_address(text).ok());
  }
  CHECK(is_loopback({"localhost", 1}));
  CHECK(is_loopback({"127.0.0.1", 1}));
  CHECK_FALSE(is_loopback({"", 1}));
  CHECK_FALSE(is_loopback({"0.0.0.0", 1}));
}

}  // namespace
}  // namespace litestream
