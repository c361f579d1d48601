// The protocol, message by message, in both eras.
#include "mcp/mcp_server.h"

#include "tests/mcp/json_check.h"
#include "tests/mcp/mcp_fixture.h"
#include "tests/support/prng.h"

namespace litestream {
namespace {

using test::Json;
using test::McpFixture;

std::string request(const std::string& method, const std::string& params = "{}") {
  return R"({"jsonrpc":"2.0","id":1,"method":")" + method + R"(","params":)" + params + "}";
}

struct Client {
  McpReply send(const std::string& body) {
    McpRequest message;
    message.body = body;
    const McpHeaders headers = {session_id, protocol_version, method, name, {}};
    message.headers = &headers;
    McpReply reply = fixture.server->handle(message, exchange);
    CHECK(reply.body.find('\n') == std::string::npos);
    return reply;
  }
  Json answer(const std::string& body) {
    const McpReply reply = send(body);
    CHECK(reply.http_status == 200);
    return Json(reply.body);
  }

  McpFixture fixture;
  test::KeptExchange exchange;
  std::optional<std::string> session_id, protocol_version, method, name;
};

TEST_CASE("initialize agrees on a version") {
  Client client;
  for (const std::string version : {"2025-11-25", "2025-06-18", "2025-03-26", "2024-11-05"}) {
    const Json json =
        client.answer(request("initialize", R"({"protocolVersion":")" + version + "\"}"));
    CHECK(json.text("/result/protocolVersion") == version);
  }
  for (const std::string version : {"2026-07-28", "1.0", "2099-01-01"}) {
    const McpReply reply =
        client.send(request("initialize", R"({"protocolVersion":")" + version + "\"}"));
    const Json json(reply.body);
    CHECK(json.text("/result/protocolVersion") == "2025-11-25");
    CHECK(json.text("/result/serverInfo/name") == "litestream");
    CHECK(json.has("/result/capabilities/tools"));
    CHECK(reply.new_session_id.size() == 32);
  }
  CHECK(client.answer(request("initialize")).integer("/error/code") == kRpcInvalidParams);
}

TEST_CASE("sessions are optional, but a wrong one is 404") {
  Client client;
  const McpReply reply = client.send(request("initialize", R"({"protocolVersion":"2025-11-25"})"));
  CHECK(client.answer(request("ping")).raw("/result") == "{}");
  client.session_id = reply.new_session_id;
  CHECK(client.answer(request("ping")).raw("/result") == "{}");
  CHECK(client.send(R"({"jsonrpc":"2.0","method":"notifications/initialized"})").http_status ==
        202);
  CHECK(client.fixture.server->end_session(reply.new_session_id));
  const McpReply gone = client.send(request("ping"));
  CHECK(gone.http_status == 404);
  CHECK(Json(gone.body).integer("/id") == 1);
  // A new handshake is welcome with the old id still in the header.
  CHECK(client.send(request("initialize", R"({"protocolVersion":"2025-11-25"})")).http_status ==
        200);
}

TEST_CASE("the version header is checked after the handshake") {
  Client client;
  client.protocol_version = "2025-06-18";
  CHECK(client.send(request("ping")).http_status == 200);
  for (const char* version : {"2023-01-01", "v999.0.0", ""}) {
    client.protocol_version = version;
    CHECK(client.send(request("ping")).http_status == 400);
    CHECK(client.send(request("initialize", R"({"protocolVersion":"2025-11-25"})")).http_status ==
          200);
  }
}

TEST_CASE("notifications and responses are accepted without a body") {
  Client client;
  for (const char* body : {R"({"jsonrpc":"2.0","method":"notifications/initialized"})",
                           R"({"jsonrpc":"2.0","method":"notifications/whatever"})",
                           R"({"jsonrpc":"2.0","id":7,"result":{}})"}) {
    const McpReply reply = client.send(body);
    CHECK(reply.http_status == 202);
    CHECK(reply.body.empty());
  }
}

TEST_CASE("tools/list shows every tool") {
  Client client;
  for (const char* params : {"{}", R"({"cursor":""})"}) {
    const Json json = client.answer(request("tools/list", params));
    CHECK(json.at("/result/tools").get_array().size() == 15);
    CHECK(json.text("/result/tools/0/name") == "litestream_databases");
    CHECK_FALSE(json.has("/result/ttlMs"));
    CHECK_FALSE(json.has("/result/resultType"));
  }
  CHECK(client.answer(R"({"jsonrpc":"2.0","id":"x","method":"tools/list"})").text("/id") == "x");
  CHECK(client.answer(request("tools/list", R"({"cursor":"z"})")).integer("/error/code") ==
        kRpcInvalidParams);
}

TEST_CASE("tools/call answers structured content and the same as text") {
  Client client;
  const Json json = client.answer(request(
      "tools/call", R"({"name":"litestream_ltx","arguments":{"database":"/data/app.db"}})"));
  CHECK(json.text("/result/content/0/type") == "text");
  CHECK(json.text("/result/content/0/text") == json.raw("/result/structuredContent"));
  CHECK(json.text("/result/content/1/text") == "3 of 3, TXIDs 0000000000000001..0000000000000003");
  CHECK(bool(json.at("/result/isError")) == false);
  CHECK(json.has("/result/structuredContent/files/2/created_at"));
  CHECK(client.answer(request("tools/call", R"({"name":"litestream_version"})"))
            .text("/result/structuredContent/version") == "0.1.0");
}

TEST_CASE("a failing tool is a result, a wrong call is an error") {
  Client client;
  for (const char* params :
       {R"({"name":"litestream_ltx","arguments":{}})",
        R"({"name":"litestream_ltx","arguments":{"database":7}})",
        R"({"name":"litestream_ltx","arguments":{"database":"/nope"}})",
        R"({"name":"litestream_ltx","arguments":{"database":"/data/app.db","x":1}})"}) {
    const Json json = client.answer(request("tools/call", params));
    CHECK(bool(json.at("/result/isError")));
    CHECK_FALSE(json.text("/result/content/0/text").empty());
    CHECK_FALSE(json.has("/result/structuredContent"));
  }
  for (const char* params : {"{}", R"({"name":7})", R"({"name":"litestream_nope"})",
                             R"({"name":"litestream_ltx","arguments":[]})"}) {
    CHECK(client.answer(request("tools/call", params)).integer("/error/code") == kRpcInvalidParams);
  }
}

TEST_CASE("unknown methods and log levels") {
  Client client;
  for (const char* method : {"server/discover", "subscriptions/listen", "nope"}) {
    CHECK(client.answer(request(method)).integer("/error/code") == kRpcMethodNotFound);
  }
  CHECK(client.answer(request("logging/setLevel", R"({"level":"debug"})")).raw("/result") == "{}");
  CHECK(client.answer(request("logging/setLevel", R"({"level":"loud"})")).integer("/error/code") ==
        kRpcInvalidParams);
}

TEST_CASE("malformed messages are 400 without an id") {
  Client client;
  const McpReply parse_error = client.send("{");
  CHECK(parse_error.http_status == 400);
  CHECK(Json(parse_error.body).integer("/error/code") == kRpcParseError);
  CHECK_FALSE(Json(parse_error.body).has("/id"));
  const McpReply batch = client.send("[]");
  CHECK(batch.http_status == 400);
  CHECK(Json(batch.body).integer("/error/code") == kRpcInvalidRequest);
}

// The stateless era.

std::string stateless(const std::string& method, std::string params = "{}",
                      const std::string& version = "2026-07-28",
                      const std::string& more_meta = "") {
  const std::string meta = R"("_meta":{"io.modelcontextprotocol/protocolVersion":")" + version +
                           R"(","io.modelcontextprotocol/clientCapabilities":{})" + more_meta + "}";
  params.insert(1, meta + (params == "{}" ? "" : ","));
  return request(method, params);
}

struct StatelessClient : Client {
  explicit StatelessClient(const std::string& method_header = "tools/list") {
    protocol_version = "2026-07-28";
    method = method_header;
  }
  // HTTP status and error code of a refusal.
  std::pair<int, int64_t> refusal(const std::string& body) {
    const McpReply reply = send(body);
    const Json json(reply.body);
    CHECK(json.integer("/id") == 1);
    return {reply.http_status, json.integer("/error/code")};
  }
};

TEST_CASE("stateless: discover, list and call need no handshake") {
  StatelessClient client("server/discover");
  const Json discovered = client.answer(stateless("server/discover"));
  CHECK(discovered.raw("/result/supportedVersions") == R"(["2026-07-28"])");
  CHECK(discovered.text("/result/resultType") == "complete");
  CHECK(discovered.text("/result/cacheScope") == "public");
  client.method = "tools/list";
  const Json list = client.answer(stateless("tools/list"));
  CHECK(list.integer("/result/ttlMs") > 0);
  CHECK(list.has("/result/tools/14"));
  client.method = "tools/call";
  client.name = "litestream_version";
  const Json called = client.answer(stateless("tools/call", R"({"name":"litestream_version"})"));
  CHECK(called.text("/result/structuredContent/version") == "0.1.0");
  CHECK(called.text("/result/resultType") == "complete");
  CHECK(called.at("/result/_meta").is_object());
  client.session_id = "whatever";  // ignored
  CHECK(client.send(stateless("tools/call", R"({"name":"litestream_version"})")).http_status ==
        200);
}

TEST_CASE("stateless: version and capabilities") {
  StatelessClient client;
  const std::pair<int, int64_t> invalid_params = {400, kRpcInvalidParams};
  CHECK(client.refusal(request("tools/list")) == invalid_params);
  CHECK(client.refusal(
            request("tools/list", R"({"_meta":{"io.modelcontextprotocol/protocolVersion":7}})")) ==
        invalid_params);
  CHECK(
      client.refusal(request(
          "tools/list", R"({"_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}})")) ==
      invalid_params);
  CHECK(client.refusal(stateless("tools/list", "{}", "2026-07-28",
                                 R"(,"io.modelcontextprotocol/logLevel":"loud")")) ==
        invalid_params);
  CHECK(client.refusal(stateless("tools/list", "{}", "2027-01-01")) ==
        std::pair<int, int64_t>{400, -32020});
  client.protocol_version = "2027-01-01";
  const McpReply unsupported = client.send(stateless("tools/list", "{}", "2027-01-01"));
  CHECK(unsupported.http_status == 400);
  CHECK(Json(unsupported.body).raw("/error/data") ==
        R"({"supported":["2026-07-28"],"requested":"2027-01-01"})");
  client.protocol_version.reset();
  CHECK(client.refusal(stateless("tools/list")) == std::pair<int, int64_t>{400, -32020});
}

TEST_CASE("stateless: headers must agree with the body") {
  StatelessClient client("tools/call");
  const std::pair<int, int64_t> mismatch = {400, -32020};
  const std::string call = stateless("tools/call", R"({"name":"litestream_version"})");
  CHECK(client.refusal(call) == mismatch);
  for (const char* name : {"litestream_ltx", "LITESTREAM_VERSION", "=?base64?!!!!?=",
                           "=?base64?bGl0ZXN0cmVhbV92ZXJzaW9u?", "=?base64?bGl0?="}) {
    client.name = name;
    CHECK(client.refusal(call) == mismatch);
  }
  for (const char* name :
       {"litestream_version", " litestream_version\t", "=?base64?bGl0ZXN0cmVhbV92ZXJzaW9u?="}) {
    client.name = name;
    CHECK(client.send(call).http_status == 200);
  }
  client.method = "tools/list";
  CHECK(client.refusal(call) == mismatch);
  client.method = "Tools/Call";
  CHECK(client.refusal(call) == mismatch);
  client.method.reset();
  CHECK(client.refusal(call) == mismatch);
}

TEST_CASE("stateless: removed methods are 404") {
  for (const char* method :
       {"initialize", "ping", "logging/setLevel", "resources/subscribe", "resources/unsubscribe"}) {
    StatelessClient client(method);
    CHECK(client.refusal(stateless(method)) == std::pair<int, int64_t>{404, kRpcMethodNotFound});
  }
  StatelessClient client;
  client.method.reset();
  CHECK(client
            .send(R"({"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":1,)"
                  R"("_meta":{"io.modelcontextprotocol/protocolVersion":"2026-07-28"}}})")
            .http_status == 202);
}

// Damaged messages never stop the server, and every answer is one line of valid JSON.
TEST_CASE("random damage") {
  auto prng = test::Prng::announced("mcp_server", 42);
  Client client;
  const std::string whole = stateless(
      "tools/call", R"({"name":"litestream_ltx","arguments":{"database":"/data/app.db"}})");
  for (int i = 0; i < 3000; ++i) {
    std::string body = whole;
    for (uint64_t count = prng.between(1, 4); count > 0; --count) {
      const size_t at = prng.below(body.size());
      if (prng.chance(3)) {
        body.erase(at, prng.between(1, 8));
      } else {
        body[at] =
            prng.chance(2) ? static_cast<char>(prng.next()) : whole[prng.below(whole.size())];
      }
      if (body.empty()) break;
    }
    CAPTURE(prng.seed(), i, body);
    const McpReply reply = client.send(body);
    if (!reply.body.empty()) CHECK_NOTHROW(Json(reply.body));
    CHECK((reply.http_status == 200 || reply.http_status == 202 || reply.http_status == 400 ||
           reply.http_status == 404));
  }
}

}  // namespace
}  // namespace litestream
