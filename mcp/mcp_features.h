// What an MCP server offers, without a word of protocol: McpServer (mcp_server.h) asks, an
// implementation answers. The program's is litestream_features.h.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "ext/base/status.h"
#include "mcp/cancellation.h"
#include "mcp/jsonrpc.h"
#include "mcp/mcp_protocol.h"

namespace litestream {

// What to answer a request with.
struct McpOutcome {
  // A JSON object on one line. The members that a revision wants in every result are added later.
  std::string result;
  std::optional<RpcError> error;  // then `result` does not count
  int error_http_status = 200;    // of an error in the stateless era
  bool is_silent = false;         // nothing is sent: nobody waits for it any more

  static McpOutcome of(std::string result_json) { return {std::move(result_json), {}, 200, false}; }
  static McpOutcome failure(int code, std::string message, std::string data_json = {});
};

// The result of tools/call that says what went wrong, for the model to read.
McpOutcome tool_failure(std::string_view message);

// Something only the client can do: elicitation/create, sampling/createMessage, roots/list.
struct McpQuestion {
  std::string key;  // names the answer
  std::string method;
  std::string params;  // JSON object
};
using McpAnswers = std::map<std::string, std::string, std::less<>>;  // by key, JSON objects

// One call while it runs. Threading: thread-safe, apart from ask() and unanswered().
class McpCall {
 public:
  virtual ~McpCall() = default;
  virtual const ClientCapabilities& client() const = 0;
  virtual Cancellation& cancellation() = 0;

  virtual bool wants_progress() const = 0;
  // Dropped unless the client asked for progress and `done` is more than before.
  virtual void progress(double done, std::optional<double> total, std::string_view message) = 0;
  // Dropped unless the client asked for messages of this level.
  virtual void log(McpLogLevel level, std::string_view logger, std::string_view data_json) = 0;

  // Asks the client. nullopt: return unanswered() at once; in the stateless era the client calls
  // again, with answers, and the work begins anew. With a `state`, answers count only if they come
  // with the ticket that this very question was given: once, for the same arguments, for a while.
  virtual std::optional<McpAnswers> ask(const std::vector<McpQuestion>& questions,
                                        std::string_view state) = 0;
  virtual McpOutcome unanswered() = 0;
  // The `state` whose ticket came with this call; "" if none did.
  virtual std::string_view state() const = 0;
};

enum class McpList { kTools, kPrompts, kResources, kResourceTemplates };

struct McpListing {
  std::vector<std::string> items;  // JSON objects, always in the same order
  int64_t ttl_ms = 0;              // how long a client may keep it
};

// A parameter of a tool that clients of the stateless era repeat in the header Mcp-Param-<header>.
struct McpHeaderParameter {
  std::string header;
  std::string parameter;
};

struct McpCompletionRequest {
  bool is_prompt = false;                                   // else a resource template
  std::string_view reference;                               // name of the prompt, URI template
  std::string_view argument;                                // whose value is being typed
  std::string_view prefix;                                  // what is typed so far
  std::map<std::string, std::string, std::less<>> context;  // arguments that are filled in already
};

// Threading: implementations are thread-safe. Arguments live until the call returns.
class McpFeatures {
 public:
  virtual ~McpFeatures() = default;
  virtual const McpIdentity& identity() const = 0;
  // Whether the tools or prompts can change while the server runs.
  virtual bool lists_change() const = 0;

  virtual Result<McpListing> list(McpList kind) = 0;
  // `arguments` is absent if the client sent none.
  virtual McpOutcome call_tool(std::string_view name,
                               std::optional<simdjson::dom::object> arguments, McpCall& call) = 0;
  virtual std::vector<McpHeaderParameter> header_parameters(std::string_view tool_name) = 0;
  virtual McpOutcome get_prompt(std::string_view name,
                                std::optional<simdjson::dom::object> arguments, McpCall& call) = 0;
  // NotFound: there is no such resource. The JSON array `contents`.
  virtual Result<std::string> read_resource(std::string_view uri, McpCall& call) = 0;
  // The name under which changes of a resource are published (McpChange), the same for all ways to
  // write its URI; nullopt: there is no such resource.
  virtual std::optional<std::string> resource_key(std::string_view uri) = 0;
  // Values that fit, best first. InvalidArgument: no such prompt or template.
  virtual Result<std::vector<std::string>> complete(const McpCompletionRequest& request) = 0;
  // Somebody has begun to listen for changes. Must not block.
  virtual void on_listener() {}
};

}  // namespace litestream
