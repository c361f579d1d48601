// MCP over JSON-RPC: a message in, an answer out, and through mcp_exchange.h what is said in
// between. Knows no sockets and nothing of backups: http_endpoint.h and stdio_server.h put it
// behind a transport, mcp_features.h is what it offers.
//
// Two eras share one door and are told apart message by message. Revision 2026-07-28 has no
// handshake: every request says its version in params._meta and, over HTTP, again in headers.
// Revisions 2024-11-05 to 2025-11-25 start with `initialize` and may carry a session id.
// Threading: thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ext/base/clock.h"
#include "mcp/jsonrpc.h"
#include "mcp/mcp_exchange.h"
#include "mcp/mcp_features.h"
#include "mcp/mcp_session.h"
#include "mcp/mcp_streams.h"
#include "mcp/mcp_tickets.h"

namespace litestream {

class McpServerCall;

// What HTTP headers say about a message; absent if the client did not send them.
struct McpHeaders {
  std::optional<std::string> session_id;        // Mcp-Session-Id
  std::optional<std::string> protocol_version;  // MCP-Protocol-Version
  std::optional<std::string> method;            // Mcp-Method
  std::optional<std::string> name;              // Mcp-Name
  // Mcp-Param-<name>: lower-case name, value.
  std::vector<std::pair<std::string, std::string>> parameters;
};

struct McpRequest {
  std::string_view body;
  const McpHeaders* headers = nullptr;  // nullptr: a transport without headers
  // The session of a transport that has only one; with headers, they name it.
  std::shared_ptr<McpSession> session;
};

struct McpReply {
  int http_status = 200;
  std::string body;            // one line of JSON, or empty: nothing is sent
  std::string new_session_id;  // set by `initialize`
  bool is_stream = false;      // the exchange was kept open; there is no answer now
  bool is_silent = false;      // the request was cancelled: whatever ends the exchange will do
};

class McpServer {
 public:
  struct Options {
    size_t page_size = 100;            // items of a list per answer
    int64_t ask_timeout_ms = 600'000;  // how long a person may think about a question
  };

  // `features` and `clock` must outlive the server.
  explicit McpServer(McpFeatures& features) : McpServer(features, system_clock(), Options()) {}
  McpServer(McpFeatures& features, const Clock& clock, Options options);

  McpReply handle(const McpRequest& request, McpExchange& exchange);

  // The standalone stream of a session (GET). 404: no such session, 409: it has one already, 503:
  // too many streams.
  McpReply open_stream(std::string_view session_id, McpExchange& exchange);
  // False: there is no such session.
  bool end_session(std::string_view session_id) { return sessions_.end(session_id); }

  void publish(const McpChange& change) { streams_.publish(change); }
  McpListeners listeners() { return streams_.listeners(); }
  size_t session_count() { return sessions_.count(); }
  // Ends all streams and questions; what runs goes on.
  void close_streams();

 private:
  // One request on its way through the methods below.
  struct Turn {
    const RpcMessage& message;
    const McpHeaders* headers;
    bool is_stateless;
    const std::shared_ptr<McpSession>& session;  // of the handshake era; may be nullptr
    McpExchange& exchange;
  };

  McpReply handle_one(const McpRequest& request, McpExchange& exchange);
  McpReply handle_batch(const McpRequest& request, McpExchange& exchange);
  McpReply handle_handshake_era(const McpRequest& request, const RpcMessage& message,
                                McpExchange& exchange);
  McpReply handle_stateless_era(const McpRequest& request, const RpcMessage& message,
                                McpExchange& exchange);
  void take_notification(const RpcMessage& message, McpSession* session);
  McpReply initialize(const McpRequest& request, const RpcMessage& message);
  McpReply discover(const RpcMessage& message);
  std::optional<McpReply> handshake_method(const Turn& turn);
  McpReply set_log_level(const Turn& turn);
  McpReply subscribe(const Turn& turn, bool on);

  // Methods that both eras have; nullopt: none of them.
  std::optional<McpReply> common_method(const Turn& turn);
  McpReply list(const Turn& turn, McpList kind, std::string_view member);
  McpReply complete(const Turn& turn);
  McpReply listen(const Turn& turn);
  // tools/call, prompts/get, resources/read: what may report progress, ask and be cancelled.
  McpReply run_call(const Turn& turn);
  McpOutcome dispatch_call(const Turn& turn, McpServerCall& call);
  McpOutcome call_tool(const Turn& turn, McpServerCall& call);
  McpOutcome read_resource(const Turn& turn, McpServerCall& call);
  McpOutcome resource_not_found(const Turn& turn, std::string_view uri) const;
  McpReply reply(const Turn& turn, McpOutcome outcome) const;
  void write_capabilities(JsonWriter& writer, bool stateless) const;

  McpFeatures& features_;
  const Options options_;
  const std::string server_info_;  // JSON
  McpSessions sessions_;
  McpStreams streams_;
  McpTickets tickets_;
};

}  // namespace litestream
