// The one HTTP client: every remote store talks through it, by libcurl.
//
// Connections are kept and used again; HTTP/2 is spoken where it is offered. A transfer runs on the
// calling thread. Every attempt has limits (HttpLimits), the caller's thread may add its own
// (CallLimits), and set_interrupted() ends all of them. Redirects are not followed: a 3xx is an
// answer like any other. No signal handler of the host runs while libcurl works, and no SIGPIPE is
// left behind. Nothing here is tried again (retry.h), but libcurl itself repeats a request whose
// kept connection turns out to be dead before any byte of an answer.
//
// Messages name the host and what went wrong, never a path, query, header or body.
// Threading: thread-safe; destroy it when no call is under way.
#pragma once

#include <atomic>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "ext/store/curl_loader.h"
#include "ext/store/http_message.h"

namespace litestream {

struct HttpClientOptions {
  std::string ca_file;          // PEM; empty: what libcurl was built with
  bool skip_verify = false;     // accept any certificate
  size_t connections_max = 16;  // at once; further calls wait
  // What libcurl may speak, a mask of CURLPROTO_*; everything else in a URL is refused.
  long protocols = CURLPROTO_HTTP | CURLPROTO_HTTPS;
  // Sets options that only one protocol has (keys, known hosts, commands) before each transfer.
  std::function<Status(const CurlApi& api, CURL* easy)> prepare;
};

// Where certificates of authorities are, by the environment: the first of `names`, CURL_CA_BUNDLE
// and SSL_CERT_FILE that is set, read with secure_getenv; else empty.
std::string ca_file_from_environment(const std::vector<std::string>& names);

class HttpClient {
 public:
  explicit HttpClient(HttpClientOptions options);
  ~HttpClient();
  HttpClient(const HttpClient&) = delete;
  HttpClient& operator=(const HttpClient&) = delete;

  // One attempt. An answer of any status is a success here. Unavailable: no answer, an incomplete
  // one, or a limit passed. Cancelled. Unsupported: no libcurl. InvalidArgument: a URL that makes
  // no sense. Io: certificates. Corrupt: a body or headers beyond their limits. NotFound and Io for
  // protocols without a status. Else what sink or on_head returned.
  Result<HttpResponse> perform(const HttpRequest& request);

  // True: calls under way and all later ones end with Cancelled within 100 ms. False: as before.
  void set_interrupted(bool interrupted) { interrupted_.store(interrupted); }
  bool is_interrupted() const { return interrupted_.load(); }

 private:
  struct Slot;
  Result<std::unique_ptr<Slot>> acquire(const CurlApi& api);
  Result<std::unique_ptr<Slot>> make_slot(const CurlApi& api);
  void release(std::unique_ptr<Slot> slot);
  Status check_stopped() const;

  const HttpClientOptions options_;
  std::atomic<bool> interrupted_{false};
  std::mutex mutex_;
  std::condition_variable free_;
  size_t in_use_count_ = 0;                  // guarded by mutex_
  std::vector<std::unique_ptr<Slot>> idle_;  // guarded by mutex_; the last used at the back
};

}  // namespace litestream
