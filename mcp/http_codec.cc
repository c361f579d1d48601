#include "mcp/http_codec.h"

#include <httplib.h>

#include "mcp/http_exchange.h"

namespace litestream {
namespace {

constexpr size_t kRequestsPerConnectionTold = 1'000'000;

// One request between the reactor, cpp-httplib and the endpoint.
struct Serving {
  HttpFrame frame;
  HttpServerExchange* exchange = nullptr;
  bool is_answered = false;  // by the exchange; what cpp-httplib writes is not sent
};

// cpp-httplib's handlers get no word of their own from who calls them on this thread.
thread_local Serving* serving = nullptr;

// The head of one request in, an answer out; knows no socket.
class FrameStream final : public httplib::Stream {
 public:
  explicit FrameStream(const std::string& head) : head_(head) {}
  bool is_readable() const override { return position_ < head_.size(); }
  bool is_writable() const override { return true; }
  ssize_t read(char* to, size_t size) override {
    const size_t count = head_.copy(to, size, position_);
    position_ += count;
    return static_cast<ssize_t>(count);
  }
  ssize_t write(const char* from, size_t size) override {
    // The reactor has asked for the body already.
    if (!std::string_view(from, size).starts_with("HTTP/1.1 100 ")) answer.append(from, size);
    return static_cast<ssize_t>(size);
  }
  void get_remote_ip_and_port(std::string&, int&) const override {}
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return INVALID_SOCKET; }

  std::string answer;

 private:
  const std::string& head_;
  size_t position_ = 0;
};

EndpointRequest to_request(const httplib::Request& from, Serving& now) {
  EndpointRequest request;
  request.method = from.method;
  request.path = from.path;
  request.query.assign(from.params.begin(), from.params.end());
  for (const auto& header : from.headers) request.headers.push_back(header);
  request.body = std::move(now.frame.body);
  request.body_too_long = now.frame.body_too_long;
  return request;
}

void send_reply(HttpReply from, Serving& now, httplib::Response& response) {
  HttpServerExchange& exchange = *now.exchange;
  now.is_answered = true;
  if (from.is_stream) return;
  if (exchange.has_begun()) return exchange.finish(from.body);
  if (from.is_silent && exchange.can_stream()) return exchange.finish_empty();
  now.is_answered = false;
  response.status = from.status;
  for (const auto& [name, value] : from.headers) response.set_header(name, value);
  if (!from.body.empty()) response.set_content(std::move(from.body), "application/json");
}

}  // namespace

// cpp-httplib without its sockets: reads a request's head, writes an answer.
class HttpCodec::Library final : public httplib::Server {
 public:
  explicit Library(HttpEndpoint& endpoint) {
    set_pre_routing_handler(
        [&endpoint](const httplib::Request& from, httplib::Response& response) noexcept {
          try {
            const EndpointRequest request = to_request(from, *serving);
            send_reply(endpoint.handle(request, *serving->exchange), *serving, response);
          } catch (const std::exception&) {
            if (serving->exchange->has_begun()) {
              serving->exchange->finish("");
              serving->is_answered = true;
            }
            response.status = 500;
            response.set_content(R"({"error":"internal_error"})", "application/json");
          }
          return HandlerResponse::Handled;
        });
    set_keep_alive_timeout(ConnectionLimits().idle_ms / 1000);  // only told to the client
    set_keep_alive_max_count(kRequestsPerConnectionTold);
    // What the library refuses by itself (a malformed request line, a URL too long).
    set_error_handler([](const httplib::Request&, httplib::Response& response) {
      if (response.body.empty()) {
        response.set_content(R"({"error":"bad_request"})", "application/json");
      }
    });
  }

  // False: the connection is to end.
  bool run(FrameStream& stream) {
    bool connection_closed = false;
    const bool ok =
        process_request(stream, false, connection_closed, [](httplib::Request& request) {
          // Compressed answers cost more than they save on loopback, and may tell secrets by their
          // length; ranges of an answer make no sense.
          request.headers.erase("Accept-Encoding");
          request.ranges.clear();
        });
    return ok && !connection_closed;
  }
};

HttpCodec::HttpCodec(HttpEndpoint& endpoint) : library_(std::make_unique<Library>(endpoint)) {}

HttpCodec::~HttpCodec() = default;

bool HttpCodec::serve(const std::shared_ptr<HttpConnection>& connection, HttpFrame frame) {
  const bool is_http_1_0 =
      std::string_view(frame.head).substr(0, frame.head.find("\r\n")).ends_with("HTTP/1.0");
  HttpServerExchange exchange(connection, is_http_1_0);
  Serving now;
  now.frame = std::move(frame);
  now.exchange = &exchange;
  FrameStream stream(now.frame.head);
  serving = &now;
  const bool keep_alive = library_->run(stream);
  serving = nullptr;
  // Nothing but its end closes a stream to HTTP/1.0.
  if (now.is_answered) return keep_alive && !is_http_1_0;
  return connection->write(stream.answer) && keep_alive;
}

}  // namespace litestream
