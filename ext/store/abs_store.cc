#include "ext/store/abs_store.h"

#include <algorithm>

#include "ext/base/clock.h"
#include "ext/base/limits.h"
#include "ext/ltx/sequential_reader.h"
#include "ext/store/digest.h"
#include "ext/store/remote_http.h"
#include "ext/store/xml.h"

namespace litestream {
namespace {

constexpr char kApiVersion[] = "2021-08-06";
constexpr char kTimeHeader[] = "x-ms-meta-litestreamtimestamp";
constexpr char kTimeName[] = "litestreamtimestamp";
constexpr size_t kBlockBytes = 4 << 20;
constexpr size_t kLargeBlockBytes = 16 << 20;
constexpr size_t kSmallBlockCount = 1000;  // then blocks grow, so that the next limit is far away
constexpr size_t kBlockCountMax = 50'000;
constexpr int kListPageSize = 2000;
constexpr size_t kSmallFileBytesMax = 64 << 10;

using Query = std::vector<std::pair<std::string, std::string>>;

std::string error_code(const HttpResponse& response) {
  const std::string_view header = response.header("x-ms-error-code");
  if (!header.empty()) return std::string(header.substr(0, 64));
  std::string_view body = response.body;
  if (body.starts_with("\xEF\xBB\xBF")) body.remove_prefix(3);
  const auto document = parse_xml(body);
  if (!document.ok() || document->name != "Error") return "";
  return std::string(document->child_text("Code").substr(0, 64));
}

Status sign_with_key(HttpRequest* request, const AbsOptions& options) {
  const std::string text = abs_string_to_sign(*request, options.account);
  const auto signature = hmac_sha256(options.account_key, as_bytes(text));
  request->headers.push_back(
      {"Authorization", "SharedKey " + options.account + ":" + base64_encode(signature)});
  return {};
}

Status sign(HttpRequest* request, const AbsOptions& options, int64_t wall_ms) {
  request->headers.push_back({"x-ms-date", format_http_date(wall_ms)});
  request->headers.push_back({"x-ms-version", kApiVersion});
  if (!options.account_key.empty()) return sign_with_key(request, options);
  if (options.sas_token.empty()) return {};
  const bool has_query = request->url.find('?') != std::string::npos;
  request->url += (has_query ? "&" : "?") + options.sas_token;
  return {};
}

RemoteHttpParts http_parts(const AbsOptions& options, const RemoteParts& parts) {
  RemoteHttpParts http;
  http.type = "abs";
  http.http.ca_file = ca_file_from_environment({});
  http.http.skip_verify = options.skip_verify;
  http.world = parts.world;
  http.policy = parts.policy;
  http.limits = parts.limits;
  http.code_of = error_code;
  http.sign = [&options](HttpRequest* request, int64_t wall_ms) {
    return sign(request, options, wall_ms);
  };
  return http;
}

// The entries of one list page; the folder's own name is cut off theirs.
struct ListPage {
  std::vector<RemoteEntry> entries;
  std::string next_marker;
};

Result<RemoteEntry> parse_blob(const XmlElement& blob, size_t prefix_size) {
  RemoteEntry entry;
  const std::string_view name = blob.child_text("Name");
  if (name.size() < prefix_size) return corrupt("a listing names a blob elsewhere");
  entry.name = name.substr(prefix_size);
  const XmlElement* properties = blob.child("Properties");
  if (properties == nullptr) return corrupt("a listing without properties");
  const std::string size(properties->child_text("Content-Length"));
  if (size.empty() || size.size() > 18 || size.find_first_not_of("0123456789") != size.npos) {
    return corrupt("a listing without sizes");
  }
  entry.size_bytes = std::stoull(size);
  entry.modified_ms = parse_http_date_ms(properties->child_text("Last-Modified")).value_or(0);
  if (const XmlElement* metadata = blob.child("Metadata")) {
    const auto told = parse_rfc3339_ms(metadata->child_text(kTimeName));
    if (told.ok()) entry.commit_ms = *told;
  }
  return entry;
}

Result<ListPage> parse_list(std::string_view body, const std::string& prefix) {
  if (body.starts_with("\xEF\xBB\xBF")) body.remove_prefix(3);
  LS_ASSIGN_OR_RETURN(const XmlElement root, parse_xml(body));
  const XmlElement* blobs = root.child("Blobs");
  if (root.name != "EnumerationResults" || blobs == nullptr) return corrupt("no list of blobs");
  ListPage page;
  page.next_marker = root.child_text("NextMarker");
  for (const XmlElement& element : blobs->children) {
    const std::string_view name = element.child_text("Name");
    if (!name.starts_with(prefix)) return corrupt("a listing names a blob elsewhere");
    if (element.name == "Blob") {
      LS_ASSIGN_OR_RETURN(RemoteEntry entry, parse_blob(element, prefix.size()));
      page.entries.push_back(std::move(entry));
    } else if (element.name == "BlobPrefix") {
      RemoteEntry entry;
      entry.name = name.substr(prefix.size());
      while (entry.name.ends_with('/')) entry.name.pop_back();
      entry.is_folder = true;
      page.entries.push_back(std::move(entry));
    }
  }
  return page;
}

class AbsTree;

// Collects a block, sends it when more follows, and names all blocks at the end. A file of one
// block is one request.
class AbsUpload final : public RemoteUpload {
 public:
  AbsUpload(AbsTree& tree, std::string path, int64_t commit_ms);
  Status append(Bytes bytes) override;
  Status finish() override;

 private:
  Status send_block();
  HttpHeaders object_headers() const;

  AbsTree& tree_;
  const std::string path_;
  const int64_t commit_ms_;
  const std::string id_prefix_;  // uploads of one name at the same time must not mix their blocks
  std::vector<uint8_t> buffer_;
  std::vector<std::string> block_ids_;  // base64
  Status failed_;
};

class AbsTree final : public RemoteTree {
 public:
  AbsTree(AbsOptions options, RemoteParts parts)
      : options_(std::move(options)),
        parts_(std::move(parts)),
        http_(http_parts(options_, parts_)) {}

  const std::string& type() const override {
    static const auto* const type = new std::string("abs");
    return *type;
  }
  const std::string& url() const override { return options_.url; }
  bool lists_commit_times() const override { return true; }
  void set_interrupted(bool interrupted) override { http_.set_interrupted(interrupted); }

  Result<std::vector<RemoteEntry>> list(const std::string& folder) override;
  Result<RemoteRange> read(const std::string& path, uint64_t offset_bytes, MutableBytes out,
                           std::string* version) override;
  Result<std::unique_ptr<RemoteUpload>> start_upload(const std::string& path,
                                                     int64_t commit_ms) override;
  Status remove(const std::string& path) override;
  Result<RemoteSmallFile> get_small(const std::string& path) override;
  Result<std::string> put_small(const std::string& path, const std::string& bytes,
                                const std::string& expected_version) override;

  // PUT with a body; the answer may be a refusal.
  Result<HttpResponse> put(const std::string& path, const Query& query, HttpHeaders headers,
                           Bytes body);
  Status error_of(const std::string& path, const HttpResponse& response) const;
  const RetryWorld& world() const { return parts_.world; }

 private:
  HttpRequest request_for(std::string method, const std::string& path, const Query& query) const;
  std::string blob_of(const std::string& path) const;

  const AbsOptions options_;
  const RemoteParts parts_;
  RemoteHttp http_;
};

std::string AbsTree::blob_of(const std::string& path) const {
  return options_.prefix.empty() ? path : options_.prefix + "/" + path;
}

// `path` empty: the container.
HttpRequest AbsTree::request_for(std::string method, const std::string& path,
                                 const Query& query) const {
  HttpRequest request;
  request.method = std::move(method);
  request.url = options_.endpoint.url() + "/" + options_.container;
  if (!path.empty()) request.url += "/" + percent_encode(blob_of(path), Slashes::kKept);
  for (const auto& [name, value] : query) {
    request.url += request.url.find('?') == std::string::npos ? "?" : "&";
    request.url += name + "=" + percent_encode(value, Slashes::kEncoded);
  }
  request.limits = parts_.limits;
  return request;
}

Status AbsTree::error_of(const std::string& path, const HttpResponse& response) const {
  const std::string code = error_code(response);
  const Status status = http_.error_of(options_.container + "/" + blob_of(path), response);
  if (code != "ContainerNotFound") return status;
  return invalid_argument(status.message() + "; create the container, or correct its name");
}

Result<std::vector<RemoteEntry>> AbsTree::list(const std::string& folder) {
  const std::string prefix = blob_of(folder) + "/";
  std::vector<RemoteEntry> entries;
  std::string marker;
  while (true) {
    Query query = {{"restype", "container"}, {"comp", "list"},
                   {"prefix", prefix},       {"delimiter", "/"},
                   {"include", "metadata"},  {"maxresults", std::to_string(kListPageSize)}};
    if (!marker.empty()) query.emplace_back("marker", marker);
    HttpRequest request = request_for("GET", "", query);
    request.limits.body_bytes_max = kXmlBytesMax;
    LS_ASSIGN_OR_RETURN(const HttpResponse response, http_.send("list " + prefix, request));
    if (!response.ok()) return error_of(folder, response);
    auto page = parse_list(response.body, prefix);
    if (!page.ok()) return page.status().with_context("abs: list " + prefix);
    entries.insert(entries.end(), page->entries.begin(), page->entries.end());
    if (page->next_marker.empty()) return entries;
    // Pages come in the order of names: one that does not lead on would never let us end.
    const bool leads_on = page->next_marker != marker && !page->entries.empty();
    if (!leads_on || entries.size() > kListEntriesMax) {
      return corrupt("abs: list " + prefix + ": a listing without end");
    }
    marker = page->next_marker;
  }
}

Result<RemoteRange> AbsTree::read(const std::string& path, uint64_t offset_bytes, MutableBytes out,
                                  std::string* version) {
  return http_.read("read " + blob_of(path), request_for("GET", path, {}), "x-ms-range",
                    offset_bytes, out, version);
}

Result<HttpResponse> AbsTree::put(const std::string& path, const Query& query, HttpHeaders headers,
                                  Bytes body) {
  HttpRequest request = request_for("PUT", path, query);
  request.headers = std::move(headers);
  BytesReader reader(body);
  request.body = &reader;
  request.body_bytes = body.size();
  return http_.send("write " + blob_of(path), request);
}

Result<std::unique_ptr<RemoteUpload>> AbsTree::start_upload(const std::string& path,
                                                            int64_t commit_ms) {
  std::unique_ptr<RemoteUpload> upload = std::make_unique<AbsUpload>(*this, path, commit_ms);
  return upload;
}

Status AbsTree::remove(const std::string& path) {
  LS_ASSIGN_OR_RETURN(const HttpResponse response,
                      http_.send("delete " + blob_of(path), request_for("DELETE", path, {})));
  return response.ok() ? Status() : error_of(path, response);
}

Result<RemoteSmallFile> AbsTree::get_small(const std::string& path) {
  HttpRequest request = request_for("GET", path, {});
  request.limits.body_bytes_max = kSmallFileBytesMax;
  LS_ASSIGN_OR_RETURN(HttpResponse response, http_.send("read " + blob_of(path), request));
  if (!response.ok()) return error_of(path, response);
  std::string version(response.header("etag"));
  if (version.empty()) return corrupt("abs: read " + blob_of(path) + ": no ETag");
  return RemoteSmallFile{std::move(response.body), std::move(version)};
}

Result<std::string> AbsTree::put_small(const std::string& path, const std::string& bytes,
                                       const std::string& expected_version) {
  const HttpHeader condition = expected_version.empty() ? HttpHeader{"If-None-Match", "*"}
                                                        : HttpHeader{"If-Match", expected_version};
  LS_ASSIGN_OR_RETURN(const HttpResponse response,
                      put(path, {}, {{"x-ms-blob-type", "BlockBlob"}, condition}, as_bytes(bytes)));
  if (response.ok()) return std::string(response.header("etag"));
  const std::string code = error_code(response);
  const bool is_other =
      response.status == 412 || code == "BlobAlreadyExists" || code == "BlobNotFound";
  if (is_other) return position_mismatch("abs: " + blob_of(path) + " was written by another");
  return error_of(path, response);
}

std::string new_id_prefix(const RetryWorld& world, const void* self) {
  const std::string seed = std::to_string(world.clock->wall_ms()) + "/" +
                           std::to_string(world.clock->monotonic_ms()) + "/" +
                           std::to_string(reinterpret_cast<uintptr_t>(self));
  return hex_encode(sha256(as_bytes(seed))).substr(0, 8);
}

AbsUpload::AbsUpload(AbsTree& tree, std::string path, int64_t commit_ms)
    : tree_(tree),
      path_(std::move(path)),
      commit_ms_(commit_ms),
      id_prefix_(new_id_prefix(tree.world(), this)) {}

Status AbsUpload::send_block() {
  if (block_ids_.size() >= kBlockCountMax) {
    return unsupported("abs: " + path_ + " needs more than 50000 blocks");
  }
  std::string number = std::to_string(block_ids_.size());
  number.insert(0, 8 - number.size(), '0');
  const std::string id = base64_encode(as_bytes(id_prefix_ + number));
  LS_ASSIGN_OR_RETURN(const HttpResponse response,
                      tree_.put(path_, {{"comp", "block"}, {"blockid", id}}, {}, buffer_));
  if (!response.ok()) return tree_.error_of(path_, response);
  block_ids_.push_back(id);
  buffer_.clear();
  return {};
}

Status AbsUpload::append(Bytes bytes) {
  if (!failed_.ok()) return failed_;
  while (!bytes.empty()) {
    const size_t block_bytes =
        block_ids_.size() < kSmallBlockCount ? kBlockBytes : kLargeBlockBytes;
    // A block goes out only when more follows: the last one is for finish().
    if (buffer_.size() == block_bytes) {
      failed_ = send_block();
      if (!failed_.ok()) return failed_;
      continue;
    }
    const size_t count = std::min(bytes.size(), block_bytes - buffer_.size());
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(count));
    bytes = bytes.subspan(count);
  }
  return {};
}

HttpHeaders AbsUpload::object_headers() const {
  return {{kTimeHeader, format_rfc3339_ms(commit_ms_)}, {"If-None-Match", "*"}};
}

Status AbsUpload::finish() {
  if (!failed_.ok()) return failed_;
  failed_ = internal_error("finished twice");
  Result<HttpResponse> response = internal_error("no answer");
  if (block_ids_.empty()) {
    HttpHeaders headers = object_headers();
    headers.push_back({"x-ms-blob-type", "BlockBlob"});
    response = tree_.put(path_, {}, std::move(headers), buffer_);
  } else {
    LS_RETURN_IF_ERROR(send_block());
    std::string list = "<?xml version=\"1.0\" encoding=\"utf-8\"?><BlockList>";
    for (const std::string& id : block_ids_) list += "<Latest>" + id + "</Latest>";
    list += "</BlockList>";
    response = tree_.put(path_, {{"comp", "blocklist"}}, object_headers(), as_bytes(list));
  }
  if (!response.ok()) return std::move(response).status();
  if (response->ok()) return {};
  const std::string code = error_code(*response);
  // Blocks that are gone were committed by an earlier attempt, or dropped by another's commit.
  const bool is_taken =
      response->status == 412 || code == "BlobAlreadyExists" || code == "InvalidBlockList";
  if (is_taken) return already_exists("abs: " + path_ + " exists");
  return tree_.error_of(path_, *response);
}

}  // namespace

std::unique_ptr<RemoteTree> make_abs_tree(AbsOptions options, RemoteParts parts) {
  return std::make_unique<AbsTree>(std::move(options), std::move(parts));
}

}  // namespace litestream
