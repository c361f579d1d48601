// What AbsServer's requests do, once they are judged.
#include <algorithm>
#include <ctime>

#include "tests/support/abs_server.h"
#include "tests/support/s3_request.h"
#include "tests/support/sigv4_check.h"
#include "tests/support/test_hash.h"
#include "tests/support/test_xml.h"

namespace litestream::test {
namespace {

std::string query_value(const WireRequest& wire, std::string_view name) {
  for (auto& [key, value] : parse_query(wire.query()).value_or(HeaderList{})) {
    if (key == name) return value;
  }
  return "";
}

// x-ms-meta-*: names are C# identifiers, or the service refuses them.
bool read_metadata(const WireRequest& wire, std::map<std::string, std::string>& metadata) {
  constexpr std::string_view kPrefix = "x-ms-meta-";
  for (const auto& [written, value] : wire.headers) {
    std::string name = written;
    for (char& c : name) c = static_cast<char>(std::tolower(c));
    if (!name.starts_with(kPrefix)) continue;
    name.erase(0, kPrefix.size());
    const bool is_legal = !name.empty() && std::all_of(name.begin(), name.end(), [](char c) {
      return std::isalnum(static_cast<unsigned char>(c)) != 0 || c == '_';
    });
    if (!is_legal) return false;
    metadata[name] = value;
  }
  return true;
}

// "bytes=a-b" or "bytes=a-"; false if it is beyond the end.
bool apply_range(const std::string& range, std::string& bytes, WireReply& reply) {
  if (!range.starts_with("bytes=")) return true;
  const size_t dash = range.find('-');
  const size_t first = std::stoull(range.substr(6, dash - 6));
  const std::string last = range.substr(dash + 1);
  const size_t size = bytes.size();
  if (first >= size) return false;
  const size_t end = last.empty() ? size : std::min<size_t>(size, std::stoull(last) + 1);
  reply.status = 206;
  reply.headers.emplace_back("Content-Range", "bytes " + std::to_string(first) + "-" +
                                                  std::to_string(end - 1) + "/" +
                                                  std::to_string(size));
  bytes = bytes.substr(first, end - first);
  return true;
}

}  // namespace

WireReply AbsServer::run_put(const WireRequest& wire, const std::string& name, std::string bytes) {
  const auto existing = blobs_.find(name);
  const Blob* blob = existing == blobs_.end() ? nullptr : &existing->second;
  if (const auto refusal = judge_conditions(wire, blob)) {
    return error(refusal->status, refusal->code);
  }
  Blob next;
  if (!read_metadata(wire, next.metadata)) return error(400, "InvalidMetadata");
  next.bytes = std::move(bytes);
  next.etag = "\"0x" + std::to_string(++etag_total_) + "\"";
  next.modified_s = static_cast<int64_t>(std::time(nullptr));
  WireReply reply;
  reply.status = 201;
  reply.headers.emplace_back("ETag", next.etag);
  blobs_[name] = std::move(next);
  blocks_.erase(name);
  return reply;
}

WireReply AbsServer::run_block(const WireRequest& wire, const std::string& name) {
  const std::string id = from_base64(query_value(wire, "blockid"));
  auto& blocks = blocks_[name];
  const bool fits = !id.empty() && id.size() <= 64 &&
                    (blocks.empty() || blocks.begin()->first.size() == id.size());
  if (!fits) return error(400, "InvalidQueryParameterValue");
  blocks[id] = wire.body;
  WireReply reply;
  reply.status = 201;
  return reply;
}

WireReply AbsServer::run_commit(const WireRequest& wire, const std::string& name) {
  const auto leaves = parse_xml(wire.body);
  if (!leaves) return error(400, "InvalidXmlDocument");
  std::string bytes;
  auto& blocks = blocks_[name];
  for (const auto& [path, text] : *leaves) {
    if (path == "BlockList") continue;
    const auto block = blocks.find(from_base64(text));
    const bool is_known = path == "BlockList/Latest" || path == "BlockList/Uncommitted";
    if (!is_known || block == blocks.end()) return error(400, "InvalidBlockList");
    bytes += block->second;
  }
  return run_put(wire, name, std::move(bytes));
}

WireReply AbsServer::run_get(const WireRequest& wire, const std::string& name) {
  const auto found = blobs_.find(name);
  if (found == blobs_.end()) return error(404, "BlobNotFound");
  const Blob& blob = found->second;
  if (const auto refusal = judge_conditions(wire, &blob)) {
    return error(refusal->status, refusal->code);
  }
  WireReply reply;
  std::string bytes = blob.bytes;
  const std::string range = wire.header("x-ms-range");
  if (!apply_range(range.empty() ? wire.header("range") : range, bytes, reply)) {
    return error(416, "InvalidRange");
  }
  reply.headers.emplace_back("ETag", blob.etag);
  reply.headers.emplace_back("Last-Modified", format_http_date(blob.modified_s));
  for (const auto& [key, value] : blob.metadata)
    reply.headers.emplace_back("x-ms-meta-" + key, value);
  reply.set_body(std::move(bytes));
  return reply;
}

WireReply AbsServer::run_delete(const std::string& name) {
  if (blobs_.erase(name) == 0) return error(404, "BlobNotFound");
  WireReply reply;
  reply.status = 202;
  return reply;
}

WireReply AbsServer::run_list(const WireRequest& wire) {
  const std::string prefix = query_value(wire, "prefix");
  const std::string delimiter = query_value(wire, "delimiter");
  const std::string marker = query_value(wire, "marker");
  const bool with_metadata = query_value(wire, "include").find("metadata") != std::string::npos;
  const std::string wanted = query_value(wire, "maxresults");
  const size_t page_max =
      std::min(options_.list_page_max, wanted.empty() ? size_t{5000} : std::stoul(wanted));
  std::string entries;
  std::string next;
  std::string common_before;
  size_t count = 0;
  for (const auto& [name, blob] : blobs_) {
    if (!name.starts_with(prefix) || name < marker) continue;
    const size_t at = delimiter.empty() ? name.npos : name.find(delimiter, prefix.size());
    const std::string common = at == name.npos ? "" : name.substr(0, at + delimiter.size());
    if (!common.empty() && common == common_before) continue;
    if (count == page_max) {
      next = name;
      break;
    }
    ++count;
    common_before = common;
    if (!common.empty()) {
      entries += "<BlobPrefix>" + xml_element("Name", common) + "</BlobPrefix>";
      continue;
    }
    entries += "<Blob>" + xml_element("Name", name) + "<Properties>" +
               xml_element("Last-Modified", format_http_date(blob.modified_s)) +
               xml_element("Etag", blob.etag) +
               xml_element("Content-Length", std::to_string(blob.bytes.size())) + "</Properties>";
    if (with_metadata) {
      entries += "<Metadata>";
      for (const auto& [key, value] : blob.metadata) entries += xml_element(key, value);
      entries += "</Metadata>";
    }
    entries += "</Blob>";
  }
  return text_reply(200, "application/xml",
                    "\xEF\xBB\xBF<?xml version=\"1.0\" encoding=\"utf-8\"?><EnumerationResults "
                    "ServiceEndpoint=\"" +
                        url() + "/\" ContainerName=\"" + options_.container + "\">" +
                        xml_element("Prefix", prefix) + "<Blobs>" + entries + "</Blobs>" +
                        xml_element("NextMarker", next) + "</EnumerationResults>");
}

}  // namespace litestream::test
