#include "mcp/resources.h"

#include "mcp/json_writer.h"

namespace litestream {
namespace {

constexpr std::string_view kDatabasesUri = "litestream://databases";
constexpr std::string_view kDatabasePrefix = "litestream://db/";
constexpr std::string_view kLevelQuery = "level=";

constexpr ResourceKind kKinds[] = {
    {"litestream://databases", "", "databases", "Databases",
     "Every database this server knows, with its replicas", "litestream_databases"},
    {"litestream://db/{path}/status", "/status", "status", "Replication status",
     "Whether the backup of one database is current; changes can be subscribed to",
     "litestream_status"},
    {"litestream://db/{path}/restore-points", "/restore-points", "restore-points", "Restore points",
     "The newest points one database can be restored to", "litestream_restore_points"},
    {"litestream://db/{path}/ltx{?level}", "/ltx", "ltx", "LTX files",
     "The newest LTX files of one database's backup, of all levels or one", "litestream_ltx"},
};

int hex_digit(char c) {
  if (c >= '0' && c <= '9') return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

// nullopt: an incomplete escape, or a NUL.
std::optional<std::string> percent_decode(std::string_view text) {
  std::string out;
  for (size_t i = 0; i < text.size(); ++i) {
    char c = text[i];
    if (c == '%') {
      if (i + 2 >= text.size()) return std::nullopt;
      const int high = hex_digit(text[i + 1]);
      const int low = hex_digit(text[i + 2]);
      if (high < 0 || low < 0) return std::nullopt;
      c = static_cast<char>(high * 16 + low);
      i += 2;
    }
    if (c == '\0') return std::nullopt;
    out += c;
  }
  return out;
}

// What RFC 6570 does with {path}: everything but unreserved characters.
std::string percent_encode(std::string_view text) {
  constexpr std::string_view kHexDigits = "0123456789ABCDEF";
  std::string out;
  for (const char c : text) {
    const bool plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') ||
                       c == '-' || c == '.' || c == '_' || c == '~';
    if (plain) {
      out += c;
      continue;
    }
    const auto byte = static_cast<uint8_t>(c);
    out += '%';
    out += kHexDigits[byte >> 4];
    out += kHexDigits[byte & 0xF];
  }
  return out;
}

void write_description(JsonWriter& writer, const ResourceKind& kind) {
  writer.key("title").string(kind.title).key("description").string(kind.description);
  writer.key("mimeType").string(kResourceMimeType);
}

}  // namespace

std::span<const ResourceKind> resource_kinds() { return kKinds; }

std::optional<ResourceUri> parse_resource_uri(std::string_view uri) {
  ResourceUri parsed;
  if (uri == kDatabasesUri) {
    parsed.kind = &kKinds[0];
    return parsed;
  }
  if (!uri.starts_with(kDatabasePrefix)) return std::nullopt;
  uri.remove_prefix(kDatabasePrefix.size());
  const size_t question = uri.find('?');
  const std::string_view path = uri.substr(0, question);
  for (const ResourceKind& kind : resource_kinds().subspan(1)) {
    if (path.ends_with(kind.suffix)) parsed.kind = &kind;
  }
  if (parsed.kind == nullptr) return std::nullopt;
  auto database = percent_decode(path.substr(0, path.rfind('/')));
  if (!database || database->empty()) return std::nullopt;
  parsed.database = std::move(*database);
  if (question == std::string_view::npos) return parsed;
  const std::string_view query = uri.substr(question + 1);
  const bool is_level = query.starts_with(kLevelQuery) && query.size() == kLevelQuery.size() + 1 &&
                        query.back() >= '0' && query.back() <= '9';
  if (parsed.kind != &kKinds[3] || !is_level) return std::nullopt;
  parsed.level = query.back() - '0';
  return parsed;
}

std::string format_resource_uri(const ResourceUri& uri) {
  if (uri.database.empty()) return std::string(kDatabasesUri);
  std::string text(kDatabasePrefix);
  text += percent_encode(uri.database);
  text += uri.kind->suffix;
  if (uri.level) {
    text += '?';
    text += kLevelQuery;
    text += std::to_string(*uri.level);
  }
  return text;
}

std::string describe_resource(const ResourceUri& uri) {
  JsonWriter writer;
  writer.begin_object().key("uri").string(format_resource_uri(uri));
  const std::string of = uri.database.empty() ? "" : " of " + uri.database;
  writer.key("name").string(uri.kind->name + of);
  write_description(writer, *uri.kind);
  return std::move(writer.end_object()).take();
}

std::string describe_resource_template(const ResourceKind& kind) {
  JsonWriter writer;
  writer.begin_object().key("uriTemplate").string(kind.uri_template);
  writer.key("name").string(kind.name);
  write_description(writer, kind);
  return std::move(writer.end_object()).take();
}

}  // namespace litestream
