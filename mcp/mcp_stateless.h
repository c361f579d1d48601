// What revision 2026-07-28 asks of every request.
//
// A request states its version and the client's capabilities in params._meta; over HTTP the headers
// MCP-Protocol-Version, Mcp-Method, Mcp-Name and Mcp-Param-* repeat what the body says, and must
// agree with it.
// Threading: pure functions.
#pragma once

#include <optional>

#include "mcp/mcp_server.h"

namespace litestream {

// The body says so in _meta, or the version header names 2026-07-28 or a later date.
bool is_stateless_era(const McpHeaders* headers, const RpcMessage& message);

// nullopt: the request may be dispatched. Otherwise the error, which goes out with HTTP status 400.
std::optional<RpcError> check_stateless_request(const McpHeaders* headers,
                                                const RpcMessage& message);

// The headers Mcp-Param-* of a tools/call.
std::optional<RpcError> check_parameter_headers(const McpHeaders& headers,
                                                const RpcMessage& message,
                                                const std::vector<McpHeaderParameter>& parameters);

}  // namespace litestream
