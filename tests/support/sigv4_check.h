// AWS Signature Version 4, computed from the bytes of a request as they came over the wire, for
// judging a client. Written from AWS's description; tests/support/sigv4_check_test.cc holds it
// against the examples that AWS publishes.
// Threading: pure functions.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "tests/support/wire_server.h"

namespace litestream::test {

// The parts of an Authorization header.
struct SigV4Claim {
  std::string access_key;
  std::string date;  // YYYYMMDD
  std::string region;
  std::string service;
  std::vector<std::string> signed_headers;  // lower case, ascending
  std::string signature;                    // 64 hex digits
};
std::optional<SigV4Claim> parse_sigv4_claim(std::string_view authorization);

// The canonical request of S3: the path is encoded once and not normalised. `payload_hash` is what
// stands in x-amz-content-sha256.
std::string sigv4_canonical_request(const WireRequest& request,
                                    const std::vector<std::string>& signed_headers,
                                    std::string_view payload_hash);
// `timestamp` is x-amz-date: YYYYMMDD'T'HHMMSS'Z'.
std::string sigv4_string_to_sign(std::string_view timestamp, const SigV4Claim& claim,
                                 std::string_view canonical_request);
std::string sigv4_signing_key(std::string_view secret_key, const SigV4Claim& claim);
// 64 hex digits.
std::string sigv4_signature(std::string_view secret_key, const SigV4Claim& claim,
                            std::string_view timestamp, std::string_view canonical_request);

// Percent-encoding as AWS wants it: all but A-Z a-z 0-9 - . _ ~ as %XX in upper case.
std::string uri_encode(std::string_view text, bool keeps_slash);
// Nullopt for a '%' without two hex digits. '+' stays '+'.
std::optional<std::string> uri_decode(std::string_view text);
// "a=1&b" as decoded pairs in written order.
std::optional<std::vector<std::pair<std::string, std::string>>> parse_query(std::string_view query);

}  // namespace litestream::test
