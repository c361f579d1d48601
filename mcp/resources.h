// The MCP resources: what reading tools answer, under URIs. Text in, text out; no SQL.
//
//   litestream://databases
//   litestream://db/{path}/status, .../restore-points, .../ltx{?level}
//
// {path} is the database's path (or the URL given on the command line), percent-encoded; a path
// with bare slashes is understood too.
// Threading: pure functions.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

namespace litestream {

struct ResourceKind {
  const char* uri_template;
  const char* suffix;  // of the path; "" for litestream://databases
  const char* name;
  const char* title;
  const char* description;
  const char* tool;  // whose answer it is
};

// litestream://databases first, then those of one database.
std::span<const ResourceKind> resource_kinds();

struct ResourceUri {
  const ResourceKind* kind = nullptr;
  std::string database;      // "" for litestream://databases
  std::optional<int> level;  // of ltx
};

// nullopt: no resource of ours has such a URI.
std::optional<ResourceUri> parse_resource_uri(std::string_view uri);
// The spelling that resources/list uses.
std::string format_resource_uri(const ResourceUri& uri);
// An entry of resources/list or resources/templates/list, one line.
std::string describe_resource(const ResourceUri& uri);
std::string describe_resource_template(const ResourceKind& kind);

inline constexpr const char* kResourceMimeType = "application/json";

}  // namespace litestream
