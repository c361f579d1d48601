// Who hears of changes: `subscriptions/listen` streams of the stateless era and the standalone
// streams of sessions.
// Threading: thread-safe.
#pragma once

#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "mcp/mcp_exchange.h"
#include "mcp/mcp_session.h"

namespace litestream {

struct McpChange {
  enum class Kind { kTools, kPrompts, kResources, kResource };
  Kind kind = Kind::kResource;
  std::string key;  // of kResource: McpFeatures::resource_key()
};

// What one stream wants to hear of, and no more.
struct McpFilter {
  bool tools = false;
  bool prompts = false;
  bool resources = false;
  std::map<std::string, std::string> uris;  // URI -> key
};

struct McpListeners {
  bool any = false;
  bool to_resources = false;  // at least one subscription to a resource
};

class McpStreams {
 public:
  // `sessions` must outlive the streams.
  explicit McpStreams(McpSessions& sessions) : sessions_(sessions) {}

  // `id` is the JSON text of the request's id. Acknowledges before anything else is sent. `owner`
  // tells the connections apart on which the same id may occur.
  void listen(std::string id, McpFilter filter, std::shared_ptr<McpOutbox> outbox,
              const void* owner);
  // The client takes its `subscriptions/listen` back.
  void end_listen(const std::string& id, const void* owner);

  void publish(const McpChange& change);
  // Forgets streams that are closed.
  McpListeners listeners();
  size_t count();
  // Says goodbye on every stream.
  void close_all(const std::string& server_info_json);

 private:
  struct Listen {
    std::string id;
    McpFilter filter;
    std::shared_ptr<McpOutbox> outbox;
    const void* owner;
  };
  void drop_closed();

  McpSessions& sessions_;
  std::mutex mutex_;  // guards everything below
  std::list<Listen> listens_;
};

}  // namespace litestream
