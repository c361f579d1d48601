// A client that sends anything. The first byte chooses the way in: '0' a message without headers,
// '1' with the headers of the stateless revision, '2' with a session id that does not exist, '3'
// the body of a POST to a plain tool endpoint, '4' the path of a GET, '5' a message over a
// transport without headers. The rest is the body or the path. What must hold: an answer is empty
// or one line of valid JSON, a status is one of those we mean to send, and a request that parses
// gets its id back unchanged.
#include <simdjson.h>

#include <memory>
#include <optional>
#include <string>

#include "mcp/http_endpoint.h"
#include "mcp/litestream_features.h"
#include "tests/fuzz/fuzz.h"
#include "tests/mcp/fake_extension.h"

namespace {

using namespace litestream;

struct Server {
  Server() {
    test::install_fake_extension();
    test::set_fake_databases({"/data/app.db"});
    test::forbid_fake_restore_writes();
    auto created = Tools::create(pool);
    FUZZ_REQUIRE(created.ok());
    tools = std::move(created).value();
    auto made = LitestreamFeatures::create(*tools, {});
    FUZZ_REQUIRE(made.ok());
    features = std::move(made).value();
    mcp = std::make_unique<McpServer>(*features);
    endpoint = std::make_unique<HttpEndpoint>(*mcp, tools.get(), HttpAccess::Options());
  }
  SessionPool pool{{}};
  std::unique_ptr<Tools> tools;
  std::unique_ptr<LitestreamFeatures> features;
  std::unique_ptr<McpServer> mcp;
  std::unique_ptr<HttpEndpoint> endpoint;
};

void require_one_line_of_json(const std::string& body) {
  if (body.empty()) return;
  FUZZ_REQUIRE(body.find('\n') == std::string::npos);
  simdjson::dom::parser parser;
  FUZZ_REQUIRE(parser.parse(body).error() == simdjson::SUCCESS);
}

// A client that takes streams and reads none of them.
struct Exchange final : HttpExchange {
  void set_accepts_stream(bool) override {}
  bool can_stream() const override { return true; }
  bool send(std::string_view message) override {
    require_one_line_of_json(std::string(message));
    return true;
  }
  std::shared_ptr<McpOutbox> keep_open() override { return nullptr; }
  void watch_client(Cancellation*) override {}
};

void send_message(Server& server, char way, const std::string& body) {
  McpHeaders headers;
  if (way == '1') {
    headers.protocol_version = "2026-07-28";
    headers.method = "tools/call";
    headers.name = "litestream_ltx";
  }
  if (way == '2') headers.session_id = "none";
  McpRequest request;
  request.body = body;
  if (way != '5') request.headers = &headers;
  Exchange exchange;
  const McpReply reply = server.mcp->handle(request, exchange);
  require_one_line_of_json(reply.body);
  const int status = reply.http_status;
  FUZZ_REQUIRE(status == 200 || status == 202 || status == 400 || status == 404 || status == 503);
  RpcParser parser;
  RpcError error;
  const std::optional<RpcMessage> message = parser.parse(body, error);
  if (!message) {
    FUZZ_REQUIRE(status == 400);
  } else if (message->kind == RpcMessage::Kind::kRequest) {
    FUZZ_REQUIRE(reply.body.find("\"id\":" + message->id) != std::string::npos);
  }
}

void send_plain(Server& server, char way, const std::string& rest) {
  EndpointRequest request;
  request.method = way == '3' ? "POST" : "GET";
  request.path = "/mcp/tools/" + (way == '3' ? "litestream_restore" : rest);
  request.headers = {{"Host", "localhost"}, {"Content-Type", "application/json"}};
  if (way == '3') request.body = rest;
  Exchange exchange;
  const HttpReply reply = server.endpoint->handle(request, exchange);
  require_one_line_of_json(reply.body);
  FUZZ_REQUIRE(!reply.body.empty());
  const int status = reply.status;
  FUZZ_REQUIRE(status == 200 || status == 400 || status == 404 || status == 405 || status == 422);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  static Server server;
  if (size == 0) return 0;
  const std::string rest(reinterpret_cast<const char*>(data) + 1, size - 1);
  const char way = static_cast<char>(data[0]);
  if (way == '3' || way == '4') {
    send_plain(server, way, rest);
  } else {
    send_message(server, way, rest);
  }
  return 0;
}
