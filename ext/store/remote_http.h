// Requests of one HTTP store other than S3: signed afresh for each attempt, tried again as far as
// that is worth it, turned into errors that say what to do.
// Threading: thread-safe.
#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "ext/store/http_client.h"
#include "ext/store/remote_tree.h"
#include "ext/store/retry.h"

namespace litestream {

struct RemoteHttpParts {
  std::string type;  // of the store, for messages: "abs"
  HttpClientOptions http;
  RetryWorld world;
  RetryPolicy policy;
  HttpLimits limits;
  // The store's own code in an answer that is no success ("ServerBusy"); may be empty.
  std::function<std::string(const HttpResponse&)> code_of;
  // Adds what identifies us; called for each attempt with the store's idea of the time.
  std::function<Status(HttpRequest* request, int64_t wall_ms)> sign;
  // Of an answer that refuses who we are: true if the next attempt will sign otherwise. May be
  // empty.
  std::function<bool(const HttpResponse&)> learn;
};

// "Fri, 24 May 2013 00:00:00 GMT".
std::string format_http_date(int64_t wall_ms);

// The part of a URL from its path on: "/a%20b?c=d".
std::string_view target_of_url(std::string_view url);

class RemoteHttp {
 public:
  explicit RemoteHttp(RemoteHttpParts parts);

  // The final answer, of any status. `request` lacks what `sign` adds. `what` is for messages:
  // "list backups/app". Unavailable: there was none in the end. Cancelled. Errors of `sign` and of
  // the request's sink.
  Result<HttpResponse> send(const std::string& what, const HttpRequest& request);
  // send(), with answers that are no success turned into errors.
  Result<HttpResponse> expect_success(const std::string& what, const HttpRequest& request);
  // What an answer that is no success means. NotFound, PositionMismatch (412), Unsupported,
  // Unavailable, else Io.
  Status error_of(const std::string& what, const HttpResponse& response) const;

  // RemoteTree::read() by a ranged GET: a connection that drops costs only what had not arrived.
  // `request` has no Range; `range_header` is its name here. *version holds an ETag.
  Result<RemoteRange> read(const std::string& what, const HttpRequest& request,
                           const std::string& range_header, uint64_t offset_bytes, MutableBytes out,
                           std::string* version);

  const HttpLimits& limits() const { return parts_.limits; }
  const RetryWorld& world() const { return parts_.world; }
  void set_interrupted(bool interrupted) { http_.set_interrupted(interrupted); }

 private:
  struct Hooks {
    // Before each attempt but the first; true: the last one moved the transfer on.
    std::function<bool(HttpRequest*)> before_retry;
  };
  Result<HttpResponse> send(const std::string& what, const HttpRequest& request,
                            const Hooks& hooks);
  bool learn_time(const HttpResponse& response);
  Status check_stopped() const;

  const RemoteHttpParts parts_;
  HttpClient http_;
  std::atomic<int64_t> skew_ms_{0};  // of the store's clock against ours
};

}  // namespace litestream
