#include "mcp/mcp_call.h"

namespace litestream {

McpOutcome McpOutcome::failure(int code, std::string message, std::string data_json) {
  McpOutcome outcome;
  outcome.error = RpcError{code, std::move(message), std::move(data_json)};
  return outcome;
}

McpOutcome tool_failure(std::string_view message) {
  JsonWriter writer;
  writer.begin_object().key("content").begin_array().begin_object();
  writer.key("type").string("text").key("text").string(message).end_object().end_array();
  return McpOutcome::of(std::move(writer.key("isError").boolean(true).end_object()).take());
}

std::optional<RpcError> McpServerCall::read(const std::optional<simdjson::dom::object>& params) {
  if (const auto token = meta_member(params, "progressToken")) progress_token_ = token_json(*token);
  if (!setup_.is_stateless) {
    if (setup_.session != nullptr) {
      capabilities_ = setup_.session->capabilities();
      log_level_ = setup_.session->log_level();
    }
    // A client that takes no stream cannot be asked.
    if (!setup_.exchange->can_stream()) capabilities_ = {};
    return std::nullopt;
  }
  if (const auto capabilities = meta_member(params, kMetaCapabilities)) {
    capabilities_ = parse_client_capabilities(*capabilities);
  }
  std::string_view level;
  const auto named = meta_member(params, kMetaLogLevel);
  if (named && named->get(level) == simdjson::SUCCESS) log_level_ = parse_mcp_log_level(level);
  return params ? read_answers(*params) : std::nullopt;
}

std::optional<RpcError> McpServerCall::read_answers(simdjson::dom::object params) {
  simdjson::dom::element element;
  if (params["inputResponses"].get(element) == simdjson::SUCCESS) {
    simdjson::dom::object responses;
    if (element.get(responses) != simdjson::SUCCESS) {
      return RpcError{kRpcInvalidParams, "\"inputResponses\" must be an object", ""};
    }
    for (const auto& response : responses) {
      if (!response.value.is_object()) {
        return RpcError{kRpcInvalidParams, "\"inputResponses\": every response must be an object",
                        ""};
      }
      given_answers_[std::string(response.key)] = simdjson::minify(response.value);
    }
  }
  if (params["requestState"].get(element) != simdjson::SUCCESS) return std::nullopt;
  std::string_view ticket;
  std::optional<std::string> state;
  if (element.get(ticket) == simdjson::SUCCESS) {
    state = setup_.tickets->redeem(ticket, setup_.purpose);
  }
  if (!state) {
    return RpcError{kRpcInvalidParams,
                    "\"requestState\" is not valid for this call: it is unknown, used up, too old, "
                    "or was given for other arguments; call again without it",
                    ""};
  }
  state_ = std::move(*state);
  return std::nullopt;
}

bool McpServerCall::wants_progress() const {
  return progress_token_.has_value() && setup_.exchange->can_stream();
}

void McpServerCall::progress(double done, std::optional<double> total, std::string_view message) {
  if (!wants_progress() || cancellation_.is_cancelled()) return;
  const std::lock_guard lock(progress_mutex_);
  if (last_progress_ && done <= *last_progress_) return;
  last_progress_ = done;
  JsonWriter params;
  params.begin_object().key("progressToken").raw(*progress_token_).key("progress").real(done);
  if (total) params.key("total").real(*total);
  if (!message.empty()) params.key("message").string(message);
  setup_.exchange->send(rpc_notification("notifications/progress", params.end_object().text()));
}

void McpServerCall::log(McpLogLevel level, std::string_view logger, std::string_view data_json) {
  if (!log_level_ || level < *log_level_ || !setup_.exchange->can_stream() ||
      cancellation_.is_cancelled()) {
    return;
  }
  JsonWriter params;
  params.begin_object().key("level").string(mcp_log_level_name(level));
  params.key("logger").string(logger).key("data").raw(data_json);
  setup_.exchange->send(rpc_notification("notifications/message", params.end_object().text()));
}

std::optional<McpOutcome> McpServerCall::missing_capability(
    const std::vector<McpQuestion>& questions) const {
  JsonWriter data;
  data.begin_object().key("requiredCapabilities").begin_object();
  std::string names;
  for (const McpQuestion& question : questions) {
    const std::string_view name = capability_of_request(question.method);
    if (has_capability(capabilities_, name) || names.find(name) != std::string::npos) continue;
    data.key(name).begin_object().end_object();
    names += names.empty() ? "" : ", ";
    names += name;
  }
  if (names.empty()) return std::nullopt;
  McpOutcome outcome =
      McpOutcome::failure(setup_.is_stateless ? kRpcMissingCapability : kRpcInvalidRequest,
                          "the client has not declared what this call needs: " + names,
                          std::move(data.end_object().end_object()).take());
  outcome.error_http_status = 400;
  return outcome;
}

McpOutcome McpServerCall::input_required(const std::vector<McpQuestion>& questions,
                                         std::string_view state) {
  JsonWriter writer;
  writer.begin_object().key("resultType").string("input_required");
  writer.key("inputRequests").begin_object();
  for (const McpQuestion& question : questions) {
    writer.key(question.key).begin_object().key("method").string(question.method);
    writer.key("params").raw(question.params).end_object();
  }
  writer.end_object();
  if (!state.empty()) {
    const std::string ticket = setup_.tickets->issue(setup_.purpose, std::string(state));
    if (ticket.empty()) {
      return McpOutcome::failure(kRpcInvalidParams, "the arguments are too long to ask about");
    }
    writer.key("requestState").string(ticket);
  }
  return McpOutcome::of(std::move(writer.end_object()).take());
}

std::optional<McpAnswers> McpServerCall::ask(const std::vector<McpQuestion>& questions,
                                             std::string_view state) {
  if (auto missing = missing_capability(questions)) {
    unanswered_ = std::move(*missing);
    return std::nullopt;
  }
  if (!setup_.is_stateless) return ask_session(questions);
  McpAnswers answers;
  for (const McpQuestion& question : questions) {
    const auto given = given_answers_.find(question.key);
    if (given != given_answers_.end()) answers[question.key] = given->second;
  }
  if (answers.size() == questions.size() && (state.empty() || state == state_)) return answers;
  unanswered_ = input_required(questions, state);
  return std::nullopt;
}

std::optional<McpAnswers> McpServerCall::ask_session(const std::vector<McpQuestion>& questions) {
  McpAnswers answers;
  // The answer could not be sent any more once this stream is gone, unlike that of other calls.
  setup_.exchange->watch_client(&cancellation_);
  for (const McpQuestion& question : questions) {
    auto answer = setup_.session->ask(question.method, question.params, *setup_.exchange,
                                      cancellation_, setup_.ask_timeout_ms);
    if (!answer.ok()) {
      const std::string message = "asked the client (" + question.method +
                                  "): " + answer.status().message() + "; nothing was done";
      unanswered_ =
          setup_.is_tool ? tool_failure(message) : McpOutcome::failure(kRpcInternalError, message);
      unanswered_.is_silent = cancellation_.is_cancelled();
      break;
    }
    answers[question.key] = std::move(answer).value();
  }
  setup_.exchange->watch_client(nullptr);
  if (answers.size() != questions.size()) return std::nullopt;
  return answers;
}

}  // namespace litestream
