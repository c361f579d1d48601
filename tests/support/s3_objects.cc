// S3Server's single objects: write, read, remove.
#include <algorithm>

#include "tests/support/s3_request.h"
#include "tests/support/s3_server.h"

namespace litestream::test {
namespace {

constexpr std::string_view kCustomerKeyMd5 = "x-amz-server-side-encryption-customer-key-md5";

std::string lower(std::string text) {
  for (char& c : text) {
    if (c >= 'A' && c <= 'Z') c = static_cast<char>(c - 'A' + 'a');
  }
  return text;
}

bool is_user_metadata(std::string_view name) { return name.starts_with("x-amz-meta-"); }

struct Range {
  size_t first = 0;
  size_t count = 0;
  bool is_whole = true;
  bool is_beyond = false;
};

// "bytes=a-b" and "bytes=a-"; anything else is ignored, as the standard says.
Range parse_range(const std::string& text, size_t size) {
  Range range{0, size, true, false};
  constexpr std::string_view kPrefix = "bytes=";
  const size_t dash = text.find('-');
  if (!text.starts_with(kPrefix) || dash == std::string::npos) return range;
  const std::string first = text.substr(kPrefix.size(), dash - kPrefix.size());
  const std::string last = text.substr(dash + 1);
  const auto is_number = [](const std::string& digits) {
    return !digits.empty() && digits.size() < 19 &&
           digits.find_first_not_of("0123456789") == std::string::npos;
  };
  if (!is_number(first) || (!last.empty() && !is_number(last))) return range;
  range.is_whole = false;
  range.first = std::stoull(first);
  range.is_beyond = range.first >= size;
  if (range.is_beyond) return range;
  const size_t end = last.empty() ? size : std::min<size_t>(size, std::stoull(last) + 1);
  range.count = end > range.first ? end - range.first : 0;
  return range;
}

}  // namespace

HeaderList s3_metadata_of(const WireRequest& wire) {
  HeaderList metadata;
  for (const auto& [written, value] : wire.headers) {
    const std::string name = lower(written);
    const bool is_kept = is_user_metadata(name) || name == "x-amz-storage-class" ||
                         name.starts_with("x-amz-server-side-encryption");
    const bool is_secret = name == "x-amz-server-side-encryption-customer-key";
    if (is_kept && !is_secret) metadata.emplace_back(name, value);
  }
  return metadata;
}

void S3Server::store(Bucket& bucket, const std::string& key, S3Object object) {
  const auto now = std::chrono::steady_clock::now();
  object.modified_s = now_s();
  object.put_at = now;
  object.hidden_lists = habits_.new_object_hidden_lists;
  object.hidden_gets = habits_.new_object_hidden_gets;
  if (habits_.needs_tigris_consistent) object.hidden_gets = INT32_MAX;
  if (const std::string* key_md5 = find_header(object.metadata, kCustomerKeyMd5)) {
    object.customer_key_md5 = *key_md5;
  }
  const auto existing = bucket.find(key);
  const bool comes_too_soon =
      existing != bucket.end() && existing->second.put_at.time_since_epoch().count() != 0 &&
      now - existing->second.put_at < std::chrono::milliseconds(habits_.put_spacing_ms);
  if (comes_too_soon) return;
  bucket[key] = std::move(object);
}

S3Object* S3Server::find(const S3Request& request, bool counts_as_get) {
  Bucket& bucket = buckets_[request.bucket];
  const auto found = bucket.find(request.key);
  if (found == bucket.end()) return nullptr;
  const bool is_consistent = request.wire.header("x-tigris-consistent") == "true";
  if (habits_.needs_tigris_consistent && is_consistent) return &found->second;
  if (counts_as_get && found->second.hidden_gets > 0) {
    if (!habits_.needs_tigris_consistent) --found->second.hidden_gets;
    return nullptr;
  }
  return &found->second;
}

WireReply S3Server::run_put(const S3Request& request) {
  if (const auto refusal = judge_conditions(request, find(request, false))) {
    return refuse(request, *refusal);
  }
  if (const auto refusal = judge_customer_key(request)) return refuse(request, *refusal);
  S3Object object = s3_object_of(request.wire.body);
  object.metadata = s3_metadata_of(request.wire);
  WireReply reply;
  reply.headers.emplace_back("ETag", object.etag);
  store(buckets_[request.bucket], request.key, std::move(object));
  return reply;
}

WireReply S3Server::run_get(const S3Request& request) {
  const S3Object* object = find(request, true);
  if (object == nullptr) {
    return refuse(request, {404, "NoSuchKey", "The specified key does not exist."});
  }
  const std::string if_match = request.wire.header("if-match");
  if (!if_match.empty() && if_match != object->etag && !habits_.ignores_if_match) {
    return refuse(request, {412, "PreconditionFailed", "the ETag is another"});
  }
  if (const auto refusal = judge_customer_key(request)) return refuse(request, *refusal);
  if (request.wire.header(kCustomerKeyMd5) != object->customer_key_md5) {
    return refuse(request, {400, "InvalidRequest", "the object was stored with another SSE-C key"});
  }
  const size_t size = object->size();
  const std::string range_text = habits_.ignores_range ? "" : request.wire.header("range");
  const Range range = parse_range(range_text, size);
  if (range.is_beyond) {
    WireReply reply = refuse(request, {416, "InvalidRange", "The range is not satisfiable"});
    reply.headers.emplace_back("Content-Range", "bytes */" + std::to_string(size));
    return reply;
  }
  WireReply reply;
  reply.status = range.is_whole ? 200 : 206;
  if (!range.is_whole) {
    reply.headers.emplace_back("Content-Range", "bytes " + std::to_string(range.first) + "-" +
                                                    std::to_string(range.first + range.count - 1) +
                                                    "/" + std::to_string(size));
  }
  reply.headers.emplace_back("ETag", object->etag);
  reply.headers.emplace_back("Last-Modified", format_http_date(object->modified_s));
  reply.headers.emplace_back("Accept-Ranges", "bytes");
  reply.headers.emplace_back("Content-Type", "binary/octet-stream");
  for (const auto& [name, value] : object->metadata) {
    if (!habits_.hides_user_metadata || !is_user_metadata(name)) {
      reply.headers.emplace_back(name, value);
    }
  }
  reply.body = slice_body(object->body, range.first, range.count);
  return reply;
}

WireReply S3Server::run_delete(const S3Request& request) {
  const std::string error = delete_error_ ? delete_error_(request.key) : "";
  if (!error.empty()) {
    return refuse(request, {error == "AccessDenied" ? 403 : 500, error, "as the test wants it"});
  }
  buckets_[request.bucket].erase(request.key);
  WireReply reply;
  reply.status = 204;
  return reply;
}

}  // namespace litestream::test
