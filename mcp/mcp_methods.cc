// The methods that both eras have in common, and the subscriptions of the stateless one.
#include <algorithm>
#include <charconv>

#include "mcp/json_writer.h"
#include "mcp/mcp_call.h"
#include "mcp/mcp_server.h"
#include "mcp/mcp_stateless.h"

namespace litestream {
namespace {

constexpr size_t kCompletionCountMax = 100;  // the specification's
constexpr std::string_view kCursorPrefix = "from-";

McpReply error_reply(int http_status, std::string_view id, RpcError error) {
  return {http_status, rpc_error(id, error), "", false, false};
}

// Index of the first item; nullopt: not a cursor that this server gave out.
std::optional<size_t> parse_cursor(const std::optional<simdjson::dom::object>& params,
                                   size_t item_count) {
  simdjson::dom::element element;
  if (!params || (*params)["cursor"].get(element) != simdjson::SUCCESS) return 0;
  std::string_view text;
  if (element.get(text) != simdjson::SUCCESS) return std::nullopt;
  if (text.empty()) return 0;
  if (!text.starts_with(kCursorPrefix)) return std::nullopt;
  text.remove_prefix(kCursorPrefix.size());
  size_t first = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), first);
  if (error != std::errc() || end != text.data() + text.size() || first >= item_count) {
    return std::nullopt;
  }
  return first;
}

void write_cache_members(JsonWriter& writer, int64_t ttl_ms) {
  writer.key("ttlMs").integer(ttl_ms).key("cacheScope").string("private");
}

std::map<std::string, std::string, std::less<>> completion_context(simdjson::dom::object params) {
  std::map<std::string, std::string, std::less<>> context;
  simdjson::dom::object arguments;
  if (params["context"]["arguments"].get(arguments) != simdjson::SUCCESS) return context;
  for (const auto& argument : arguments) {
    std::string_view value;
    if (argument.value.get(value) == simdjson::SUCCESS) context[std::string(argument.key)] = value;
  }
  return context;
}

std::optional<McpCompletionRequest> parse_completion(
    const std::optional<simdjson::dom::object>& params) {
  McpCompletionRequest request;
  std::string_view type;
  if (!params || (*params)["ref"]["type"].get(type) != simdjson::SUCCESS ||
      (*params)["argument"]["name"].get(request.argument) != simdjson::SUCCESS ||
      (*params)["argument"]["value"].get(request.prefix) != simdjson::SUCCESS) {
    return std::nullopt;
  }
  request.is_prompt = type == "ref/prompt";
  if (!request.is_prompt && type != "ref/resource") return std::nullopt;
  const char* member = request.is_prompt ? "name" : "uri";
  if ((*params)["ref"][member].get(request.reference) != simdjson::SUCCESS) return std::nullopt;
  request.context = completion_context(*params);
  return request;
}

bool is_on(simdjson::dom::object object, std::string_view key) {
  bool value = false;
  return object[key].get(value) == simdjson::SUCCESS && value;
}

// False: there are arguments, and they are not an object. null counts as none.
bool read_arguments(const std::optional<simdjson::dom::object>& params,
                    std::optional<simdjson::dom::object>& arguments) {
  simdjson::dom::element element;
  if (!params || (*params)["arguments"].get(element) != simdjson::SUCCESS || element.is_null()) {
    return true;
  }
  simdjson::dom::object object;
  if (element.get(object) != simdjson::SUCCESS) return false;
  arguments = object;
  return true;
}

McpOutcome bad_arguments() {
  return McpOutcome::failure(kRpcInvalidParams, "\"arguments\" must be an object");
}

// Makes a running request known to its session, so that it can be cancelled.
class RunningRequest {
 public:
  RunningRequest(McpSession* session, const std::string& id, Cancellation& cancellation)
      : session_(session), id_(id), cancellation_(cancellation) {
    if (session_ != nullptr) session_->begin_request(id_, &cancellation_);
  }
  ~RunningRequest() {
    if (session_ != nullptr) session_->end_request(id_, &cancellation_);
  }
  RunningRequest(const RunningRequest&) = delete;
  RunningRequest& operator=(const RunningRequest&) = delete;

 private:
  McpSession* const session_;
  const std::string& id_;
  Cancellation& cancellation_;
};

}  // namespace

std::optional<McpReply> McpServer::common_method(const Turn& turn) {
  const std::string& method = turn.message.method;
  if (method == "tools/list") return list(turn, McpList::kTools, "tools");
  if (method == "prompts/list") return list(turn, McpList::kPrompts, "prompts");
  if (method == "resources/list") return list(turn, McpList::kResources, "resources");
  if (method == "resources/templates/list") {
    return list(turn, McpList::kResourceTemplates, "resourceTemplates");
  }
  if (method == "completion/complete") return complete(turn);
  if (method == "tools/call" || method == "prompts/get" || method == "resources/read") {
    return run_call(turn);
  }
  return std::nullopt;
}

McpReply McpServer::reply(const Turn& turn, McpOutcome outcome) const {
  if (outcome.is_silent) return {202, "", "", false, true};
  const std::string& id = turn.message.id;
  if (outcome.error) {
    const int status = turn.is_stateless ? outcome.error_http_status : 200;
    return error_reply(status, id, std::move(*outcome.error));
  }
  if (turn.is_stateless) {
    // Every result names its type and this server; an outcome may have named its type already.
    JsonWriter members;
    members.begin_object();
    if (!outcome.result.starts_with("{\"resultType\":")) {
      members.key("resultType").string("complete");
    }
    members.key("_meta").begin_object().key(kMetaServerInfo).raw(server_info_).end_object();
    const std::string added = std::move(members.end_object()).take();
    outcome.result.back() = outcome.result.size() > 2 ? ',' : ' ';
    outcome.result.append(added, 1);
  }
  return {200, rpc_result(id, outcome.result), "", false, false};
}

McpReply McpServer::list(const Turn& turn, McpList kind, std::string_view member) {
  auto listing = features_.list(kind);
  if (!listing.ok()) {
    return reply(turn, McpOutcome::failure(kRpcInternalError, listing.status().message()));
  }
  const auto first = parse_cursor(turn.message.params, listing->items.size());
  if (!first) return reply(turn, McpOutcome::failure(kRpcInvalidParams, "unknown cursor"));
  const size_t end = std::min(*first + options_.page_size, listing->items.size());
  JsonWriter writer;
  writer.begin_object().key(member).begin_array();
  for (size_t i = *first; i < end; ++i) writer.raw(listing->items[i]);
  writer.end_array();
  if (end < listing->items.size()) {
    writer.key("nextCursor").string(std::string(kCursorPrefix) + std::to_string(end));
  }
  if (turn.is_stateless) write_cache_members(writer, listing->ttl_ms);
  return reply(turn, McpOutcome::of(std::move(writer.end_object()).take()));
}

McpReply McpServer::complete(const Turn& turn) {
  const auto request = parse_completion(turn.message.params);
  if (!request) {
    return reply(turn, McpOutcome::failure(kRpcInvalidParams,
                                           "\"ref\" and \"argument\" must say what to complete"));
  }
  auto values = features_.complete(*request);
  if (!values.ok()) {
    const bool wrong = values.status().code() == StatusCode::kInvalidArgument;
    return reply(turn, McpOutcome::failure(wrong ? kRpcInvalidParams : kRpcInternalError,
                                           values.status().message()));
  }
  JsonWriter writer;
  writer.begin_object().key("completion").begin_object().key("values").begin_array();
  const size_t count = std::min(values->size(), kCompletionCountMax);
  for (size_t i = 0; i < count; ++i) writer.string((*values)[i]);
  writer.end_array().key("total").integer(static_cast<int64_t>(values->size()));
  writer.key("hasMore").boolean(count < values->size()).end_object();
  return reply(turn, McpOutcome::of(std::move(writer.end_object()).take()));
}

McpReply McpServer::listen(const Turn& turn) {
  simdjson::dom::object wanted;
  if (!turn.message.params ||
      (*turn.message.params)["notifications"].get(wanted) != simdjson::SUCCESS) {
    return reply(turn, McpOutcome::failure(kRpcInvalidParams,
                                           "\"notifications\" must say what to listen for"));
  }
  McpFilter filter;
  const bool lists_change = features_.lists_change();
  filter.tools = lists_change && is_on(wanted, "toolsListChanged");
  filter.prompts = lists_change && is_on(wanted, "promptsListChanged");
  filter.resources = is_on(wanted, "resourcesListChanged");
  simdjson::dom::array uris;
  if (wanted["resourceSubscriptions"].get(uris) == simdjson::SUCCESS) {
    for (const simdjson::dom::element element : uris) {
      std::string_view uri;
      if (filter.uris.size() >= kSubscriptionCountMax) break;
      if (element.get(uri) != simdjson::SUCCESS || uri.size() > kResourceUriBytesMax) continue;
      if (auto key = features_.resource_key(uri)) filter.uris.emplace(uri, std::move(*key));
    }
  }
  if (!turn.exchange.can_stream()) {
    return error_reply(406, turn.message.id,
                       {kRpcInvalidRequest, "Accept must allow text/event-stream", ""});
  }
  std::shared_ptr<McpOutbox> outbox = turn.exchange.keep_open();
  if (outbox == nullptr) {
    return error_reply(503, turn.message.id,
                       {kRpcInternalError, "too many streams are open; try again later", ""});
  }
  streams_.listen(turn.message.id, std::move(filter), std::move(outbox), turn.session.get());
  features_.on_listener();
  return {200, "", "", true, false};
}

McpReply McpServer::run_call(const Turn& turn) {
  McpServerCall::Setup setup;
  setup.is_stateless = turn.is_stateless;
  setup.is_tool = turn.message.method == "tools/call";
  setup.session = turn.session.get();
  setup.exchange = &turn.exchange;
  setup.tickets = &tickets_;
  setup.ask_timeout_ms = options_.ask_timeout_ms;
  setup.purpose = turn.message.method + '\n';
  setup.purpose += text_member(turn.message.params, "name");
  setup.purpose += text_member(turn.message.params, "uri");
  simdjson::dom::element arguments;
  if (turn.message.params &&
      (*turn.message.params)["arguments"].get(arguments) == simdjson::SUCCESS) {
    setup.purpose += '\n' + canonical_json(arguments);
  }
  McpServerCall call(std::move(setup));
  if (auto error = call.read(turn.message.params)) {
    return reply(turn, McpOutcome::failure(error->code, std::move(error->message)));
  }
  const RunningRequest running(turn.session.get(), turn.message.id, call.cancellation());
  // Only in the stateless era a client that goes away has cancelled what it asked for.
  if (turn.is_stateless) turn.exchange.watch_client(&call.cancellation());
  McpOutcome outcome = dispatch_call(turn, call);
  if (turn.is_stateless) turn.exchange.watch_client(nullptr);
  outcome.is_silent = outcome.is_silent || call.cancellation().is_cancelled();
  return reply(turn, std::move(outcome));
}

McpOutcome McpServer::dispatch_call(const Turn& turn, McpServerCall& call) {
  if (turn.message.method == "tools/call") return call_tool(turn, call);
  if (turn.message.method == "resources/read") return read_resource(turn, call);
  std::optional<simdjson::dom::object> arguments;
  if (!read_arguments(turn.message.params, arguments)) return bad_arguments();
  return features_.get_prompt(text_member(turn.message.params, "name"), arguments, call);
}

McpOutcome McpServer::call_tool(const Turn& turn, McpServerCall& call) {
  const std::string_view name = text_member(turn.message.params, "name");
  if (turn.is_stateless && turn.headers != nullptr) {
    const auto parameters = features_.header_parameters(name);
    if (auto error = check_parameter_headers(*turn.headers, turn.message, parameters)) {
      McpOutcome outcome = McpOutcome::failure(error->code, std::move(error->message));
      outcome.error_http_status = 400;
      return outcome;
    }
  }
  std::optional<simdjson::dom::object> arguments;
  if (!read_arguments(turn.message.params, arguments)) return bad_arguments();
  return features_.call_tool(name, arguments, call);
}

McpOutcome McpServer::resource_not_found(const Turn& turn, std::string_view uri) const {
  JsonWriter data;
  data.begin_object().key("uri").string(uri.substr(0, kResourceUriBytesMax)).end_object();
  return McpOutcome::failure(turn.is_stateless ? kRpcInvalidParams : kRpcResourceNotFound,
                             "Resource not found; see resources/list and resources/templates/list",
                             std::move(data).take());
}

McpOutcome McpServer::read_resource(const Turn& turn, McpServerCall& call) {
  const std::string_view uri = text_member(turn.message.params, "uri");
  if (uri.empty() || uri.size() > kResourceUriBytesMax) return resource_not_found(turn, uri);
  auto contents = features_.read_resource(uri, call);
  if (!contents.ok()) {
    if (contents.status().code() == StatusCode::kNotFound) return resource_not_found(turn, uri);
    return McpOutcome::failure(kRpcInternalError, contents.status().message());
  }
  JsonWriter writer;
  writer.begin_object().key("contents").raw(*contents);
  if (turn.is_stateless) write_cache_members(writer, 0);
  return McpOutcome::of(std::move(writer.end_object()).take());
}

}  // namespace litestream
