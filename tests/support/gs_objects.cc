// GsServer's resumable uploads, reads, removals and listings.
#include <algorithm>
#include <ctime>

#include "tests/support/gs_server.h"
#include "tests/support/s3_request.h"
#include "tests/support/sigv4_check.h"
#include "tests/support/test_hash.h"
#include "tests/support/test_xml.h"

namespace litestream::test {
namespace {

constexpr size_t kChunkMultiple = 256 << 10;

std::map<std::string, std::string> query_of(const WireRequest& wire) {
  std::map<std::string, std::string> query;
  for (auto& [name, value] : parse_query(wire.query()).value_or(HeaderList{})) query[name] = value;
  return query;
}

struct ContentRange {
  bool is_legal = false;
  bool is_query = false;  // "bytes */N" or "bytes */*": how much is there?
  size_t first = 0;
  size_t last = 0;
  bool has_total = false;
  size_t total = 0;
};

// "bytes a-b/total", "bytes a-b/*", "bytes */total", "bytes */*".
ContentRange parse_content_range(const std::string& text) {
  ContentRange range;
  const size_t slash = text.find('/');
  if (!text.starts_with("bytes ") || slash == std::string::npos) return range;
  const std::string span = text.substr(6, slash - 6);
  const std::string total = text.substr(slash + 1);
  range.has_total = total != "*";
  if (range.has_total) range.total = std::stoull("0" + total);
  range.is_query = span == "*";
  const size_t dash = span.find('-');
  if (!range.is_query && dash == std::string::npos) return range;
  if (!range.is_query) {
    range.first = std::stoull("0" + span.substr(0, dash));
    range.last = std::stoull("0" + span.substr(dash + 1));
  }
  range.is_legal = true;
  return range;
}

WireReply incomplete(size_t count) {
  WireReply reply;
  reply.status = 308;
  if (count > 0) reply.headers.emplace_back("Range", "bytes=0-" + std::to_string(count - 1));
  return reply;
}

}  // namespace

WireReply GsServer::run_begin(const WireRequest& wire, const std::string& name) {
  Upload upload;
  upload.name = name;
  constexpr std::string_view kPrefix = "x-goog-meta-";
  for (const auto& [written, value] : wire.headers) {
    if (std::string_view(written).starts_with(kPrefix)) {
      upload.metadata[written.substr(kPrefix.size())] = value;
    }
  }
  const std::string match = wire.header("x-goog-if-generation-match");
  if (!match.empty()) upload.generation_match = std::stoull("0" + match);
  if (const auto refusal = judge_match(upload.generation_match, name)) {
    return error(refusal->status, refusal->code);
  }
  const std::string id = "session/" + std::to_string(++upload_total_) + "+=";
  uploads_[id] = std::move(upload);
  WireReply reply;
  reply.status = 201;
  reply.headers.emplace_back("Location", url() + "/" + options_.bucket + "/" +
                                             uri_encode(name, true) +
                                             "?upload_id=" + uri_encode(id, false));
  return reply;
}

WireReply GsServer::run_chunk(const WireRequest& wire) {
  const auto found = uploads_.find(query_of(wire)["upload_id"]);
  if (found == uploads_.end()) return error(404, "NoSuchUpload");
  Upload& upload = found->second;
  const ContentRange range = parse_content_range(wire.header("content-range"));
  if (!range.is_legal) return error(400, "InvalidArgument");
  if (range.is_query && !(range.has_total && range.total == upload.bytes.size())) {
    return incomplete(upload.bytes.size());
  }
  if (!range.is_query) {
    const bool fits = range.first <= upload.bytes.size() && range.last >= range.first &&
                      range.last - range.first + 1 == wire.body.size();
    const bool is_last = range.has_total && range.last + 1 == range.total;
    if (!fits || (!is_last && wire.body.size() % kChunkMultiple != 0)) {
      return error(400, "InvalidArgument");
    }
    std::string fresh = wire.body;
    fresh.erase(0, std::min(fresh.size(), upload.bytes.size() - range.first));
    if (chunk_kept_max_ != 0 && fresh.size() > chunk_kept_max_) fresh.resize(chunk_kept_max_);
    upload.bytes += fresh;
    if (!range.has_total || upload.bytes.size() < range.total) {
      return incomplete(upload.bytes.size());
    }
  }
  if (const auto refusal = judge_match(upload.generation_match, upload.name)) {
    return error(refusal->status, refusal->code);
  }
  WireReply reply = store(upload.name, {std::move(upload.bytes), 0, upload.metadata, 0, ""});
  uploads_.erase(found);
  return reply;
}

WireReply GsServer::run_get(const WireRequest& wire, const std::string& name) {
  const auto found = objects_.find(name);
  if (found == objects_.end()) return error(404, "NoSuchKey");
  const Object& object = found->second;
  const std::string match = wire.header("x-goog-if-generation-match");
  if ((!match.empty() && match != std::to_string(object.generation)) ||
      (wire.has_header("if-match") && wire.header("if-match") != object.etag)) {
    return error(412, "PreconditionFailed");
  }
  WireReply reply;
  size_t begin = 0;
  size_t end = object.bytes.size();
  const std::string range = wire.header("range");
  if (range.starts_with("bytes=")) {
    const size_t dash = range.find('-');
    const size_t first = std::stoull(range.substr(6, dash - 6));
    const std::string last = range.substr(dash + 1);
    if (first >= end) return error(416, "InvalidRange");
    begin = first;
    if (!last.empty()) end = std::min<size_t>(end, std::stoull(last) + 1);
    reply.status = 206;
    reply.headers.emplace_back("Content-Range", "bytes " + std::to_string(first) + "-" +
                                                    std::to_string(end - 1) + "/" +
                                                    std::to_string(object.bytes.size()));
  }
  reply.headers.emplace_back("ETag", object.etag);
  reply.headers.emplace_back("x-goog-generation", std::to_string(object.generation));
  reply.headers.emplace_back("Last-Modified", format_http_date(object.modified_s));
  for (const auto& [key, value] : object.metadata) {
    reply.headers.emplace_back("x-goog-meta-" + key, value);
  }
  reply.set_body(object.bytes.substr(begin, end - begin));
  return reply;
}

WireReply GsServer::run_delete(const std::string& name) {
  if (objects_.erase(name) == 0) return error(404, "NoSuchKey");
  WireReply reply;
  reply.status = 204;
  return reply;
}

WireReply GsServer::run_list(const WireRequest& wire) {
  auto query = query_of(wire);
  if (query["list-type"] != "2") return error(400, "InvalidArgument");
  const std::string prefix = query["prefix"];
  const std::string delimiter = query["delimiter"];
  const std::string after = std::max(query["start-after"], query["continuation-token"]);
  const std::string wanted = query["max-keys"];
  const size_t page_max =
      std::min(options_.list_page_max, wanted.empty() ? size_t{1000} : std::stoul(wanted));
  std::string entries;
  std::string last;
  size_t count = 0;
  bool is_truncated = false;
  for (const auto& [name, object] : objects_) {
    if (!name.starts_with(prefix) || name <= after) continue;
    const size_t at = delimiter.empty() ? name.npos : name.find(delimiter, prefix.size());
    const std::string common = at == name.npos ? "" : name.substr(0, at + delimiter.size());
    if (!common.empty() && (after.starts_with(common) || last.starts_with(common))) continue;
    if (count == page_max) {
      is_truncated = true;
      break;
    }
    ++count;
    last = common.empty() ? name : common;
    entries += common.empty()
                   ? "<Contents>" + xml_element("Key", name) +
                         xml_element("LastModified", format_iso8601(object.modified_s)) +
                         xml_element("Size", std::to_string(object.bytes.size())) + "</Contents>"
                   : "<CommonPrefixes>" + xml_element("Prefix", common) + "</CommonPrefixes>";
  }
  std::string document =
      "<?xml version='1.0' encoding='UTF-8'?><ListBucketResult "
      "xmlns='http://doc.s3.amazonaws.com/2006-03-01'>" +
      xml_element("Name", options_.bucket) + xml_element("Prefix", prefix) +
      xml_element("IsTruncated", is_truncated ? "true" : "false");
  if (is_truncated) document += xml_element("NextContinuationToken", last);
  return text_reply(200, "application/xml; charset=UTF-8",
                    document + entries + "</ListBucketResult>");
}

}  // namespace litestream::test
