// Rules of the protocol that are neither of one transport nor seen by the public suite: what the
// eras must not borrow from each other, and the headers that repeat arguments.
#include "mcp/mcp_stateless.h"
#include "tests/mcp/mcp_client.h"

namespace litestream {
namespace {

using test::call_params;
using test::Json;
using test::McpClient;
using test::McpFixture;
using test::request;
using test::with_meta;

const std::pair<const char*, const char*> kEveryMethod[] = {
    {"tools/list", "{}"},
    {"prompts/list", "{}"},
    {"resources/list", "{}"},
    {"resources/templates/list", "{}"},
    {"resources/read", R"({"uri":"litestream://databases"})"},
    {"prompts/get", R"({"name":"check_backup_health"})"},
    {"tools/call", R"({"name":"litestream_version"})"},
    {"completion/complete", R"({"ref":{"type":"ref/prompt","name":"explain_growth"},)"
                            R"("argument":{"name":"database","value":""}})"},
};

TEST_CASE("rules: answers of the handshake era hold nothing of the stateless one") {
  McpFixture f;
  McpClient client(*f.server);
  client.initialize();
  for (const auto& [method, params] : kEveryMethod) {
    CAPTURE(method);
    const Json answer = client.answer(request(method, params));
    CHECK(answer.has("/result"));
    for (const char* member : {"resultType", "ttlMs", "cacheScope", "_meta"}) {
      CHECK_FALSE(answer.has(std::string("/result/") + member));
    }
  }
}

TEST_CASE("rules: answers of the stateless era say that they are whole, and for how long") {
  McpFixture f;
  McpClient client(*f.server);
  client.use_one_session();
  for (const auto& [method, params] : kEveryMethod) {
    CAPTURE(method);
    const Json answer = client.answer(request(method, with_meta(params)));
    CHECK(answer.text("/result/resultType") == "complete");
    CHECK(answer.text("/result/_meta/io.modelcontextprotocol~1serverInfo/name") == "litestream");
    const std::string_view name = method;
    const bool is_cacheable = name.ends_with("/list") || name == "resources/read";
    CHECK(answer.has("/result/ttlMs") == is_cacheable);
    CHECK(answer.has("/result/cacheScope") == is_cacheable);
  }
}

TEST_CASE("rules: tasks are not offered, and a task that is asked for is an ordinary call") {
  McpFixture f;
  McpClient client(*f.server);
  const Json hello = client.answer(
      request("initialize", R"({"protocolVersion":"2025-11-25","capabilities":{"tasks":{}}})"));
  CHECK_FALSE(hello.has("/result/capabilities/tasks"));
  client.initialize();
  const Json called = client.answer(
      request("tools/call", call_params("litestream_version", "{}", R"(,"task":{"ttl":60000})")));
  CHECK(called.text("/result/structuredContent/version") == "0.1.0");
  CHECK_FALSE(called.has("/result/task"));
  CHECK(client.answer(request("tasks/list")).integer("/error/code") == kRpcMethodNotFound);
}

TEST_CASE("rules: a resource that is not there has a code of its own in each era, and its URI") {
  McpFixture f;
  const std::string params = R"({"uri":"litestream://nothing"})";
  McpClient session(*f.server);
  session.initialize();
  const Json old = session.answer(request("resources/read", params));
  CHECK(old.integer("/error/code") == kRpcResourceNotFound);
  CHECK(old.text("/error/data/uri") == "litestream://nothing");
  McpClient stateless(*f.server);
  stateless.use_one_session();
  const Json now = stateless.answer(request("resources/read", with_meta(params)));
  CHECK(now.integer("/error/code") == kRpcInvalidParams);
  CHECK(now.text("/error/data/uri") == "litestream://nothing");
}

TEST_CASE("rules: without a session everything that needs none is served") {
  McpFixture f;
  McpClient client(*f.server);  // no handshake
  for (const auto& [method, params] : kEveryMethod) {
    CAPTURE(method);
    CHECK(client.answer(request(method, params)).has("/result"));
  }
  CHECK(f.server->session_count() == 0);
}

// What check_parameter_headers says of a call with one argument `n`; 0: nothing.
int header_fault(const std::string& arguments, const std::optional<std::string>& value) {
  RpcParser parser;
  RpcError error;
  const auto message = parser.parse(request("tools/call", call_params("t", arguments)), error);
  REQUIRE(message.has_value());
  McpHeaders headers;
  if (value) headers.parameters.emplace_back("region", *value);
  const auto fault = check_parameter_headers(headers, *message, {{"Region", "n"}});
  return fault ? fault->code : 0;
}

TEST_CASE(
    "rules: a header that repeats an argument is there exactly if the argument is, and alike") {
  CHECK(header_fault(R"({"n":"eu"})", "eu") == 0);
  CHECK(header_fault(R"({"n":"eu"})", "=?base64?ZXU=?=") == 0);
  CHECK(header_fault(R"({"n":7})", "7") == 0);
  CHECK(header_fault(R"({"n":7})", "7.0") == 0);  // numbers are compared as numbers
  CHECK(header_fault(R"({"n":true})", "true") == 0);
  CHECK(header_fault("{}", std::nullopt) == 0);
  CHECK(header_fault(R"({"n":null})", std::nullopt) == 0);
  CHECK(header_fault(R"({"n":"eu"})", std::nullopt) == kRpcHeaderMismatch);
  CHECK(header_fault("{}", "eu") == kRpcHeaderMismatch);
  CHECK(header_fault(R"({"n":null})", "null") == kRpcHeaderMismatch);
  for (const char* value :
       {"EU", "us", "", "=?base64?ZXU?=", "=?base64?ZX*=?=", "=?base64?dXM=?="}) {
    CAPTURE(value);
    CHECK(header_fault(R"({"n":"eu"})", value) == kRpcHeaderMismatch);
  }
  for (const char* value : {"8", "seven", "", "7x"}) {
    CAPTURE(value);
    CHECK(header_fault(R"({"n":7})", value) == kRpcHeaderMismatch);
  }
}

}  // namespace
}  // namespace litestream
