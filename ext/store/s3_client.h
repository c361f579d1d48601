// Signed requests to one bucket: where it is, whose keys, what to try again.
//
// Besides retries (retry.h): a region that Amazon tells us is believed and used from then on; a
// clock that is wrong by the store's account is corrected by it; keys that the store refuses are
// looked up again.
// Threading: thread-safe.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "ext/base/file_system.h"
#include "ext/store/credentials.h"
#include "ext/store/http_client.h"
#include "ext/store/retry.h"
#include "ext/store/s3_options.h"
#include "ext/store/s3_xml.h"

namespace litestream {

struct S3Call {
  std::string what;  // for messages: "list", "upload"
  std::string method = "GET";
  std::string key;  // empty: the bucket itself
  std::vector<std::pair<std::string, std::string>> query;
  HttpHeaders headers;             // signed with the request
  Bytes body;                      // the caller keeps it alive
  bool has_body = false;           // an empty body is sent as one
  bool is_data = false;            // the body is content of an object: may go unsigned
  bool wants_md5 = false;          // bulk deletes
  bool body_may_be_error = false;  // a 200 may carry an <Error>, which then counts
  bool is_encrypted = false;       // takes the headers of a customer's key
  std::string payload_sha256;      // of the body in hex, if the caller knows it
  std::function<Status(const HttpResponse&)> on_head;
  ByteSink* sink = nullptr;
  size_t body_bytes_max = 1 << 20;
  // Called before every attempt but the first; may change headers. True: the last attempt moved
  // the transfer on, so that counting starts over.
  std::function<bool(HttpHeaders* headers)> before_retry;
};

struct S3Answer {
  HttpResponse http;
  S3Error error;  // of answers that are no success, as far as the store explained itself
  bool ok() const { return http.ok(); }
};

struct S3ClientParts {
  S3Options options;
  FileSystem* fs = nullptr;  // these two outlive the client
  RetryWorld world;
  StoreEnvironment environment;
  RetryPolicy policy;
  HttpLimits limits;
};

class S3Client {
 public:
  explicit S3Client(S3ClientParts parts);

  // The store's final answer, of any status, after what was worth it was tried again. Unavailable:
  // there was none in the end; Cancelled; else errors of finding keys, of `sink` and `on_head`.
  Result<S3Answer> send(const S3Call& call);
  // send(), with answers that are no success turned into errors.
  Result<S3Answer> expect_success(const S3Call& call);
  // What an answer that is no success means for the caller. NotFound, PositionMismatch (412),
  // InvalidArgument (no such bucket), Unsupported (501, 405), Unavailable, else Io.
  Status error_of(const S3Call& call, const S3Answer& answer) const;

  const S3Options& options() const { return parts_.options; }
  const RetryWorld& world() const { return parts_.world; }
  void set_interrupted(bool interrupted);
  // Whether the calling thread should give up: Cancelled, Unavailable at its deadline.
  Status check_stopped() const;

 private:
  struct Attempt {
    AwsCredentials credentials;
    std::string region;
    int64_t skew_ms = 0;
  };
  Result<HttpRequest> prepare(const S3Call& call, const HttpHeaders& headers,
                              const std::string& payload_hash, const Attempt& attempt);
  // True: the answer taught us something, the request is worth repeating at once.
  bool learn_from(const S3Answer& answer, const Attempt& attempt);
  bool learn_region(const S3Answer& answer, const std::string& used);
  bool learn_time(const S3Answer& answer, int64_t used_skew_ms);
  HttpHeaders headers_of(const S3Call& call, const std::string& payload_hash);
  std::string payload_hash_of(const S3Call& call) const;
  Status load_customer_key();
  std::string region() const;
  std::string place_of(const S3Call& call) const;
  std::string scrubbed(std::string text) const;

  const S3ClientParts parts_;
  HttpClient http_;
  CredentialChain credentials_;
  std::atomic<int64_t> skew_ms_{0};  // of the store's clock against ours
  mutable std::mutex mutex_;
  std::string region_;         // guarded by mutex_
  std::string sse_key_;        // guarded by mutex_; base64
  std::string sse_key_md5_;    // guarded by mutex_
  std::string session_token_;  // guarded by mutex_; the one sent last, for scrubbing
};

}  // namespace litestream
