// Who we are for Google Cloud Storage: an HMAC key that signs each request, or a service account
// whose signed statement is exchanged for access tokens.
// Source: "V4 signing process" and "Using OAuth 2.0 for Server to Server Applications" of Google.
// Threading: values and pure functions; GsTokens is thread-safe.
#pragma once

#include <condition_variable>
#include <memory>
#include <mutex>
#include <string>
#include <string_view>

#include "ext/base/file_system.h"
#include "ext/store/http_client.h"
#include "ext/store/retry.h"
#include "ext/store/rs256.h"

namespace litestream {

struct GsHmacKey {
  std::string access_key_id;
  std::string secret_access_key;
};

// Adds x-goog-date, x-goog-content-sha256 and Authorization (GOOG4-HMAC-SHA256) to a request whose
// query is sorted and percent-encoded and whose body is `payload_sha256` in hex, or
// UNSIGNED-PAYLOAD. All headers it has are signed.
void sign_goog4(HttpRequest* request, const GsHmacKey& key, std::string_view payload_sha256,
                int64_t wall_ms);

// A service account's key file.
struct GsServiceAccount {
  std::string client_email;
  std::string private_key_id;
  std::string token_uri;
  std::shared_ptr<const RsaPrivateKey> private_key;
};
// InvalidArgument unless it is the JSON that Google hands out, with a token_uri by https or on this
// machine.
Result<GsServiceAccount> parse_service_account(std::string_view json);

// The statement: header.claims.signature, valid for an hour from `wall_ms`.
Result<std::string> make_service_account_jwt(const GsServiceAccount& account, int64_t wall_ms);

// Access tokens of one service account: fetched when first needed, kept, renewed before they end.
class GsTokens {
 public:
  // `key_path` is read at the first use. The pointers must outlive this.
  GsTokens(std::string key_path, FileSystem* fs, HttpClient* http, RetryWorld world);

  // Blocks while one has to be fetched; one thread asks, the others wait or use the old one.
  // NotFound, InvalidArgument: the key file; Io: Google refuses it; Unavailable.
  Result<std::string> get();
  // The store did not accept `token`: get() fetches another.
  void refuse(const std::string& token);

 private:
  Result<std::string> fetch(int64_t* lifetime_ms);
  Status load_account();

  const std::string key_path_;
  FileSystem* const fs_;
  HttpClient* const http_;
  const RetryWorld world_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool is_asking_ = false;  // a thread is in fetch(), which alone uses account_
  std::unique_ptr<GsServiceAccount> account_;
  std::string token_;        // these three under mutex_
  int64_t renew_at_ms_ = 0;  // monotonic
  int64_t ends_at_ms_ = 0;   // monotonic
};

}  // namespace litestream
