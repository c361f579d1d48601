#include "tests/support/s3_request.h"

#include <time.h>

#include <algorithm>

#include "tests/support/sigv4_check.h"
#include "tests/support/test_hash.h"

namespace litestream::test {
namespace {

constexpr std::string_view kHostSuffix = ".localhost";

std::string host_name(const WireRequest& wire) {
  const std::string host = wire.header("host");
  return host.substr(0, host.find(':'));
}

std::string format_time(int64_t unix_s, const char* format) {
  const time_t seconds = static_cast<time_t>(unix_s);
  std::tm parts{};
  ::gmtime_r(&seconds, &parts);
  char text[64];
  std::strftime(text, sizeof text, format, &parts);
  return text;
}

S3Op bucket_op(const S3Request& request) {
  const std::string& method = request.wire.method;
  const auto has = [&](const char* name) { return request.query.count(name) != 0; };
  if (method == "GET" && has("list-type") && request.query.at("list-type") == "2") {
    return S3Op::kList;
  }
  if (method == "GET" && has("uploads")) return S3Op::kListMultipart;
  if (method == "POST" && has("delete")) return S3Op::kDeleteMany;
  if (method == "HEAD" && request.query.empty()) return S3Op::kHeadBucket;
  return S3Op::kOther;
}

S3Op object_op(const S3Request& request) {
  const std::string& method = request.wire.method;
  const size_t count = request.query.size();
  const auto has = [&](const char* name) { return request.query.count(name) != 0; };
  if (method == "PUT" && count == 2 && has("partNumber") && has("uploadId")) {
    return S3Op::kUploadPart;
  }
  if (count == 1 && has("uploadId")) {
    if (method == "DELETE") return S3Op::kAbortMultipart;
    if (method == "POST") return S3Op::kCompleteMultipart;
  }
  if (count == 1 && has("uploads") && method == "POST") return S3Op::kCreateMultipart;
  if (count != 0) return S3Op::kOther;
  if (method == "PUT") return S3Op::kPut;
  if (method == "GET") return S3Op::kGet;
  if (method == "HEAD") return S3Op::kHead;
  if (method == "DELETE") return S3Op::kDelete;
  return S3Op::kOther;
}

}  // namespace

const char* s3_op_name(S3Op op) {
  constexpr const char* kNames[] = {"put",          "get",         "head",       "list",
                                    "delete",       "delete_many", "create_mpu", "upload_part",
                                    "complete_mpu", "abort_mpu",   "list_mpu",   "head_bucket",
                                    "other"};
  return kNames[static_cast<size_t>(op)];
}

bool is_virtual_host(const WireRequest& wire) { return host_name(wire).ends_with(kHostSuffix); }

S3Request read_s3_request(const WireRequest& wire) {
  S3Request request;
  request.wire = wire;
  const auto claim = parse_sigv4_claim(wire.header("authorization"));
  if (claim) request.access_key = claim->access_key;
  const auto path = uri_decode(wire.path());
  const auto query = parse_query(wire.query());
  if (!path || !query) return request;
  for (const auto& [name, value] : *query) request.query[name] = value;
  std::string rest = path->substr(1);
  if (is_virtual_host(wire)) {
    const std::string host = host_name(wire);
    request.bucket = host.substr(0, host.size() - kHostSuffix.size());
  } else {
    const size_t slash = rest.find('/');
    request.bucket = rest.substr(0, slash);
    rest = slash == std::string::npos ? "" : rest.substr(slash + 1);
  }
  request.key = rest;
  if (request.bucket.empty()) return request;
  request.op = request.key.empty() ? bucket_op(request) : object_op(request);
  return request;
}

std::string s3_target_fault(const WireRequest& wire) {
  const auto path = uri_decode(wire.path());
  if (!path || uri_encode(*path, true) != wire.path())
    return "the path is not encoded as SigV4 says";
  const std::string query = wire.query();
  const auto pairs = parse_query(query);
  if (!pairs) return "the query is not percent-encoded";
  std::string strict;
  std::string before;
  for (const auto& [name, value] : *pairs) {
    if (!before.empty() && name <= before) return "the query is not sorted";
    before = name;
    strict +=
        (strict.empty() ? "" : "&") + uri_encode(name, false) + "=" + uri_encode(value, false);
  }
  return strict == query ? "" : "the query is not encoded as SigV4 says, or lacks '='";
}

S3Object s3_object_of(std::string bytes) {
  S3Object object;
  object.etag = "\"" + hex(md5(bytes)) + "\"";
  const size_t count = bytes.size();
  object.body = {{std::make_shared<const std::string>(std::move(bytes)), 0, count}};
  return object;
}

std::vector<BodyPiece> slice_body(const std::vector<BodyPiece>& body, size_t offset, size_t count) {
  std::vector<BodyPiece> out;
  for (const BodyPiece& piece : body) {
    if (offset >= piece.count) {
      offset -= piece.count;
      continue;
    }
    const size_t take = std::min(count, piece.count - offset);
    if (take == 0) break;
    out.push_back({piece.bytes, piece.offset + offset, take});
    count -= take;
    offset = 0;
  }
  return out;
}

void shorten_body(WireReply& reply, size_t count) { reply.body = slice_body(reply.body, 0, count); }

void flip_body_bit(WireReply& reply, size_t at) {
  S3Object whole;
  whole.body = reply.body;
  std::string bytes = whole.bytes();
  if (at < bytes.size()) bytes[at] = static_cast<char>(bytes[at] ^ 0x10);
  reply.set_body(std::move(bytes));
}

std::string format_iso8601(int64_t unix_s) { return format_time(unix_s, "%Y-%m-%dT%H:%M:%S.000Z"); }
std::string format_http_date(int64_t unix_s) {
  return format_time(unix_s, "%a, %d %b %Y %H:%M:%S GMT");
}
std::string format_amz_date(int64_t unix_s) { return format_time(unix_s, "%Y%m%dT%H%M%SZ"); }

int64_t parse_amz_date(const std::string& text) {
  std::tm parts{};
  const char* end = ::strptime(text.c_str(), "%Y%m%dT%H%M%SZ", &parts);
  if (end == nullptr || *end != '\0' || text.size() != 16) return -1;
  return static_cast<int64_t>(::timegm(&parts));
}

}  // namespace litestream::test
