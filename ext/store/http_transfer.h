// One transfer on one libcurl handle: options, callbacks, limits. Part of HttpClient.
// Threading: one thread.
#pragma once

#include <curl/curl.h>

#include <array>
#include <string>
#include <string_view>

#include "ext/store/curl_loader.h"
#include "ext/store/http_client.h"
#include "ext/store/http_message.h"

namespace litestream {

class HttpTransfer {
 public:
  // All of them must outlive this; `easy` is reset by the caller.
  HttpTransfer(const CurlApi& api, CURL* easy, const HttpRequest& request,
               const HttpClientOptions& options);
  ~HttpTransfer();
  HttpTransfer(const HttpTransfer&) = delete;
  HttpTransfer& operator=(const HttpTransfer&) = delete;

  // Sets every option of the handle.
  Status prepare();
  // Ok while no limit of the request has passed. To be called every now and then.
  Status check_limits();
  // After the transfer ended with `code`.
  Result<HttpResponse> finish(CURLcode code);

 private:
  static size_t on_header(char* data, size_t size, size_t count, void* self) noexcept;
  static size_t on_body(char* data, size_t size, size_t count, void* self) noexcept;
  static size_t on_read(char* buffer, size_t size, size_t count, void* self) noexcept;
  static int on_seek(void* self, curl_off_t offset, int origin) noexcept;

  template <typename Value>
  void set(CURLoption option, Value value);
  Status set_headers();
  void set_body();
  void set_tls();
  Status take_header(std::string_view line);
  Status take_body(Bytes bytes);
  Status announce_head();
  Status status_of(CURLcode code) const;
  void touch();  // bytes moved just now

  const CurlApi& api_;
  CURL* const easy_;
  const HttpRequest& request_;
  const HttpClientOptions& options_;
  const std::string where_;  // "GET https://host" for messages
  curl_slist* header_list_ = nullptr;
  bool options_failed_ = false;
  std::array<char, CURL_ERROR_SIZE> error_text_{};
  HttpResponse response_;
  size_t header_bytes_ = 0;
  bool head_is_announced_ = false;
  Status own_error_;  // of a callback; explains a transfer that libcurl only calls aborted
  uint64_t sent_bytes_ = 0;
  int64_t begun_ms_ = 0;
  int64_t moved_ms_ = 0;  // when bytes moved last
  bool is_connected_ = false;
  bool has_answer_ = false;
};

}  // namespace litestream
