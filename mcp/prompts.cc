#include "mcp/prompts.h"

#include <simdjson.h>

#include <algorithm>

#include "mcp/embedded_sql.h"
#include "mcp/json_writer.h"
#include "mcp/sql_header.h"

namespace litestream {
namespace {

constexpr std::string_view kPromptFolder = "prompts/";

Result<PromptDefinition> parse_prompt(std::string_view name, std::string_view sql) {
  const SqlHeader header = parse_sql_header(sql);
  PromptDefinition prompt;
  prompt.name = name;
  LS_ASSIGN_OR_RETURN(prompt.title, header_text(header, "title"));
  LS_ASSIGN_OR_RETURN(prompt.description, header_text(header, "description"));
  LS_ASSIGN_OR_RETURN(prompt.arguments_json, header_json(header, "arguments"));
  simdjson::dom::parser parser;
  simdjson::dom::array arguments;
  if (parser.parse(prompt.arguments_json).get(arguments) != simdjson::SUCCESS) {
    return invalid_argument("arguments: not a list");
  }
  for (const simdjson::dom::element element : arguments) {
    std::string_view argument_name;
    std::string_view description;
    PromptArgument argument;
    if (element["name"].get(argument_name) != simdjson::SUCCESS ||
        element["description"].get(description) != simdjson::SUCCESS ||
        element["required"].get(argument.required) != simdjson::SUCCESS) {
      return invalid_argument("arguments: each has name, description and required");
    }
    argument.name = argument_name;
    argument.description = description;
    prompt.arguments.push_back(std::move(argument));
  }
  return prompt;
}

std::string describe(const PromptDefinition& prompt) {
  JsonWriter writer;
  writer.begin_object().key("name").string(prompt.name).key("title").string(prompt.title);
  writer.key("description").string(prompt.description);
  return std::move(writer.key("arguments").raw(prompt.arguments_json).end_object()).take();
}

bool is_given(const SqlParameters& arguments, std::string_view name) {
  return std::any_of(arguments.begin(), arguments.end(),
                     [&](const auto& argument) { return argument.first == name; });
}

Status check_arguments(const PromptDefinition& prompt, const SqlParameters& arguments) {
  for (const PromptArgument& argument : prompt.arguments) {
    if (!argument.required || is_given(arguments, argument.name)) continue;
    return invalid_argument(prompt.name + ": \"" + argument.name +
                            "\" is missing: " + argument.description);
  }
  for (const auto& [name, value] : arguments) {
    const bool known = std::any_of(prompt.arguments.begin(), prompt.arguments.end(),
                                   [&](const auto& argument) { return argument.name == name; });
    if (known) continue;
    return invalid_argument(prompt.name + ": unknown argument \"" + name.substr(0, 100) + "\"");
  }
  return {};
}

}  // namespace

Prompts::Prompts(SessionPool& pool, std::vector<PromptDefinition> prompts)
    : pool_(pool), prompts_(std::move(prompts)) {
  for (const PromptDefinition& prompt : prompts_) list_items_.push_back(describe(prompt));
}

Result<std::unique_ptr<Prompts>> Prompts::create(SessionPool& pool) {
  std::vector<PromptDefinition> prompts;
  for (const EmbeddedSql& file : embedded_sql()) {
    if (!file.name.starts_with(kPromptFolder)) continue;
    const std::string_view name = file.name.substr(kPromptFolder.size());
    auto prompt = parse_prompt(name, file.text);
    if (!prompt.ok()) return prompt.status().with_context(std::string(name) + ".sql");
    prompts.push_back(std::move(prompt).value());
  }
  return std::unique_ptr<Prompts>(new Prompts(pool, std::move(prompts)));
}

const PromptDefinition* Prompts::find(std::string_view name) const {
  for (const PromptDefinition& prompt : prompts_) {
    if (prompt.name == name) return &prompt;
  }
  return nullptr;
}

std::string Prompts::unknown_prompt_message(std::string_view name) const {
  std::string message = "no prompt \"" + std::string(name.substr(0, 64)) + "\"; known: ";
  for (const PromptDefinition& prompt : prompts_) {
    if (&prompt != &prompts_.front()) message += ", ";
    message += prompt.name;
  }
  return message;
}

Result<std::string> Prompts::get(const PromptDefinition& prompt,
                                 const SqlParameters& arguments) const {
  LS_RETURN_IF_ERROR(check_arguments(prompt, arguments));
  LS_ASSIGN_OR_RETURN(SessionPool::Lease session, pool_.acquire());
  LS_ASSIGN_OR_RETURN(SqlRows messages,
                      session->run(std::string(kPromptFolder) + prompt.name, arguments));
  JsonWriter writer;
  writer.begin_object().key("description").string(prompt.description);
  writer.key("messages").begin_array();
  for (const auto& row : messages.rows) {
    if (row.size() != 2) return internal_error(prompt.name + ": a message is role and text");
    writer.begin_object().key("role").string(to_text(row[0])).key("content").begin_object();
    writer.key("type").string("text").key("text").string(to_text(row[1]));
    writer.end_object().end_object();
  }
  return std::move(writer.end_array().end_object()).take();
}

}  // namespace litestream
