#include "mcp/mcp_server.h"

#include <algorithm>
#include <array>

#include "mcp/json_writer.h"
#include "mcp/mcp_stateless.h"
#include "mcp/tool_arguments.h"

namespace litestream {
namespace {

// Newest first: the first one answers a client that asks for a version we do not know.
constexpr std::array<std::string_view, 4> kHandshakeVersions = {"2025-11-25", "2025-06-18",
                                                                "2025-03-26", "2024-11-05"};
// What SDKs use for refusals of the transport.
constexpr int kRpcBadRequest = -32000;
constexpr int kRpcSessionNotFound = -32001;

constexpr std::string_view kInstructions =
    "Backups of SQLite databases made by litestream. Call litestream_databases first: its paths "
    "are "
    "the \"database\" argument of the other tools. litestream_status says whether backups are "
    "current, litestream_restore_points what can be restored. Restores go to new files; the "
    "running "
    "database is never changed.";

bool is_handshake_version(std::string_view version) {
  return std::find(kHandshakeVersions.begin(), kHandshakeVersions.end(), version) !=
         kHandshakeVersions.end();
}

McpReply error_reply(int http_status, std::string_view id, RpcError error) {
  return {http_status, rpc_error(id, error), ""};
}

McpReply result_reply(const RpcMessage& message, std::string_view result_json) {
  return {200, rpc_result(message.id, result_json), ""};
}

std::string_view text_member(const std::optional<simdjson::dom::object>& object,
                             std::string_view key) {
  std::string_view text;
  if (object && (*object)[key].get(text) == simdjson::SUCCESS) return text;
  return {};
}

bool is_log_level(std::string_view level) {
  constexpr std::array<std::string_view, 8> kLevels = {"debug", "info",     "notice", "warning",
                                                       "error", "critical", "alert",  "emergency"};
  return std::find(kLevels.begin(), kLevels.end(), level) != kLevels.end();
}

void write_text_content(JsonWriter& writer, std::string_view text) {
  writer.begin_object().key("type").string("text").key("text").string(text).end_object();
}

std::string tool_result_json(const Result<ToolOutput>& output, bool stateless) {
  JsonWriter writer;
  writer.begin_object().key("content").begin_array();
  if (output.ok()) {
    write_text_content(writer, output->json);
    if (!output->summary.empty()) write_text_content(writer, output->summary);
    writer.end_array().key("structuredContent").raw(output->json);
  } else {
    write_text_content(writer, output.status().message());
    writer.end_array();
  }
  writer.key("isError").boolean(!output.ok());
  if (stateless) write_stateless_result_members(writer);
  return std::move(writer.end_object()).take();
}

void write_capabilities(JsonWriter& writer, bool stateless) {
  writer.key("capabilities").begin_object().key("tools").begin_object().end_object();
  if (!stateless) writer.key("logging").begin_object().end_object();
  writer.end_object();
}

}  // namespace

McpReply McpServer::handle(const McpRequest& request) {
  // Parsers keep their buffers between requests; one per thread needs no lock.
  thread_local RpcParser parser;
  RpcError error;
  const std::optional<RpcMessage> message = parser.parse(request.body, error);
  if (!message) return error_reply(400, "", std::move(error));
  if (is_stateless_era(request, *message)) return handle_stateless_era(request, *message);
  return handle_handshake_era(request, *message);
}

McpReply McpServer::handle_handshake_era(const McpRequest& request, const RpcMessage& message) {
  const bool is_request = message.kind == RpcMessage::Kind::kRequest;
  if (is_request && message.method == "initialize") return initialize(message);
  if (request.session_id && !sessions_.find(*request.session_id)) {
    return error_reply(404, message.id, {kRpcSessionNotFound, "Session not found", ""});
  }
  if (request.protocol_version && !is_handshake_version(*request.protocol_version)) {
    return error_reply(400, message.id,
                       {kRpcBadRequest,
                        "Unsupported MCP-Protocol-Version; supported: 2026-07-28, 2025-11-25, "
                        "2025-06-18, 2025-03-26, 2024-11-05",
                        ""});
  }
  if (!is_request) return {202, "", ""};
  if (message.method == "ping") return result_reply(message, "{}");
  if (message.method == "tools/list") return list_tools(message, false);
  if (message.method == "tools/call") return call_tool(message, false);
  if (message.method == "logging/setLevel") {
    if (is_log_level(text_member(message.params, "level"))) return result_reply(message, "{}");
    return error_reply(200, message.id, {kRpcInvalidParams, "\"level\" is not a log level", ""});
  }
  return error_reply(200, message.id, {kRpcMethodNotFound, "Method not found", ""});
}

McpReply McpServer::handle_stateless_era(const McpRequest& request, const RpcMessage& message) {
  if (message.kind != RpcMessage::Kind::kRequest) return {202, "", ""};
  if (const auto refusal = check_stateless_request(request, message)) {
    return error_reply(400, message.id, *refusal);
  }
  if (message.method == "tools/list") return list_tools(message, true);
  if (message.method == "tools/call") return call_tool(message, true);
  if (message.method != "server/discover") {
    return error_reply(404, message.id, {kRpcMethodNotFound, "Method not found", ""});
  }
  JsonWriter writer;
  writer.begin_object().key("supportedVersions").begin_array();
  writer.string(kStatelessVersion).end_array();
  write_capabilities(writer, true);
  writer.key("instructions").string(kInstructions);
  write_cache_members(writer);
  write_stateless_result_members(writer);
  return result_reply(message, writer.end_object().text());
}

McpReply McpServer::initialize(const RpcMessage& message) {
  std::string_view version = text_member(message.params, "protocolVersion");
  if (version.empty()) {
    return error_reply(200, message.id,
                       {kRpcInvalidParams, "\"protocolVersion\" must be a string", ""});
  }
  if (!is_handshake_version(version)) version = kHandshakeVersions[0];
  JsonWriter writer;
  writer.begin_object().key("protocolVersion").string(version);
  write_capabilities(writer, false);
  writer.key("serverInfo");
  write_server_info(writer);
  writer.key("instructions").string(kInstructions).end_object();
  McpReply reply = result_reply(message, writer.text());
  reply.new_session_id = sessions_.create(std::string(version));
  return reply;
}

McpReply McpServer::list_tools(const RpcMessage& message, bool stateless) const {
  // Everything fits on one page, so the only cursor there can be is the empty one.
  simdjson::dom::element cursor;
  if (message.params && (*message.params)["cursor"].get(cursor) == simdjson::SUCCESS &&
      (!cursor.is_string() || !text_member(message.params, "cursor").empty())) {
    return error_reply(200, message.id, {kRpcInvalidParams, "unknown cursor", ""});
  }
  JsonWriter writer;
  writer.begin_object().key("tools").raw(tools_.list_json());
  if (stateless) {
    write_cache_members(writer);
    write_stateless_result_members(writer);
  }
  return result_reply(message, writer.end_object().text());
}

McpReply McpServer::call_tool(const RpcMessage& message, bool stateless) {
  const std::string_view name = text_member(message.params, "name");
  const ToolDefinition* tool = tools_.find(name);
  if (tool == nullptr) {
    return error_reply(200, message.id, {kRpcInvalidParams, tools_.unknown_tool_message(name), ""});
  }
  simdjson::dom::parser empty_parser;
  simdjson::dom::element element;
  simdjson::dom::object arguments;
  const bool given = (*message.params)["arguments"].get(element) == simdjson::SUCCESS;
  if (!given) element = empty_parser.parse(std::string_view("{}")).value_unsafe();
  if (element.get(arguments) != simdjson::SUCCESS) {
    return error_reply(200, message.id, {kRpcInvalidParams, "\"arguments\" must be an object", ""});
  }
  auto parameters = arguments_from_json(*tool, arguments);
  if (!parameters.ok()) {
    return result_reply(message, tool_result_json(parameters.status(), stateless));
  }
  const auto output = tools_.run(*tool, std::move(parameters).value());
  return result_reply(message, tool_result_json(output, stateless));
}

}  // namespace litestream
