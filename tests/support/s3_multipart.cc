// S3Server's uploads in parts.
#include <algorithm>

#include "tests/support/s3_request.h"
#include "tests/support/s3_server.h"
#include "tests/support/test_hash.h"
#include "tests/support/test_xml.h"

namespace litestream::test {
namespace {

constexpr int kPartNumberMax = 10'000;

int parse_part_number(const std::string& text) {
  const bool is_number = !text.empty() && text.size() <= 5 &&
                         text.find_first_not_of("0123456789") == std::string::npos;
  return is_number ? std::stoi(text) : 0;
}

// (part number, ETag) in written order; nothing for another document.
std::vector<std::pair<int, std::string>> parse_parts(const std::string& body) {
  const auto leaves = parse_xml(body);
  std::vector<std::pair<int, std::string>> parts;
  if (!leaves) return parts;
  for (const auto& [path, text] : *leaves) {
    if (path == "CompleteMultipartUpload/Part") parts.emplace_back(0, "");
    if (parts.empty()) continue;
    if (path == "CompleteMultipartUpload/Part/PartNumber") {
      parts.back().first = parse_part_number(text);
    }
    if (path == "CompleteMultipartUpload/Part/ETag") parts.back().second = text;
  }
  return parts;
}

}  // namespace

WireReply S3Server::run_create_multipart(const S3Request& request) {
  if (const auto refusal = judge_customer_key(request)) return refuse(request, *refusal);
  const std::string id = "upload/" + std::to_string(++upload_total_) + "+=";
  uploads_[id] = {request.bucket, request.key, s3_metadata_of(request.wire), now_s(), {}};
  return text_reply(200, "application/xml",
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<InitiateMultipartUploadResult "
                    "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">" +
                        xml_element("Bucket", request.bucket) + xml_element("Key", request.key) +
                        xml_element("UploadId", id) + "</InitiateMultipartUploadResult>");
}

WireReply S3Server::run_upload_part(const S3Request& request) {
  const auto upload = uploads_.find(request.query.at("uploadId"));
  if (upload == uploads_.end() || upload->second.key != request.key) {
    return refuse(request, {404, "NoSuchUpload", "The specified upload does not exist"});
  }
  if (habits_.parts_at_once_max > 0 && parts_at_once_ > habits_.parts_at_once_max) {
    return refuse(request, {500, "InternalError", "too many parts at once"});
  }
  const int number = parse_part_number(request.query.at("partNumber"));
  if (number < 1 || number > kPartNumberMax) {
    return refuse(request, {400, "InvalidArgument", "the part number is not 1..10000"});
  }
  if (const auto refusal = judge_customer_key(request)) return refuse(request, *refusal);
  S3Object part = s3_object_of(request.wire.body);
  WireReply reply;
  reply.headers.emplace_back("ETag", part.etag);
  upload->second.parts[number] = std::move(part);
  return reply;
}

WireReply S3Server::run_complete_multipart(const S3Request& request) {
  const auto found = uploads_.find(request.query.at("uploadId"));
  if (found == uploads_.end() || found->second.key != request.key) {
    return refuse(request, {404, "NoSuchUpload", "The specified upload does not exist"});
  }
  if (const auto refusal = judge_conditions(request, S3Server::find(request, false))) {
    return refuse(request, *refusal);
  }
  Upload& upload = found->second;
  const auto parts = parse_parts(request.wire.body);
  if (parts.empty()) return refuse(request, {400, "MalformedXML", "no list of parts"});
  S3Object whole;
  std::string digests;
  for (size_t i = 0; i < parts.size(); ++i) {
    const auto& [number, etag] = parts[i];
    const auto part = upload.parts.find(number);
    if (i > 0 && number <= parts[i - 1].first) {
      return refuse(request, {400, "InvalidPartOrder", "the parts are not ascending"});
    }
    if (part == upload.parts.end() || part->second.etag != etag) {
      return refuse(request, {400, "InvalidPart", "a part is missing or has another ETag"});
    }
    if (i + 1 < parts.size() && part->second.size() < habits_.part_bytes_min) {
      return refuse(request, {400, "EntityTooSmall", "a part is too small"});
    }
    whole.body.insert(whole.body.end(), part->second.body.begin(), part->second.body.end());
    digests += md5(part->second.bytes());
  }
  whole.etag = "\"" + hex(md5(digests)) + "-" + std::to_string(parts.size()) + "\"";
  whole.metadata = upload.headers;
  const std::string etag = whole.etag;
  store(buckets_[request.bucket], request.key, std::move(whole));
  uploads_.erase(found);
  return text_reply(200, "application/xml",
                    "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<CompleteMultipartUploadResult>" +
                        xml_element("Bucket", request.bucket) + xml_element("Key", request.key) +
                        xml_element("ETag", etag) + "</CompleteMultipartUploadResult>");
}

WireReply S3Server::run_abort_multipart(const S3Request& request) {
  if (uploads_.erase(request.query.at("uploadId")) == 0) {
    return refuse(request, {404, "NoSuchUpload", "The specified upload does not exist"});
  }
  WireReply reply;
  reply.status = 204;
  return reply;
}

WireReply S3Server::run_list_multipart(const S3Request& request) {
  std::string document =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListMultipartUploadsResult>" +
      xml_element("Bucket", request.bucket);
  for (const auto& [id, upload] : uploads_) {
    const auto prefix = request.query.find("prefix");
    const bool is_wanted = prefix == request.query.end() || upload.key.starts_with(prefix->second);
    if (upload.bucket != request.bucket || !is_wanted) continue;
    document += "<Upload>" + xml_element("Key", upload.key) + xml_element("UploadId", id) +
                xml_element("Initiated", format_iso8601(upload.begun_s)) + "</Upload>";
  }
  document += xml_element("IsTruncated", "false") + "</ListMultipartUploadsResult>";
  return text_reply(200, "application/xml", document);
}

}  // namespace litestream::test
