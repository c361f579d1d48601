#include "ext/store/gs_auth.h"

#include <algorithm>
#include <chrono>
#include <map>

#include "ext/base/json.h"
#include "ext/base/url.h"
#include "ext/ltx/sequential_reader.h"
#include "ext/store/call_limits.h"
#include "ext/store/digest.h"
#include "ext/store/remote_http.h"
#include "ext/store/s3_signing.h"

namespace litestream {
namespace {

constexpr std::string_view kScope = "https://www.googleapis.com/auth/devstorage.read_write";
constexpr size_t kKeyFileBytesMax = 64 << 10;
constexpr int64_t kRenewBeforeMs = 5 * 60'000;
constexpr RetryPolicy kPolicy = {.attempts_max = 4, .first_delay_ms = 200, .total_ms = 15'000};

std::string base64_url(Bytes bytes) {
  std::string text = base64_encode(bytes);
  std::replace(text.begin(), text.end(), '+', '-');
  std::replace(text.begin(), text.end(), '/', '_');
  while (text.ends_with('=')) text.pop_back();
  return text;
}

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

std::string host_of(std::string_view url) {
  const size_t begin = url.find("://") + 3;
  return std::string(url.substr(begin, url.find_first_of("/?", begin) - begin));
}

std::string text_of(const DocumentNode& map, std::string_view key) {
  const DocumentNode* value = find_value(map, key);
  return value == nullptr ? "" : value->scalar;
}

bool may_get_statement(const std::string& token_uri) {
  const auto url = parse_url(token_uri);
  if (!url.ok()) return false;
  if (url->scheme == "https") return true;
  const auto where = parse_host_and_port(url->authority);
  return url->scheme == "http" && where.ok() &&
         (where->host == "localhost" || where->host.starts_with("127.") || where->host == "::1");
}

Sha256Digest hmac(Bytes key, std::string_view text) { return hmac_sha256(key, as_bytes(text)); }

}  // namespace

void sign_goog4(HttpRequest* request, const GsHmacKey& key, std::string_view payload_sha256,
                int64_t wall_ms) {
  const std::string timestamp = format_amz_date(wall_ms);
  request->headers.push_back({"x-goog-date", timestamp});
  request->headers.push_back({"x-goog-content-sha256", std::string(payload_sha256)});
  std::map<std::string, std::string> headers = {{"host", host_of(request->url)}};
  for (const HttpHeader& header : request->headers) headers[lower(header.name)] = header.value;
  const std::string_view target = target_of_url(request->url);
  const size_t mark = std::min(target.find('?'), target.size());
  std::string canonical = request->method + "\n" + std::string(target.substr(0, mark)) + "\n" +
                          std::string(target.substr(std::min(mark + 1, target.size()))) + "\n";
  std::string names;
  for (const auto& [name, value] : headers) {
    canonical += name + ":" + value + "\n";
    names += (names.empty() ? "" : ";") + name;
  }
  canonical += "\n" + names + "\n" + std::string(payload_sha256);
  const std::string date = timestamp.substr(0, 8);
  const std::string scope = date + "/auto/storage/goog4_request";
  const std::string text = "GOOG4-HMAC-SHA256\n" + timestamp + "\n" + scope + "\n" +
                           hex_encode(sha256(as_bytes(canonical)));
  const std::string seed = "GOOG4" + key.secret_access_key;
  const auto signing_key =
      hmac(hmac(hmac(hmac(as_bytes(seed), date), "auto"), "storage"), "goog4_request");
  request->headers.push_back(
      {"Authorization", "GOOG4-HMAC-SHA256 Credential=" + key.access_key_id + "/" + scope +
                            ", SignedHeaders=" + names +
                            ", Signature=" + hex_encode(hmac(signing_key, text))});
}

Result<GsServiceAccount> parse_service_account(std::string_view json) {
  const auto root = parse_json(json);
  const Status bad = invalid_argument(
      "the key file is no service account's: it is JSON with client_email, private_key and "
      "token_uri, as the Google Cloud console hands it out");
  if (!root.ok() || root->kind != DocumentNode::Kind::kMap) return bad;
  GsServiceAccount account;
  account.client_email = text_of(*root, "client_email");
  account.private_key_id = text_of(*root, "private_key_id");
  account.token_uri = text_of(*root, "token_uri");
  if (account.client_email.empty() || account.token_uri.empty()) return bad;
  if (!may_get_statement(account.token_uri)) {
    return invalid_argument("the key file's token_uri is no https URL");
  }
  LS_ASSIGN_OR_RETURN(auto key, RsaPrivateKey::from_pem(text_of(*root, "private_key")));
  account.private_key = std::move(key);
  return account;
}

Result<std::string> make_service_account_jwt(const GsServiceAccount& account, int64_t wall_ms) {
  const int64_t now_s = wall_ms / 1000;
  std::string header = "{\"alg\":\"RS256\",\"typ\":\"JWT\"";
  if (!account.private_key_id.empty()) header += ",\"kid\":" + json_quote(account.private_key_id);
  header += "}";
  const std::string claims = "{\"iss\":" + json_quote(account.client_email) +
                             ",\"scope\":" + json_quote(std::string(kScope)) +
                             ",\"aud\":" + json_quote(account.token_uri) +
                             ",\"iat\":" + std::to_string(now_s) +
                             ",\"exp\":" + std::to_string(now_s + 3600) + "}";
  std::string jwt = base64_url(as_bytes(header)) + "." + base64_url(as_bytes(claims));
  LS_ASSIGN_OR_RETURN(const auto signature, account.private_key->sign_rs256(as_bytes(jwt)));
  return jwt + "." + base64_url(signature);
}

GsTokens::GsTokens(std::string key_path, FileSystem* fs, HttpClient* http, RetryWorld world)
    : key_path_(std::move(key_path)), fs_(fs), http_(http), world_(world) {}

Status GsTokens::load_account() {
  if (account_ != nullptr) return {};
  LS_ASSIGN_OR_RETURN(const std::string json, read_small_file(*fs_, key_path_, kKeyFileBytesMax));
  auto account = parse_service_account(json);
  if (!account.ok()) return account.status().with_context(key_path_);
  account_ = std::make_unique<GsServiceAccount>(*std::move(account));
  return {};
}

Result<std::string> GsTokens::fetch(int64_t* lifetime_ms) {
  LS_RETURN_IF_ERROR(load_account());
  RetryLoop loop(kPolicy, world_, [] { return !CallLimits::check().ok(); });
  while (true) {
    LS_ASSIGN_OR_RETURN(const std::string jwt,
                        make_service_account_jwt(*account_, world_.clock->wall_ms()));
    const std::string form =
        "grant_type=urn%3Aietf%3Aparams%3Aoauth%3Agrant-type%3Ajwt-bearer&assertion=" + jwt;
    BytesReader body(as_bytes(form));
    HttpRequest request;
    request.method = "POST";
    request.url = account_->token_uri;
    request.headers = {{"Content-Type", "application/x-www-form-urlencoded"}};
    request.body = &body;
    request.body_bytes = form.size();
    request.limits.connect_ms = 5000;
    request.limits.first_byte_ms = request.limits.stall_ms = request.limits.total_ms = 10'000;
    request.limits.body_bytes_max = 64 << 10;
    const auto response = http_->perform(request);
    const Failure failure =
        response.ok() ? classify_http(response->status, "") : classify_status(response.status());
    const bool is_final = failure == Failure::kFinal;
    if (!is_final && loop.wait_before_retry(failure, std::nullopt)) continue;
    if (!response.ok()) return response.status().with_context("Google's token service");
    const auto answer = parse_json(response->body);
    const bool is_map = answer.ok() && answer->kind == DocumentNode::Kind::kMap;
    const std::string token = is_map ? text_of(*answer, "access_token") : "";
    if (response->ok() && !token.empty()) {
      const std::string seconds = text_of(*answer, "expires_in").substr(0, 6);
      const bool is_number =
          !seconds.empty() && seconds.find_first_not_of("0123456789") == std::string::npos;
      *lifetime_ms = is_number ? std::stoll(seconds) * 1000 : 60'000;
      return token;
    }
    const std::string code = is_map ? text_of(*answer, "error").substr(0, 64) : "";
    const std::string text = "Google's token service answered " + code + " (HTTP " +
                             std::to_string(response->status) + ")";
    if (!is_final) return unavailable(text);
    return io_error(text + "; check the service account's key and this machine's clock");
  }
}

Result<std::string> GsTokens::get() {
  std::unique_lock lock(mutex_);
  while (true) {
    const int64_t now_ms = world_.clock->monotonic_ms();
    const bool is_usable = !token_.empty() && now_ms < ends_at_ms_;
    if (is_usable && (is_asking_ || now_ms < renew_at_ms_)) return token_;
    if (!is_asking_) break;
    lock.unlock();
    LS_RETURN_IF_ERROR(CallLimits::check());
    lock.lock();
    changed_.wait_for(lock, std::chrono::milliseconds(50), [this] { return !is_asking_; });
  }
  is_asking_ = true;
  lock.unlock();
  int64_t lifetime_ms = 0;
  auto token = fetch(&lifetime_ms);
  lock.lock();
  is_asking_ = false;
  changed_.notify_all();
  const int64_t now_ms = world_.clock->monotonic_ms();
  if (token.ok()) {
    token_ = *token;
    ends_at_ms_ = now_ms + lifetime_ms;
    renew_at_ms_ = ends_at_ms_ - std::min(kRenewBeforeMs, lifetime_ms / 2);
  } else if (!token_.empty() && now_ms < ends_at_ms_) {
    renew_at_ms_ = now_ms + 30'000;  // the old one holds a little longer
    return token_;
  }
  return token;
}

void GsTokens::refuse(const std::string& token) {
  const std::lock_guard lock(mutex_);
  if (token == token_) token_.clear();
}

}  // namespace litestream
