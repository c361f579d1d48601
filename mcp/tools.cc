#include "mcp/tools.h"

#include <algorithm>

#include "mcp/embedded_sql.h"
#include "mcp/json_writer.h"

namespace litestream {
namespace {

constexpr std::string_view kToolFolder = "tools/";
// Beyond this many edits a name is no longer "nearest", just another name.
constexpr size_t kNearEditCountMax = 6;
constexpr size_t kNameBytesMax = 64;

// Levenshtein distance.
size_t edit_distance(std::string_view a, std::string_view b) {
  std::vector<size_t> row(b.size() + 1);
  for (size_t j = 0; j <= b.size(); ++j) row[j] = j;
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t above = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, diagonal + (a[i - 1] == b[j - 1] ? 0 : 1)});
      diagonal = above;
    }
  }
  return row[b.size()];
}

std::string list_tools(const std::vector<ToolDefinition>& tools) {
  JsonWriter writer;
  writer.begin_array();
  for (const ToolDefinition& tool : tools) {
    writer.begin_object();
    writer.key("name").string(tool.name);
    writer.key("title").string(tool.title);
    writer.key("description").string(tool.description);
    writer.key("inputSchema").raw(tool.input_schema);
    writer.key("outputSchema").raw(tool.output_schema);
    writer.key("annotations").raw(tool.annotations);
    writer.end_object();
  }
  return std::move(writer.end_array()).take();
}

// Replaces the "database" argument by what the extension shall see, or refuses it.
Status resolve_database(SqlSession& session, SqlParameters& parameters) {
  for (auto& [name, value] : parameters) {
    if (name != "database") continue;
    LS_ASSIGN_OR_RETURN(SqlRows resolved,
                        session.run("commands/resolve_database", {{"database", value}}));
    if (resolved.rows.empty()) return internal_error("resolve_database answered nothing");
    SqlValue& source = resolved.rows[0][0];
    if (std::holds_alternative<std::nullptr_t>(source)) {
      return invalid_argument("database is not configured; known: " + to_text(resolved.rows[0][1]));
    }
    value = std::move(source);
  }
  return {};
}

}  // namespace

Tools::Tools(SessionPool& pool, std::vector<ToolDefinition> tools)
    : pool_(pool), tools_(std::move(tools)), list_json_(list_tools(tools_)) {}

Result<std::unique_ptr<Tools>> Tools::create(SessionPool& pool) {
  std::vector<ToolDefinition> tools;
  for (const EmbeddedSql& file : embedded_sql()) {
    if (!file.name.starts_with(kToolFolder)) continue;
    LS_ASSIGN_OR_RETURN(ToolDefinition tool,
                        parse_tool_definition(file.name.substr(kToolFolder.size()), file.text));
    tools.push_back(std::move(tool));
  }
  return std::unique_ptr<Tools>(new Tools(pool, std::move(tools)));
}

const ToolDefinition* Tools::find(std::string_view name) const {
  for (const ToolDefinition& tool : tools_) {
    if (tool.name == name) return &tool;
  }
  return nullptr;
}

std::string Tools::unknown_tool_message(std::string_view name) const {
  name = name.substr(0, kNameBytesMax);
  std::string message = "no tool \"" + std::string(name) + "\"; ";
  const ToolDefinition* nearest = nullptr;
  size_t nearest_edit_count = kNearEditCountMax + 1;
  std::string names;
  for (const ToolDefinition& tool : tools_) {
    // "restore" for "litestream_restore" is a slip too.
    const size_t edit_count = std::min(edit_distance(name, tool.name),
                                       edit_distance("litestream_" + std::string(name), tool.name));
    if (edit_count < nearest_edit_count) {
      nearest = &tool;
      nearest_edit_count = edit_count;
    }
    names += (names.empty() ? "" : ", ") + tool.name;
  }
  if (nearest != nullptr) return message + "did you mean \"" + nearest->name + "\"?";
  return message + "known: " + names;
}

Result<ToolOutput> Tools::run(const ToolDefinition& tool, SqlParameters parameters) const {
  LS_ASSIGN_OR_RETURN(SessionPool::Lease session, pool_.acquire());
  LS_RETURN_IF_ERROR(resolve_database(*session, parameters));
  LS_ASSIGN_OR_RETURN(SqlRows rows, session->run(std::string(kToolFolder) + tool.name, parameters));
  if (rows.rows.size() != 1) return internal_error(tool.name + ": no answer");
  ToolOutput output;
  output.json = to_valid_utf8(to_text(rows.rows[0][0]));
  if (rows.columns.size() > 1) output.summary = to_text(rows.rows[0][1]);
  return output;
}

}  // namespace litestream
