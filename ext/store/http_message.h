// One request and its answer, as values.
// Threading: values.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <string_view>
#include <vector>

#include "ext/base/bytes.h"
#include "ext/base/status.h"

namespace litestream {

struct CurlApi;  // curl_loader.h

struct HttpHeader {
  std::string name;
  std::string value;
};
using HttpHeaders = std::vector<HttpHeader>;

struct HttpResponse {
  int status = 0;       // 200, 404, ...; 0 for protocols that have none
  HttpHeaders headers;  // names in lower case; of the final answer, not of a 100 or a proxy
  std::string body;     // what no sink took
  // The first header of that lower-case name; empty if there is none.
  std::string_view header(std::string_view name) const;
  bool ok() const { return status >= 200 && status < 300; }
};

// How long one attempt may take. A limit that passes is Unavailable.
struct HttpLimits {
  int64_t connect_ms = 10'000;     // name, TCP and TLS together
  int64_t first_byte_ms = 30'000;  // from the last byte sent to the first byte of the answer
  int64_t stall_ms = 30'000;       // between two bytes, in either direction
  int64_t total_ms = 600'000;
  size_t body_bytes_max = 1 << 20;  // of an answer that is kept in memory
};

struct HttpRequest {
  std::string method = "GET";
  std::string url;      // everything percent-encoded; no user name, no password
  HttpHeaders headers;  // secrets may be in them; no message ever shows one
  // The body: `body_bytes` from offset 0 on, sent with that Content-Length; may be read again from
  // the start when a connection turns out to be dead. Null: no body, unless `sends_empty_body`,
  // which sends "Content-Length: 0".
  RandomReader* body = nullptr;
  uint64_t body_bytes = 0;
  bool sends_empty_body = false;
  // Called once, when the headers of the final answer are there and before its body. An error ends
  // the transfer and is returned.
  std::function<Status(const HttpResponse&)> on_head;
  // Takes the body of a 2xx answer as it comes; without one, and for other answers, the body is
  // kept in HttpResponse::body. An error ends the transfer and is returned.
  ByteSink* sink = nullptr;
  HttpLimits limits;
  bool bypass_proxy = false;  // for link-local addresses
  // For protocols other than HTTP: sets options that only they have, after all others; and looks at
  // the handle (a CURL*) when the transfer is over, whatever came of it.
  std::function<Status(const CurlApi& api, void* easy)> prepare;
  std::function<void(const CurlApi& api, void* easy)> inspect;
};

}  // namespace litestream
