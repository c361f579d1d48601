// litestream_heartbeat(url): tells a watching service that all is well.
#include "ext/sqlite/functions.h"

#include "ext/base/limits.h"
#include "ext/store/call_limits.h"
#include "ext/store/http_client.h"

namespace litestream {

Status run_heartbeat(SqlCall& call) {
  LS_ASSIGN_OR_RETURN(const std::string url, call.text(0, "the URL"));
  const bool is_http = url.starts_with("http://") || url.starts_with("https://");
  if (!is_http || url.size() > kUrlBytesMax) {
    return invalid_argument("the URL must begin with http:// or https://");
  }
  HttpClientOptions options;
  options.ca_file = ca_file_from_environment({});
  options.connections_max = 1;
  HttpClient client(std::move(options));
  HttpRequest request;
  request.url = url;
  request.limits.connect_ms = 10'000;
  request.limits.first_byte_ms = 20'000;
  request.limits.total_ms = 30'000;
  request.limits.body_bytes_max = 64 << 10;
  const CallLimits limits(CallLimits::kNoDeadline, call.cancel_check());
  LS_ASSIGN_OR_RETURN(const HttpResponse response, client.perform(request));
  if (!response.ok()) {
    return unavailable("the service answered with HTTP status " + std::to_string(response.status));
  }
  call.result_integer(response.status);
  return {};
}

}  // namespace litestream
