#include "mcp/mcp_server.h"

#include "mcp/json_writer.h"
#include "mcp/mcp_stateless.h"

namespace litestream {
namespace {

// A parser keeps the room its longest message needed; longer ones than this bring their own.
constexpr size_t kSharedParserBytesMax = 64 << 10;
constexpr size_t kBatchMessageCountMax = 100;
constexpr int64_t kDiscoverTtlMs = 3'600'000;

McpReply error_reply(int http_status, std::string_view id, RpcError error) {
  return {http_status, rpc_error(id, error), "", false, false};
}

McpReply result_reply(const RpcMessage& message, std::string_view result_json) {
  return {200, rpc_result(message.id, result_json), "", false, false};
}

std::string server_info_json(const McpIdentity& identity) {
  JsonWriter writer;
  write_server_info(writer, identity);
  return std::move(writer).take();
}

std::string unsupported_version_message() {
  std::string message = "Unsupported MCP-Protocol-Version; supported: ";
  message += kStatelessVersion;
  for (const std::string_view version : handshake_versions()) {
    message += ", ";
    message += version;
  }
  return message;
}

bool is_array(std::string_view body) {
  const size_t first = body.find_first_not_of(" \t\r\n");
  return first != std::string_view::npos && body[first] == '[';
}

// The id of a response to a request of ours, and what it says.
Result<std::string> response_answer(const RpcMessage& message) {
  if (message.result) return simdjson::minify(*message.result);
  std::string_view text;
  if (message.error && (*message.error)["message"].get(text) == simdjson::SUCCESS) {
    return unavailable(std::string(text.substr(0, 1000)));
  }
  return unavailable("the client answered with an error");
}

}  // namespace

McpServer::McpServer(McpFeatures& features, const Clock& clock, Options options)
    : features_(features),
      options_(options),
      server_info_(server_info_json(features.identity())),
      sessions_(clock),
      streams_(sessions_),
      tickets_(clock) {}

McpReply McpServer::handle(const McpRequest& request, McpExchange& exchange) {
  if (is_array(request.body)) return handle_batch(request, exchange);
  return handle_one(request, exchange);
}

McpReply McpServer::handle_one(const McpRequest& request, McpExchange& exchange) {
  thread_local RpcParser shared_parser;  // one per thread needs no lock
  std::optional<RpcParser> own_parser;
  if (request.body.size() > kSharedParserBytesMax) own_parser.emplace();
  RpcParser& parser = own_parser ? *own_parser : shared_parser;
  RpcError error;
  const std::optional<RpcMessage> message = parser.parse(request.body, error);
  if (!message) return error_reply(400, parser.refused_id(), std::move(error));
  if (is_stateless_era(request.headers, *message)) {
    return handle_stateless_era(request, *message, exchange);
  }
  return handle_handshake_era(request, *message, exchange);
}

// Arrays of messages exist in one revision only, so only a session that agreed on it may send one.
McpReply McpServer::handle_batch(const McpRequest& request, McpExchange& exchange) {
  std::shared_ptr<McpSession> session = request.session;
  if (request.headers != nullptr && request.headers->session_id) {
    session = sessions_.find(*request.headers->session_id);
  }
  simdjson::dom::parser parser;
  simdjson::dom::array messages;
  const bool allowed = session != nullptr && session->version() == kBatchVersion;
  // Refused or damaged: the parser of single messages says so.
  if (!allowed || parser.allocate(request.body.size(), kRpcDepthMax) != simdjson::SUCCESS ||
      parser.parse(request.body.data(), request.body.size()).get(messages) != simdjson::SUCCESS ||
      messages.size() == 0 || messages.size() > kBatchMessageCountMax) {
    return handle_one(request, exchange);
  }
  JsonWriter answers;
  answers.begin_array();
  bool has_answer = false;
  for (const simdjson::dom::element element : messages) {
    const std::string text = simdjson::minify(element);
    McpRequest one = request;
    one.body = text;
    const McpReply answer = handle_one(one, exchange);
    if (answer.body.empty()) continue;
    has_answer = true;
    answers.raw(answer.body);
  }
  if (!has_answer) return {202, "", "", false, false};
  return {200, std::move(answers.end_array()).take(), "", false, false};
}

McpReply McpServer::handle_handshake_era(const McpRequest& request, const RpcMessage& message,
                                         McpExchange& exchange) {
  const bool is_request = message.kind == RpcMessage::Kind::kRequest;
  if (is_request && message.method == "initialize") return initialize(request, message);
  std::shared_ptr<McpSession> session = request.session;
  if (request.headers != nullptr) {
    const McpHeaders& headers = *request.headers;
    if (headers.session_id) {
      session = sessions_.find(*headers.session_id);
      if (session == nullptr) {
        return error_reply(404, message.id, {kRpcSessionNotFound, "Session not found", ""});
      }
    }
    if (headers.protocol_version && !is_handshake_version(*headers.protocol_version)) {
      return error_reply(400, message.id, {kRpcBadRequest, unsupported_version_message(), ""});
    }
  }
  if (message.kind == RpcMessage::Kind::kResponse) {
    if (session != nullptr) session->deliver(message.id, response_answer(message));
    return {202, "", "", false, false};
  }
  if (!is_request) {
    take_notification(message, session.get());
    return {202, "", "", false, false};
  }
  const Turn turn{message, request.headers, false, session, exchange};
  if (auto reply = handshake_method(turn)) return std::move(*reply);
  if (auto reply = common_method(turn)) return std::move(*reply);
  return error_reply(200, message.id, {kRpcMethodNotFound, "Method not found", ""});
}

McpReply McpServer::handle_stateless_era(const McpRequest& request, const RpcMessage& message,
                                         McpExchange& exchange) {
  if (message.kind != RpcMessage::Kind::kRequest) {
    take_notification(message, request.session.get());
    return {202, "", "", false, false};
  }
  if (auto refusal = check_stateless_request(request.headers, message)) {
    return error_reply(400, message.id, std::move(*refusal));
  }
  if (message.method == "server/discover") return discover(message);
  const Turn turn{message, request.headers, true, request.session, exchange};
  if (message.method == "subscriptions/listen") return listen(turn);
  if (auto reply = common_method(turn)) return std::move(*reply);
  return error_reply(404, message.id, {kRpcMethodNotFound, "Method not found", ""});
}

void McpServer::take_notification(const RpcMessage& message, McpSession* session) {
  if (message.method != "notifications/cancelled" || session == nullptr || !message.params) return;
  simdjson::dom::element element;
  if ((*message.params)["requestId"].get(element) != simdjson::SUCCESS) return;
  const std::optional<std::string> id = token_json(element);
  if (!id) return;
  session->cancel_request(*id);
  streams_.end_listen(*id, session);
}

void McpServer::write_capabilities(JsonWriter& writer, bool stateless) const {
  const bool lists_change = features_.lists_change();
  writer.key("capabilities").begin_object();
  for (const char* name : {"tools", "prompts"}) {
    writer.key(name).begin_object();
    if (lists_change) writer.key("listChanged").boolean(true);
    writer.end_object();
  }
  writer.key("resources").begin_object().key("subscribe").boolean(true);
  writer.key("listChanged").boolean(true).end_object();
  writer.key("completions").begin_object().end_object();
  if (!stateless) writer.key("logging").begin_object().end_object();
  writer.end_object();
}

McpReply McpServer::discover(const RpcMessage& message) {
  JsonWriter writer;
  writer.begin_object().key("supportedVersions").begin_array();
  writer.string(kStatelessVersion).end_array();
  write_capabilities(writer, true);
  writer.key("instructions").string(features_.identity().instructions);
  writer.key("ttlMs").integer(kDiscoverTtlMs).key("cacheScope").string("public");
  writer.key("resultType").string("complete");
  writer.key("_meta").begin_object().key(kMetaServerInfo).raw(server_info_).end_object();
  return result_reply(message, writer.end_object().text());
}

McpReply McpServer::initialize(const McpRequest& request, const RpcMessage& message) {
  std::string_view version = text_member(message.params, "protocolVersion");
  if (version.empty()) {
    return error_reply(200, message.id,
                       {kRpcInvalidParams, "\"protocolVersion\" must be a string", ""});
  }
  if (!is_handshake_version(version)) version = handshake_versions()[0];
  ClientCapabilities capabilities;
  simdjson::dom::element declared;
  if ((*message.params)["capabilities"].get(declared) == simdjson::SUCCESS) {
    capabilities = parse_client_capabilities(declared);
  }
  JsonWriter writer;
  writer.begin_object().key("protocolVersion").string(version);
  write_capabilities(writer, false);
  writer.key("serverInfo").raw(server_info_);
  writer.key("instructions").string(features_.identity().instructions).end_object();
  McpReply reply = result_reply(message, writer.text());
  if (request.session != nullptr) {
    request.session->agree(std::string(version), capabilities);
  } else {
    reply.new_session_id = sessions_.create(std::string(version), capabilities);
  }
  return reply;
}

std::optional<McpReply> McpServer::handshake_method(const Turn& turn) {
  const std::string& method = turn.message.method;
  if (method == "ping") return result_reply(turn.message, "{}");
  if (method == "logging/setLevel") return set_log_level(turn);
  if (method == "resources/subscribe") return subscribe(turn, true);
  if (method == "resources/unsubscribe") return subscribe(turn, false);
  return std::nullopt;
}

McpReply McpServer::set_log_level(const Turn& turn) {
  const auto level = parse_mcp_log_level(text_member(turn.message.params, "level"));
  if (!level) {
    return error_reply(200, turn.message.id,
                       {kRpcInvalidParams, "\"level\" is not a log level", ""});
  }
  if (turn.session != nullptr) turn.session->set_log_level(*level);
  return result_reply(turn.message, "{}");
}

McpReply McpServer::subscribe(const Turn& turn, bool on) {
  const std::string uri(text_member(turn.message.params, "uri"));
  std::optional<std::string> key;
  if (uri.size() <= kResourceUriBytesMax) key = features_.resource_key(uri);
  if (!key) return reply(turn, resource_not_found(turn, uri));
  if (turn.session == nullptr) {
    return error_reply(
        200, turn.message.id,
        {kRpcInvalidRequest, "a subscription needs a session: initialize first", ""});
  }
  if (!on) {
    turn.session->unsubscribe(uri);
  } else if (!turn.session->subscribe(uri, std::move(*key))) {
    return error_reply(200, turn.message.id,
                       {kRpcInvalidRequest, "too many subscriptions in one session", ""});
  } else {
    features_.on_listener();
  }
  return result_reply(turn.message, "{}");
}

McpReply McpServer::open_stream(std::string_view session_id, McpExchange& exchange) {
  const auto session = sessions_.find(session_id);
  if (session == nullptr) {
    return error_reply(404, "", {kRpcSessionNotFound, "Session not found", ""});
  }
  if (session->has_stream()) {
    return error_reply(409, "", {kRpcBadRequest, "the session has a stream already", ""});
  }
  std::shared_ptr<McpOutbox> outbox = exchange.keep_open();
  if (outbox == nullptr) {
    return error_reply(503, "", {kRpcBadRequest, "too many streams are open", ""});
  }
  // Another GET may have been faster, or the session ended: then this stream just ends.
  if (!session->set_stream(outbox)) outbox->close();
  features_.on_listener();
  return {200, "", "", true, false};
}

void McpServer::close_streams() { streams_.close_all(server_info_); }

}  // namespace litestream
