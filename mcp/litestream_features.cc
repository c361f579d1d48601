#include "mcp/litestream_features.h"

#include <algorithm>
#include <chrono>

#include "mcp/embedded_sql.h"
#include "mcp/job_progress.h"
#include "mcp/tool_arguments.h"

namespace litestream {
namespace {

constexpr int64_t kFixedListTtlMs = 3'600'000;  // tools and prompts change only with the program
constexpr int64_t kResourceListTtlMs = 10'000;
constexpr std::string_view kLogger = "litestream";
constexpr std::string_view kConfirmKey = "confirm";

constexpr std::string_view kInstructions =
    "Backups of SQLite databases made by litestream. Call litestream_databases first: its paths "
    "are "
    "the \"database\" argument of the other tools. litestream_status says whether backups are "
    "current, litestream_restore_points what can be restored, litestream_plan what a restore would "
    "read. Restores go to new files; the running database is never changed. TXIDs are 16 "
    "hexadecimal digits, times are RFC 3339, sizes are bytes.";

void write_text_content(JsonWriter& writer, std::string_view text) {
  writer.begin_object().key("type").string("text").key("text").string(text).end_object();
}

McpOutcome tool_success(const ToolOutput& output) {
  JsonWriter writer;
  writer.begin_object().key("content").begin_array();
  write_text_content(writer, output.json);
  if (!output.summary.empty()) write_text_content(writer, output.summary);
  writer.end_array().key("structuredContent").raw(output.json);
  return McpOutcome::of(std::move(writer.key("isError").boolean(false).end_object()).take());
}

std::string confirm_params(const std::string& question) {
  JsonWriter writer;
  writer.begin_object().key("message").string(question);
  writer.key("requestedSchema").begin_object().key("type").string("object");
  writer.key("properties").begin_object().key("overwrite").begin_object();
  writer.key("type").string("boolean").key("title").string("Replace the existing file");
  writer.key("description").string("What is in the file now is lost");
  writer.key("default").boolean(false).end_object().end_object();
  writer.key("required").begin_array().string("overwrite").end_array().end_object();
  return std::move(writer.end_object()).take();
}

bool is_agreement(const std::string& answer_json) {
  simdjson::dom::parser parser;
  simdjson::dom::element answer;
  std::string_view action;
  bool overwrite = false;
  return parser.parse(answer_json).get(answer) == simdjson::SUCCESS &&
         answer["action"].get(action) == simdjson::SUCCESS && action == "accept" &&
         answer["content"]["overwrite"].get(overwrite) == simdjson::SUCCESS && overwrite;
}

void set_parameter(SqlParameters& parameters, std::string_view name, SqlValue value) {
  for (auto& [known_name, known_value] : parameters) {
    if (known_name != name) continue;
    known_value = std::move(value);
    return;
  }
  parameters.emplace_back(name, std::move(value));
}

std::string log_data(const ToolDefinition& tool, std::string_view event, std::string_view detail) {
  JsonWriter writer;
  writer.begin_object().key("tool").string(tool.name).key("event").string(event);
  if (!detail.empty()) writer.key("detail").string(detail);
  return std::move(writer.end_object()).take();
}

bool is_embedded(const std::string& name) {
  const auto files = embedded_sql();
  return std::any_of(files.begin(), files.end(),
                     [&](const EmbeddedSql& file) { return file.name == name; });
}

}  // namespace

LitestreamFeatures::LitestreamFeatures(const Tools& tools, std::vector<GivenSource> given_sources,
                                       std::unique_ptr<Prompts> prompts)
    : tools_(tools),
      given_sources_(std::move(given_sources)),
      prompts_(std::move(prompts)),
      identity_{"litestream", "Litestream", LITESTREAM_VERSION, std::string(kInstructions)} {}

Result<std::unique_ptr<LitestreamFeatures>> LitestreamFeatures::create(
    const Tools& tools, std::vector<GivenSource> given_sources) {
  LS_ASSIGN_OR_RETURN(auto prompts, Prompts::create(tools.pool()));
  return std::unique_ptr<LitestreamFeatures>(
      new LitestreamFeatures(tools, std::move(given_sources), std::move(prompts)));
}

Result<std::vector<std::string>> LitestreamFeatures::list_resources() const {
  LS_ASSIGN_OR_RETURN(SessionPool::Lease session, tools_.pool().acquire());
  LS_ASSIGN_OR_RETURN(SqlRows databases, session->run("commands/database_names"));
  std::vector<std::string> items = {describe_resource({&resource_kinds()[0], "", {}})};
  for (const auto& row : databases.rows) {
    for (const ResourceKind& kind : resource_kinds().subspan(1)) {
      items.push_back(describe_resource({&kind, to_text(row[0]), {}}));
    }
  }
  return items;
}

Result<McpListing> LitestreamFeatures::list(McpList kind) {
  switch (kind) {
    case McpList::kTools: return McpListing{tools_.list_items(), kFixedListTtlMs};
    case McpList::kPrompts: return McpListing{prompts_->list_items(), kFixedListTtlMs};
    case McpList::kResources: {
      LS_ASSIGN_OR_RETURN(auto items, list_resources());
      return McpListing{std::move(items), kResourceListTtlMs};
    }
    case McpList::kResourceTemplates: break;
  }
  McpListing templates{{}, kFixedListTtlMs};
  for (const ResourceKind& resource : resource_kinds().subspan(1)) {
    templates.items.push_back(describe_resource_template(resource));
  }
  return templates;
}

McpOutcome LitestreamFeatures::call_tool(std::string_view name,
                                         std::optional<simdjson::dom::object> arguments,
                                         McpCall& call) {
  const ToolDefinition* tool = tools_.find(name);
  if (tool == nullptr) {
    return McpOutcome::failure(kRpcInvalidParams, tools_.unknown_tool_message(name));
  }
  auto parameters =
      arguments ? arguments_from_json(*tool, *arguments) : arguments_from_query(*tool, {});
  if (!parameters.ok()) return tool_failure(parameters.status().message());
  if (auto refused = confirm(*tool, *parameters, call)) return std::move(*refused);
  return run_tool(*tool, *parameters, call);
}

std::optional<McpOutcome> LitestreamFeatures::confirm(const ToolDefinition& tool,
                                                      SqlParameters& parameters, McpCall& call) {
  const auto question = tools_.question(tool, parameters);
  if (!question.ok()) return tool_failure(question.status().message());
  // Without a way to ask, the arguments alone decide.
  if (question->empty() || !call.client().elicitation) return std::nullopt;
  const std::string key(kConfirmKey);
  const auto answers = call.ask({{key, "elicitation/create", confirm_params(*question)}}, key);
  if (!answers) return call.unanswered();
  if (!is_agreement(answers->at(key))) {
    return tool_failure(tool.name + ": the user did not agree; nothing was done");
  }
  set_parameter(parameters, "overwrite", int64_t{1});
  return std::nullopt;
}

McpOutcome LitestreamFeatures::run_tool(const ToolDefinition& tool, const SqlParameters& parameters,
                                        McpCall& call) {
  const McpLogLevel level = tool.read_only ? McpLogLevel::kDebug : McpLogLevel::kInfo;
  call.log(level, kLogger, log_data(tool, "started", ""));
  const auto begin = std::chrono::steady_clock::now();
  std::optional<JobProgress> progress;
  if (!tool.job.empty()) progress.emplace(call, tool.job, given_sources_);
  const auto output = tools_.run(tool, parameters, call.cancellation());
  progress.reset();
  if (!output.ok()) {
    call.log(McpLogLevel::kWarning, kLogger, log_data(tool, "failed", output.status().message()));
    return tool_failure(output.status().message());
  }
  const auto took = std::chrono::duration_cast<std::chrono::milliseconds>(
      std::chrono::steady_clock::now() - begin);
  call.log(level, kLogger, log_data(tool, "done", std::to_string(took.count()) + " ms"));
  return tool_success(*output);
}

McpOutcome LitestreamFeatures::get_prompt(std::string_view name,
                                          std::optional<simdjson::dom::object> arguments,
                                          McpCall&) {
  const PromptDefinition* prompt = prompts_->find(name);
  if (prompt == nullptr) {
    return McpOutcome::failure(kRpcInvalidParams, prompts_->unknown_prompt_message(name));
  }
  SqlParameters parameters;
  if (arguments) {
    for (const auto& argument : *arguments) {
      std::string_view text;
      if (argument.value.get(text) != simdjson::SUCCESS || text.size() > kArgumentTextBytesMax) {
        return McpOutcome::failure(kRpcInvalidParams, "arguments of prompts are short texts");
      }
      if (!text.empty()) parameters.emplace_back(argument.key, std::string(text));
    }
  }
  auto result = prompts_->get(*prompt, parameters);
  if (!result.ok()) {
    const bool wrong = result.status().code() == StatusCode::kInvalidArgument;
    return McpOutcome::failure(wrong ? kRpcInvalidParams : kRpcInternalError,
                               result.status().message());
  }
  return McpOutcome::of(std::move(result).value());
}

std::optional<ResourceUri> LitestreamFeatures::find_resource(std::string_view uri) const {
  std::optional<ResourceUri> resource = parse_resource_uri(uri);
  if (!resource || resource->database.empty()) return resource;
  auto session = tools_.pool().acquire();
  if (!session.ok()) return std::nullopt;
  const auto known =
      (*session)->run_scalar("commands/is_known_database", {{"database", resource->database}});
  if (!known.ok() || *known != SqlValue(int64_t{1})) return std::nullopt;
  return resource;
}

Result<std::string> LitestreamFeatures::read_resource(std::string_view uri, McpCall& call) {
  const std::optional<ResourceUri> resource = find_resource(uri);
  const ToolDefinition* tool = resource ? tools_.find(resource->kind->tool) : nullptr;
  if (tool == nullptr) return not_found("no such resource");
  SqlParameters parameters;
  if (!resource->database.empty()) parameters.emplace_back("database", resource->database);
  if (resource->level) parameters.emplace_back("level", int64_t{*resource->level});
  LS_ASSIGN_OR_RETURN(ToolOutput output, tools_.run(*tool, parameters, call.cancellation()));
  JsonWriter writer;
  writer.begin_array().begin_object().key("uri").string(uri);
  writer.key("mimeType").string(kResourceMimeType).key("text").string(output.json);
  return std::move(writer.end_object().end_array()).take();
}

std::optional<std::string> LitestreamFeatures::resource_key(std::string_view uri) {
  std::optional<ResourceUri> resource = find_resource(uri);
  if (!resource) return std::nullopt;
  resource->level.reset();  // all levels change together
  return format_resource_uri(*resource);
}

Result<std::vector<std::string>> LitestreamFeatures::complete_argument(
    const McpCompletionRequest& request) const {
  // "path" of a resource template is what prompts call "database".
  const std::string name(request.argument == "path" ? "database" : request.argument);
  const std::string file = "completions/" + name;
  std::vector<std::string> values;
  if (!is_embedded(file)) return values;
  SqlParameters parameters = {{"prefix", std::string(request.prefix)}};
  for (const char* context_name : {"database", "path"}) {
    const auto database = request.context.find(context_name);
    if (database != request.context.end()) set_parameter(parameters, "database", database->second);
  }
  LS_ASSIGN_OR_RETURN(SessionPool::Lease session, tools_.pool().acquire());
  const auto known = session->run_scalar("commands/is_known_database", parameters);
  if (!known.ok() || *known != SqlValue(int64_t{1})) set_parameter(parameters, "database", nullptr);
  const auto rows = session->run(file, parameters);
  // Half-typed arguments name what does not exist; that is no error yet.
  if (!rows.ok()) return values;
  for (const auto& row : rows->rows) values.push_back(to_text(row[0]));
  return values;
}

Result<std::vector<std::string>> LitestreamFeatures::complete(const McpCompletionRequest& request) {
  if (request.is_prompt) {
    const PromptDefinition* prompt = prompts_->find(request.reference);
    if (prompt == nullptr) {
      return invalid_argument(prompts_->unknown_prompt_message(request.reference));
    }
  } else {
    const auto kinds = resource_kinds();
    const bool known = std::any_of(kinds.begin(), kinds.end(), [&](const ResourceKind& kind) {
      return request.reference == kind.uri_template;
    });
    if (!known) return invalid_argument("no such resource template");
  }
  return complete_argument(request);
}

void LitestreamFeatures::on_listener() {
  if (listener_hook_) listener_hook_();
}

}  // namespace litestream
