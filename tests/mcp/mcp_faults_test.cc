// What hostile or careless clients do, one test per entry of the fault list (section J).
#include <sys/resource.h>

#include <filesystem>
#include <fstream>

#include "mcp/http_server.h"
#include "mcp/mcp_service.h"
#include "tests/mcp/mcp_client.h"
#include "tests/mcp/raw_socket.h"
#include "tests/support/heap_in_use.h"
#include "tests/support/prng.h"
#include "tests/support/temp_dir.h"

namespace litestream {
namespace {

using test::call_params;
using test::Json;
using test::KeptExchange;
using test::McpClient;
using test::McpFixture;
using test::RawSocket;
using test::request;
using test::with_meta;

EndpointRequest http(const std::string& method, const std::string& path,
                     const std::string& body = "", HttpHeaders headers = {}) {
  EndpointRequest made{method, path, {}, std::move(headers), body, false};
  if (made.header("Host") == nullptr) made.headers.emplace_back("Host", "localhost:8080");
  if (made.header("Content-Type") == nullptr) {
    made.headers.emplace_back("Content-Type", "application/json");
  }
  return made;
}

int status_of(McpFixture& f, const EndpointRequest& request) {
  KeptExchange exchange;
  return f.endpoint->handle(request, exchange).status;
}

std::string restore_body(const std::string& output, const std::string& database = "/data/app.db") {
  return R"({"database":")" + database + R"(","output":")" + output + "\"}";
}

TEST_CASE("J1: foreign origin or host, no token, wrong token") {
  HttpAccess::Options access;
  access.token = "secret";
  McpFixture f(access);
  const test::TempDir dir;
  const std::string body = restore_body(dir.file("a.db"));
  const std::string tool = "/mcp/tools/litestream_restore";
  const std::string call = request("tools/call", call_params("litestream_restore", body));
  for (const auto& [path, text] : {std::pair{tool, body}, std::pair{std::string("/mcp"), call}}) {
    CHECK(status_of(f, http("POST", path, text)) == 401);
    CHECK(status_of(f, http("POST", path, text, {{"Authorization", "Bearer wrong"}})) == 401);
    CHECK(status_of(f, http("POST", path, text,
                            {{"Authorization", "Bearer secret"}, {"Origin", "http://evil.com"}})) ==
          403);
    CHECK(status_of(f, http("POST", path, text,
                            {{"Authorization", "Bearer secret"}, {"Host", "evil.com"}})) == 403);
  }
  CHECK(std::filesystem::is_empty(dir.path()));
  KeptExchange exchange;
  const HttpReply refused = f.endpoint->handle(http("POST", "/mcp", call), exchange);
  CHECK(find_header(refused.headers, "WWW-Authenticate")->starts_with("Bearer"));
  CHECK(refused.body.find("secret") == std::string::npos);
  // Nothing that looks like a place to log in.
  CHECK(status_of(f, http("GET", "/.well-known/oauth-protected-resource")) == 404);
  CHECK(status_of(f, http("POST", "/mcp", call, {{"Authorization", "Bearer secret"}})) == 200);
  CHECK(std::filesystem::exists(dir.file("a.db")));
}

TEST_CASE("J1b: a page that can only send simple requests changes nothing") {
  McpFixture f;
  const test::TempDir dir;
  const std::string tool = "/mcp/tools/litestream_restore";
  const std::string body = restore_body(dir.file("a.db"));
  EndpointRequest image = http("GET", tool);
  image.query = {{"database", "/data/app.db"}, {"output", dir.file("a.db")}};
  CHECK(status_of(f, image) == 405);
  for (const char* type :
       {"text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"}) {
    CHECK(status_of(f, http("POST", tool, body, {{"Content-Type", type}})) == 415);
    CHECK(status_of(f, http("POST", "/mcp",
                            request("tools/call", call_params("litestream_restore", body)),
                            {{"Content-Type", type}})) == 415);
  }
  CHECK(status_of(f, http("POST", tool, body, {{"Sec-Fetch-Site", "cross-site"}})) == 403);
  CHECK(std::filesystem::is_empty(dir.path()));
}

TEST_CASE("J1b: URLs that nobody configured are refused, whichever way they are named") {
  McpFixture f;
  McpClient client(*f.server);
  client.initialize();
  for (const std::string url :
       {"s3://x?endpoint=http://evil", "file:///", "file:///etc", "FILE:///", "sftp://evil/x"}) {
    const std::string database = R"({"database":")" + url + "\"}";
    for (const char* tool : {"litestream_ltx", "litestream_snapshots", "litestream_verify",
                             "litestream_restore_points", "litestream_plan", "litestream_sync",
                             "litestream_status", "litestream_generations", "litestream_reset"}) {
      CAPTURE(url, tool);
      const Json reply = client.answer(request("tools/call", call_params(tool, database)));
      CHECK(bool(reply.at("/result/isError")));
      CHECK(reply.text("/result/content/0/text") ==
            "database is not configured; known: /data/app.db");
    }
    CHECK(client
              .answer(request("resources/subscribe",
                              R"({"uri":"litestream://db/)" + url + "/status\"}"))
              .has("/error"));
  }
  // What was not there is not opened to render a prompt either.
  const Json prompt = client.answer(request(
      "prompts/get", R"({"name":"check_backup_health","arguments":{"database":"s3://x"}})"));
  CHECK(prompt.text("/result/messages/0/content/text").find("[]") != std::string::npos);
  McpSettings open;
  open.allow_urls = true;
  McpFixture wide({}, open);
  McpClient guest(*wide.server);
  guest.initialize();
  CHECK_FALSE(bool(guest
                       .answer(request("tools/call", call_params("litestream_ltx",
                                                                 R"({"database":"file:///x"})")))
                       .at("/result/isError")));
}

TEST_CASE("J2: restores leave the restore folder by no path") {
  const test::TempDir dir;
  const std::string inside = dir.file("restores");
  std::filesystem::create_directory(inside);
  std::filesystem::create_directory_symlink(dir.path(), inside + "/out");
  McpSettings settings;
  settings.restore_dir = inside;
  McpFixture f({}, settings);
  McpClient client(*f.server);
  client.initialize();
  const auto restore = [&](const std::string& output) {
    return client.answer(
        request("tools/call", call_params("litestream_restore", restore_body(output))));
  };
  for (const std::string output :
       {"../a.db", "out/a.db", "/tmp/a.db", "./../a.db", "a.db-wal", "a.db-shm", "A.DB-JOURNAL"}) {
    CAPTURE(output);
    CHECK(bool(restore(output).at("/result/isError")));
  }
  const size_t entries =
      static_cast<size_t>(std::distance(std::filesystem::directory_iterator(dir.path()), {}));
  CHECK(entries == 1);
  const Json done = restore("a.db");
  CHECK_FALSE(bool(done.at("/result/isError")));
  CHECK(std::filesystem::exists(inside + "/a.db"));
  CHECK(bool(restore("a.db").at("/result/isError")));  // it exists now
}

TEST_CASE("J2: a read-only server shows and runs nothing that writes") {
  McpSettings settings;
  settings.read_only = true;
  McpFixture f({}, settings);
  const test::TempDir dir;
  McpClient client(*f.server);
  client.initialize();
  const std::string tools = client.send(request("tools/list")).body;
  for (const char* tool :
       {"litestream_restore", "litestream_sync", "litestream_snapshot", "litestream_reset"}) {
    CAPTURE(tool);
    CHECK(tools.find("\"" + std::string(tool) + "\"") == std::string::npos);
    const Json reply =
        client.answer(request("tools/call", call_params(tool, restore_body(dir.file("a.db")))));
    CHECK(reply.integer("/error/code") == kRpcInvalidParams);
    CHECK(reply.text("/error/message").find("mcp-read-only") != std::string::npos);
    CHECK(status_of(f, http("POST", "/mcp/tools/" + std::string(tool),
                            restore_body(dir.file("a.db")))) == 404);
  }
  CHECK(tools.find("\"litestream_verify\"") != std::string::npos);
  CHECK(std::filesystem::is_empty(dir.path()));
}

TEST_CASE("J2: without a restore folder any new path, but never an existing file") {
  McpFixture f;
  const test::TempDir dir;
  std::ofstream(dir.file("precious.db")) << "precious";
  McpClient client(*f.server);
  client.initialize();
  for (const char* overwrite : {"", R"(,"overwrite":true)"}) {
    std::string body = restore_body(dir.file("precious.db"));
    body.insert(body.size() - 1, overwrite);
    CHECK(bool(client.answer(request("tools/call", call_params("litestream_restore", body)))
                   .at("/result/isError")));
  }
  CHECK(std::filesystem::file_size(dir.file("precious.db")) == 8);
  CHECK_FALSE(bool(client
                       .answer(request("tools/call", call_params("litestream_restore",
                                                                 restore_body(dir.file("new.db")))))
                       .at("/result/isError")));
}

TEST_CASE("J2: a client never makes the server read another configuration") {
  McpFixture f;
  McpClient client(*f.server);
  client.initialize();
  const auto call = [&](const std::string& config) {
    return client.answer(request(
        "tools/call", call_params("litestream_databases", R"({"config":")" + config + "\"}")));
  };
  CHECK_FALSE(bool(call("/etc/fake.yml").at("/result/isError")));
  CHECK_FALSE(bool(call("/etc/../etc/fake.yml").at("/result/isError")));
  for (const char* config : {"/etc/passwd", "fake.yml", "/etc/fake.yml/../passwd"}) {
    const Json refused = call(config);
    CHECK(bool(refused.at("/result/isError")));
    CHECK(refused.text("/result/content/0/text").find("/etc/fake.yml") != std::string::npos);
  }
}

TEST_CASE("J3: one port, many workers: one listens, the others say why not") {
  test::install_fake_extension();
  test::set_fake_databases({"/data/app.db"});
  auto first = start_mcp_service("localhost:0", {}, {});
  REQUIRE(first.ok());
  const std::string url = (*first)->url();
  const std::string address = url.substr(std::string("http://").size());
  std::atomic<int> refused{0};
  std::vector<std::thread> workers;
  for (int i = 0; i < 4; ++i) {
    workers.emplace_back([&] {
      const auto other = start_mcp_service(address, {}, {});
      if (!other.ok() && other.status().message().find("the port is in use") != std::string::npos) {
        refused.fetch_add(1);
      }
    });
  }
  for (std::thread& worker : workers) worker.join();
  CHECK(refused == 4);
  RawSocket socket(std::stoi(url.substr(url.rfind(':') + 1)));
  const std::string body = request("ping");
  socket.send(
      "POST / HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: " +
      std::to_string(body.size()) + "\r\n\r\n" + body);
  CHECK(socket.read_until("\"result\"").find("200 OK") != std::string::npos);
}

TEST_CASE("J4: a gigabyte, deep JSON and a thousand sessions") {
  McpFixture f;
  auto server = HttpServer::start({"127.0.0.1", 0}, *f.endpoint);
  REQUIRE(server.ok());
  const std::string url = (*server)->url();
  const int port = std::stoi(url.substr(url.rfind(':') + 1));
  RawSocket gigabyte(port);
  gigabyte.send(
      "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
      "Content-Length: 1073741824\r\n\r\n" +
      std::string(1 << 20, ' '));
  CHECK(gigabyte.read_all().starts_with("HTTP/1.1 413"));
  KeptExchange exchange;
  const std::string deep = std::string(100'000, '[') + std::string(100'000, ']');
  CHECK(status_of(f, http("POST", "/mcp",
                          R"({"jsonrpc":"2.0","id":1,"method":"ping","params":{"x":)" + deep +
                              "}}")) == 400);
  CHECK(status_of(f, http("POST", "/mcp/tools/litestream_ltx", deep)) == 400);
  for (size_t i = 0; i < kMcpSessionCountMax + 100; ++i) {
    McpClient client(*f.server);
    client.initialize();
  }
  CHECK(f.server->session_count() == kMcpSessionCountMax);
  McpClient client(*f.server);
  client.initialize();
  CHECK(client.answer(request("ping")).raw("/result") == "{}");
}

TEST_CASE("J4: tools wait their turn, and not for ever") {
  McpFixture f;
  test::set_fake_databases({"/data/slow.db"});
  SessionPool pool({}, 50);
  auto tools = Tools::create(pool);
  REQUIRE(tools.ok());
  const ToolDefinition* restore = (*tools)->find("litestream_restore");
  std::vector<std::thread> threads;
  std::vector<Cancellation> cancellations(kJobCountMax);
  for (size_t i = 0; i < kJobCountMax; ++i) {
    threads.emplace_back([&, i] {
      const auto ignored = (*tools)->run(
          *restore, {{"database", std::string("/data/slow.db")}, {"output", std::string("/x/y")}},
          cancellations[i]);
      CHECK(ignored.status().code() == StatusCode::kCancelled);
    });
  }
  while (test::fake_waiting_count() != static_cast<int>(kJobCountMax)) std::this_thread::yield();
  Cancellation unused;
  const auto refused = (*tools)->run(
      *restore, {{"database", std::string("/data/slow.db")}, {"output", std::string("/x/y")}},
      unused);
  CHECK(refused.status().code() == StatusCode::kBusy);
  CHECK(refused.status().message().find("litestream_jobs") != std::string::npos);
  // What is quick goes on meanwhile.
  CHECK((*tools)->run(*(*tools)->find("litestream_version"), {}, unused).ok());
  for (Cancellation& cancellation : cancellations) cancellation.cancel();
  for (std::thread& thread : threads) thread.join();
}

TEST_CASE("J5: nothing that is shown holds a secret") {
  test::install_fake_extension();
  test::set_fake_databases({"/data/app.db"});
  McpSettings settings;
  settings.token = "token-s3cr3t";
  std::vector<GivenSource> given = {
      {"s3://bucket/app", "s3://key:url-s3cr3t@bucket/app?sse-customer-key=url-s3cr3t", "s3"}};
  SessionPool pool(given);
  auto tools = Tools::create(pool, settings);
  REQUIRE(tools.ok());
  auto features = LitestreamFeatures::create(**tools, given);
  REQUIRE(features.ok());
  McpServer server(**features);
  McpClient client(server);
  client.initialize();
  std::string all;
  for (const char* method : {"tools/list", "prompts/list", "resources/list"}) {
    all += client.send(request(method)).body;
  }
  for (const ToolDefinition& tool : (*tools)->all()) {
    for (const char* arguments : {"{}", R"({"database":"s3://bucket/app"})",
                                  R"({"database":"nope","output":"/nonexistent/x"})"}) {
      all += client.send(request("tools/call", call_params(tool.name, arguments))).body;
    }
  }
  all += client.send(request("resources/read", R"({"uri":"litestream://databases"})")).body;
  all += client.send(request("prompts/get", R"({"name":"check_backup_health"})")).body;
  CHECK(all.find("s3://bucket/app") != std::string::npos);
  CHECK(all.find("s3cr3t") == std::string::npos);
}

// Of each: what the kernel says this process holds.
size_t descriptor_count() {
  return static_cast<size_t>(
      std::distance(std::filesystem::directory_iterator("/proc/self/fd"), {}));
}

class Malformed {
 public:
  explicit Malformed(test::Prng& prng) : prng_(prng) {}
  std::string next() {
    std::string body = kWhole[prng_.below(std::size(kWhole))];
    for (uint64_t count = prng_.between(1, 4); count > 0 && !body.empty(); --count) {
      const size_t at = prng_.below(body.size());
      if (prng_.chance(3)) {
        body.erase(at, prng_.between(1, 8));
      } else {
        body[at] =
            prng_.chance(2) ? static_cast<char>(prng_.next()) : body[prng_.below(body.size())];
      }
    }
    return body;
  }

 private:
  static const std::string kWhole[5];
  test::Prng& prng_;
};
const std::string Malformed::kWhole[5] = {
    request("tools/call",
            with_meta(call_params("litestream_ltx", R"({"database":"/data/app.db"})",
                                  R"(,"requestState":"x","inputResponses":{"a":{}})"))),
    request("initialize", R"({"protocolVersion":"2025-11-25","capabilities":{"elicitation":{}}})"),
    request("subscriptions/listen",
            with_meta(R"({"notifications":{"resourceSubscriptions":["litestream://databases"]}})")),
    request("completion/complete",
            R"({"ref":{"type":"ref/prompt","name":"explain_growth"},"argument":{"name":"database",)"
            R"("value":"/"},"context":{"arguments":{"database":"/data/app.db"}}})"),
    request("tools/call", call_params("litestream_restore_points",
                                      R"({"database":"/data/app.db","limit":3,"config":"x"})"))};

void wait_until_all_left(HttpServer& server, int port) {
  // Who is answered knows that all who came before are accepted, and count.
  {
    RawSocket last(port);
    last.send("GET /mcp/tools HTTP/1.1\r\nHost: localhost\r\n\r\n");
    CHECK(last.read_until("\r\n\r\n").starts_with("HTTP/1.1 200"));
  }
  while (server.reactor().connection_count() != 0) std::this_thread::yield();
}

TEST_CASE("a hundred thousand malformed requests leave a server that serves and leaks nothing") {
  auto prng = test::Prng::announced("malformed", 11);
  McpFixture f;
  test::forbid_fake_restore_writes();
  auto server = HttpServer::start({"127.0.0.1", 0}, *f.endpoint);
  REQUIRE(server.ok());
  const std::string url = (*server)->url();
  const int port = std::stoi(url.substr(url.rfind(':') + 1));
  Malformed malformed(prng);
  size_t sent = 0;
  const auto endpoint_round = [&](size_t count) {
    for (size_t i = 0; i < count; ++i, ++sent) {
      const std::string body = malformed.next();
      EndpointRequest message =
          http("POST", i % 5 == 0 ? "/mcp/tools/litestream_ltx" : "/mcp", body);
      if (i % 3 == 0) {
        message.headers.emplace_back("MCP-Protocol-Version", "2026-07-28");
        message.headers.emplace_back("Mcp-Method", "tools/call");
        message.headers.emplace_back("Mcp-Name", "litestream_ltx");
      }
      KeptExchange exchange;
      const HttpReply reply = f.endpoint->handle(message, exchange);
      if (exchange.stream != nullptr) exchange.stream->close();
      if (reply.body.empty()) continue;
      simdjson::dom::parser parser;
      INFO(prng.seed() << " " << sent << " " << body);
      REQUIRE(parser.parse(reply.body).error() == simdjson::SUCCESS);
    }
  };
  const auto socket_round = [&](size_t count) {
    while (count > 0) {
      RawSocket socket(port);
      std::string bytes;
      for (size_t i = 0; i < 50 && count > 0; ++i, --count, ++sent) {
        const std::string body = malformed.next();
        const size_t length = prng.chance(20) ? prng.below(1000) : body.size();
        bytes +=
            "POST /mcp HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n"
            "Content-Length: " +
            std::to_string(length) + "\r\n\r\n" + body;
        if (prng.chance(20)) bytes[prng.below(bytes.size())] = static_cast<char>(prng.next());
      }
      socket.send(bytes);
      if (prng.chance(2)) socket.close();
    }
  };
  // What a first round sets up once is not a leak.
  endpoint_round(10'000);
  socket_round(2'000);
  const auto settle = [&] { wait_until_all_left(**server, port); };
  settle();
  const size_t descriptors = descriptor_count();
  const size_t heap_bytes = test::heap_in_use_bytes();
  endpoint_round(80'000);
  socket_round(8'000);
  CHECK(sent == 100'000);
  settle();
  CHECK(descriptor_count() <= descriptors);
  CHECK(test::heap_in_use_bytes() < heap_bytes + (4 << 20));
  CHECK((*server)->reactor().shared().buffered_bytes == 0);
  CHECK_FALSE(f.server->listeners().any);
  McpClient client(*f.server);
  client.initialize();
  CHECK(client.answer(request("ping")).raw("/result") == "{}");
  KeptExchange exchange;
  CHECK(f.endpoint->handle(http("GET", "/mcp/tools/litestream_databases"), exchange).status == 200);
}

}  // namespace
}  // namespace litestream
