// Everything the program answers over HTTP, without sockets: checks at the door, MCP on `/`, `/mcp`
// and `/mcp/`, and the plain endpoints under `/mcp/tools`. http_server.h carries the bytes.
// Threading: thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "mcp/mcp_server.h"
#include "mcp/tool_arguments.h"
#include "mcp/tools.h"

namespace litestream {

struct HttpRequest {
  std::string method;
  std::string path;       // percent-decoded, without the query
  QueryParameters query;  // decoded
  std::vector<std::pair<std::string, std::string>> headers;
  std::string body;
  bool body_too_long = false;  // the body was longer than kRpcMessageBytesMax and is not here

  // The first header of that name in any case; nullptr: none.
  const std::string* header(std::string_view name) const;
};

struct HttpReply {
  int status = 200;
  std::string body;  // JSON, or empty
  std::vector<std::pair<std::string, std::string>> headers;
};

class HttpEndpoint {
 public:
  struct Options {
    // Bound to a loopback address: a Host header that names anything else comes from a page that
    // has rebound its name to this machine, and is refused.
    bool check_host = true;
  };

  // `server` and `tools` must outlive the endpoint.
  HttpEndpoint(McpServer& server, const Tools& tools, Options options)
      : server_(server), tools_(tools), options_(options) {}

  HttpReply handle(const HttpRequest& request);

 private:
  HttpReply dispatch(const HttpRequest& request);
  HttpReply handle_mcp(const HttpRequest& request);
  HttpReply handle_mcp_delete(const HttpRequest& request);
  HttpReply handle_tool(const HttpRequest& request, std::string_view tool_name);
  HttpReply run_tool(const ToolDefinition& tool, Result<SqlParameters> parameters);

  McpServer& server_;
  const Tools& tools_;
  const Options options_;
};

}  // namespace litestream
