#include "ext/store/s3_client.h"

#include <algorithm>
#include <cstdlib>

#include "ext/base/url.h"
#include "ext/ltx/sequential_reader.h"
#include "ext/store/call_limits.h"
#include "ext/store/digest.h"

namespace litestream {
namespace {

// What an answer may teach us before it counts as a failure: region, time, keys.
constexpr int kLessonsMax = 3;
constexpr size_t kSecretBytesMin = 8;  // shorter strings would blot out ordinary words

bool is_region(std::string_view text) {
  return !text.empty() && text.size() <= 64 && std::all_of(text.begin(), text.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '-';
  });
}

bool is_about_keys(std::string_view code) {
  for (const char* known :
       {"ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired",
        "InvalidAccessKeyId", "RequestExpired", "SignatureDoesNotMatch"}) {
    if (code == known) return true;
  }
  return false;
}

bool is_same_key(const SigningKey& a, const SigningKey& b) {
  return a.access_key_id == b.access_key_id && a.secret_access_key == b.secret_access_key &&
         a.session_token == b.session_token;
}

HttpClientOptions http_options(const S3Options& options) {
  HttpClientOptions http;
  http.ca_file = ca_file_from_environment({"AWS_CA_BUNDLE"});
  http.skip_verify = options.skip_verify;
  return http;
}

CredentialInputs credential_inputs(const S3ClientParts& parts, HttpClient* http) {
  const S3Options& options = parts.options;
  CredentialInputs inputs;
  inputs.configured = {options.access_key_id, options.secret_access_key, ""};
  inputs.policy = ambient_policy(options, parts.environment);
  inputs.may_be_anonymous = !options.ambient_credentials;
  inputs.region = options.region_is_guess ? "" : options.region;
  inputs.endpoint = options.endpoint.authority;
  inputs.world = {http, parts.fs, parts.environment, parts.world};
  return inputs;
}

// A store that answers before it knows the outcome tells errors in the body of a 200.
void read_error_of(const S3Call& call, S3Answer* answer) {
  if (answer->ok() && !call.body_may_be_error) return;
  const auto error = parse_s3_error(answer->http.body);
  if (!error.has_value()) return;
  answer->error = *error;
  if (answer->ok()) answer->http.status = error->code == "PreconditionFailed" ? 412 : 500;
}

// Bodies that take long on a slow line get the time; a stall ends them anyway.
HttpLimits limits_for(HttpLimits limits, const S3Call& call) {
  constexpr int64_t kSlowestBytesPerMs = 16;
  limits.total_ms += static_cast<int64_t>(call.body.size()) / kSlowestBytesPerMs;
  // What libcurl has handed to the kernel may still be on its way.
  if (call.body.size() > (256 << 10)) limits.first_byte_ms *= 2;
  limits.body_bytes_max = call.body_bytes_max;
  return limits;
}

}  // namespace

S3Client::S3Client(S3ClientParts parts)
    : parts_(std::move(parts)),
      http_(http_options(parts_.options)),
      credentials_(credential_inputs(parts_, &http_)),
      region_(parts_.options.region),
      sse_key_(parts_.options.sse_key),
      sse_key_md5_(parts_.options.sse_key_md5) {}

void S3Client::set_interrupted(bool interrupted) { http_.set_interrupted(interrupted); }

Status S3Client::check_stopped() const {
  if (http_.is_interrupted()) return cancelled("interrupted");
  return CallLimits::check();
}

std::string S3Client::region() const {
  const std::lock_guard lock(mutex_);
  return region_;
}

std::string S3Client::place_of(const S3Call& call) const {
  return parts_.options.type + ": " + call.what + " " + parts_.options.bucket +
         (call.key.empty() ? "" : "/" + call.key);
}

// A store, or a proxy, may repeat in its message what we sent it.
std::string S3Client::scrubbed(std::string text) const {
  std::vector<std::string> secrets = {parts_.options.secret_access_key};
  {
    const std::lock_guard lock(mutex_);
    secrets.push_back(sse_key_);
    secrets.push_back(session_token_);
  }
  for (const std::string& secret : secrets) {
    if (secret.size() < kSecretBytesMin) continue;
    for (size_t at = text.find(secret); at != std::string::npos; at = text.find(secret, at)) {
      text.replace(at, secret.size(), "***");
    }
  }
  // Headers of ours: from their names on, nothing is worth showing.
  for (const char* name : {"Signature=", "AWS4-HMAC-SHA256", "X-Amz-Security-Token"}) {
    const size_t at = text.find(name);
    if (at != std::string::npos) text = text.substr(0, at) + "***";
  }
  return text;
}

Status S3Client::load_customer_key() {
  const S3Options& options = parts_.options;
  const std::lock_guard lock(mutex_);
  if (sse_key_.empty() && !options.sse_key_path.empty()) {
    LS_ASSIGN_OR_RETURN(std::string text, read_small_file(*parts_.fs, options.sse_key_path, 4096));
    while (!text.empty() && (text.back() == '\n' || text.back() == '\r')) text.pop_back();
    // The key itself, or its base64.
    sse_key_ = text.size() == 32 ? base64_encode(as_bytes(text)) : text;
  }
  if (sse_key_.empty() || !sse_key_md5_.empty()) return {};
  const auto key = base64_decode(sse_key_);
  if (!key.ok() || key->size() != 32) {
    sse_key_.clear();
    return invalid_argument("the file of 'sse-customer-key-path' holds no key of 32 bytes");
  }
  sse_key_md5_ = base64_encode(md5(*key));
  return {};
}

std::string S3Client::payload_hash_of(const S3Call& call) const {
  if (call.is_data && !parts_.options.signs_payload) return std::string(kUnsignedPayload);
  if (!call.payload_sha256.empty()) return call.payload_sha256;
  return hex_encode(sha256(call.body));
}

HttpHeaders S3Client::headers_of(const S3Call& call, const std::string& payload_hash) {
  const S3Options& options = parts_.options;
  HttpHeaders headers = call.headers;
  const bool is_unsigned = payload_hash == kUnsignedPayload;
  const bool wants_md5 = call.wants_md5 ? options.sends_content_md5
                         : call.is_data ? options.sends_content_md5_always ||
                                              (is_unsigned && options.sends_content_md5)
                                        : false;
  if (wants_md5) headers.push_back({"Content-MD5", base64_encode(md5(call.body))});
  if (options.provider->wants_consistent_header && call.method == "GET") {
    headers.push_back({"X-Tigris-Consistent", "true"});
  }
  const std::lock_guard lock(mutex_);
  if (call.is_encrypted && !sse_key_.empty()) {
    const std::string prefix = "x-amz-server-side-encryption-customer-";
    headers.push_back({prefix + "algorithm", options.sse_algorithm});
    headers.push_back({prefix + "key", sse_key_});
    headers.push_back({prefix + "key-MD5", sse_key_md5_});
  }
  return headers;
}

Result<HttpRequest> S3Client::prepare(const S3Call& call, const HttpHeaders& headers,
                                      const std::string& payload_hash, const Attempt& attempt) {
  const S3Options& options = parts_.options;
  const S3Endpoint endpoint = options.endpoint_in(attempt.region);
  const std::string key = percent_encode(call.key, Slashes::kKept);
  SigningRequest signing;
  signing.method = call.method;
  signing.host = endpoint.authority;
  if (options.path_style) {
    signing.path = endpoint.path + "/" + options.bucket + (call.key.empty() ? "" : "/" + key);
  } else {
    signing.host = options.bucket + "." + endpoint.authority;
    signing.path = endpoint.path + "/" + key;
  }
  signing.query = call.query;
  signing.headers = headers;
  signing.payload_sha256 = payload_hash;
  signing.region = attempt.region;
  signing.wall_ms = parts_.world.clock->wall_ms() + attempt.skew_ms;

  HttpRequest request;
  request.method = call.method;
  const std::string query = canonical_query(call.query);
  request.url = (endpoint.is_https ? "https://" : "http://") + signing.host + signing.path +
                (query.empty() ? "" : "?" + query);
  request.headers = headers;
  if (!attempt.credentials.is_anonymous) {
    {
      const std::lock_guard lock(mutex_);
      session_token_ = attempt.credentials.key.session_token;
    }
    const HttpHeaders added = sign_request(signing, attempt.credentials.key);
    request.headers.insert(request.headers.end(), added.begin(), added.end());
  }
  request.on_head = call.on_head;
  request.sink = call.sink;
  request.limits = limits_for(parts_.limits, call);
  return request;
}

bool S3Client::learn_region(const S3Answer& answer, const std::string& used) {
  const S3Options& options = parts_.options;
  std::string told(answer.http.header("x-amz-bucket-region"));
  if (told.empty()) told = answer.error.region;
  if (!is_region(told) || told == used) return false;
  if (!options.provider->is_aws && !options.region_is_guess) return false;
  const std::lock_guard lock(mutex_);
  region_ = told;
  return true;
}

bool S3Client::learn_time(const S3Answer& answer, int64_t used_skew_ms) {
  constexpr int64_t kMeaningfulMs = 1000;
  const auto store_ms = parse_http_date_ms(answer.http.header("date"));
  if (!store_ms.has_value()) return false;
  const int64_t skew_ms = *store_ms - parts_.world.clock->wall_ms();
  if (std::abs(skew_ms - used_skew_ms) < kMeaningfulMs) return false;
  skew_ms_.store(skew_ms);
  return true;
}

bool S3Client::learn_from(const S3Answer& answer, const Attempt& attempt) {
  const int status = answer.http.status;
  if (status < 300 || status >= 500) return false;
  const std::string& code = answer.error.code;
  if (code == "RequestTimeTooSkewed") return learn_time(answer, attempt.skew_ms);
  if (status == 301 || status == 307 || status == 400) {
    if (learn_region(answer, attempt.region)) return true;
  }
  if (!is_about_keys(code)) return false;
  credentials_.refuse(attempt.credentials);
  const auto others = credentials_.get();
  return others.ok() && !is_same_key(others->key, attempt.credentials.key);
}

Result<S3Answer> S3Client::send(const S3Call& call) {
  if (call.is_encrypted) LS_RETURN_IF_ERROR(load_customer_key());
  const std::string payload_hash = payload_hash_of(call);
  HttpHeaders headers = headers_of(call, payload_hash);
  RetryLoop loop(parts_.policy, parts_.world, [this] { return !check_stopped().ok(); });
  int lesson_count = 0;
  while (true) {
    LS_RETURN_IF_ERROR(check_stopped());
    auto credentials = credentials_.get();
    if (!credentials.ok()) return credentials.status().with_context(place_of(call));
    const Attempt attempt = {*credentials, region(), skew_ms_.load()};
    LS_ASSIGN_OR_RETURN(HttpRequest request, prepare(call, headers, payload_hash, attempt));
    BytesReader body(call.body);
    if (call.has_body) request.body = &body;
    request.body_bytes = call.body.size();
    auto response = http_.perform(request);

    S3Answer answer;
    Failure failure = Failure::kFinal;
    std::optional<int64_t> retry_after_ms;
    if (response.ok()) {
      answer.http = *std::move(response);
      read_error_of(call, &answer);
      if (lesson_count < kLessonsMax && learn_from(answer, attempt)) {
        ++lesson_count;
        continue;
      }
      failure =
          answer.ok() ? Failure::kFinal : classify_http(answer.http.status, answer.error.code);
      retry_after_ms =
          parse_retry_after_ms(answer.http.header("retry-after"), parts_.world.clock->wall_ms());
    } else {
      failure = classify_status(response.status());
    }
    if (failure == Failure::kFinal) {
      if (!response.ok()) return response.status().with_context(place_of(call));
      return answer;
    }
    if (call.before_retry && call.before_retry(&headers)) loop.made_progress();
    if (loop.wait_before_retry(failure, retry_after_ms)) continue;
    LS_RETURN_IF_ERROR(check_stopped());
    if (!response.ok()) return response.status().with_context(place_of(call));
    return error_of(call, answer);
  }
}

Result<S3Answer> S3Client::expect_success(const S3Call& call) {
  LS_ASSIGN_OR_RETURN(S3Answer answer, send(call));
  if (!answer.ok()) return error_of(call, answer);
  return answer;
}

Status S3Client::error_of(const S3Call& call, const S3Answer& answer) const {
  const int status = answer.http.status;
  const std::string& code = answer.error.code;
  std::string text = place_of(call) + ": " + (code.empty() ? "" : code + ": ") +
                     (answer.error.message.empty() ? "" : answer.error.message + " ") + "(HTTP " +
                     std::to_string(status) + ")";
  text = scrubbed(std::move(text));
  if (code == "NoSuchBucket") {
    return invalid_argument(text + "; create the bucket, or correct its name");
  }
  if (code == "RequestTimeTooSkewed") return io_error(text + "; set the clock of this machine");
  if (classify_http(status, code) != Failure::kFinal) return unavailable(text);
  switch (status) {
    case 301:
    case 307: return io_error(text + "; the bucket is elsewhere: set 'region' or 'endpoint'");
    case 401:
    case 403: return io_error(text + "; check the keys and what they may do with this bucket");
    case 404: return not_found(text);
    case 412: return position_mismatch(text);
    case 405:
    case 501: return unsupported(text);
    default: return code == "NotImplemented" ? unsupported(text) : io_error(text);
  }
}

}  // namespace litestream
