#include "mcp/jsonrpc.h"

#include "mcp/json_writer.h"

namespace litestream {
namespace {

constexpr size_t kFirstCapacityBytes = 16 << 10;

// The id exactly as it stands in `padded`, which the other parser has found to be valid JSON.
std::string raw_id(const std::string& padded, size_t size) {
  simdjson::ondemand::parser parser;
  simdjson::ondemand::document document;
  const simdjson::padded_string_view view(padded.data(), size, padded.size());
  simdjson::ondemand::object object;
  if (parser.iterate(view).get(document) != simdjson::SUCCESS ||
      document.get_object().get(object) != simdjson::SUCCESS) {
    return {};
  }
  for (auto field : object) {
    std::string_view key;
    simdjson::ondemand::value value;
    if (field.unescaped_key().get(key) != simdjson::SUCCESS) return {};
    if (key != "id") continue;
    if (field.value().get(value) != simdjson::SUCCESS) return {};
    std::string_view token = value.raw_json_token();
    return std::string(token.substr(0, token.find_last_not_of(" \t\r\n") + 1));
  }
  return {};
}

struct Members {
  std::optional<simdjson::dom::element> jsonrpc, id, method, params, result, error;
};

// nullptr: a member this layer does not look at.
std::optional<simdjson::dom::element>* slot(Members& members, std::string_view key) {
  if (key == "jsonrpc") return &members.jsonrpc;
  if (key == "id") return &members.id;
  if (key == "method") return &members.method;
  if (key == "params") return &members.params;
  if (key == "result") return &members.result;
  if (key == "error") return &members.error;
  return nullptr;
}

// Text that says what is wrong, or nullptr.
const char* read_members(simdjson::dom::object object, Members& members) {
  for (const auto& member : object) {
    auto* place = slot(members, member.key);
    if (place == nullptr) continue;
    // Two readers that each take another one of the two would disagree about the message.
    if (place->has_value()) return "a member is given twice";
    *place = member.value;
  }
  std::string_view version;
  if (!members.jsonrpc || members.jsonrpc->get(version) != simdjson::SUCCESS || version != "2.0") {
    return "\"jsonrpc\" must be \"2.0\"";
  }
  if (members.id && !members.id->is_string() && !members.id->is_int64() &&
      !members.id->is_uint64()) {
    return "\"id\" must be a string or an integer";
  }
  if (members.params && !members.params->is_object()) return "\"params\" must be an object";
  return nullptr;
}

const char* classify(const Members& members, RpcMessage& message) {
  std::string_view method;
  if (members.method) {
    if (members.method->get(method) != simdjson::SUCCESS) return "\"method\" must be a string";
    if (members.result || members.error) return "a request has no \"result\" or \"error\"";
    message.method = method;
    message.kind = members.id ? RpcMessage::Kind::kRequest : RpcMessage::Kind::kNotification;
    return nullptr;
  }
  const bool is_response = members.result.has_value() != members.error.has_value();
  if (!is_response || (members.result && !members.id)) return "\"method\" is missing";
  message.kind = RpcMessage::Kind::kResponse;
  message.result = members.result;
  message.error = members.error;
  return nullptr;
}

}  // namespace

RpcParser::RpcParser() {
  // A failure shows up again, and is reported, when parse() allocates.
  const auto ignored = parser_.allocate(kFirstCapacityBytes, kRpcDepthMax);
  static_cast<void>(ignored);
}

std::optional<RpcMessage> RpcParser::parse(std::string_view text, RpcError& error) {
  refused_id_.clear();
  if (text.size() > kRpcMessageBytesMax) {
    error = {kRpcInvalidRequest, "the message is too long", ""};
    return std::nullopt;
  }
  padded_.assign(text);
  padded_.resize(text.size() + simdjson::SIMDJSON_PADDING);
  simdjson::dom::element root;
  const auto code = parser_.parse(padded_.data(), text.size(), false).get(root);
  if (code != simdjson::SUCCESS) {
    error = {kRpcParseError, std::string("Parse error: ") + simdjson::error_message(code), ""};
    return std::nullopt;
  }
  RpcMessage message;
  Members members;
  simdjson::dom::object object;
  const char* problem = root.is_array() ? "batches are not supported; send one object" : nullptr;
  if (problem == nullptr && root.get(object) != simdjson::SUCCESS) {
    problem = "a message is an object";
  }
  if (problem == nullptr) problem = read_members(object, members);
  if (problem == nullptr) problem = classify(members, message);
  if (members.id &&
      (members.id->is_string() || members.id->is_int64() || members.id->is_uint64())) {
    message.id = raw_id(padded_, text.size());
    if (message.id.empty() || message.id.size() > kRpcIdBytesMax) problem = "\"id\" is too long";
  }
  if (problem != nullptr) {
    refused_id_ = message.id.size() > kRpcIdBytesMax ? "" : message.id;
    error = {kRpcInvalidRequest, std::string("Invalid request: ") + problem, ""};
    return std::nullopt;
  }
  simdjson::dom::object params;
  if (members.params && members.params->get(params) == simdjson::SUCCESS) message.params = params;
  return message;
}

std::string rpc_result(std::string_view id, std::string_view result_json) {
  JsonWriter writer;
  writer.begin_object().key("jsonrpc").string("2.0").key("id").raw(id);
  return std::move(writer.key("result").raw(result_json).end_object()).take();
}

std::string rpc_error(std::string_view id, const RpcError& error) {
  JsonWriter writer;
  writer.begin_object().key("jsonrpc").string("2.0");
  if (!id.empty()) writer.key("id").raw(id);
  writer.key("error").begin_object();
  writer.key("code").integer(error.code).key("message").string(error.message);
  if (!error.data.empty()) writer.key("data").raw(error.data);
  return std::move(writer.end_object().end_object()).take();
}

std::string rpc_request(std::string_view id, std::string_view method,
                        std::string_view params_json) {
  JsonWriter writer;
  writer.begin_object().key("jsonrpc").string("2.0").key("id").raw(id);
  writer.key("method").string(method).key("params").raw(params_json);
  return std::move(writer.end_object()).take();
}

std::string rpc_notification(std::string_view method, std::string_view params_json) {
  JsonWriter writer;
  writer.begin_object().key("jsonrpc").string("2.0").key("method").string(method);
  return std::move(writer.key("params").raw(params_json).end_object()).take();
}

}  // namespace litestream
