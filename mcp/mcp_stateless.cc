#include "mcp/mcp_stateless.h"

#include <charconv>
#include <string>

#include "mcp/json_writer.h"
#include "mcp/mcp_protocol.h"

namespace litestream {
namespace {

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

RpcError mismatch(const std::string& header, const char* what) {
  return {kRpcHeaderMismatch, "Header " + header + " " + what, ""};
}

// nullopt: the header says what the body says.
std::optional<RpcError> check_text(const std::string& header, const std::string& value,
                                   std::string_view expected) {
  const std::optional<std::string> decoded = decode_header(value);
  if (!decoded) return mismatch(header, "is not valid base64");
  if (*decoded != expected && *decoded != percent_decoded(expected)) {
    return mismatch(header, "differs from the body");
  }
  return std::nullopt;
}

std::optional<RpcError> check_name(const McpHeaders& headers, const RpcMessage& message) {
  const char* member = nullptr;
  if (message.method == "tools/call" || message.method == "prompts/get") member = "name";
  if (message.method == "resources/read") member = "uri";
  if (member == nullptr) return std::nullopt;
  if (!headers.name) return mismatch("Mcp-Name", "is missing");
  std::string_view expected;
  if (!message.params || (*message.params)[member].get(expected) != simdjson::SUCCESS) {
    return RpcError{kRpcInvalidParams, std::string("\"") + member + "\" must be a string", ""};
  }
  return check_text("Mcp-Name", *headers.name, expected);
}

std::optional<RpcError> check_version(const McpHeaders* headers, const RpcMessage& message) {
  const auto claim = meta_member(message.params, kMetaVersion);
  const auto capabilities = meta_member(message.params, kMetaCapabilities);
  std::string_view version;
  if (!claim || claim->get(version) != simdjson::SUCCESS) {
    return RpcError{kRpcInvalidParams,
                    "_meta must hold " + std::string(kMetaVersion) + ", a string", ""};
  }
  if (!capabilities || !capabilities->is_object()) {
    return RpcError{kRpcInvalidParams,
                    "_meta must hold " + std::string(kMetaCapabilities) + ", an object", ""};
  }
  if (headers != nullptr) {
    if (!headers->protocol_version) return mismatch("MCP-Protocol-Version", "is missing");
    if (trimmed(*headers->protocol_version) != version) {
      return mismatch("MCP-Protocol-Version", "differs from the body");
    }
  }
  if (version == kStatelessVersion) return std::nullopt;
  JsonWriter data;
  data.begin_object().key("supported").begin_array().string(kStatelessVersion).end_array();
  data.key("requested").string(version).end_object();
  return RpcError{kRpcUnsupportedVersion, "Unsupported protocol version", data.text()};
}

std::optional<RpcError> check_log_level(const RpcMessage& message) {
  const auto level = meta_member(message.params, kMetaLogLevel);
  std::string_view text;
  if (!level || (level->get(text) == simdjson::SUCCESS && parse_mcp_log_level(text))) {
    return std::nullopt;
  }
  return RpcError{kRpcInvalidParams, "unknown log level", ""};
}

std::optional<double> number(std::string_view text) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size()) return std::nullopt;
  return value;
}

// The header repeats `argument`, a number, a boolean or a string.
std::optional<RpcError> check_argument(const std::string& header, const std::string& value,
                                       simdjson::dom::element argument) {
  double expected = 0;
  if (argument.is_number() && argument.get(expected) == simdjson::SUCCESS) {
    const std::optional<std::string> decoded = decode_header(value);
    if (!decoded) return mismatch(header, "is not valid base64");
    if (number(*decoded) == expected) return std::nullopt;
    return mismatch(header, "differs from the body");
  }
  std::string_view text;
  if (argument.get(text) == simdjson::SUCCESS) return check_text(header, value, text);
  return check_text(header, value, simdjson::minify(argument));
}

}  // namespace

bool is_stateless_era(const McpHeaders* headers, const RpcMessage& message) {
  if (message.kind == RpcMessage::Kind::kResponse) return false;
  if (meta_member(message.params, kMetaVersion)) return true;
  return headers != nullptr && headers->protocol_version &&
         is_date_from(trimmed(*headers->protocol_version), kStatelessVersion);
}

std::optional<RpcError> check_stateless_request(const McpHeaders* headers,
                                                const RpcMessage& message) {
  if (auto error = check_version(headers, message)) return error;
  if (headers != nullptr) {
    if (!headers->method) return mismatch("Mcp-Method", "is missing");
    if (trimmed(*headers->method) != message.method) {
      return mismatch("Mcp-Method", "differs from the body");
    }
    if (auto error = check_name(*headers, message)) return error;
  }
  return check_log_level(message);
}

std::optional<RpcError> check_parameter_headers(const McpHeaders& headers,
                                                const RpcMessage& message,
                                                const std::vector<McpHeaderParameter>& parameters) {
  for (const McpHeaderParameter& parameter : parameters) {
    const std::string name = "Mcp-Param-" + parameter.header;
    std::string lower_name = parameter.header;
    for (char& c : lower_name) {
      if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
    }
    const std::string* value = nullptr;
    for (const auto& [header, text] : headers.parameters) {
      if (header == lower_name) value = &text;
    }
    simdjson::dom::element argument;
    const bool given =
        message.params &&
        (*message.params)["arguments"][parameter.parameter].get(argument) == simdjson::SUCCESS &&
        !argument.is_null();
    if (!given && value == nullptr) continue;
    if (!given) return mismatch(name, "names an argument that the body does not have");
    if (value == nullptr) return mismatch(name, "is missing");
    if (auto error = check_argument(name, *value, argument)) return error;
  }
  return std::nullopt;
}

}  // namespace litestream
