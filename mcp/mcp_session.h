// The sessions of clients that speak a revision with a handshake (2025-11-25 and older).
//
// A session holds what the handshake agreed on, the requests that run and the questions that are
// open; it holds no SQL connection. The table is bounded: the session unused for longest makes
// room for a new one, and one that nobody used for a day is forgotten.
// Threading: thread-safe.
#pragma once

#include <condition_variable>
#include <cstdint>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "ext/base/clock.h"
#include "ext/base/status.h"
#include "mcp/mcp_exchange.h"
#include "mcp/mcp_protocol.h"

namespace litestream {

inline constexpr size_t kMcpSessionCountMax = 1024;
inline constexpr int64_t kMcpSessionIdleMsMax = 24LL * 60 * 60 * 1000;
inline constexpr size_t kSubscriptionCountMax = 256;  // per session or stream
inline constexpr size_t kResourceUriBytesMax = 8192;

class McpSession {
 public:
  // What `initialize` agreed on.
  void agree(std::string version, ClientCapabilities capabilities);
  std::string version() const;
  ClientCapabilities capabilities() const;

  void set_log_level(McpLogLevel level);
  std::optional<McpLogLevel> log_level() const;  // nullopt: the client asked for no messages

  // Requests that run, so that notifications/cancelled finds them. `id` is JSON text.
  void begin_request(const std::string& id, Cancellation* cancellation);
  void end_request(const std::string& id, Cancellation* cancellation);
  void cancel_request(const std::string& id);
  void cancel_all();

  // The answer to a request of ours, `id` as JSON text. An id nobody waits for is ignored.
  void deliver(const std::string& id, Result<std::string> answer);
  // Asks the client through `exchange` and waits for deliver(). Cancelled: the call was cancelled,
  // the client went or the session ended. Unavailable: no answer in time. Busy: too many questions
  // are open.
  Result<std::string> ask(std::string_view method, std::string_view params_json,
                          McpExchange& exchange, Cancellation& cancellation, int64_t timeout_ms);

  // The standalone stream. False: there is an open one already; `outbox` is not kept.
  bool set_stream(std::shared_ptr<McpOutbox> outbox);
  bool has_stream() const;
  // Over the standalone stream, if there is one.
  void notify(std::string_view message);

  // To the resource `key`, which the client calls `uri`. False: too many.
  bool subscribe(std::string uri, std::string key);
  void unsubscribe(const std::string& uri);
  std::vector<std::string> subscribed_uris(std::string_view key) const;
  bool has_subscriptions() const;

  // Ends the stream and every question. Requests that run go on.
  void close();

 private:
  struct Question {
    std::optional<Result<std::string>> answer;
  };

  // Taken before the locks of cancellations, which may take mutex_.
  std::mutex requests_mutex_;
  std::multimap<std::string, Cancellation*> requests_;

  mutable std::mutex mutex_;  // guards everything below
  std::condition_variable answered_;
  std::string version_;
  ClientCapabilities capabilities_;
  std::optional<McpLogLevel> log_level_;
  std::map<std::string, Question> questions_;
  uint64_t next_question_ = 1;
  std::shared_ptr<McpOutbox> stream_;
  std::map<std::string, std::string> subscriptions_;  // URI -> key
  bool closed_ = false;
};

class McpSessions {
 public:
  // `clock` must outlive the table.
  explicit McpSessions(const Clock& clock, size_t count_max = kMcpSessionCountMax)
      : clock_(clock), count_max_(count_max) {}

  // A new session; its id is 128 random bits in hexadecimal. Empty: the system has no randomness.
  std::string create(std::string version, ClientCapabilities capabilities);
  // nullptr: no such session. It counts as used now.
  std::shared_ptr<McpSession> find(std::string_view id);
  // False: there is no such session.
  bool end(std::string_view id);
  std::vector<std::shared_ptr<McpSession>> all();
  size_t count();

 private:
  struct Entry {
    std::string id;
    std::shared_ptr<McpSession> session;
    int64_t used_at_ms;  // monotonic
  };
  using Entries = std::list<Entry>;
  // Takes it out of the table; the caller closes it without the lock.
  std::shared_ptr<McpSession> take(Entries::iterator entry);
  std::vector<std::shared_ptr<McpSession>> take_idle();

  const Clock& clock_;
  const size_t count_max_;
  std::mutex mutex_;  // guards everything below
  Entries entries_;   // last used first
  std::unordered_map<std::string, Entries::iterator> by_id_;
};

}  // namespace litestream
