// What the public conformance suite expects a server to offer: tools, prompts and resources with
// fixed names and answers, on the same protocol core as the program's.
// Threading: thread-safe.
#pragma once

#include <functional>
#include <map>
#include <string>

#include "mcp/mcp_features.h"
#include "mcp/mcp_streams.h"

namespace litestream::test {

class ConformanceFixtures final : public McpFeatures {
 public:
  ConformanceFixtures();
  // Where changes go. Before the first request.
  void set_publish(std::function<void(const McpChange&)> publish) { publish_ = std::move(publish); }

  const McpIdentity& identity() const override { return identity_; }
  bool lists_change() const override { return true; }
  Result<McpListing> list(McpList kind) override;
  McpOutcome call_tool(std::string_view name, std::optional<simdjson::dom::object> arguments,
                       McpCall& call) override;
  std::vector<McpHeaderParameter> header_parameters(std::string_view tool_name) override;
  McpOutcome get_prompt(std::string_view name, std::optional<simdjson::dom::object> arguments,
                        McpCall& call) override;
  Result<std::string> read_resource(std::string_view uri, McpCall& call) override;
  std::optional<std::string> resource_key(std::string_view uri) override;
  Result<std::vector<std::string>> complete(const McpCompletionRequest& request) override;

 private:
  // A tool: what tools/list shows besides its name, and what it does.
  struct Tool {
    std::string description;
    std::string input_schema;
    std::function<McpOutcome(const std::optional<simdjson::dom::object>&, McpCall&)> run;
  };
  using Run = decltype(Tool::run);
  void add(const std::string& name, Run run, std::string input_schema = "");
  void add_content_tools();
  void add_talking_tools();
  void add_asking_tools();
  void add_schema_tools();
  void add_round_tools();

  const McpIdentity identity_;
  std::map<std::string, Tool, std::less<>> tools_;
  std::function<void(const McpChange&)> publish_;
};

}  // namespace litestream::test
