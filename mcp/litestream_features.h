// What this program offers over MCP: the tools, resources and prompts of sql/.
// Threading: thread-safe.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "mcp/mcp_features.h"
#include "mcp/prompts.h"
#include "mcp/resources.h"
#include "mcp/tools.h"

namespace litestream {

class LitestreamFeatures final : public McpFeatures {
 public:
  // `tools`, and the pool behind it, must outlive the features. `given_sources`: what was given on
  // the command line.
  static Result<std::unique_ptr<LitestreamFeatures>> create(const Tools& tools,
                                                            std::vector<GivenSource> given_sources);

  // Called when somebody begins to listen; must not block. Set it before the server starts.
  void set_listener_hook(std::function<void()> hook) { listener_hook_ = std::move(hook); }

  const McpIdentity& identity() const override { return identity_; }
  bool lists_change() const override { return false; }
  Result<McpListing> list(McpList kind) override;
  McpOutcome call_tool(std::string_view name, std::optional<simdjson::dom::object> arguments,
                       McpCall& call) override;
  std::vector<McpHeaderParameter> header_parameters(std::string_view) override { return {}; }
  McpOutcome get_prompt(std::string_view name, std::optional<simdjson::dom::object> arguments,
                        McpCall& call) override;
  Result<std::string> read_resource(std::string_view uri, McpCall& call) override;
  std::optional<std::string> resource_key(std::string_view uri) override;
  Result<std::vector<std::string>> complete(const McpCompletionRequest& request) override;
  void on_listener() override;

 private:
  LitestreamFeatures(const Tools& tools, std::vector<GivenSource> given_sources,
                     std::unique_ptr<Prompts> prompts);
  Result<std::vector<std::string>> list_resources() const;
  // The resource, if its database is known.
  std::optional<ResourceUri> find_resource(std::string_view uri) const;
  McpOutcome run_tool(const ToolDefinition& tool, const SqlParameters& parameters, McpCall& call);
  // nullopt: go on, with what the person said in `parameters`.
  std::optional<McpOutcome> confirm(const ToolDefinition& tool, SqlParameters& parameters,
                                    McpCall& call);
  Result<std::vector<std::string>> complete_argument(const McpCompletionRequest& request) const;

  const Tools& tools_;
  const std::vector<GivenSource> given_sources_;
  const std::unique_ptr<Prompts> prompts_;
  const McpIdentity identity_;
  std::function<void()> listener_hook_;
};

}  // namespace litestream
