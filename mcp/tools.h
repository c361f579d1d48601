// The MCP tools: one per sql/tools/<name>.sql. Finds, describes and runs them; knows no protocol.
// Threading: thread-safe; run() may be called from any number of threads.
#pragma once

#include <atomic>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ext/base/status.h"
#include "mcp/cancellation.h"
#include "mcp/mcp_settings.h"
#include "mcp/session_pool.h"
#include "mcp/tool_definition.h"

namespace litestream {

// Restores, verifications and snapshots at once; other tools find a free connection meanwhile.
inline constexpr size_t kJobCountMax = 4;
static_assert(kJobCountMax < kSqlSessionCountMax);

struct ToolOutput {
  std::string json;     // one line, as the tool's output schema says
  std::string summary;  // one sentence for people, may be empty
};

class Tools {
 public:
  // Reads every tool's header. `pool` must outlive the tools. InvalidArgument: a header is wrong.
  static Result<std::unique_ptr<Tools>> create(SessionPool& pool, McpSettings settings = {});

  // Without those that the settings hide.
  const std::vector<ToolDefinition>& all() const { return tools_; }
  const ToolDefinition* find(std::string_view name) const;  // nullptr: no such tool
  // `no tool "x"; did you mean "y"?`, the list of all names, or why a tool is hidden.
  std::string unknown_tool_message(std::string_view name) const;
  // The tools as tools/list shows them, one line each.
  const std::vector<std::string>& list_items() const { return list_items_; }

  // What to ask a person before run() is called with these parameters; "": nothing. An error is the
  // tool's.
  Result<std::string> question(const ToolDefinition& tool, SqlParameters parameters) const;
  // Any error is the tool's; its message is for the client. `tool` comes from find().
  Result<ToolOutput> run(const ToolDefinition& tool, SqlParameters parameters,
                         Cancellation& cancellation) const;

  SessionPool& pool() const { return pool_; }

 private:
  Tools(SessionPool& pool, McpSettings settings, std::vector<ToolDefinition> tools);
  // Checks what a schema cannot say and adds what the settings decide.
  // With the names of sources from the command line in place of the sources, which hold secrets.
  std::string redacted(std::string text) const;
  Status prepare(const ToolDefinition& tool, SqlSession& session, SqlParameters& parameters) const;

  SessionPool& pool_;
  const McpSettings settings_;
  std::vector<ToolDefinition> tools_;
  std::vector<std::string> hidden_names_;
  std::vector<std::string> list_items_;
  mutable std::atomic<size_t> job_count_{0};
};

}  // namespace litestream
