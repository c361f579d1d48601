#include "ext/store/s3_signing.h"

#include <algorithm>
#include <chrono>
#include <cstdio>

#include "ext/base/url.h"
#include "ext/store/digest.h"

namespace litestream {
namespace {

constexpr std::string_view kAlgorithm = "AWS4-HMAC-SHA256";

std::string lower(std::string_view text) {
  std::string out(text);
  for (char& c : out) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return out;
}

// Trimmed, with runs of spaces made one.
std::string canonical_value(std::string_view value) {
  std::string out;
  for (const char c : value) {
    const bool is_space = c == ' ' || c == '\t';
    if (is_space && (out.empty() || out.back() == ' ')) continue;
    out += is_space ? ' ' : c;
  }
  if (!out.empty() && out.back() == ' ') out.pop_back();
  return out;
}

struct CanonicalHeaders {
  std::string lines;  // "name:value\n" each
  std::string names;  // "a;b;c"
};

CanonicalHeaders canonical_headers(HttpHeaders headers) {
  for (HttpHeader& header : headers) header.name = lower(header.name);
  std::stable_sort(headers.begin(), headers.end(),
                   [](const auto& a, const auto& b) { return a.name < b.name; });
  CanonicalHeaders out;
  for (const HttpHeader& header : headers) {
    out.lines += header.name + ":" + canonical_value(header.value) + "\n";
    out.names += (out.names.empty() ? "" : ";") + header.name;
  }
  return out;
}

Sha256Digest derive_key(std::string_view secret, std::string_view date, std::string_view region,
                        std::string_view service) {
  const std::string first = "AWS4" + std::string(secret);
  Sha256Digest key = hmac_sha256(as_bytes(first), as_bytes(date));
  key = hmac_sha256(key, as_bytes(region));
  key = hmac_sha256(key, as_bytes(service));
  return hmac_sha256(key, as_bytes("aws4_request"));
}

}  // namespace

std::string format_amz_date(int64_t wall_ms) {
  using namespace std::chrono;
  const sys_time<milliseconds> time{milliseconds{wall_ms}};
  const auto day = floor<days>(time);
  const year_month_day date{day};
  const hh_mm_ss clock{floor<seconds>(time) - day};
  char buffer[64];
  std::snprintf(buffer, sizeof buffer, "%04d%02u%02uT%02d%02d%02dZ", static_cast<int>(date.year()),
                static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
                static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
                static_cast<int>(clock.seconds().count()));
  return buffer;
}

std::string canonical_query(const std::vector<std::pair<std::string, std::string>>& query) {
  std::vector<std::pair<std::string, std::string>> encoded;
  encoded.reserve(query.size());
  for (const auto& [name, value] : query) {
    encoded.emplace_back(percent_encode(name, Slashes::kEncoded),
                         percent_encode(value, Slashes::kEncoded));
  }
  std::sort(encoded.begin(), encoded.end());
  std::string out;
  for (const auto& [name, value] : encoded) {
    out += (out.empty() ? "" : "&") + name + "=" + value;
  }
  return out;
}

HttpHeaders sign_request(const SigningRequest& request, const SigningKey& key) {
  const std::string time = format_amz_date(request.wall_ms);
  const std::string date = time.substr(0, 8);
  HttpHeaders added = {{"X-Amz-Date", time}};
  if (request.sends_payload_hash) {
    added.push_back({"X-Amz-Content-Sha256", request.payload_sha256});
  }
  if (!key.session_token.empty()) added.push_back({"X-Amz-Security-Token", key.session_token});

  HttpHeaders all = request.headers;
  all.insert(all.end(), added.begin(), added.end());
  all.push_back({"host", request.host});
  const CanonicalHeaders headers = canonical_headers(std::move(all));
  const std::string canonical = request.method + "\n" + request.path + "\n" +
                                canonical_query(request.query) + "\n" + headers.lines + "\n" +
                                headers.names + "\n" + request.payload_sha256;
  const std::string scope = date + "/" + request.region + "/" + request.service + "/aws4_request";
  const std::string to_sign = std::string(kAlgorithm) + "\n" + time + "\n" + scope + "\n" +
                              hex_encode(sha256(as_bytes(canonical)));
  const Sha256Digest signing_key =
      derive_key(key.secret_access_key, date, request.region, request.service);
  const std::string signature = hex_encode(hmac_sha256(signing_key, as_bytes(to_sign)));
  added.push_back({"Authorization", std::string(kAlgorithm) + " Credential=" + key.access_key_id +
                                        "/" + scope + ", SignedHeaders=" + headers.names +
                                        ", Signature=" + signature});
  return added;
}

}  // namespace litestream
