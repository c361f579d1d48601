// A client of the protocol core for tests: messages in, answers parsed. No transport.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <thread>

#include "tests/mcp/json_check.h"
#include "tests/mcp/mcp_fixture.h"

namespace litestream::test {

inline std::string request(const std::string& method, const std::string& params = "{}",
                           const std::string& id = "1") {
  return R"({"jsonrpc":"2.0","id":)" + id + R"(,"method":")" + method + R"(","params":)" + params +
         "}";
}

inline std::string notification(const std::string& method, const std::string& params = "{}") {
  return R"({"jsonrpc":"2.0","method":")" + method + R"(","params":)" + params + "}";
}

inline std::string call_params(const std::string& tool, const std::string& arguments = "{}",
                               const std::string& more = "") {
  return R"({"name":")" + tool + R"(","arguments":)" + arguments + more + "}";
}

// params with the _meta of the stateless era in front; `meta` and `capabilities` are JSON.
inline std::string with_meta(std::string params, const std::string& capabilities = "{}",
                             const std::string& more_meta = "",
                             const std::string& version = "2026-07-28") {
  const std::string meta = R"("_meta":{"io.modelcontextprotocol/protocolVersion":")" + version +
                           R"(","io.modelcontextprotocol/clientCapabilities":)" + capabilities +
                           more_meta + "}";
  params.insert(1, meta + (params == "{}" ? "" : ","));
  return params;
}

// A client of the handshake era with a session, or of the stateless era over a transport without
// headers.
class McpClient {
 public:
  explicit McpClient(McpServer& server) : server_(server) {}

  // `capabilities` is JSON.
  void initialize(const std::string& capabilities = "{}",
                  const std::string& version = "2025-11-25") {
    const McpReply reply =
        send(request("initialize", R"({"protocolVersion":")" + version + R"(","capabilities":)" +
                                       capabilities + "}"));
    REQUIRE(reply.http_status == 200);
    headers_.session_id = reply.new_session_id;
    REQUIRE(send(notification("notifications/initialized")).http_status == 202);
  }
  // Without headers; one session of its own, as over standard input and output.
  void use_one_session() { session_ = std::make_shared<McpSession>(); }

  McpReply send(const std::string& body, McpExchange& exchange) {
    McpRequest message;
    message.body = body;
    message.session = session_;
    if (session_ == nullptr) message.headers = &headers_;
    McpReply reply = server_.handle(message, exchange);
    CHECK(reply.body.find('\n') == std::string::npos);
    return reply;
  }
  McpReply send(const std::string& body) {
    KeptExchange exchange;
    return send(body, exchange);
  }
  Json answer(const std::string& body, McpExchange& exchange) {
    const McpReply reply = send(body, exchange);
    CHECK(reply.http_status == 200);
    return Json(reply.body);
  }
  Json answer(const std::string& body) {
    KeptExchange exchange;
    return answer(body, exchange);
  }

  const std::string& session_id() const { return *headers_.session_id; }
  McpHeaders& headers() { return headers_; }

 private:
  McpServer& server_;
  McpHeaders headers_;
  std::shared_ptr<McpSession> session_;
};

// Time stands still until told otherwise. Threading: thread-safe.
class HandClock final : public Clock {
 public:
  int64_t wall_ms() const override { return now_ms_.load(); }
  int64_t monotonic_ms() const override { return now_ms_.load(); }
  void advance(int64_t ms) { now_ms_.fetch_add(ms); }

 private:
  std::atomic<int64_t> now_ms_{1'000'000};
};

}  // namespace litestream::test
