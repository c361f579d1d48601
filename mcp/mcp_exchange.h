// What the protocol needs of a transport, declared here and implemented by the HTTP server, by the
// stdio server and by tests.
#pragma once

#include <memory>
#include <string_view>

#include "mcp/cancellation.h"

namespace litestream {

// A way to a client that stays open after the request that opened it has been handled.
// Threading: thread-safe. No call blocks on the client.
class McpOutbox {
 public:
  virtual ~McpOutbox() = default;
  // Queues one JSON-RPC message. False: the client is gone, or reads so slowly that it is dropped.
  virtual bool push(std::string_view message) = 0;
  // Nothing is queued any more; the stream ends when the client has got the rest.
  virtual void close() = 0;
  virtual bool is_open() const = 0;
};

// One request on its way: what may be sent to its client before the answer.
// Threading: send() and watch_client() from any thread while the request is being handled.
class McpExchange {
 public:
  virtual ~McpExchange() = default;
  // False: the client takes one JSON answer and nothing else.
  virtual bool can_stream() const = 0;
  // Sends a notification or a request to the client now. False: the client is gone or cannot
  // stream.
  virtual bool send(std::string_view message) = 0;
  // Keeps the way to the client open; the request has no answer of its own then. nullptr: too many
  // streams are open already, or the client cannot stream.
  virtual std::shared_ptr<McpOutbox> keep_open() = 0;
  // Has `cancellation` cancelled when the client goes away. nullptr ends that; it does not run
  // any more afterwards.
  virtual void watch_client(Cancellation* cancellation) = 0;
};

}  // namespace litestream
