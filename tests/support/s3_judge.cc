// The strict side of S3Server: who asks, whether the signature is right, which headers may come.
#include <strings.h>

#include <algorithm>
#include <cstdlib>

#include "tests/support/s3_request.h"
#include "tests/support/s3_server.h"
#include "tests/support/sigv4_check.h"
#include "tests/support/test_hash.h"

namespace litestream::test {
namespace {

constexpr int64_t kSkewSecondsMax = 15 * 60;
constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";

std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

bool is_known_amz_header(std::string_view name) {
  constexpr std::string_view kKnown[] = {"x-amz-content-sha256",
                                         "x-amz-date",
                                         "x-amz-security-token",
                                         "x-amz-storage-class",
                                         "x-amz-server-side-encryption",
                                         "x-amz-server-side-encryption-aws-kms-key-id",
                                         "x-amz-server-side-encryption-customer-algorithm",
                                         "x-amz-server-side-encryption-customer-key",
                                         "x-amz-server-side-encryption-customer-key-md5"};
  return name.starts_with("x-amz-meta-") ||
         std::find(std::begin(kKnown), std::end(kKnown), name) != std::end(kKnown);
}

bool is_checksum_header(std::string_view name) {
  return name.starts_with("x-amz-checksum") || name.starts_with("x-amz-sdk") ||
         name == "x-amz-trailer" || name == "x-amz-decoded-content-length" || name == "trailer";
}

}  // namespace

std::optional<S3Server::Refusal> S3Server::judge(const S3Request& request) const {
  const std::string fault = s3_target_fault(request.wire);
  if (!fault.empty()) return Refusal{400, "InvalidURI", fault};
  if (habits_.needs_path_style && is_virtual_host(request.wire)) {
    return Refusal{404, "NoSuchBucket", "only path style here"};
  }
  if (auto refusal = judge_headers(request)) return refusal;
  return judge_signature(request);
}

std::optional<S3Server::Refusal> S3Server::judge_signature(const S3Request& request) const {
  const WireRequest& wire = request.wire;
  if (!wire.has_header("authorization")) return Refusal{403, "AccessDenied", "Access Denied"};
  const auto claim = parse_sigv4_claim(wire.header("authorization"));
  if (!claim) return Refusal{400, "AuthorizationHeaderMalformed", "not a SigV4 claim"};
  const auto owner = std::find_if(credentials_.begin(), credentials_.end(), [&](const auto& each) {
    return each.access_key == claim->access_key;
  });
  if (owner == credentials_.end()) {
    return Refusal{403, "InvalidAccessKeyId", "The key you provided does not exist"};
  }
  const std::string timestamp = wire.header("x-amz-date");
  const int64_t sent_s = parse_amz_date(timestamp);
  if (sent_s < 0 || timestamp.substr(0, 8) != claim->date) {
    return Refusal{403, "AccessDenied", "x-amz-date is missing or not that of the scope"};
  }
  if (claim->region != options_.region || claim->service != "s3") {
    return Refusal{
        400, "AuthorizationHeaderMalformed",
        "the region '" + claim->region + "' is wrong; expecting '" + options_.region + "'"};
  }
  const auto& names = claim->signed_headers;
  const auto is_signed = [&](const std::string& name) {
    return std::binary_search(names.begin(), names.end(), name);
  };
  if (!is_signed("host")) return Refusal{403, "AccessDenied", "host is not signed"};
  if (is_signed("accept-encoding")) {
    return Refusal{403, "SignatureDoesNotMatch", "accept-encoding may not be signed"};
  }
  for (const auto& [name, value] : wire.headers) {
    const bool must = lower(name).starts_with("x-amz-") || lower(name) == "content-md5";
    if (must && !is_signed(lower(name)))
      return Refusal{403, "AccessDenied", name + " is not signed"};
  }
  const std::string canonical =
      sigv4_canonical_request(wire, names, wire.header("x-amz-content-sha256"));
  if (sigv4_signature(owner->secret_key, *claim, timestamp, canonical) != claim->signature) {
    return Refusal{403, "SignatureDoesNotMatch", "expected for:\n" + canonical};
  }
  if (std::llabs(sent_s - now_s()) > kSkewSecondsMax) {
    return Refusal{403, "RequestTimeTooSkewed", "The difference between the times is too large"};
  }
  if (wire.header("x-amz-security-token") != owner->session_token) {
    return Refusal{400, "InvalidToken", "the session token is not that of the key"};
  }
  if (owner->is_expired) return Refusal{400, "ExpiredToken", "The provided token has expired."};
  return std::nullopt;
}

std::optional<S3Server::Refusal> S3Server::judge_headers(const S3Request& request) const {
  const WireRequest& wire = request.wire;
  for (const auto& [written, value] : wire.headers) {
    const std::string name = lower(written);
    if (is_checksum_header(name)) {
      return Refusal{501, "NotImplemented", "the header " + name + " is not implemented"};
    }
    if (name.starts_with("x-amz-") && !is_known_amz_header(name)) {
      return Refusal{400, "InvalidArgument", "unknown header " + name};
    }
  }
  if (wire.header("content-encoding").find("aws-chunked") != std::string::npos) {
    return Refusal{501, "NotImplemented", "aws-chunked is not implemented"};
  }
  const std::string payload = wire.header("x-amz-content-sha256");
  if (payload == kUnsignedPayload && habits_.needs_signed_payload) {
    return Refusal{403, "AccessDenied", "unsigned payloads are not accepted"};
  }
  if (payload != kUnsignedPayload && payload != hex(sha256(wire.body))) {
    return Refusal{400, "XAmzContentSHA256Mismatch",
                   "x-amz-content-sha256 is not that of the body"};
  }
  if (!wire.has_header("content-md5")) return std::nullopt;
  if (habits_.refuses_content_md5) {
    return Refusal{400, "InvalidArgument", "Content-MD5 is not accepted"};
  }
  if (wire.header("content-md5") != base64(md5(wire.body))) {
    return Refusal{400, "BadDigest", "Content-MD5 is not that of the body"};
  }
  return std::nullopt;
}

std::optional<S3Server::Refusal> S3Server::judge_conditions(const S3Request& request,
                                                            const S3Object* existing) const {
  const WireRequest& wire = request.wire;
  const bool has_condition = wire.has_header("if-match") || wire.has_header("if-none-match");
  if (has_condition && habits_.refuses_conditions) {
    return Refusal{501, "NotImplemented", "conditional headers are not implemented"};
  }
  if (wire.has_header("if-none-match") && !habits_.ignores_if_none_match) {
    if (wire.header("if-none-match") != "*") {
      return Refusal{501, "NotImplemented", "If-None-Match is only implemented for *"};
    }
    if (existing != nullptr) return Refusal{412, "PreconditionFailed", "the key exists"};
  }
  if (wire.has_header("if-match") && !habits_.ignores_if_match) {
    if (existing == nullptr) return Refusal{404, "NoSuchKey", "The key does not exist"};
    if (wire.header("if-match") != existing->etag) {
      return Refusal{412, "PreconditionFailed", "the ETag is another"};
    }
  }
  return std::nullopt;
}

// Of a request that brings a key of its own for encryption (SSE-C).
std::optional<S3Server::Refusal> S3Server::judge_customer_key(const S3Request& request) const {
  const WireRequest& wire = request.wire;
  const std::string prefix = "x-amz-server-side-encryption-customer-";
  const std::string key = from_base64(wire.header(prefix + "key"));
  const bool has_any = wire.has_header(prefix + "algorithm") || wire.has_header(prefix + "key") ||
                       wire.has_header(prefix + "key-md5");
  if (!has_any) return std::nullopt;
  if (!wire.is_tls) return Refusal{400, "InvalidRequest", "SSE-C needs HTTPS"};
  if (wire.header(prefix + "algorithm") != "AES256" || key.size() != 32 ||
      wire.header(prefix + "key-md5") != base64(md5(key))) {
    return Refusal{400, "InvalidArgument", "the SSE-C headers do not fit together"};
  }
  return std::nullopt;
}

}  // namespace litestream::test
