#include "mcp/mcp_protocol.h"

#include <algorithm>
#include <array>
#include <vector>

namespace litestream {
namespace {

constexpr std::array<std::string_view, 4> kHandshakeVersions = {"2025-11-25", "2025-06-18",
                                                                kBatchVersion, "2024-11-05"};

constexpr std::array<std::string_view, 8> kLogLevels = {"debug", "info",     "notice", "warning",
                                                        "error", "critical", "alert",  "emergency"};

}  // namespace

std::span<const std::string_view> handshake_versions() { return kHandshakeVersions; }

bool is_handshake_version(std::string_view version) {
  return std::find(kHandshakeVersions.begin(), kHandshakeVersions.end(), version) !=
         kHandshakeVersions.end();
}

std::optional<McpLogLevel> parse_mcp_log_level(std::string_view name) {
  const auto* found = std::find(kLogLevels.begin(), kLogLevels.end(), name);
  if (found == kLogLevels.end()) return std::nullopt;
  return static_cast<McpLogLevel>(found - kLogLevels.begin());
}

std::string_view mcp_log_level_name(McpLogLevel level) {
  return kLogLevels[static_cast<size_t>(level)];
}

ClientCapabilities parse_client_capabilities(simdjson::dom::element capabilities) {
  ClientCapabilities parsed;
  simdjson::dom::object elicitation;
  if (capabilities["elicitation"].get(elicitation) == simdjson::SUCCESS) {
    // An empty object means forms; one that names modes means those.
    const bool names_form = elicitation["form"].error() == simdjson::SUCCESS;
    const bool names_url = elicitation["url"].error() == simdjson::SUCCESS;
    parsed.elicitation = names_form || !names_url;
  }
  parsed.sampling = capabilities["sampling"].is_object();
  parsed.roots = capabilities["roots"].is_object();
  return parsed;
}

std::string_view capability_of_request(std::string_view method) {
  if (method == "elicitation/create") return "elicitation";
  if (method == "sampling/createMessage") return "sampling";
  if (method == "roots/list") return "roots";
  return "";
}

bool has_capability(const ClientCapabilities& capabilities, std::string_view name) {
  if (name == "elicitation") return capabilities.elicitation;
  if (name == "sampling") return capabilities.sampling;
  if (name == "roots") return capabilities.roots;
  return false;
}

void write_server_info(JsonWriter& writer, const McpIdentity& identity) {
  writer.begin_object().key("name").string(identity.name).key("title").string(identity.title);
  writer.key("version").string(identity.version).end_object();
}

std::string_view text_member(const std::optional<simdjson::dom::object>& object,
                             std::string_view key) {
  std::string_view text;
  if (object && (*object)[key].get(text) == simdjson::SUCCESS) return text;
  return {};
}

std::optional<simdjson::dom::element> meta_member(
    const std::optional<simdjson::dom::object>& params, std::string_view key) {
  simdjson::dom::object meta;
  simdjson::dom::element element;
  if (!params || (*params)["_meta"].get(meta) != simdjson::SUCCESS ||
      meta[key].get(element) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  return element;
}

std::optional<std::string> token_json(simdjson::dom::element element) {
  if (!element.is_string() && !element.is_int64() && !element.is_uint64()) return std::nullopt;
  return simdjson::minify(element);
}

std::string canonical_json(simdjson::dom::element element) {
  simdjson::dom::array array;
  if (element.get(array) == simdjson::SUCCESS) {
    JsonWriter writer;
    writer.begin_array();
    for (const simdjson::dom::element item : array) writer.raw(canonical_json(item));
    return std::move(writer.end_array()).take();
  }
  simdjson::dom::object object;
  if (element.get(object) != simdjson::SUCCESS) return simdjson::minify(element);
  std::vector<std::pair<std::string_view, simdjson::dom::element>> members;
  for (const auto& member : object) members.emplace_back(member.key, member.value);
  std::stable_sort(members.begin(), members.end(),
                   [](const auto& a, const auto& b) { return a.first < b.first; });
  JsonWriter writer;
  writer.begin_object();
  for (const auto& [key, value] : members) writer.key(key).raw(canonical_json(value));
  return std::move(writer.end_object()).take();
}

}  // namespace litestream
