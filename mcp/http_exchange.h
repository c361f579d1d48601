// An exchange over one HTTP connection: begins an event stream as soon as there is something to say
// before the answer.
// Threading: send() and watch_client() from any thread; the rest from the worker that answers.
#pragma once

#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "mcp/http_connection.h"
#include "mcp/http_endpoint.h"

namespace litestream {

class HttpServerExchange final : public HttpExchange {
 public:
  // `is_http_1_0`: no chunks; the end of the connection ends a stream.
  HttpServerExchange(std::shared_ptr<HttpConnection> connection, bool is_http_1_0)
      : connection_(std::move(connection)), is_http_1_0_(is_http_1_0) {}

  void set_accepts_stream(bool accepts) override { accepts_stream_ = accepts; }
  bool can_stream() const override { return accepts_stream_; }
  bool send(std::string_view message) override;
  std::shared_ptr<McpOutbox> keep_open() override;
  void watch_client(Cancellation* cancellation) override { connection_->watch(cancellation); }

  bool has_begun() const { return has_begun_; }
  // The last event, if there is one, and the end of the stream.
  void finish(std::string_view message);
  // An empty stream for who cancelled what it asked for.
  void finish_empty();

 private:
  bool begin_locked();

  const std::shared_ptr<HttpConnection> connection_;
  const bool is_http_1_0_;
  bool accepts_stream_ = false;
  std::mutex mutex_;  // orders what is sent
  bool has_begun_ = false;
};

}  // namespace litestream
