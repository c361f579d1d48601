// MCP over JSON-RPC: one message in, one answer out. Knows no sockets; http_endpoint.h puts it
// behind HTTP.
//
// Two eras share one door and are told apart message by message. Revision 2026-07-28 has no
// handshake: every request says its version in params._meta and, over HTTP, again in headers.
// Revisions 2024-11-05 to 2025-11-25 start with `initialize` and may carry a session id.
// Threading: thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "mcp/jsonrpc.h"
#include "mcp/mcp_session.h"
#include "mcp/tools.h"

namespace litestream {

struct McpRequest {
  std::string_view body;
  // Headers, absent if the client did not send them.
  std::optional<std::string> session_id;        // Mcp-Session-Id
  std::optional<std::string> protocol_version;  // MCP-Protocol-Version
  std::optional<std::string> method;            // Mcp-Method
  std::optional<std::string> name;              // Mcp-Name
};

struct McpReply {
  int http_status = 200;
  std::string body;            // one line of JSON, or empty
  std::string new_session_id;  // set by `initialize`
};

class McpServer {
 public:
  // `tools` must outlive the server.
  explicit McpServer(const Tools& tools) : tools_(tools) {}

  McpReply handle(const McpRequest& request);
  // False: there is no such session.
  bool end_session(std::string_view session_id) { return sessions_.end(session_id); }
  bool has_session(std::string_view session_id) { return sessions_.find(session_id).has_value(); }

 private:
  McpReply handle_handshake_era(const McpRequest& request, const RpcMessage& message);
  McpReply handle_stateless_era(const McpRequest& request, const RpcMessage& message);
  McpReply initialize(const RpcMessage& message);
  McpReply call_tool(const RpcMessage& message, bool stateless);
  McpReply list_tools(const RpcMessage& message, bool stateless) const;

  const Tools& tools_;
  McpSessions sessions_;
};

}  // namespace litestream
