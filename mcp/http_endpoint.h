// Everything the program answers over HTTP, without sockets: checks at the door, MCP on `/`, `/mcp`
// and `/mcp/`, and the plain endpoints under `/mcp/tools`. http_server.h carries the bytes.
// Threading: thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "mcp/http_access.h"
#include "mcp/mcp_exchange.h"
#include "mcp/mcp_server.h"
#include "mcp/tool_arguments.h"
#include "mcp/tools.h"

namespace litestream {

struct EndpointRequest {
  std::string method;
  std::string path;       // percent-decoded, without the query
  QueryParameters query;  // decoded
  HttpHeaders headers;
  std::string body;
  bool body_too_long = false;  // the body was longer than kRpcMessageBytesMax and is not here

  const std::string* header(std::string_view name) const { return find_header(headers, name); }
};

struct HttpReply {
  int status = 200;
  std::string body;  // JSON, or empty
  HttpHeaders headers;
  bool is_stream = false;  // the exchange was kept open; there is no reply now
  // What ends a stream of events that the exchange has begun. Where it began none, nobody waits
  // for an answer: a client that takes streams gets an empty one.
  bool is_silent = false;
};

// An exchange over HTTP. What a client accepts is known only here.
class HttpExchange : public McpExchange {
 public:
  virtual void set_accepts_stream(bool accepts) = 0;
};

class HttpEndpoint {
 public:
  // `server` and `tools` must outlive the endpoint. `tools` may be nullptr: no plain endpoints.
  HttpEndpoint(McpServer& server, const Tools* tools, HttpAccess::Options options)
      : server_(server), tools_(tools), access_(std::move(options)) {}

  HttpReply handle(const EndpointRequest& request, HttpExchange& exchange);

 private:
  HttpReply dispatch(const EndpointRequest& request, HttpExchange& exchange);
  HttpReply handle_mcp(const EndpointRequest& request, HttpExchange& exchange);
  HttpReply handle_mcp_get(const EndpointRequest& request, HttpExchange& exchange);
  HttpReply handle_mcp_delete(const EndpointRequest& request);
  HttpReply handle_tool(const EndpointRequest& request, std::string_view tool_name,
                        HttpExchange& exchange);
  HttpReply handle_tool_body(const EndpointRequest& request, const ToolDefinition& tool,
                             HttpExchange& exchange);
  HttpReply run_tool(const ToolDefinition& tool, Result<SqlParameters> parameters,
                     HttpExchange& exchange);

  McpServer& server_;
  const Tools* const tools_;
  const HttpAccess access_;
};

}  // namespace litestream
