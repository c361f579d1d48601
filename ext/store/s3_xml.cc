#include "ext/store/s3_xml.h"

#include <charconv>

#include "ext/base/clock.h"
#include "ext/base/url.h"
#include "ext/store/xml.h"

namespace litestream {
namespace {

constexpr size_t kMessageBytesMax = 256;

// ASCII: the text goes into messages that must be valid UTF-8 wherever it was cut.
std::string printable(std::string_view text) {
  std::string out;
  for (const char c : text.substr(0, kMessageBytesMax)) out += c >= ' ' && c < 0x7F ? c : ' ';
  return out;
}

// The root, which must be called `name`.
Result<XmlElement> parse_root(std::string_view body, std::string_view name) {
  LS_ASSIGN_OR_RETURN(XmlElement root, parse_xml(body));
  if (root.name != name) {
    return corrupt("the store answered with <" + printable(root.name) + "> instead of <" +
                   std::string(name) + ">");
  }
  return root;
}

Result<uint64_t> parse_size(std::string_view text) {
  uint64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) {
    return corrupt("a list of objects with a size that is no number");
  }
  return value;
}

S3Error read_error(const XmlElement& element) {
  return {printable(element.child_text("Code")), printable(element.child_text("Message")),
          printable(element.child_text("Region"))};
}

// Keys are as sent, or percent-encoded if the page says so.
Result<std::string> read_key(const XmlElement& element, std::string_view name, bool is_encoded) {
  const XmlElement* key = element.child(name);
  if (key == nullptr || key->text.empty()) return corrupt("a list of objects with an empty name");
  if (!is_encoded) return key->text;
  auto decoded = percent_decode(key->text);
  if (!decoded.ok()) return corrupt("a list of objects with a name that is badly encoded");
  return decoded;
}

Result<S3Object> read_object(const XmlElement& element, bool is_encoded) {
  S3Object object;
  LS_ASSIGN_OR_RETURN(object.key, read_key(element, "Key", is_encoded));
  LS_ASSIGN_OR_RETURN(object.size_bytes, parse_size(element.child_text("Size")));
  const auto modified = parse_rfc3339_ms(element.child_text("LastModified"));
  if (!modified.ok()) return corrupt("a list of objects with a time that is none");
  object.modified_ms = *modified;
  return object;
}

}  // namespace

Result<S3ListPage> parse_list_page(std::string_view body) {
  LS_ASSIGN_OR_RETURN(const XmlElement root, parse_root(body, "ListBucketResult"));
  const bool is_encoded = root.child_text("EncodingType") == "url";
  S3ListPage page;
  for (const XmlElement& element : root.children) {
    if (element.name == "Contents") {
      LS_ASSIGN_OR_RETURN(S3Object object, read_object(element, is_encoded));
      page.objects.push_back(std::move(object));
    } else if (element.name == "CommonPrefixes") {
      LS_ASSIGN_OR_RETURN(std::string prefix, read_key(element, "Prefix", is_encoded));
      page.prefixes.push_back(std::move(prefix));
    }
  }
  const std::string_view truncated = root.child_text("IsTruncated");
  if (truncated != "true" && truncated != "false") {
    return corrupt("a list of objects that does not say whether it is complete");
  }
  page.is_truncated = truncated == "true";
  page.next_token = root.child_text("NextContinuationToken");
  return page;
}

Result<S3DeleteResult> parse_delete_result(std::string_view body) {
  LS_ASSIGN_OR_RETURN(const XmlElement root, parse_root(body, "DeleteResult"));
  S3DeleteResult result;
  for (const XmlElement& element : root.children) {
    if (element.name == "Deleted") {
      result.deleted.emplace(element.child_text("Key"));
    } else if (element.name == "Error") {
      result.failures.push_back({std::string(element.child_text("Key")), read_error(element)});
    }
  }
  return result;
}

Result<std::string> parse_upload_id(std::string_view body) {
  LS_ASSIGN_OR_RETURN(const XmlElement root, parse_root(body, "InitiateMultipartUploadResult"));
  std::string id(root.child_text("UploadId"));
  constexpr size_t kIdBytesMax = 2048;
  if (id.empty() || id.size() > kIdBytesMax) return corrupt("a multipart upload without an id");
  return id;
}

Result<std::vector<S3PendingUpload>> parse_uploads(std::string_view body) {
  LS_ASSIGN_OR_RETURN(const XmlElement root, parse_root(body, "ListMultipartUploadsResult"));
  std::vector<S3PendingUpload> uploads;
  for (const XmlElement& element : root.children) {
    if (element.name != "Upload") continue;
    const auto initiated = parse_rfc3339_ms(element.child_text("Initiated"));
    if (!initiated.ok()) return corrupt("a list of uploads with a time that is none");
    uploads.push_back({std::string(element.child_text("Key")),
                       std::string(element.child_text("UploadId")), *initiated});
  }
  return uploads;
}

std::optional<S3Error> parse_s3_error(std::string_view body) {
  const auto root = parse_xml(body);
  if (!root.ok()) return std::nullopt;
  if (root->name == "Error") return read_error(*root);
  // STS and other services wrap it.
  if (root->name != "ErrorResponse") return std::nullopt;
  const XmlElement* inner = root->child("Error");
  return inner == nullptr ? std::nullopt : std::optional(read_error(*inner));
}

std::string format_delete(const std::vector<std::string>& keys) {
  std::string body = "<Delete xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  for (const std::string& key : keys) {
    body += "<Object><Key>" + xml_escape(key) + "</Key></Object>";
  }
  return body + "</Delete>";
}

std::string format_complete(const std::vector<std::string>& etags) {
  std::string body = "<CompleteMultipartUpload xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">";
  for (size_t i = 0; i < etags.size(); ++i) {
    body += "<Part><PartNumber>" + std::to_string(i + 1) + "</PartNumber><ETag>" +
            xml_escape(etags[i]) + "</ETag></Part>";
  }
  return body + "</CompleteMultipartUpload>";
}

}  // namespace litestream
