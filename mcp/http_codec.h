// Reads the head of a request and writes its answer with cpp-httplib; http_endpoint.h says what the
// answer is.
// Threading: thread-safe.
#pragma once

#include <memory>

#include "mcp/http_connection.h"
#include "mcp/http_endpoint.h"

namespace litestream {

class HttpCodec {
 public:
  // `endpoint` must outlive the codec.
  explicit HttpCodec(HttpEndpoint& endpoint);
  ~HttpCodec();
  HttpCodec(const HttpCodec&) = delete;
  HttpCodec& operator=(const HttpCodec&) = delete;

  // Answers one request through `connection`. False: the connection is to end after that.
  bool serve(const std::shared_ptr<HttpConnection>& connection, HttpFrame frame);

 private:
  class Library;
  std::unique_ptr<Library> library_;
};

}  // namespace litestream
