#include "ext/store/http_transfer.h"

#include <algorithm>
#include <cstring>
#include <exception>

#include "ext/base/clock.h"

namespace litestream {
namespace {

constexpr size_t kHeaderBytesMax = 64 << 10;
constexpr size_t kHeaderCountMax = 256;
constexpr long kTransferBufferBytes = 128 << 10;
// CURLOPT_PROTOCOLS: every version of libcurl knows the number, newer headers warn about the name.
constexpr auto kAllowedProtocols = static_cast<CURLoption>(181);
// CURLOPT_QUICK_EXIT, since 7.87: a transfer that ends does not wait for its name look-up.
constexpr auto kQuickExit = static_cast<CURLoption>(322);

// "https://host:port" of a URL.
std::string origin_of(std::string_view url) {
  const size_t scheme_end = url.find("://");
  if (scheme_end == std::string_view::npos) return "?";
  const std::string_view rest = url.substr(scheme_end + 3);
  std::string_view authority = rest.substr(0, rest.find_first_of("/?#"));
  const size_t at = authority.rfind('@');
  if (at != std::string_view::npos) authority.remove_prefix(at + 1);
  return std::string(url.substr(0, scheme_end + 3)) + std::string(authority);
}

std::string_view trim(std::string_view text) {
  while (!text.empty() && (text.front() == ' ' || text.front() == '\t')) text.remove_prefix(1);
  while (!text.empty() && std::string_view(" \t\r\n").find(text.back()) != std::string_view::npos) {
    text.remove_suffix(1);
  }
  return text;
}

// Of "HTTP/1.1 200 OK" or "HTTP/2 200"; 0 if there is none.
int status_of_line(std::string_view line) {
  const size_t space = line.find(' ');
  if (space == std::string_view::npos || line.size() < space + 4) return 0;
  int status = 0;
  for (const char c : line.substr(space + 1, 3)) {
    if (c < '0' || c > '9') return 0;
    status = status * 10 + (c - '0');
  }
  return status;
}

StatusCode code_of(CURLcode code) {
  switch (code) {
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_URL_MALFORMAT: return StatusCode::kInvalidArgument;
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_SSL_CERTPROBLEM:
    case CURLE_SSL_ISSUER_ERROR:
    case CURLE_REMOTE_ACCESS_DENIED:
    case CURLE_LOGIN_DENIED:
    case CURLE_OUT_OF_MEMORY:
    case CURLE_QUOTE_ERROR: return StatusCode::kIo;
    case CURLE_REMOTE_FILE_NOT_FOUND: return StatusCode::kNotFound;
    default: return StatusCode::kUnavailable;
  }
}

const char* hint_for(CURLcode code) {
  if (code == CURLE_PEER_FAILED_VERIFICATION || code == CURLE_SSL_ISSUER_ERROR) {
    return "; if the store has a certificate authority of its own, SSL_CERT_FILE names its file";
  }
  if (code == CURLE_SSL_CACERT_BADFILE) {
    return "; check AWS_CA_BUNDLE, CURL_CA_BUNDLE and SSL_CERT_FILE, or install ca-certificates";
  }
  return "";
}

}  // namespace

std::string_view HttpResponse::header(std::string_view name) const {
  for (const HttpHeader& candidate : headers) {
    if (candidate.name == name) return candidate.value;
  }
  return {};
}

HttpTransfer::HttpTransfer(const CurlApi& api, CURL* easy, const HttpRequest& request,
                           const HttpClientOptions& options)
    : api_(api),
      easy_(easy),
      request_(request),
      options_(options),
      where_(request.method + " " + origin_of(request.url)),
      begun_ms_(system_clock().monotonic_ms()),
      moved_ms_(begun_ms_) {}

HttpTransfer::~HttpTransfer() { api_.slist_free_all(header_list_); }

void HttpTransfer::touch() { moved_ms_ = system_clock().monotonic_ms(); }

template <typename Value>
void HttpTransfer::set(CURLoption option, Value value) {
  if (api_.easy_setopt(easy_, option, value) != CURLE_OK) options_failed_ = true;
}

Status HttpTransfer::set_headers() {
  const auto append = [&](const std::string& line) {
    curl_slist* longer = api_.slist_append(header_list_, line.c_str());
    if (longer != nullptr) header_list_ = longer;
    return longer != nullptr;
  };
  // Not asked for: a store would answer with 100 Continue late or never.
  bool appended = append("Expect:");
  for (const HttpHeader& header : request_.headers) {
    if (header.name.find_first_of("\r\n:") != std::string::npos ||
        header.value.find_first_of(std::string_view("\r\n\0", 3)) != std::string::npos) {
      return invalid_argument(where_ + ": a header holds a line break");
    }
    // "name;" is how libcurl is told to send an empty value.
    appended = appended &&
               append(header.value.empty() ? header.name + ";" : header.name + ": " + header.value);
  }
  if (!appended) return io_error(where_ + ": out of memory");
  set(CURLOPT_HTTPHEADER, header_list_);
  return {};
}

void HttpTransfer::set_body() {
  if (request_.body != nullptr || request_.sends_empty_body) {
    set(CURLOPT_UPLOAD, 1L);
    set(CURLOPT_INFILESIZE_LARGE, static_cast<curl_off_t>(request_.body_bytes));
    set(CURLOPT_READFUNCTION, &HttpTransfer::on_read);
    set(CURLOPT_READDATA, static_cast<void*>(this));
    set(CURLOPT_SEEKFUNCTION, &HttpTransfer::on_seek);
    set(CURLOPT_SEEKDATA, static_cast<void*>(this));
    set(CURLOPT_UPLOAD_BUFFERSIZE, kTransferBufferBytes);
  } else if (request_.method == "HEAD") {
    set(CURLOPT_NOBODY, 1L);
  }
  set(CURLOPT_CUSTOMREQUEST, request_.method.c_str());
}

void HttpTransfer::set_tls() {
  set(CURLOPT_SSLVERSION, static_cast<long>(CURL_SSLVERSION_TLSv1_2));
  set(CURLOPT_SSL_VERIFYPEER, options_.skip_verify ? 0L : 1L);
  set(CURLOPT_SSL_VERIFYHOST, options_.skip_verify ? 0L : 2L);
  if (!options_.ca_file.empty()) set(CURLOPT_CAINFO, options_.ca_file.c_str());
  // A libcurl that does not know these says no, which is fine.
  (void)api_.easy_setopt(easy_, CURLOPT_HTTP_VERSION, static_cast<long>(CURL_HTTP_VERSION_2TLS));
  (void)api_.easy_setopt(easy_, kQuickExit, 1L);
}

Status HttpTransfer::prepare() {
  set(CURLOPT_URL, request_.url.c_str());
  set(kAllowedProtocols, options_.protocols);
  set(CURLOPT_PATH_AS_IS, 1L);
  set(CURLOPT_NOSIGNAL, 1L);
  set(CURLOPT_FOLLOWLOCATION, 0L);
  set(CURLOPT_CONNECTTIMEOUT_MS, static_cast<long>(request_.limits.connect_ms));
  set(CURLOPT_TCP_KEEPALIVE, 1L);
  set(CURLOPT_BUFFERSIZE, kTransferBufferBytes);
  set(CURLOPT_ERRORBUFFER, error_text_.data());
  set(CURLOPT_USERAGENT, "litestream-ext/" LITESTREAM_VERSION);
  set(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
  set(CURLOPT_HEADERFUNCTION, &HttpTransfer::on_header);
  set(CURLOPT_HEADERDATA, static_cast<void*>(this));
  set(CURLOPT_WRITEFUNCTION, &HttpTransfer::on_body);
  set(CURLOPT_WRITEDATA, static_cast<void*>(this));
  if (request_.bypass_proxy) set(CURLOPT_NOPROXY, "*");
  set_tls();
  set_body();
  LS_RETURN_IF_ERROR(set_headers());
  if (options_failed_) return unsupported(where_ + ": this libcurl lacks an option we need");
  if (options_.prepare) LS_RETURN_IF_ERROR(options_.prepare(api_, easy_));
  if (request_.prepare) LS_RETURN_IF_ERROR(request_.prepare(api_, easy_));
  return {};
}

Status HttpTransfer::check_limits() {
  const HttpLimits& limits = request_.limits;
  if (!is_connected_) {
    // Until then libcurl's own limit for connecting holds.
    curl_off_t connected_us = 0;
    (void)api_.easy_getinfo(easy_, CURLINFO_PRETRANSFER_TIME_T, &connected_us);
    is_connected_ = connected_us > 0;
    touch();
  }
  const int64_t now_ms = system_clock().monotonic_ms();
  if (now_ms - begun_ms_ > limits.total_ms) {
    return unavailable(where_ + ": not finished after " + std::to_string(limits.total_ms) + " ms");
  }
  const int64_t quiet_ms_max = has_answer_ ? limits.stall_ms : limits.first_byte_ms;
  if (now_ms - moved_ms_ <= quiet_ms_max) return {};
  return unavailable(where_ + (has_answer_ ? ": the answer stopped for " : ": no answer for ") +
                     std::to_string(quiet_ms_max) + " ms");
}

Status HttpTransfer::take_header(std::string_view line) {
  header_bytes_ += line.size();
  if (line.starts_with("HTTP/")) {
    // A new answer: the one before was a 100 Continue or a proxy's.
    response_.headers.clear();
    response_.status = status_of_line(line);
    return {};
  }
  const size_t colon = line.find(':');
  if (colon == std::string_view::npos) return {};
  if (header_bytes_ > kHeaderBytesMax || response_.headers.size() >= kHeaderCountMax) {
    return corrupt(where_ + ": the answer has too many headers");
  }
  std::string name(line.substr(0, colon));
  for (char& c : name) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  response_.headers.push_back({std::move(name), std::string(trim(line.substr(colon + 1)))});
  return {};
}

Status HttpTransfer::announce_head() {
  if (head_is_announced_) return {};
  head_is_announced_ = true;
  return request_.on_head ? request_.on_head(response_) : Status();
}

Status HttpTransfer::take_body(Bytes bytes) {
  LS_RETURN_IF_ERROR(announce_head());
  const bool has_status = response_.status != 0;
  if (request_.sink != nullptr && (response_.ok() || !has_status)) {
    return request_.sink->append(bytes);
  }
  if (bytes.size() > request_.limits.body_bytes_max - response_.body.size()) {
    return corrupt(where_ + ": an answer of more than " +
                   std::to_string(request_.limits.body_bytes_max) + " bytes");
  }
  response_.body.append(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  return {};
}

size_t HttpTransfer::on_header(char* data, size_t size, size_t count, void* self) noexcept {
  auto& transfer = *static_cast<HttpTransfer*>(self);
  try {
    transfer.touch();
    transfer.has_answer_ = true;
    transfer.own_error_ = transfer.take_header({data, size * count});
  } catch (const std::exception&) {
    return 0;
  }
  return transfer.own_error_.ok() ? size * count : 0;
}

size_t HttpTransfer::on_body(char* data, size_t size, size_t count, void* self) noexcept {
  auto& transfer = *static_cast<HttpTransfer*>(self);
  try {
    transfer.touch();
    transfer.has_answer_ = true;
    transfer.own_error_ = transfer.take_body({reinterpret_cast<uint8_t*>(data), size * count});
  } catch (const std::exception&) {
    return 0;
  }
  return transfer.own_error_.ok() ? size * count : 0;
}

size_t HttpTransfer::on_read(char* buffer, size_t size, size_t count, void* self) noexcept {
  auto& transfer = *static_cast<HttpTransfer*>(self);
  try {
    transfer.touch();
    const uint64_t left = transfer.request_.body_bytes - transfer.sent_bytes_;
    const size_t wanted = static_cast<size_t>(std::min<uint64_t>(left, size * count));
    if (wanted == 0) return 0;
    const MutableBytes out(reinterpret_cast<uint8_t*>(buffer), wanted);
    const Status read = read_exactly(*transfer.request_.body, transfer.sent_bytes_, out);
    if (!read.ok()) {
      transfer.own_error_ = read;
      return CURL_READFUNC_ABORT;
    }
    transfer.sent_bytes_ += wanted;
    return wanted;
  } catch (const std::exception&) {
    return CURL_READFUNC_ABORT;
  }
}

int HttpTransfer::on_seek(void* self, curl_off_t offset, int origin) noexcept {
  auto& transfer = *static_cast<HttpTransfer*>(self);
  if (origin != SEEK_SET || offset < 0) return CURL_SEEKFUNC_CANTSEEK;
  if (static_cast<uint64_t>(offset) > transfer.request_.body_bytes) return CURL_SEEKFUNC_FAIL;
  transfer.sent_bytes_ = static_cast<uint64_t>(offset);
  return CURL_SEEKFUNC_OK;
}

Status HttpTransfer::status_of(CURLcode code) const {
  std::string text = error_text_[0] != '\0' ? error_text_.data() : api_.easy_strerror(code);
  return Status(code_of(code), where_ + ": " + text + hint_for(code));
}

Result<HttpResponse> HttpTransfer::finish(CURLcode code) {
  if (request_.inspect) request_.inspect(api_, easy_);
  if (!own_error_.ok()) return own_error_;
  if (code != CURLE_OK) return status_of(code);
  LS_RETURN_IF_ERROR(announce_head());
  return std::move(response_);
}

}  // namespace litestream
