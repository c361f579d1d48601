// The door: who may come in, what is where, and with which status it answers. No sockets.
#include "mcp/http_endpoint.h"

#include <filesystem>

#include "tests/mcp/json_check.h"
#include "tests/mcp/mcp_fixture.h"
#include "tests/support/temp_dir.h"

namespace litestream {
namespace {

using test::Json;

struct McpFixture : test::McpFixture {
  using test::McpFixture::McpFixture;
  HttpReply handle(const EndpointRequest& request) {
    test::KeptExchange exchange;
    return endpoint->handle(request, exchange);
  }
};

HttpAccess::Options without_host_check() {
  HttpAccess::Options options;
  options.check_host = false;
  return options;
}

constexpr const char* kPing = R"({"jsonrpc":"2.0","id":1,"method":"ping"})";

EndpointRequest get(const std::string& path, QueryParameters query = {}) {
  return {"GET", path, std::move(query), {{"Host", "localhost:8080"}}, "", false};
}

EndpointRequest post(const std::string& path, const std::string& body) {
  return {"POST", path, {}, {{"Host", "localhost:8080"}, {"Content-Type", "application/json"}},
          body,   false};
}

EndpointRequest with_header(EndpointRequest request, const char* name, const char* value) {
  std::erase_if(request.headers, [&](const auto& header) { return header.first == name; });
  request.headers.emplace_back(name, value);
  return request;
}

std::string header(const HttpReply& reply, std::string_view name) {
  for (const auto& [key, value] : reply.headers) {
    if (key == name) return value;
  }
  return "";
}

std::string error_code(const HttpReply& reply) { return Json(reply.body).text("/error/code"); }

TEST_CASE("MCP answers on three paths, everything else is 404 in JSON") {
  McpFixture f;
  for (const char* path : {"/", "/mcp", "/mcp/"}) {
    const HttpReply reply = f.handle(post(path, kPing));
    CHECK(reply.status == 200);
    CHECK(reply.body == R"({"jsonrpc":"2.0","id":1,"result":{}})");
  }
  for (const char* path : {"/.well-known/oauth-authorization-server", "/x", "/mcp/x", "/mcpx", "//",
                           "/mcp/toolsx", ""}) {
    for (const EndpointRequest& request : {get(path), post(path, kPing)}) {
      const HttpReply reply = f.handle(request);
      CHECK(reply.status == 404);
      CHECK(reply.body == R"({"error":"not_found"})");
    }
  }
}

TEST_CASE("other methods are 405 and say which is allowed") {
  McpFixture f;
  // GET and DELETE are for sessions; here there is none.
  for (const char* method : {"GET", "PUT", "PATCH", "OPTIONS", "HEAD", "DELETE"}) {
    EndpointRequest request = post("/mcp", "");
    request.method = method;
    const HttpReply reply = f.handle(request);
    CHECK(reply.status == 405);
    CHECK(header(reply, "Allow") == "POST");
  }
}

TEST_CASE("only names of this machine may be in Host and Origin") {
  McpFixture f;
  for (const char* host : {"localhost", "localhost:8080", "LOCALHOST:1", "127.0.0.1:8080",
                           "127.0.0.2", "[::1]", "[::1]:8080"}) {
    CAPTURE(host);
    CHECK(f.handle(with_header(post("/", kPing), "Host", host)).status == 200);
    const std::string origin = std::string("http://") + host;
    CHECK(f.handle(with_header(post("/", kPing), "Origin", origin.c_str())).status == 200);
  }
  for (const char* host : {"evil.com", "evil.com:8080", "localhost.evil.com", "127.0.0.1.evil.com",
                           "", "localhost:", "localhost:80x", "[::2]", "user@localhost", "::1"}) {
    CAPTURE(host);
    for (const EndpointRequest& request : {post("/", kPing), get("/mcp/tools")}) {
      CHECK(f.handle(with_header(request, "Host", host)).status == 403);
    }
    const std::string origin = std::string("http://") + host;
    CHECK(f.handle(with_header(post("/", kPing), "Origin", origin.c_str())).status == 403);
  }
  for (const char* origin : {"null", "", "localhost", "ftp://localhost", "https://"}) {
    CHECK(f.handle(with_header(post("/", kPing), "Origin", origin)).status == 403);
  }
  CHECK(f.handle(with_header(post("/", kPing), "origin", "http://evil.com")).status == 403);
  EndpointRequest twice = post("/", kPing);
  twice.headers.emplace_back("Host", "evil.com");
  CHECK(f.handle(twice).status == 403);
  EndpointRequest none = post("/", kPing);
  std::erase_if(none.headers, [](const auto& entry) { return entry.first == "Host"; });
  CHECK(f.handle(none).status == 403);
}

TEST_CASE("bound to the network, Host is free and Origin is not") {
  McpFixture f(without_host_check());
  CHECK(f.handle(with_header(post("/", kPing), "Host", "db7:8080")).status == 200);
  CHECK(f.handle(with_header(post("/", kPing), "Origin", "http://evil.com")).status == 403);
}

TEST_CASE("content type, accept and size are checked") {
  McpFixture f;
  const EndpointRequest ping = post("/mcp", kPing);
  for (const char* type :
       {"application/json", "Application/JSON; charset=utf-8", "application/json ;x"}) {
    CHECK(f.handle(with_header(ping, "Content-Type", type)).status == 200);
  }
  for (const char* type : {"text/plain", "application/jsonp", "",
                           "application/x-www-form-urlencoded", "multipart/form-data"}) {
    CHECK(f.handle(with_header(ping, "Content-Type", type)).status == 415);
  }
  for (const char* accept : {"application/json, text/event-stream", "*/*", "application/*", "",
                             "text/event-stream", "Application/JSON"}) {
    CHECK(f.handle(with_header(ping, "Accept", accept)).status == 200);
  }
  CHECK(f.handle(with_header(ping, "Accept", "text/html")).status == 406);
  EndpointRequest long_one = post("/mcp", "");
  long_one.body_too_long = true;
  CHECK(f.handle(long_one).status == 413);
  CHECK(f.handle(post("/mcp", "{")).status == 400);
}

TEST_CASE("sessions end with DELETE") {
  McpFixture f;
  const HttpReply reply = f.handle(post("/", R"({"jsonrpc":"2.0","id":1,"method":"initialize",)"
                                             R"("params":{"protocolVersion":"2025-11-25"}})"));
  const std::string session_id = header(reply, "Mcp-Session-Id");
  REQUIRE(session_id.size() == 32);
  EndpointRequest end = with_header(get("/mcp"), "mcp-session-id", session_id.c_str());
  CHECK(f.handle(end).status == 406);  // GET is a stream, and this client takes none
  CHECK(f.handle(with_header(end, "Accept", "text/event-stream")).is_stream);
  CHECK(f.handle(with_header(end, "Accept", "text/event-stream")).status == 409);
  end.method = "DELETE";
  CHECK(f.handle(with_header(end, "MCP-Protocol-Version", "2026-07-28")).status == 405);
  CHECK(f.handle(end).status == 200);
  CHECK(f.handle(end).status == 404);
  CHECK(f.handle(with_header(post("/", kPing), "Mcp-Session-Id", session_id.c_str())).status ==
        404);
}

TEST_CASE("plain GET lists and runs reading tools") {
  McpFixture f;
  const HttpReply list = f.handle(get("/mcp/tools"));
  CHECK(list.status == 200);
  CHECK(Json(list.body).text("/tools/1/name") == "litestream_ltx");
  const HttpReply ltx =
      f.handle(get("/mcp/tools/litestream_ltx", {{"database", "/data/app.db"}, {"limit", "1"}}));
  CHECK(ltx.status == 200);
  CHECK(Json(ltx.body).at("/files").get_array().size() == 1);
  CHECK(header(ltx, "Cache-Control") == "no-store");
}

TEST_CASE("plain POST runs every tool") {
  McpFixture f;
  const test::TempDir dir;
  const std::string output = dir.file("out.db");
  const HttpReply reply =
      f.handle(post("/mcp/tools/litestream_restore",
                    R"({"database":"/data/app.db","output":")" + output + "\"}"));
  CHECK(reply.status == 200);
  CHECK(Json(reply.body).text("/restored_path") == output);
  CHECK(f.handle(post("/mcp/tools/litestream_version", "")).status == 200);
}

TEST_CASE("plain requests are refused with the right status") {
  McpFixture f;
  const std::string restore = "/mcp/tools/litestream_restore";
  const std::string ltx = "/mcp/tools/litestream_ltx";
  const auto check = [&](const EndpointRequest& request, int status, const char* code) {
    const HttpReply reply = f.handle(request);
    CHECK(reply.status == status);
    CHECK(error_code(reply) == code);
    CHECK_FALSE(Json(reply.body).text("/error/message").empty());
    return reply;
  };
  const HttpReply writes = check(get(restore), 405, "method_not_allowed");
  CHECK(header(writes, "Allow") == "POST");
  EndpointRequest put = post(ltx, "{}");
  put.method = "PUT";
  CHECK(header(check(put, 405, "method_not_allowed"), "Allow") == "GET, POST");
  check(post("/mcp/tools", "{}"), 405, "method_not_allowed");
  check(with_header(post(restore, "{}"), "Content-Type", "text/plain"), 415,
        "unsupported_media_type");
  for (const EndpointRequest& request : {post(restore, "{}"), get(ltx), get("/mcp/tools")}) {
    check(with_header(request, "Sec-Fetch-Site", "cross-site"), 403, "forbidden");
  }
  const HttpReply unknown = check(get("/mcp/tools/litestream_lt"), 404, "unknown_tool");
  CHECK(unknown.body.find("litestream_ltx") != std::string::npos);
  check(get(ltx), 400, "bad_arguments");
  check(get(ltx, {{"database", "/data/app.db"}, {"level", "x"}}), 400, "bad_arguments");
  check(post(ltx, "[]"), 400, "bad_arguments");
  check(post(ltx, "{"), 400, "bad_arguments");
  check(post(ltx, R"({"database":)" + std::string(200, '[') + std::string(200, ']') + "}"), 400,
        "bad_arguments");
  check(get(ltx, {{"database", "/nope"}}), 422, "tool_failed");
  EndpointRequest long_one = post(ltx, "");
  long_one.body_too_long = true;
  check(long_one, 413, "payload_too_large");
}

}  // namespace
}  // namespace litestream
