#include "mcp/tools.h"

#include <algorithm>
#include <filesystem>

#include "mcp/embedded_sql.h"
#include "mcp/json_writer.h"
#include "mcp/output_guard.h"
#include "mcp/tool_arguments.h"

namespace litestream {
namespace {

constexpr std::string_view kToolFolder = "tools/";
// Beyond this many edits a name is no longer "nearest", just another name.
constexpr size_t kNearEditCountMax = 6;
constexpr size_t kNameBytesMax = 64;
// What sql/commands/resolve_database.sql adds to a URL; nobody asked for it, nobody is shown it.
constexpr const char* kForeignUrlParameter = "ambient-credentials=false";

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

void replace_all(std::string& text, const std::string& from, const std::string& to) {
  for (size_t at = 0; (at = text.find(from, at)) != std::string::npos; at += to.size()) {
    text.replace(at, from.size(), to);
  }
}

std::string describe(const ToolDefinition& tool) {
  JsonWriter writer;
  writer.begin_object();
  writer.key("name").string(tool.name);
  writer.key("title").string(tool.title);
  writer.key("description").string(tool.description);
  writer.key("inputSchema").raw(tool.input_schema);
  writer.key("outputSchema").raw(tool.output_schema);
  writer.key("annotations").raw(tool.annotations);
  return std::move(writer.end_object()).take();
}

// Upstream lets a client say which configuration to use. Ours reads one, its own.
Status check_config(SqlSession& session, const std::string& asked) {
  LS_ASSIGN_OR_RETURN(SqlValue value,
                      session.run_scalar("commands/config_value", {{"key", "config-path"}}));
  const std::string running = to_text(value);
  std::error_code error;
  const auto plain = [&](const std::string& path) {
    return std::filesystem::absolute(path, error).lexically_normal();
  };
  if (!running.empty() && plain(asked) == plain(running)) return {};
  return invalid_argument("\"config\": this server runs with " +
                          (running.empty() ? "no configuration" : running) +
                          " and reads no other; leave \"config\" out");
}

// Replaces the "database" argument by what the extension shall see, or refuses it.
Status resolve_database(SqlSession& session, bool allow_urls, SqlValue& value) {
  const SqlParameters parameters = {{"database", value}, {"allow_urls", int64_t{allow_urls}}};
  LS_ASSIGN_OR_RETURN(SqlRows resolved, session.run("commands/resolve_database", parameters));
  if (resolved.rows.empty()) return internal_error("resolve_database answered nothing");
  SqlValue& source = resolved.rows[0][0];
  if (std::holds_alternative<std::nullptr_t>(source)) {
    return invalid_argument("database is not configured; known: " + to_text(resolved.rows[0][1]));
  }
  value = std::move(source);
  return {};
}

// Counts what runs, within its life.
class JobCount {
 public:
  explicit JobCount(std::atomic<size_t>* count) : count_(count) {
    if (count_ != nullptr) before_ = count_->fetch_add(1);
  }
  ~JobCount() {
    if (count_ != nullptr) count_->fetch_sub(1);
  }
  JobCount(const JobCount&) = delete;
  JobCount& operator=(const JobCount&) = delete;
  bool is_too_many() const { return before_ >= kJobCountMax; }

 private:
  std::atomic<size_t>* const count_;
  size_t before_ = 0;
};

}  // namespace

Tools::Tools(SessionPool& pool, McpSettings settings, std::vector<ToolDefinition> tools)
    : pool_(pool), settings_(std::move(settings)) {
  for (ToolDefinition& tool : tools) {
    if (settings_.read_only && !tool.read_only) {
      hidden_names_.push_back(tool.name);
      continue;
    }
    list_items_.push_back(describe(tool));
    tools_.push_back(std::move(tool));
  }
}

Result<std::unique_ptr<Tools>> Tools::create(SessionPool& pool, McpSettings settings) {
  std::vector<ToolDefinition> tools;
  for (const EmbeddedSql& file : embedded_sql()) {
    if (!file.name.starts_with(kToolFolder)) continue;
    LS_ASSIGN_OR_RETURN(ToolDefinition tool,
                        parse_tool_definition(file.name.substr(kToolFolder.size()), file.text));
    tools.push_back(std::move(tool));
  }
  return std::unique_ptr<Tools>(new Tools(pool, std::move(settings), std::move(tools)));
}

const ToolDefinition* Tools::find(std::string_view name) const {
  for (const ToolDefinition& tool : tools_) {
    if (tool.name == name) return &tool;
  }
  return nullptr;
}

std::string Tools::unknown_tool_message(std::string_view name) const {
  name = name.substr(0, kNameBytesMax);
  if (std::find(hidden_names_.begin(), hidden_names_.end(), name) != hidden_names_.end()) {
    return "the tool \"" + std::string(name) +
           "\" writes, and this server is read-only (mcp-read-only); ask its operator";
  }
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

Status Tools::prepare(const ToolDefinition& tool, SqlSession& session,
                      SqlParameters& parameters) const {
  for (auto& [name, value] : parameters) {
    if (name == kConfigArgument) LS_RETURN_IF_ERROR(check_config(session, to_text(value)));
    if (name == "database") {
      LS_RETURN_IF_ERROR(resolve_database(session, settings_.allow_urls, value));
    }
    if (name == tool.writes) {
      LS_ASSIGN_OR_RETURN(value, guarded_output(to_text(value), settings_.restore_dir));
    }
  }
  parameters.emplace_back("allow_overwrite", int64_t{settings_.allow_overwrite});
  if (!settings_.warning.empty()) parameters.emplace_back("server_warning", settings_.warning);
  return {};
}

std::string Tools::redacted(std::string text) const {
  for (const std::string mark : {"?", "&"}) replace_all(text, mark + kForeignUrlParameter, "");
  for (const GivenSource& given : pool_.given_sources()) {
    if (given.source == given.name) continue;
    std::string quoted;
    append_json_string(quoted, given.source);
    const std::string escaped = quoted.substr(1, quoted.size() - 2);
    for (const std::string& secret : {escaped, given.source}) {
      replace_all(text, secret, given.name);
    }
  }
  return text;
}

Result<std::string> Tools::question(const ToolDefinition& tool, SqlParameters parameters) const {
  if (tool.confirm.empty()) return std::string();
  LS_ASSIGN_OR_RETURN(SessionPool::Lease session, pool_.acquire());
  LS_RETURN_IF_ERROR(prepare(tool, *session, parameters));
  LS_ASSIGN_OR_RETURN(SqlValue question, session->run_scalar(tool.confirm, parameters));
  return redacted(to_text(question));
}

Result<ToolOutput> Tools::run(const ToolDefinition& tool, SqlParameters parameters,
                              Cancellation& cancellation) const {
  const JobCount count(tool.job.empty() ? nullptr : &job_count_);
  if (count.is_too_many()) {
    return busy(tool.name + ": " + std::to_string(kJobCountMax) +
                " long tasks are running already (see litestream_jobs); try again later");
  }
  LS_ASSIGN_OR_RETURN(SessionPool::Lease session, pool_.acquire());
  LS_RETURN_IF_ERROR(prepare(tool, *session, parameters));
  auto rows = session->run(std::string(kToolFolder) + tool.name, parameters, cancellation);
  if (!rows.ok()) return Status(rows.status().code(), redacted(rows.status().message()));
  if (rows->rows.size() != 1) return internal_error(tool.name + ": no answer");
  ToolOutput output;
  output.json = redacted(to_valid_utf8(to_text(rows->rows[0][0])));
  if (rows->columns.size() > 1) output.summary = redacted(to_text(rows->rows[0][1]));
  return output;
}

}  // namespace litestream
