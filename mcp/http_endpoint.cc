#include "mcp/http_endpoint.h"

#include <algorithm>

#include "mcp/json_writer.h"
#include "mcp/jsonrpc.h"

namespace litestream {
namespace {

constexpr std::string_view kToolsPath = "/mcp/tools";

char lower(char c) { return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c; }

std::string to_lower(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), lower);
  return out;
}

bool equal_ignoring_case(std::string_view a, std::string_view b) {
  return std::equal(a.begin(), a.end(), b.begin(), b.end(),
                    [](char x, char y) { return lower(x) == lower(y); });
}

std::optional<std::string> optional_header(const HttpRequest& request, std::string_view name) {
  const std::string* value = request.header(name);
  return value == nullptr ? std::nullopt : std::optional<std::string>(*value);
}

// `authority` is host or host:port, an IPv6 address in brackets.
bool is_loopback_authority(std::string_view authority) {
  const size_t port = authority.rfind(':');
  if (port != std::string_view::npos && authority.find(']', port) == std::string_view::npos) {
    const std::string_view digits = authority.substr(port + 1);
    if (digits.empty() || digits.find_first_not_of("0123456789") != std::string_view::npos) {
      return false;
    }
    authority = authority.substr(0, port);
  }
  const std::string host = to_lower(authority);
  if (host == "localhost" || host == "[::1]") return true;
  return host.starts_with("127.") && host.find_first_not_of("0123456789.") == std::string::npos;
}

bool is_allowed_origin(std::string_view origin) {
  for (const std::string_view scheme : {"http://", "https://"}) {
    if (equal_ignoring_case(origin.substr(0, scheme.size()), scheme)) {
      return is_loopback_authority(origin.substr(scheme.size()));
    }
  }
  return false;
}

bool is_json_content(const HttpRequest& request) {
  const std::string* type = request.header("Content-Type");
  if (type == nullptr) return false;
  std::string_view media = std::string_view(*type).substr(0, type->find(';'));
  while (media.ends_with(' ') || media.ends_with('\t')) media.remove_suffix(1);
  return equal_ignoring_case(media, "application/json");
}

// Lenient: only a client that says it can read neither JSON nor an event stream is refused.
bool accepts_answer(const HttpRequest& request) {
  const std::string* accept = request.header("Accept");
  if (accept == nullptr || accept->empty()) return true;
  const std::string types = to_lower(*accept);
  for (const char* type : {"application/json", "text/event-stream", "*/*", "application/*"}) {
    if (types.find(type) != std::string::npos) return true;
  }
  return false;
}

HttpReply refusal(int status, std::string_view code, std::string_view message) {
  JsonWriter writer;
  writer.begin_object().key("error").begin_object();
  writer.key("code").string(code).key("message").string(message);
  return {status, std::move(writer.end_object().end_object()).take(), {}};
}

HttpReply method_not_allowed(std::string_view allowed, std::string_view message) {
  HttpReply reply = refusal(405, "method_not_allowed", message);
  reply.headers.emplace_back("Allow", allowed);
  return reply;
}

HttpReply rpc_refusal(int status, std::string_view message) {
  return {status, rpc_error("", {kRpcInvalidRequest, std::string(message), ""}), {}};
}

// Clients parse whatever /.well-known/ answers as JSON, so even this is JSON.
HttpReply not_found_reply() { return {404, R"({"error":"not_found"})", {}}; }

bool is_mcp_path(std::string_view path) { return path == "/" || path == "/mcp" || path == "/mcp/"; }

}  // namespace

const std::string* HttpRequest::header(std::string_view name) const {
  for (const auto& [key, value] : headers) {
    if (equal_ignoring_case(key, name)) return &value;
  }
  return nullptr;
}

HttpReply HttpEndpoint::handle(const HttpRequest& request) {
  HttpReply reply = dispatch(request);
  reply.headers.emplace_back("Cache-Control", "no-store");
  reply.headers.emplace_back("X-Content-Type-Options", "nosniff");
  return reply;
}

HttpReply HttpEndpoint::dispatch(const HttpRequest& request) {
  for (const auto& [name, value] : request.headers) {
    if (equal_ignoring_case(name, "Origin") && !is_allowed_origin(value)) {
      return rpc_refusal(403, "Origin is not allowed");
    }
    if (options_.check_host && equal_ignoring_case(name, "Host") && !is_loopback_authority(value)) {
      return rpc_refusal(403, "Host is not allowed");
    }
  }
  if (options_.check_host && request.header("Host") == nullptr) {
    return rpc_refusal(403, "Host is missing");
  }
  if (is_mcp_path(request.path)) return handle_mcp(request);
  const std::string_view path = request.path;
  if (path == kToolsPath) return handle_tool(request, "");
  if (path.starts_with("/mcp/tools/")) return handle_tool(request, path.substr(11));
  return not_found_reply();
}

HttpReply HttpEndpoint::handle_mcp(const HttpRequest& request) {
  if (request.method == "DELETE") return handle_mcp_delete(request);
  if (request.method != "POST") {
    // There is no event stream to GET; clients take 405 as "no stream" and go on.
    return method_not_allowed("POST", "send JSON-RPC messages with POST");
  }
  if (!is_json_content(request)) {
    return rpc_refusal(415, "Content-Type must be application/json");
  }
  if (request.body_too_long) return rpc_refusal(413, "the message is longer than 4 MiB");
  if (!accepts_answer(request)) return rpc_refusal(406, "Accept must allow application/json");
  McpRequest message;
  message.body = request.body;
  message.session_id = optional_header(request, "Mcp-Session-Id");
  message.protocol_version = optional_header(request, "MCP-Protocol-Version");
  message.method = optional_header(request, "Mcp-Method");
  message.name = optional_header(request, "Mcp-Name");
  McpReply answer = server_.handle(message);
  HttpReply reply{answer.http_status, std::move(answer.body), {}};
  if (!answer.new_session_id.empty()) {
    reply.headers.emplace_back("Mcp-Session-Id", answer.new_session_id);
  }
  return reply;
}

HttpReply HttpEndpoint::handle_mcp_delete(const HttpRequest& request) {
  const std::string* session_id = request.header("Mcp-Session-Id");
  const std::string* version = request.header("MCP-Protocol-Version");
  // 2026-07-28 has no sessions and ignores the header.
  const bool stateless = version != nullptr && *version >= "2026";
  if (session_id == nullptr || stateless) {
    return method_not_allowed("POST", "DELETE ends a session; there is none");
  }
  if (!server_.end_session(*session_id)) {
    return {404, rpc_error("", {-32001, "Session not found", ""}), {}};
  }
  return {200, "{}", {}};
}

HttpReply HttpEndpoint::handle_tool(const HttpRequest& request, std::string_view tool_name) {
  const std::string* site = request.header("Sec-Fetch-Site");
  if (site != nullptr && equal_ignoring_case(*site, "cross-site")) {
    return refusal(403, "forbidden", "requests from other web sites are refused");
  }
  const bool reads = request.method == "GET" || request.method == "HEAD";
  if (tool_name.empty()) {
    if (!reads) return method_not_allowed("GET", "GET lists the tools");
    JsonWriter writer;
    writer.begin_object().key("tools").raw(tools_.list_json()).end_object();
    return {200, std::move(writer).take(), {}};
  }
  const ToolDefinition* tool = tools_.find(tool_name);
  if (tool == nullptr) {
    return refusal(404, "unknown_tool", tools_.unknown_tool_message(tool_name));
  }
  if (!tool->read_only && reads) {
    return method_not_allowed("POST", tool->name + " writes: use POST with a JSON body");
  }
  if (reads) return run_tool(*tool, arguments_from_query(*tool, request.query));
  if (request.method != "POST") {
    return method_not_allowed(tool->read_only ? "GET, POST" : "POST", "use POST");
  }
  if (!is_json_content(request)) {
    return refusal(415, "unsupported_media_type", "Content-Type must be application/json");
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
  return run_tool(*tool, arguments_from_json(*tool, arguments));
}

HttpReply HttpEndpoint::run_tool(const ToolDefinition& tool, Result<SqlParameters> parameters) {
  if (!parameters.ok()) return refusal(400, "bad_arguments", parameters.status().message());
  auto output = tools_.run(tool, std::move(parameters).value());
  if (!output.ok()) return refusal(422, "tool_failed", output.status().message());
  return {200, std::move(output).value().json, {}};
}

}  // namespace litestream
