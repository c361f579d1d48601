// An HTTP/1.1 server for tests that keeps what a strict judge needs and breaks what a network
// breaks: a handler sees the request exactly as it came (bytes of the head, order and spelling of
// headers, undecoded target), and its answer may be cut, delayed, lost or malformed.
//
// Plain or TLS, 127.0.0.1, a free port. HTTP/1.1 with Content-Length only: a chunked body, a body
// without a length, folded headers are refused before the handler is asked.
// Threading: one thread per connection; the handler is called by several at once.
#pragma once

#include <algorithm>
#include <atomic>
#include <cstdint>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

namespace litestream::test {

using HeaderList = std::vector<std::pair<std::string, std::string>>;

// The value of the first header of that name, in any case; null if there is none.
const std::string* find_header(const HeaderList& headers, std::string_view name);

struct WireRequest {
  std::string head;     // every byte up to and with the empty line
  std::string method;   // as sent
  std::string target;   // as sent: path and query, percent-encoded
  HeaderList headers;   // as sent, values without surrounding blanks
  std::string body;     // Content-Length bytes
  uint64_t connection;  // number of the connection, from 1
  bool is_tls = false;

  // "" if absent.
  std::string header(std::string_view name) const;
  bool has_header(std::string_view name) const { return find_header(headers, name) != nullptr; }
  std::string path() const { return target.substr(0, target.find('?')); }
  std::string query() const;  // without '?'
};

// Part of an answer's body; shares the bytes with whoever stores them.
struct BodyPiece {
  std::shared_ptr<const std::string> bytes;
  size_t offset = 0;
  size_t count = 0;
};

struct WireReply {
  int status = 200;
  HeaderList headers;  // Content-Length and Date are added
  std::vector<BodyPiece> body;
  bool is_head = false;            // Content-Length of the body, but no body
  bool closes = false;             // Connection: close
  bool is_lost = false;            // the connection ends without a byte of answer
  bool hangs = false;              // no byte of answer ever, the connection stays open
  std::optional<size_t> cut_at;    // the connection ends after so many bytes of the body
  std::optional<size_t> stall_at;  // nothing follows that many bytes, the connection stays open
  std::optional<std::string> raw;  // exactly these bytes instead, then the connection ends

  void set_body(std::string bytes);
  size_t body_size() const;
};

// PEM texts; see tls_identity.h.
struct TlsIdentity;

class WireServer {
 public:
  using Handler = std::function<WireReply(const WireRequest&)>;
  // `identity` not null: TLS. It is copied. Throws if the machine has no free port.
  explicit WireServer(Handler handler, const TlsIdentity* identity = nullptr);
  WireServer(const WireServer&) = delete;
  WireServer& operator=(const WireServer&) = delete;
  ~WireServer() { stop(); }

  // Ends all connections and joins all threads. The handler is not called afterwards.
  void stop();
  uint16_t port() const { return port_; }
  std::string authority() const { return "127.0.0.1:" + std::to_string(port_); }
  std::string url() const { return (tls_ ? "https://" : "http://") + authority(); }
  uint64_t connection_count() const { return connection_count_; }
  // Accepts connections but answers nothing on new ones, not even TLS.
  void set_mute(bool is_mute) { is_mute_ = is_mute; }
  // Connections without a request for so long are closed by the server. Default: never.
  void set_idle_ms(int idle_ms) { idle_ms_ = idle_ms; }
  // The next `count` requests with a longer body end with their connection after so many bytes of
  // it, while their sender goes on writing.
  void cut_uploads(size_t byte_count, int count) {
    upload_cut_at_ = byte_count;
    upload_cuts_left_ = count;
  }
  int upload_cuts_left() const { return std::max(0, upload_cuts_left_.load()); }

 private:
  class Tls;
  class Connection;
  struct Worker {
    std::thread thread;
    std::shared_ptr<Connection> connection;
    std::atomic<bool> is_done{false};
  };
  void accept_loop();
  void serve(Connection& connection);
  bool serve_one(Connection& connection);
  bool receive_body(Connection& connection, uint64_t length);
  bool send(Connection& connection, const WireReply& reply);
  void join_finished(bool all);

  const Handler handler_;
  std::shared_ptr<Tls> tls_;  // null: plain
  int listener_ = -1;
  uint16_t port_ = 0;
  std::atomic<bool> is_stopping_{false};
  std::atomic<bool> is_mute_{false};
  std::atomic<int> idle_ms_{-1};
  std::atomic<size_t> upload_cut_at_{0};
  std::atomic<int> upload_cuts_left_{0};
  std::atomic<uint64_t> connection_count_{0};
  std::mutex mutex_;
  std::list<Worker> workers_;  // guarded by mutex_
  std::thread acceptor_;
};

// "application/xml" and the text, for handlers.
WireReply text_reply(int status, std::string_view content_type, std::string text);

}  // namespace litestream::test
