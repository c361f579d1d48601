#include "mcp/http_endpoint.h"

#include <algorithm>

#include "mcp/json_writer.h"
#include "mcp/jsonrpc.h"

namespace litestream {
namespace {

constexpr std::string_view kToolsPath = "/mcp/tools";
constexpr std::string_view kParameterHeader = "mcp-param-";

std::string to_lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return out;
}

std::optional<std::string> optional_header(const EndpointRequest& request, std::string_view name) {
  const std::string* value = request.header(name);
  return value == nullptr ? std::nullopt : std::optional<std::string>(*value);
}

McpHeaders mcp_headers(const EndpointRequest& request) {
  McpHeaders headers;
  headers.session_id = optional_header(request, "Mcp-Session-Id");
  headers.protocol_version = optional_header(request, "MCP-Protocol-Version");
  headers.method = optional_header(request, "Mcp-Method");
  headers.name = optional_header(request, "Mcp-Name");
  for (const auto& [name, value] : request.headers) {
    const std::string lower_name = to_lower(name);
    if (!lower_name.starts_with(kParameterHeader)) continue;
    headers.parameters.emplace_back(lower_name.substr(kParameterHeader.size()), value);
  }
  return headers;
}

bool is_json_content(const EndpointRequest& request) {
  const std::string* type = request.header("Content-Type");
  const std::string* coding = request.header("Content-Encoding");
  if (type == nullptr || (coding != nullptr && !equal_ignoring_case(*coding, "identity"))) {
    return false;
  }
  std::string_view media = std::string_view(*type).substr(0, type->find(';'));
  while (media.ends_with(' ') || media.ends_with('\t')) media.remove_suffix(1);
  return equal_ignoring_case(media, "application/json");
}

// Lenient: only a client that says it can read neither JSON nor an event stream is refused.
bool accepts_answer(std::string_view accept) {
  if (accept.empty()) return true;
  for (const char* type : {"application/json", "text/event-stream", "*/*", "application/*"}) {
    if (accept.find(type) != std::string_view::npos) return true;
  }
  return false;
}

// Strict: a stream is sent only to who has named it.
bool accepts_stream(std::string_view accept) {
  return accept.find("text/event-stream") != std::string_view::npos;
}

HttpReply refusal(int status, std::string_view code, std::string_view message) {
  JsonWriter writer;
  writer.begin_object().key("error").begin_object();
  writer.key("code").string(code).key("message").string(message);
  HttpReply reply;
  reply.status = status;
  reply.body = std::move(writer.end_object().end_object()).take();
  return reply;
}

HttpReply method_not_allowed(std::string_view allowed, std::string_view message) {
  HttpReply reply = refusal(405, "method_not_allowed", message);
  reply.headers.emplace_back("Allow", allowed);
  return reply;
}

HttpReply rpc_refusal(int status, std::string_view message) {
  HttpReply reply;
  reply.status = status;
  reply.body = rpc_error("", {kRpcInvalidRequest, std::string(message), ""});
  return reply;
}

// Clients parse whatever /.well-known/ answers as JSON, so even this is JSON.
HttpReply not_found_reply() {
  HttpReply reply;
  reply.status = 404;
  reply.body = R"({"error":"not_found"})";
  return reply;
}

HttpReply unauthorized(std::string_view message) {
  HttpReply reply = rpc_refusal(401, message);
  reply.headers.emplace_back("WWW-Authenticate", "Bearer realm=\"litestream\"");
  return reply;
}

HttpReply from_mcp(McpReply answer) {
  HttpReply reply;
  reply.status = answer.http_status;
  reply.body = std::move(answer.body);
  reply.is_stream = answer.is_stream;
  reply.is_silent = answer.is_silent;
  if (!answer.new_session_id.empty()) {
    reply.headers.emplace_back("Mcp-Session-Id", answer.new_session_id);
  }
  return reply;
}

bool is_mcp_path(std::string_view path) { return path == "/" || path == "/mcp" || path == "/mcp/"; }

// The revision without a handshake has no sessions and ignores what headers say about them.
bool is_stateless(const EndpointRequest& request) {
  const std::string* version = request.header("MCP-Protocol-Version");
  return version != nullptr && *version >= "2026";
}

}  // namespace

HttpReply HttpEndpoint::handle(const EndpointRequest& request, HttpExchange& exchange) {
  HttpReply reply = dispatch(request, exchange);
  reply.headers.emplace_back("Cache-Control", "no-store");
  reply.headers.emplace_back("X-Content-Type-Options", "nosniff");
  return reply;
}

HttpReply HttpEndpoint::dispatch(const EndpointRequest& request, HttpExchange& exchange) {
  const std::string_view path = request.path;
  const bool is_tool_path = path == kToolsPath || path.starts_with("/mcp/tools/");
  switch (access_.judge(request.headers)) {
    case HttpAccess::Verdict::kForeignOrigin: return rpc_refusal(403, "Origin is not allowed");
    case HttpAccess::Verdict::kForeignHost: return rpc_refusal(403, "Host is not allowed");
    case HttpAccess::Verdict::kNoToken:
      // Paths that do not exist do not hint at a way to log in.
      if (!is_mcp_path(path) && !is_tool_path) return not_found_reply();
      return unauthorized("this server asks for a token: Authorization: Bearer <mcp-token>");
    case HttpAccess::Verdict::kWrongToken: return unauthorized("the token is wrong");
    case HttpAccess::Verdict::kWelcome: break;
  }
  if (is_mcp_path(path)) return handle_mcp(request, exchange);
  if (tools_ == nullptr || !is_tool_path) return not_found_reply();
  return handle_tool(request, path == kToolsPath ? "" : path.substr(kToolsPath.size() + 1),
                     exchange);
}

HttpReply HttpEndpoint::handle_mcp(const EndpointRequest& request, HttpExchange& exchange) {
  if (request.method == "DELETE") return handle_mcp_delete(request);
  const std::string* header = request.header("Accept");
  const std::string accept = header == nullptr ? "" : to_lower(*header);
  exchange.set_accepts_stream(accepts_stream(accept));
  if (request.method == "GET") return handle_mcp_get(request, exchange);
  if (request.method != "POST") {
    return method_not_allowed("POST", "send JSON-RPC messages with POST");
  }
  if (!is_json_content(request)) {
    return rpc_refusal(415, "Content-Type must be application/json, not compressed");
  }
  if (request.body_too_long) return rpc_refusal(413, "the message is longer than 4 MiB");
  if (!accepts_answer(accept)) return rpc_refusal(406, "Accept must allow application/json");
  const McpHeaders headers = mcp_headers(request);
  McpRequest message;
  message.body = request.body;
  message.headers = &headers;
  return from_mcp(server_.handle(message, exchange));
}

HttpReply HttpEndpoint::handle_mcp_get(const EndpointRequest& request, HttpExchange& exchange) {
  const std::string* session_id = request.header("Mcp-Session-Id");
  if (session_id == nullptr || is_stateless(request)) {
    // Clients take 405 as "no stream" and go on.
    return method_not_allowed("POST", "send JSON-RPC messages with POST");
  }
  if (!exchange.can_stream()) return rpc_refusal(406, "Accept must allow text/event-stream");
  return from_mcp(server_.open_stream(*session_id, exchange));
}

HttpReply HttpEndpoint::handle_mcp_delete(const EndpointRequest& request) {
  const std::string* session_id = request.header("Mcp-Session-Id");
  if (session_id == nullptr || is_stateless(request)) {
    return method_not_allowed("POST", "DELETE ends a session; there is none");
  }
  HttpReply reply;
  if (server_.end_session(*session_id)) {
    reply.body = "{}";
  } else {
    reply.status = 404;
    reply.body = rpc_error("", {kRpcSessionNotFound, "Session not found", ""});
  }
  return reply;
}

HttpReply HttpEndpoint::handle_tool(const EndpointRequest& request, std::string_view tool_name,
                                    HttpExchange& exchange) {
  const std::string* site = request.header("Sec-Fetch-Site");
  if (site != nullptr && equal_ignoring_case(*site, "cross-site")) {
    return refusal(403, "forbidden", "requests from other web sites are refused");
  }
  const bool reads = request.method == "GET" || request.method == "HEAD";
  if (tool_name.empty()) {
    if (!reads) return method_not_allowed("GET", "GET lists the tools");
    JsonWriter writer;
    writer.begin_object().key("tools").begin_array();
    for (const std::string& item : tools_->list_items()) writer.raw(item);
    HttpReply reply;
    reply.body = std::move(writer.end_array().end_object()).take();
    return reply;
  }
  const ToolDefinition* tool = tools_->find(tool_name);
  if (tool == nullptr) {
    return refusal(404, "unknown_tool", tools_->unknown_tool_message(tool_name));
  }
  if (!tool->read_only && reads) {
    return method_not_allowed("POST", tool->name + " writes: use POST with a JSON body");
  }
  if (reads) return run_tool(*tool, arguments_from_query(*tool, request.query), exchange);
  if (request.method != "POST") {
    return method_not_allowed(tool->read_only ? "GET, POST" : "POST", "use POST");
  }
  return handle_tool_body(request, *tool, exchange);
}

HttpReply HttpEndpoint::handle_tool_body(const EndpointRequest& request, const ToolDefinition& tool,
                                         HttpExchange& exchange) {
  if (!is_json_content(request)) {
    return refusal(415, "unsupported_media_type",
                   "Content-Type must be application/json, not compressed");
  }
  if (request.body_too_long) {
    return refusal(413, "payload_too_large", "the body is longer than 4 MiB");
  }
  simdjson::dom::parser parser;
  simdjson::dom::object arguments;
  simdjson::dom::element root;
  const std::string_view body = request.body.empty() ? "{}" : std::string_view(request.body);
  if (parser.allocate(body.size(), kRpcDepthMax) != simdjson::SUCCESS ||
      parser.parse(body.data(), body.size()).get(root) != simdjson::SUCCESS ||
      root.get(arguments) != simdjson::SUCCESS) {
    return refusal(400, "bad_arguments", "the body must be a JSON object of arguments");
  }
  return run_tool(tool, arguments_from_json(tool, arguments), exchange);
}

HttpReply HttpEndpoint::run_tool(const ToolDefinition& tool, Result<SqlParameters> parameters,
                                 HttpExchange& exchange) {
  if (!parameters.ok()) return refusal(400, "bad_arguments", parameters.status().message());
  Cancellation cancellation;
  exchange.watch_client(&cancellation);
  auto output = tools_->run(tool, std::move(parameters).value(), cancellation);
  exchange.watch_client(nullptr);
  if (!output.ok()) return refusal(422, "tool_failed", output.status().message());
  HttpReply reply;
  reply.body = std::move(output).value().json;
  return reply;
}

}  // namespace litestream
