// What s3_server.cc's parts share: from bytes to an S3 request, objects, answers that go wrong.
// Threading: pure functions.
#pragma once

#include <string>

#include "tests/support/s3_server.h"

namespace litestream::test {

// Path style unless the Host header is <bucket>.localhost. A target that makes no sense gives
// kOther and s3_target_fault() says why.
S3Request read_s3_request(const WireRequest& wire);

// "" or what a strict store dislikes about the target: encoding, order of the query, missing '='.
std::string s3_target_fault(const WireRequest& wire);
bool is_virtual_host(const WireRequest& wire);

S3Object s3_object_of(std::string bytes);
// The headers that an object keeps: user metadata, storage class, encryption without keys.
HeaderList s3_metadata_of(const WireRequest& wire);

// The part of a body from `offset` on, at most `count` bytes.
std::vector<BodyPiece> slice_body(const std::vector<BodyPiece>& body, size_t offset, size_t count);
void shorten_body(WireReply& reply, size_t count);
void flip_body_bit(WireReply& reply, size_t at);

std::string format_iso8601(int64_t unix_s);       // 2026-01-03T04:05:06.000Z
std::string format_http_date(int64_t unix_s);     // Sat, 03 Jan 2026 04:05:06 GMT
std::string format_amz_date(int64_t unix_s);      // 20260103T040506Z
int64_t parse_amz_date(const std::string& text);  // -1 if it is none

}  // namespace litestream::test
