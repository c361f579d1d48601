// What revision 2026-07-28 asks of every request and adds to every result.
//
// A request states its version and the client's capabilities in params._meta; over HTTP the headers
// MCP-Protocol-Version, Mcp-Method and Mcp-Name repeat what the body says, and must agree with it.
// Threading: pure functions.
#pragma once

#include <optional>
#include <string_view>

#include "mcp/json_writer.h"
#include "mcp/jsonrpc.h"

namespace litestream {

struct McpRequest;

inline constexpr std::string_view kStatelessVersion = "2026-07-28";

// The body says so in _meta, or the version header names 2026-07-28 or a later date.
bool is_stateless_era(const McpRequest& request, const RpcMessage& message);

// nullopt: the request may be dispatched. Otherwise the error, which goes out with HTTP status 400.
std::optional<RpcError> check_stateless_request(const McpRequest& request,
                                                const RpcMessage& message);

// Members inside an open result object.
void write_stateless_result_members(JsonWriter& writer);  // resultType, _meta
void write_cache_members(JsonWriter& writer);             // ttlMs, cacheScope
void write_server_info(JsonWriter& writer);               // the value {name, title, version}

}  // namespace litestream
