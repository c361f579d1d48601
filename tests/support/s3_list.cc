// S3Server's listings and removals of many objects.
#include <algorithm>
#include <set>

#include "tests/support/s3_request.h"
#include "tests/support/s3_server.h"
#include "tests/support/sigv4_check.h"
#include "tests/support/test_hash.h"
#include "tests/support/test_xml.h"

namespace litestream::test {
namespace {

constexpr size_t kDeleteKeysMax = 1000;

std::string query_value(const S3Request& request, const char* name) {
  const auto found = request.query.find(name);
  return found == request.query.end() ? "" : found->second;
}

struct Listed {
  std::string name;  // a key, or a common prefix
  bool is_prefix = false;
};

// The keys and common prefixes below `prefix`, ascending.
template <typename Bucket>
std::vector<Listed> entries_of(const Bucket& bucket, const std::string& prefix,
                               const std::string& delimiter, const std::string& start_after) {
  std::vector<Listed> entries;
  for (const auto& [key, object] : bucket) {
    if (!key.starts_with(prefix) || key <= start_after) continue;
    const size_t at = delimiter.empty() ? key.npos : key.find(delimiter, prefix.size());
    if (at == key.npos) {
      entries.push_back({key, false});
      continue;
    }
    const std::string common = key.substr(0, at + delimiter.size());
    if (entries.empty() || entries.back().name != common) entries.push_back({common, true});
  }
  return entries;
}

std::string entry_xml(const Listed& entry, const S3Object* object, bool is_url_encoded) {
  const std::string name = is_url_encoded ? uri_encode(entry.name, true) : entry.name;
  if (entry.is_prefix)
    return "<CommonPrefixes>" + xml_element("Prefix", name) + "</CommonPrefixes>";
  return "<Contents>" + xml_element("Key", name) +
         xml_element("LastModified", format_iso8601(object->modified_s)) +
         xml_element("ETag", object->etag) + xml_element("Size", std::to_string(object->size())) +
         xml_element("StorageClass", "STANDARD") + "</Contents>";
}

}  // namespace

WireReply S3Server::run_list(const S3Request& request) {
  Bucket& bucket = buckets_[request.bucket];
  const std::string prefix = query_value(request, "prefix");
  auto entries = entries_of(bucket, prefix, query_value(request, "delimiter"),
                            query_value(request, "start-after"));
  if (habits_.lists_unsorted) {
    std::sort(entries.begin(), entries.end(),
              [](const auto& a, const auto& b) { return md5(a.name) < md5(b.name); });
  }
  size_t page_max = habits_.list_page_max;
  if (request.query.count("max-keys") != 0) {
    page_max = std::min(page_max, std::stoul("0" + query_value(request, "max-keys")));
  }
  // The token is the name after which the page begins, in a disguise that must be encoded.
  const std::string token = query_value(request, "continuation-token");
  auto at = entries.begin();
  if (!token.empty()) {
    at = std::find_if(entries.begin(), entries.end(),
                      [&](const auto& entry) { return base64(md5(entry.name)) == token; });
    if (at == entries.end()) return refuse(request, {400, "InvalidArgument", "unknown token"});
    ++at;
  }
  const bool is_url_encoded = query_value(request, "encoding-type") == "url";
  std::string contents;
  size_t count = 0;
  std::string last;
  for (; at != entries.end() && count < page_max; ++at) {
    S3Object* object = at->is_prefix ? nullptr : &bucket[at->name];
    last = at->name;
    if (object != nullptr && object->hidden_lists > 0) {
      --object->hidden_lists;
      continue;
    }
    contents += entry_xml(*at, object, is_url_encoded);
    ++count;
  }
  const bool is_truncated = at != entries.end() || (habits_.repeats_token && !token.empty());
  std::string document =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult "
      "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">" +
      xml_element("Name", request.bucket) + xml_element("Prefix", prefix) +
      xml_element("KeyCount", std::to_string(count)) +
      xml_element("MaxKeys", std::to_string(page_max)) +
      xml_element("IsTruncated", is_truncated ? "true" : "false");
  if (is_truncated && !habits_.loses_token) {
    const bool repeats = habits_.repeats_token && !token.empty();
    document += xml_element("NextContinuationToken", repeats ? token : base64(md5(last)));
  }
  return text_reply(200, "application/xml", document + contents + "</ListBucketResult>");
}

WireReply S3Server::run_delete_many(const S3Request& request) {
  if (habits_.lacks_delete_many) {
    return refuse(request, {501, "NotImplemented", "multi-object delete is not implemented"});
  }
  if (habits_.needs_md5_on_delete_many && !request.wire.has_header("content-md5")) {
    return refuse(request, {400, "InvalidRequest", "Missing required header: Content-MD5"});
  }
  const auto leaves = parse_xml(request.wire.body);
  if (!leaves) return refuse(request, {400, "MalformedXML", "not well-formed"});
  bool is_quiet = false;
  std::vector<std::string> keys;
  for (const auto& [path, text] : *leaves) {
    if (path == "Delete/Quiet") is_quiet = text == "true";
    if (path == "Delete/Object/Key") keys.push_back(text);
  }
  if (keys.empty() || keys.size() > kDeleteKeysMax) {
    return refuse(request, {400, "MalformedXML", "not 1..1000 keys"});
  }
  std::string document =
      "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<DeleteResult "
      "xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  for (const std::string& key : keys) {
    const std::string error = delete_error_ ? delete_error_(key) : "";
    if (!error.empty()) {
      document += "<Error>" + xml_element("Key", key) + xml_element("Code", error) +
                  xml_element("Message", "as the test wants it") + "</Error>";
      continue;
    }
    buckets_[request.bucket].erase(key);
    if (!is_quiet) document += "<Deleted>" + xml_element("Key", key) + "</Deleted>";
  }
  return text_reply(200, "application/xml", document + "</DeleteResult>");
}

}  // namespace litestream::test
