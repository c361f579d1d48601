// The MCP prompts: one per sql/prompts/<name>.sql. The header holds title, description and
// `arguments`, a JSON list of {"name","title","description","required"}; every row of the query is
// a message: role, text. Threading: thread-safe.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "ext/base/status.h"
#include "mcp/session_pool.h"

namespace litestream {

struct PromptArgument {
  std::string name;
  std::string description;
  bool required = false;
};

struct PromptDefinition {
  std::string name;
  std::string title;
  std::string description;
  std::string arguments_json;  // as prompts/list shows them
  std::vector<PromptArgument> arguments;
};

class Prompts {
 public:
  // `pool` must outlive the prompts. InvalidArgument: a header is wrong.
  static Result<std::unique_ptr<Prompts>> create(SessionPool& pool);

  const PromptDefinition* find(std::string_view name) const;  // nullptr: no such prompt
  std::string unknown_prompt_message(std::string_view name) const;
  // The prompts as prompts/list shows them, one line each.
  const std::vector<std::string>& list_items() const { return list_items_; }
  // The result of prompts/get, one line. InvalidArgument: an argument is missing or unknown.
  Result<std::string> get(const PromptDefinition& prompt, const SqlParameters& arguments) const;

 private:
  Prompts(SessionPool& pool, std::vector<PromptDefinition> prompts);

  SessionPool& pool_;
  const std::vector<PromptDefinition> prompts_;
  std::vector<std::string> list_items_;
};

}  // namespace litestream
