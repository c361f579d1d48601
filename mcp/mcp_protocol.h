// Names and numbers of the Model Context Protocol that more than one part of the server needs.
// Threading: pure functions, immutable values.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "mcp/json_writer.h"
#include "mcp/jsonrpc.h"

namespace litestream {

// The revision without a handshake.
inline constexpr std::string_view kStatelessVersion = "2026-07-28";
// Revisions that begin with `initialize`, newest first.
std::span<const std::string_view> handshake_versions();
bool is_handshake_version(std::string_view version);
// The only revision in which a client may send several messages as one array.
inline constexpr std::string_view kBatchVersion = "2025-03-26";

// Handshake era: what SDKs use for refusals of the transport.
inline constexpr int kRpcBadRequest = -32000;
inline constexpr int kRpcSessionNotFound = -32001;
inline constexpr int kRpcResourceNotFound = -32002;
// Stateless era.
inline constexpr int kRpcHeaderMismatch = -32020;
inline constexpr int kRpcMissingCapability = -32021;
inline constexpr int kRpcUnsupportedVersion = -32022;

// Keys of _meta.
inline constexpr std::string_view kMetaVersion = "io.modelcontextprotocol/protocolVersion";
inline constexpr std::string_view kMetaCapabilities = "io.modelcontextprotocol/clientCapabilities";
inline constexpr std::string_view kMetaLogLevel = "io.modelcontextprotocol/logLevel";
inline constexpr std::string_view kMetaServerInfo = "io.modelcontextprotocol/serverInfo";
inline constexpr std::string_view kMetaSubscription = "io.modelcontextprotocol/subscriptionId";

// RFC 5424's, least severe first.
enum class McpLogLevel { kDebug, kInfo, kNotice, kWarning, kError, kCritical, kAlert, kEmergency };
std::optional<McpLogLevel> parse_mcp_log_level(std::string_view name);
std::string_view mcp_log_level_name(McpLogLevel level);

// What a client has declared that it can be asked for.
struct ClientCapabilities {
  bool elicitation = false;  // forms
  bool sampling = false;
  bool roots = false;
};
ClientCapabilities parse_client_capabilities(simdjson::dom::element capabilities);

// The capability a request to the client needs: "elicitation" for "elicitation/create"; "" for a
// method no client has.
std::string_view capability_of_request(std::string_view method);
bool has_capability(const ClientCapabilities& capabilities, std::string_view name);

struct McpIdentity {
  std::string name;
  std::string title;
  std::string version;
  std::string instructions;  // for the model, how to use this server
};
void write_server_info(JsonWriter& writer, const McpIdentity& identity);

// A member of `object`, "" if it is missing or not a string.
std::string_view text_member(const std::optional<simdjson::dom::object>& object,
                             std::string_view key);
// params._meta[key]
std::optional<simdjson::dom::element> meta_member(
    const std::optional<simdjson::dom::object>& params, std::string_view key);

// The JSON text of a string or an integer, as it goes back to the client; nullopt for other types.
std::optional<std::string> token_json(simdjson::dom::element element);

// The same value always gives the same text: members sorted by name, no white space.
std::string canonical_json(simdjson::dom::element element);

}  // namespace litestream
