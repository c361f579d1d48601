// The MCP tools: one per sql/tools/<name>.sql. Finds, describes and runs them; knows no protocol.
// Threading: thread-safe; run() may be called from any number of threads.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ext/base/status.h"
#include "mcp/session_pool.h"
#include "mcp/tool_definition.h"

namespace litestream {

struct ToolOutput {
  std::string json;     // one line, as the tool's output schema says
  std::string summary;  // one sentence for people, may be empty
};

class Tools {
 public:
  // Reads every tool's header. `pool` must outlive the tools. InvalidArgument: a header is wrong.
  static Result<std::unique_ptr<Tools>> create(SessionPool& pool);

  const std::vector<ToolDefinition>& all() const { return tools_; }
  const ToolDefinition* find(std::string_view name) const;  // nullptr: no such tool
  // `no tool "x"; did you mean "y"?` or the list of all names.
  std::string unknown_tool_message(std::string_view name) const;
  // The array of tools/list, one line.
  const std::string& list_json() const { return list_json_; }

  // Any error is the tool's; its message is for the client. `tool` comes from find().
  Result<ToolOutput> run(const ToolDefinition& tool, SqlParameters parameters) const;

 private:
  Tools(SessionPool& pool, std::vector<ToolDefinition> tools);

  SessionPool& pool_;
  const std::vector<ToolDefinition> tools_;
  std::string list_json_;
};

}  // namespace litestream
