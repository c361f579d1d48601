// JSON-RPC 2.0 as MCP uses it: one object per message, no batches. Text in, text out.
//
// A request's id is kept as the bytes the client sent and echoed unchanged.
// Threading: a parser is thread-compatible; functions are pure.
#pragma once

#include <simdjson.h>

#include <memory>
#include <optional>
#include <string>
#include <string_view>

namespace litestream {

inline constexpr size_t kRpcMessageBytesMax = 4 << 20;
inline constexpr size_t kRpcDepthMax = 64;
inline constexpr size_t kRpcIdBytesMax = 1024;

inline constexpr int kRpcParseError = -32700;
inline constexpr int kRpcInvalidRequest = -32600;
inline constexpr int kRpcMethodNotFound = -32601;
inline constexpr int kRpcInvalidParams = -32602;
inline constexpr int kRpcInternalError = -32603;

struct RpcError {
  int code = 0;
  std::string message;
  std::string data;  // one-line JSON, or empty
};

struct RpcMessage {
  enum class Kind { kRequest, kNotification, kResponse };
  Kind kind = Kind::kRequest;
  std::string id;  // JSON text; empty for a notification
  std::string method;
  // Absent, or values that live until the parser's next parse().
  std::optional<simdjson::dom::object> params;
  std::optional<simdjson::dom::element> result;  // of a response
  std::optional<simdjson::dom::element> error;
};

class RpcParser {
 public:
  RpcParser();
  // The message, or what is wrong with it: -32700 for bytes that are not JSON (or too deep), -32600
  // for JSON that is not one JSON-RPC message.
  std::optional<RpcMessage> parse(std::string_view text, RpcError& error);
  // The id of the message that parse() refused last, for the error; empty if it has no usable one.
  const std::string& refused_id() const { return refused_id_; }

 private:
  simdjson::dom::parser parser_;
  std::string padded_;
  std::string refused_id_;
};

// One line, without a line end. An empty `id` leaves the member out.
std::string rpc_result(std::string_view id, std::string_view result_json);
std::string rpc_error(std::string_view id, const RpcError& error);
std::string rpc_request(std::string_view id, std::string_view method, std::string_view params_json);
std::string rpc_notification(std::string_view method, std::string_view params_json);

}  // namespace litestream
