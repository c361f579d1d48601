#include "mcp/mcp_stateless.h"

#include <algorithm>
#include <array>
#include <string>

#include "mcp/mcp_server.h"

namespace litestream {
namespace {

constexpr int kRpcHeaderMismatch = -32020;
constexpr int kRpcUnsupportedVersion = -32022;

constexpr std::string_view kVersionKey = "io.modelcontextprotocol/protocolVersion";
constexpr std::string_view kCapabilitiesKey = "io.modelcontextprotocol/clientCapabilities";
constexpr std::string_view kServerInfoKey = "io.modelcontextprotocol/serverInfo";
// The tools change only when the program does.
constexpr int64_t kCacheTtlMs = 3'600'000;

std::optional<simdjson::dom::element> meta_member(const RpcMessage& message, std::string_view key) {
  simdjson::dom::object meta;
  simdjson::dom::element element;
  if (!message.params || (*message.params)["_meta"].get(meta) != simdjson::SUCCESS ||
      meta[key].get(element) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  return element;
}

bool is_date_from(std::string_view text, std::string_view first) {
  if (text.size() != first.size()) return false;
  for (size_t i = 0; i < text.size(); ++i) {
    const bool dash = first[i] == '-';
    if (dash ? text[i] != '-' : (text[i] < '0' || text[i] > '9')) return false;
  }
  return text >= first;
}

std::string_view trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(" \t") - first + 1);
}

int base64_digit(char c) {
  constexpr std::string_view kDigits =
      "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
  const size_t at = kDigits.find(c);
  return at == std::string_view::npos ? -1 : static_cast<int>(at);
}

// Strict: full groups, correct padding, no stray bits.
std::optional<std::string> decode_base64(std::string_view text) {
  if (text.size() % 4 != 0) return std::nullopt;
  std::string out;
  for (size_t i = 0; i < text.size(); i += 4) {
    const bool last = i + 4 == text.size();
    const size_t padding = !last ? 0 : text.ends_with("==") ? 2 : text.ends_with("=") ? 1 : 0;
    uint32_t group = 0;
    for (size_t j = 0; j < 4; ++j) {
      const int digit = j >= 4 - padding ? 0 : base64_digit(text[i + j]);
      if (digit < 0) return std::nullopt;
      group = group << 6 | static_cast<uint32_t>(digit);
    }
    const uint32_t unused_mask = padding == 2 ? 0xFFFF : padding == 1 ? 0xFF : 0;
    if ((group & unused_mask) != 0) return std::nullopt;
    for (size_t j = 0; j < 3 - padding; ++j) {
      out += static_cast<char>(group >> (16 - 8 * j) & 0xFF);
    }
  }
  return out;
}

// Header values that plain ASCII cannot carry come as =?base64?...?=.
std::optional<std::string> decode_header(std::string_view text) {
  text = trimmed(text);
  constexpr std::string_view kPrefix = "=?base64?";
  constexpr std::string_view kSuffix = "?=";
  if (!text.starts_with(kPrefix) || !text.ends_with(kSuffix) ||
      text.size() < kPrefix.size() + kSuffix.size()) {
    return std::string(text);
  }
  text.remove_prefix(kPrefix.size());
  text.remove_suffix(kSuffix.size());
  return decode_base64(text);
}

// The HTTP library has percent-decoded the header, so the body's value is compared both as it is
// and decoded the same way.
std::string percent_decoded(std::string_view text) {
  std::string out;
  const auto digit = [](char c) {
    if (c >= '0' && c <= '9') return c - '0';
    if (c >= 'a' && c <= 'f') return c - 'a' + 10;
    if (c >= 'A' && c <= 'F') return c - 'A' + 10;
    return -1;
  };
  for (size_t i = 0; i < text.size(); ++i) {
    const bool escape =
        text[i] == '%' && i + 2 < text.size() && digit(text[i + 1]) >= 0 && digit(text[i + 2]) >= 0;
    out += escape ? static_cast<char>(digit(text[i + 1]) * 16 + digit(text[i + 2])) : text[i];
    if (escape) i += 2;
  }
  return out;
}

RpcError mismatch(const char* header, const char* what) {
  return {kRpcHeaderMismatch, std::string("Header ") + header + " " + what, ""};
}

std::optional<RpcError> check_name(const McpRequest& request, const RpcMessage& message) {
  const char* member = nullptr;
  if (message.method == "tools/call" || message.method == "prompts/get") member = "name";
  if (message.method == "resources/read") member = "uri";
  if (member == nullptr) return std::nullopt;
  if (!request.name) return mismatch("Mcp-Name", "is missing");
  const std::optional<std::string> name = decode_header(*request.name);
  if (!name) return mismatch("Mcp-Name", "is not valid base64");
  std::string_view expected;
  if (!message.params || (*message.params)[member].get(expected) != simdjson::SUCCESS) {
    return RpcError{kRpcInvalidParams, std::string("\"") + member + "\" must be a string", ""};
  }
  if (*name != expected && *name != percent_decoded(expected)) {
    return mismatch("Mcp-Name", "differs from the body");
  }
  return std::nullopt;
}

std::optional<RpcError> check_version(const McpRequest& request, const RpcMessage& message) {
  const auto claim = meta_member(message, kVersionKey);
  const auto capabilities = meta_member(message, kCapabilitiesKey);
  std::string_view version;
  if (!claim || claim->get(version) != simdjson::SUCCESS) {
    return RpcError{kRpcInvalidParams, "_meta must hold " + std::string(kVersionKey) + ", a string",
                    ""};
  }
  if (!capabilities || !capabilities->is_object()) {
    return RpcError{kRpcInvalidParams,
                    "_meta must hold " + std::string(kCapabilitiesKey) + ", an object", ""};
  }
  if (!request.protocol_version) return mismatch("MCP-Protocol-Version", "is missing");
  if (trimmed(*request.protocol_version) != version) {
    return mismatch("MCP-Protocol-Version", "differs from the body");
  }
  if (version == kStatelessVersion) return std::nullopt;
  JsonWriter data;
  data.begin_object().key("supported").begin_array().string(kStatelessVersion).end_array();
  data.key("requested").string(version).end_object();
  return RpcError{kRpcUnsupportedVersion, "Unsupported protocol version", data.text()};
}

std::optional<RpcError> check_log_level(const RpcMessage& message) {
  const auto level = meta_member(message, "io.modelcontextprotocol/logLevel");
  if (!level) return std::nullopt;
  constexpr std::array<std::string_view, 8> kLevels = {"debug", "info",     "notice", "warning",
                                                       "error", "critical", "alert",  "emergency"};
  std::string_view text;
  if (level->get(text) == simdjson::SUCCESS &&
      std::find(kLevels.begin(), kLevels.end(), text) != kLevels.end()) {
    return std::nullopt;
  }
  return RpcError{kRpcInvalidParams, "unknown log level", ""};
}

}  // namespace

bool is_stateless_era(const McpRequest& request, const RpcMessage& message) {
  if (message.kind == RpcMessage::Kind::kResponse) return false;
  if (meta_member(message, kVersionKey)) return true;
  return request.protocol_version &&
         is_date_from(trimmed(*request.protocol_version), kStatelessVersion);
}

std::optional<RpcError> check_stateless_request(const McpRequest& request,
                                                const RpcMessage& message) {
  if (auto error = check_version(request, message)) return error;
  if (!request.method) return mismatch("Mcp-Method", "is missing");
  if (trimmed(*request.method) != message.method) {
    return mismatch("Mcp-Method", "differs from the body");
  }
  if (auto error = check_name(request, message)) return error;
  return check_log_level(message);
}

void write_server_info(JsonWriter& writer) {
  writer.begin_object().key("name").string("litestream").key("title").string("Litestream");
  writer.key("version").string(LITESTREAM_VERSION).end_object();
}

void write_stateless_result_members(JsonWriter& writer) {
  writer.key("resultType").string("complete");
  writer.key("_meta").begin_object().key(kServerInfoKey);
  write_server_info(writer);
  writer.end_object();
}

void write_cache_members(JsonWriter& writer) {
  writer.key("ttlMs").integer(kCacheTtlMs).key("cacheScope").string("public");
}

}  // namespace litestream
