#include "ext/store/s3_writer.h"

#include <algorithm>

#include "ext/base/clock.h"

namespace litestream {
namespace {

// The store does not know conditions on writes. What it answers then differs.
bool refuses_condition(const S3Answer& answer) {
  return answer.http.status == 501 || answer.error.code == "NotImplemented";
}

}  // namespace

S3Writer::S3Writer(S3WriterParts parts) : parts_(std::move(parts)) {}

S3Writer::~S3Writer() = default;

HttpHeaders S3Writer::object_headers() const {
  const S3Options& options = parts_.client->options();
  HttpHeaders headers = {
      {"x-amz-meta-litestream-timestamp", format_rfc3339_ms(parts_.created_at_ms)}};
  if (!options.storage_class.empty()) {
    headers.push_back({"x-amz-storage-class", options.storage_class});
  }
  if (!options.sse_kms_key_id.empty()) {
    headers.push_back({"x-amz-server-side-encryption", "aws:kms"});
    headers.push_back({"x-amz-server-side-encryption-aws-kms-key-id", options.sse_kms_key_id});
  }
  return headers;
}

Status S3Writer::flush_part() {
  if (upload_ == nullptr) {
    upload_ = std::make_unique<S3Upload>(*parts_.client, parts_.key, object_headers());
  }
  std::vector<uint8_t> part = std::move(buffer_);
  buffer_ = {};
  return upload_->add_part(std::move(part));
}

Status S3Writer::append(Bytes bytes) {
  if (!failed_.ok()) return failed_;
  const auto part_bytes = static_cast<size_t>(parts_.client->options().part_bytes);
  size_bytes_ += bytes.size();
  while (!bytes.empty()) {
    // A part goes out only when more follows: the last one is for commit().
    if (buffer_.size() == part_bytes) {
      failed_ = flush_part();
      if (!failed_.ok()) return failed_;
    }
    const size_t count = std::min(bytes.size(), part_bytes - buffer_.size());
    // Grows by doubling like any vector, but never beyond one part.
    if (buffer_.capacity() < buffer_.size() + count) {
      const size_t doubled = std::max(buffer_.size() + count, 2 * buffer_.size());
      buffer_.reserve(upload_ == nullptr ? std::min(part_bytes, doubled) : part_bytes);
    }
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(count));
    bytes = bytes.subspan(count);
  }
  return {};
}

// The object in one request, or what makes the parts one.
Result<S3Answer> S3Writer::send_all() {
  HttpHeaders condition;
  if (parts_.conditions->create_only.load()) condition.push_back({"If-None-Match", "*"});
  if (upload_ != nullptr) return upload_->complete(condition);
  S3Call call;
  call.what = "upload";
  call.method = "PUT";
  call.key = parts_.key;
  call.headers = object_headers();
  call.headers.insert(call.headers.end(), condition.begin(), condition.end());
  call.body = buffer_;
  call.has_body = true;
  call.is_data = true;
  call.is_encrypted = true;
  return parts_.client->send(call);
}

Result<S3Writer::Existing> S3Writer::compare_with_existing() {
  S3Reader reader(*parts_.client, *parts_.budget, parts_.key, 0);
  const auto size = reader.size_bytes();
  if (!size.ok() && size.status().code() == StatusCode::kNotFound) return Existing::kNone;
  if (!size.ok()) return size.status();
  if (*size != size_bytes_) return Existing::kOther;
  // Part by part, since only the digests of those that are sent are still here.
  const auto part_bytes = static_cast<uint64_t>(parts_.client->options().part_bytes);
  std::vector<uint8_t> chunk(std::min<uint64_t>(size_bytes_, 256 << 10));
  size_t part_index = 0;
  for (uint64_t begin = 0; begin < size_bytes_; begin += part_bytes, ++part_index) {
    const uint64_t end = std::min(size_bytes_, begin + part_bytes);
    Sha256 hash;
    for (uint64_t at = begin; at < end; at += chunk.size()) {
      const MutableBytes piece(chunk.data(), std::min<uint64_t>(chunk.size(), end - at));
      LS_RETURN_IF_ERROR(read_exactly(reader, at, piece));
      hash.update(piece);
    }
    const Sha256Digest ours =
        upload_ == nullptr ? sha256(buffer_) : upload_->part_digests()[part_index];
    if (hash.finish() != ours) return Existing::kOther;
  }
  return Existing::kSame;
}

Status S3Writer::settle_taken_name() {
  LS_ASSIGN_OR_RETURN(const Existing existing, compare_with_existing());
  switch (existing) {
    case Existing::kSame: return {};
    case Existing::kOther: return already_exists(parts_.key + " exists with other content");
    case Existing::kNone: break;
  }
  return unavailable(parts_.key + " was there and is gone; try again");
}

Status S3Writer::put() {
  if (upload_ != nullptr && !buffer_.empty()) LS_RETURN_IF_ERROR(flush_part());
  if (!parts_.conditions->create_only.load()) {
    // All that is left: look first.
    LS_ASSIGN_OR_RETURN(const Existing existing, compare_with_existing());
    if (existing == Existing::kSame) return {};
    if (existing == Existing::kOther) return settle_taken_name();
  }
  LS_ASSIGN_OR_RETURN(const S3Answer answer, send_all());
  if (answer.ok()) return {};
  if (answer.http.status == 412) return settle_taken_name();
  if (refuses_condition(answer) && parts_.conditions->create_only.exchange(false)) return put();
  S3Call call;
  call.what = "upload";
  call.key = parts_.key;
  // Parts that are gone: an earlier attempt to complete them may have got through.
  if (upload_ != nullptr && answer.error.code == "NoSuchUpload") {
    const auto existing = compare_with_existing();
    if (existing.ok() && *existing == Existing::kSame) return {};
  }
  return parts_.client->error_of(call, answer);
}

Status S3Writer::commit() {
  if (!failed_.ok()) return failed_;
  failed_ = internal_error("committed twice");
  const Status status = put();
  if (status.ok() && parts_.on_written) parts_.on_written();
  return status;
}

}  // namespace litestream
