#include "mcp/http_exchange.h"

#include <cstdio>

namespace litestream {
namespace {

constexpr std::string_view kStreamHead =
    "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
    "Cache-Control: no-cache, no-transform\r\nX-Accel-Buffering: no\r\n"
    "X-Content-Type-Options: nosniff\r\n";
constexpr std::string_view kComment = ":\n\n";
constexpr std::string_view kLastChunk = "0\r\n\r\n";

std::string stream_head(bool is_http_1_0) {
  return std::string(kStreamHead) +
         (is_http_1_0 ? "Connection: close\r\n\r\n" : "Transfer-Encoding: chunked\r\n\r\n");
}

std::string as_chunk(std::string_view data, bool is_http_1_0) {
  if (is_http_1_0) return std::string(data);
  char size[20];
  std::snprintf(size, sizeof size, "%zx\r\n", data.size());
  std::string chunk = size;
  chunk += data;
  return chunk += "\r\n";
}

std::string event_chunk(std::string_view message, bool is_http_1_0) {
  std::string event = "event: message\ndata: ";
  event += message;
  event += "\n\n";
  return as_chunk(event, is_http_1_0);
}

class HttpOutbox final : public McpOutbox {
 public:
  HttpOutbox(std::shared_ptr<HttpConnection> connection, bool is_http_1_0)
      : connection_(std::move(connection)), is_http_1_0_(is_http_1_0) {}
  bool push(std::string_view message) override {
    return connection_->is_open() && connection_->write(event_chunk(message, is_http_1_0_));
  }
  void close() override {
    if (!is_http_1_0_ && connection_->is_open()) connection_->write(kLastChunk);
    connection_->finish_stream();
  }
  bool is_open() const override { return connection_->is_open(); }

 private:
  const std::shared_ptr<HttpConnection> connection_;
  const bool is_http_1_0_;
};

}  // namespace

bool HttpServerExchange::begin_locked() {
  if (has_begun_) return true;
  has_begun_ = true;
  connection_->set_heartbeat(as_chunk(kComment, is_http_1_0_));
  return connection_->write(stream_head(is_http_1_0_));
}

bool HttpServerExchange::send(std::string_view message) {
  if (!accepts_stream_) return false;
  const std::lock_guard lock(mutex_);
  return begin_locked() && connection_->write(event_chunk(message, is_http_1_0_));
}

std::shared_ptr<McpOutbox> HttpServerExchange::keep_open() {
  if (!accepts_stream_ || has_begun_) return nullptr;
  if (!connection_->become_stream(as_chunk(kComment, is_http_1_0_))) return nullptr;
  connection_->write(stream_head(is_http_1_0_));
  return std::make_shared<HttpOutbox>(connection_, is_http_1_0_);
}

void HttpServerExchange::finish(std::string_view message) {
  const std::lock_guard lock(mutex_);
  connection_->set_heartbeat("");
  std::string end = message.empty() ? "" : event_chunk(message, is_http_1_0_);
  if (!is_http_1_0_) end += kLastChunk;
  connection_->write(end);
}

void HttpServerExchange::finish_empty() {
  {
    const std::lock_guard lock(mutex_);
    begin_locked();
  }
  finish("");
}

}  // namespace litestream
