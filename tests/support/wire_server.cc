#include "tests/support/wire_server.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <chrono>
#include <csignal>
#include <ctime>
#include <stdexcept>

#include "tests/support/tls_identity.h"

namespace litestream::test {
namespace {

constexpr size_t kHeadBytesMax = 64 << 10;
constexpr uint64_t kBodyBytesMax = uint64_t{1} << 30;
constexpr size_t kChunkBytes = 64 << 10;

// OpenSSL writes with plain write(): the process must not die of a peer that went away.
void block_sigpipe() {
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGPIPE);
  pthread_sigmask(SIG_BLOCK, &set, nullptr);
}

std::string trimmed(std::string_view text) {
  const size_t first = text.find_first_not_of(" \t");
  if (first == std::string_view::npos) return "";
  return std::string(text.substr(first, text.find_last_not_of(" \t") - first + 1));
}

// "" or what is wrong with the head.
std::string parse_head(WireRequest& request) {
  std::vector<std::string_view> lines;
  std::string_view rest = request.head;
  for (size_t end = rest.find("\r\n"); end != 0; end = rest.find("\r\n")) {
    lines.push_back(rest.substr(0, end));
    rest.remove_prefix(end + 2);
  }
  if (lines.empty()) return "no request line";
  const std::string_view first = lines[0];
  const size_t space = first.find(' ');
  const size_t last = first.rfind(' ');
  if (space == std::string_view::npos || space == last) return "bad request line";
  if (first.substr(last) != " HTTP/1.1") return "not HTTP/1.1";
  request.method = std::string(first.substr(0, space));
  request.target = std::string(first.substr(space + 1, last - space - 1));
  if (!request.target.starts_with('/')) return "the target is not a path";
  for (size_t i = 1; i < lines.size(); ++i) {
    const size_t colon = lines[i].find(':');
    if (colon == 0 || colon == std::string_view::npos) return "bad header line";
    const std::string_view name = lines[i].substr(0, colon);
    if (name.find_first_of(" \t") != std::string_view::npos) return "bad header name";
    request.headers.emplace_back(std::string(name), trimmed(lines[i].substr(colon + 1)));
  }
  return "";
}

// "" and the number of bytes that follow the head, or what is wrong.
std::string parse_length(const WireRequest& request, uint64_t& length) {
  length = 0;
  if (request.has_header("transfer-encoding")) return "Transfer-Encoding is not supported";
  const auto is_length = [](const auto& header) {
    return ::strcasecmp(header.first.c_str(), "content-length") == 0;
  };
  const auto count = std::count_if(request.headers.begin(), request.headers.end(), is_length);
  if (count > 1) return "two Content-Length headers";
  if (count == 0) {
    const bool needs_length = request.method == "PUT" || request.method == "POST";
    return needs_length ? "MissingContentLength" : "";
  }
  const std::string text = request.header("content-length");
  if (text.empty() || text.size() > 18 || text.find_first_not_of("0123456789") != text.npos) {
    return "bad Content-Length";
  }
  length = std::stoull(text);
  return length > kBodyBytesMax ? "the body is too large" : "";
}

std::string http_date() {
  char text[64];
  const std::time_t now = std::time(nullptr);
  std::tm parts{};
  ::gmtime_r(&now, &parts);
  std::strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &parts);
  return text;
}

}  // namespace

const std::string* find_header(const HeaderList& headers, std::string_view name) {
  for (const auto& [key, value] : headers) {
    if (key.size() == name.size() && ::strncasecmp(key.data(), name.data(), name.size()) == 0) {
      return &value;
    }
  }
  return nullptr;
}

std::string WireRequest::header(std::string_view name) const {
  const std::string* value = find_header(headers, name);
  return value == nullptr ? "" : *value;
}

std::string WireRequest::query() const {
  const size_t mark = target.find('?');
  return mark == std::string::npos ? "" : target.substr(mark + 1);
}

void WireReply::set_body(std::string bytes) {
  const size_t count = bytes.size();
  body = {{std::make_shared<const std::string>(std::move(bytes)), 0, count}};
}

size_t WireReply::body_size() const {
  size_t total = 0;
  for (const BodyPiece& piece : body) total += piece.count;
  return total;
}

WireReply text_reply(int status, std::string_view content_type, std::string text) {
  WireReply reply;
  reply.status = status;
  reply.headers.emplace_back("Content-Type", content_type);
  reply.set_body(std::move(text));
  return reply;
}

class WireServer::Tls {
 public:
  explicit Tls(const TlsIdentity& identity) : context_(SSL_CTX_new(TLS_server_method())) {
    BIO* certificate = BIO_new_mem_buf(identity.certificate_pem.data(), -1);
    BIO* key = BIO_new_mem_buf(identity.key_pem.data(), -1);
    X509* x509 = PEM_read_bio_X509(certificate, nullptr, nullptr, nullptr);
    EVP_PKEY* pkey = PEM_read_bio_PrivateKey(key, nullptr, nullptr, nullptr);
    const bool is_set =
        SSL_CTX_use_certificate(context_, x509) == 1 && SSL_CTX_use_PrivateKey(context_, pkey) == 1;
    X509_free(x509);
    EVP_PKEY_free(pkey);
    BIO_free(certificate);
    BIO_free(key);
    if (!is_set) throw std::runtime_error("bad TLS identity");
  }
  ~Tls() { SSL_CTX_free(context_); }
  SSL* new_session() { return SSL_new(context_); }

 private:
  SSL_CTX* context_;
};

// One accepted socket. end() may be called by another thread; everything else by its worker.
class WireServer::Connection {
 public:
  Connection(int socket, uint64_t number, std::shared_ptr<Tls> tls)
      : socket_(socket), number_(number), tls_(std::move(tls)) {}
  ~Connection() {
    if (ssl_ != nullptr) SSL_free(ssl_);
    if (socket_ >= 0) ::close(socket_);
  }
  uint64_t number() const { return number_; }
  bool is_tls() const { return tls_ != nullptr; }
  void end() {
    const std::lock_guard lock(mutex_);
    if (socket_ >= 0) ::shutdown(socket_, SHUT_RDWR);
  }
  // The peer learns of it at its next write, however full its buffers are. Worker only; the last
  // thing it does.
  void reset() {
    const std::lock_guard lock(mutex_);
    const linger at_once{1, 0};
    ::setsockopt(socket_, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    ::close(socket_);
    socket_ = -1;
  }

  bool handshake() {
    if (tls_ == nullptr) return true;
    ssl_ = tls_->new_session();
    SSL_set_fd(ssl_, socket_);
    return SSL_accept(ssl_) == 1;
  }
  // Waits for bytes or the end; false after idle_ms without either (-1: waits for ever).
  bool wait(int idle_ms) {
    if (!buffer_.empty() || (ssl_ != nullptr && SSL_pending(ssl_) > 0)) return true;
    pollfd poll_fd{socket_, POLLIN, 0};
    return ::poll(&poll_fd, 1, idle_ms) > 0;
  }
  // Appends what comes to the buffer; false at the end of the connection.
  bool fill() {
    char chunk[kChunkBytes];
    const auto got = ssl_ != nullptr ? static_cast<ssize_t>(SSL_read(ssl_, chunk, kChunkBytes))
                                     : ::recv(socket_, chunk, sizeof chunk, 0);
    if (got <= 0) return false;
    buffer_.append(chunk, static_cast<size_t>(got));
    return true;
  }
  bool write(const char* data, size_t count) {
    while (count > 0) {
      const size_t part = std::min<size_t>(count, 1 << 20);
      const auto sent = ssl_ != nullptr
                            ? static_cast<ssize_t>(SSL_write(ssl_, data, static_cast<int>(part)))
                            : ::send(socket_, data, part, MSG_NOSIGNAL);
      if (sent <= 0) return false;
      data += sent;
      count -= static_cast<size_t>(sent);
    }
    return true;
  }
  bool write(std::string_view text) { return write(text.data(), text.size()); }
  // Until the peer or stop() ends the connection.
  void wait_for_end() {
    while (fill()) buffer_.clear();
  }
  std::string& buffer() { return buffer_; }

 private:
  std::mutex mutex_;
  int socket_;  // written under mutex_, by the worker
  const uint64_t number_;
  const std::shared_ptr<Tls> tls_;
  SSL* ssl_ = nullptr;
  std::string buffer_;
};

WireServer::WireServer(Handler handler, const TlsIdentity* identity)
    : handler_(std::move(handler)) {
  if (identity != nullptr) tls_ = std::make_shared<Tls>(*identity);
  listener_ = ::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  auto* generic = reinterpret_cast<sockaddr*>(&address);
  if (listener_ < 0 || ::bind(listener_, generic, size) != 0 || ::listen(listener_, 64) != 0 ||
      ::getsockname(listener_, generic, &size) != 0) {
    throw std::runtime_error("no free port on 127.0.0.1");
  }
  port_ = ntohs(address.sin_port);
  acceptor_ = std::thread([this] { accept_loop(); });
}

void WireServer::stop() {
  if (is_stopping_.exchange(true)) return;
  ::shutdown(listener_, SHUT_RDWR);
  acceptor_.join();
  ::close(listener_);
  {
    const std::lock_guard lock(mutex_);
    for (Worker& worker : workers_) worker.connection->end();
  }
  join_finished(true);
}

void WireServer::join_finished(bool all) {
  const std::lock_guard lock(mutex_);
  for (auto worker = workers_.begin(); worker != workers_.end();) {
    if (!all && !worker->is_done) {
      ++worker;
      continue;
    }
    worker->thread.join();
    worker = workers_.erase(worker);
  }
}

void WireServer::accept_loop() {
  block_sigpipe();
  while (!is_stopping_) {
    const int socket = ::accept4(listener_, nullptr, nullptr, SOCK_CLOEXEC);
    if (socket < 0) {
      if (errno == EINTR || errno == ECONNABORTED) continue;
      return;
    }
    const int on = 1;
    ::setsockopt(socket, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    join_finished(false);
    auto connection = std::make_shared<Connection>(socket, ++connection_count_, tls_);
    const std::lock_guard lock(mutex_);
    if (is_stopping_) return;
    Worker& worker = workers_.emplace_back();
    worker.connection = connection;
    worker.thread = std::thread([this, connection, &worker] {
      block_sigpipe();
      serve(*connection);
      connection->end();
      worker.is_done = true;
    });
  }
}

void WireServer::serve(Connection& connection) {
  if (is_mute_) return connection.wait_for_end();
  if (!connection.handshake()) return;
  while (!is_stopping_ && serve_one(connection)) {
  }
}

bool WireServer::receive_body(Connection& connection, uint64_t length) {
  const bool may_cut = length > upload_cut_at_;
  const bool cuts = may_cut && upload_cuts_left_ > 0 && upload_cuts_left_.fetch_sub(1) > 0;
  const uint64_t wanted = cuts ? upload_cut_at_.load() : length;
  while (connection.buffer().size() < wanted) {
    if (!connection.fill()) return false;
  }
  if (cuts) connection.reset();
  return !cuts;
}

// False when the connection is over.
bool WireServer::serve_one(Connection& connection) {
  std::string& buffer = connection.buffer();
  if (!connection.wait(idle_ms_)) return false;
  while (buffer.find("\r\n\r\n") == std::string::npos) {
    if (buffer.size() > kHeadBytesMax || !connection.fill()) return false;
  }
  WireRequest request;
  const size_t head_size = buffer.find("\r\n\r\n") + 4;
  request.head = buffer.substr(0, head_size);
  request.connection = connection.number();
  request.is_tls = connection.is_tls();
  buffer.erase(0, head_size);
  uint64_t length = 0;
  std::string fault = parse_head(request);
  if (fault.empty()) fault = parse_length(request, length);
  if (!fault.empty()) {
    WireReply refusal =
        text_reply(fault == "MissingContentLength" ? 411 : 501, "text/plain", fault + "\n");
    refusal.closes = true;
    return send(connection, refusal) && false;
  }
  if (request.has_header("expect") && !connection.write("HTTP/1.1 100 Continue\r\n\r\n")) {
    return false;
  }
  if (!receive_body(connection, length)) return false;
  request.body = buffer.substr(0, length);
  buffer.erase(0, length);
  WireReply reply = handler_(request);
  if (request.method == "HEAD") reply.is_head = true;
  return send(connection, reply);
}

bool WireServer::send(Connection& connection, const WireReply& reply) {
  if (reply.is_lost) return false;
  if (reply.hangs) return connection.wait_for_end(), false;
  if (reply.raw) return connection.write(*reply.raw) && false;
  std::string head = "HTTP/1.1 " + std::to_string(reply.status) + " Status\r\n";
  for (const auto& [name, value] : reply.headers) head += name + ": " + value + "\r\n";
  if (find_header(reply.headers, "date") == nullptr) head += "Date: " + http_date() + "\r\n";
  const bool has_length = reply.status != 204 && reply.status != 304;
  if (has_length && find_header(reply.headers, "content-length") == nullptr) {
    head += "Content-Length: " + std::to_string(reply.body_size()) + "\r\n";
  }
  if (reply.closes) head += "Connection: close\r\n";
  if (!connection.write(head + "\r\n")) return false;
  if (reply.is_head) return !reply.closes;
  size_t left = std::min(reply.cut_at.value_or(SIZE_MAX), reply.stall_at.value_or(SIZE_MAX));
  for (const BodyPiece& piece : reply.body) {
    const size_t count = std::min(piece.count, left);
    if (!connection.write(piece.bytes->data() + piece.offset, count)) return false;
    left -= count;
  }
  if (reply.stall_at) return connection.wait_for_end(), false;
  return !reply.closes && !reply.cut_at;
}

}  // namespace litestream::test
