// AWS Signature Version 4, in the form S3 and STS ask for (header `Authorization`).
//
// Written here instead of asking libcurl (CURLOPT_AWS_SIGV4) because: which libcurl a host has is
// known only at run time, and 7.88 signs queries wrongly unless they are prepared for it; its clock
// cannot be corrected when a store says RequestTimeTooSkewed; and only a function of its inputs can
// be compared with AWS's published vectors. The arithmetic is nettle's.
// Source: "Signature Calculations for the Authorization Header", Amazon S3 API reference.
// Threading: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "ext/store/http_message.h"

namespace litestream {

inline constexpr std::string_view kUnsignedPayload = "UNSIGNED-PAYLOAD";

struct SigningKey {
  std::string access_key_id;
  std::string secret_access_key;
  std::string session_token;  // may be empty
};

struct SigningRequest {
  std::string method;
  std::string host;  // as the Host header has it: with the port unless it is the scheme's own
  std::string path;  // percent-encoded, as in the URL; "/" at least
  std::vector<std::pair<std::string, std::string>> query;  // not encoded, in any order
  // Signed as they are; never Accept-Encoding or another header that a proxy may change. Names in
  // any case. Host, X-Amz-Date, X-Amz-Content-Sha256 and X-Amz-Security-Token are added here.
  HttpHeaders headers;
  std::string payload_sha256;  // lower-case hex, or kUnsignedPayload
  std::string region;
  std::string service = "s3";
  // S3 wants the header in every request; other services sign the hash without sending it.
  bool sends_payload_hash = true;
  int64_t wall_ms = 0;  // milliseconds since the Unix epoch
};

// The headers to send in addition to `request.headers`, Authorization the last.
HttpHeaders sign_request(const SigningRequest& request, const SigningKey& key);

// "a=1&b=%20", sorted by encoded name then value, every parameter with '='. What was signed must
// also be sent.
std::string canonical_query(const std::vector<std::pair<std::string, std::string>>& query);

// "20130524T000000Z".
std::string format_amz_date(int64_t wall_ms);

}  // namespace litestream
