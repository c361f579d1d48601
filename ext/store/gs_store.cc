#include "ext/store/gs_store.h"

#include <algorithm>
#include <mutex>

#include "ext/base/clock.h"
#include "ext/base/limits.h"
#include "ext/ltx/sequential_reader.h"
#include "ext/store/digest.h"
#include "ext/store/remote_http.h"
#include "ext/store/s3_signing.h"
#include "ext/store/s3_xml.h"

namespace litestream {
namespace {

constexpr char kTimeHeader[] = "x-goog-meta-litestream-timestamp";
constexpr size_t kChunkBytes = 8 << 20;  // a multiple of 256 KiB, as the service wants
constexpr size_t kListBytesMax = 8 << 20;
constexpr size_t kSmallFileBytesMax = 64 << 10;
constexpr int kListPageSize = 1000;
// Of one upload that the service stores in pieces of its own choice.
constexpr int kStepsWithoutProgressMax = 3;

using Query = std::vector<std::pair<std::string, std::string>>;

std::string error_code(const HttpResponse& response) {
  const auto error = parse_s3_error(response.body);
  return error.has_value() ? error->code : "";
}

class GsTree;

// Collects a chunk and sends it when more follows. A file of one chunk is one request.
class GsUpload final : public RemoteUpload {
 public:
  GsUpload(GsTree& tree, std::string path, int64_t commit_ms)
      : tree_(tree), path_(std::move(path)), commit_ms_(commit_ms) {}
  ~GsUpload() override;
  Status append(Bytes bytes) override;
  Status finish() override;

 private:
  HttpHeaders object_headers() const;
  Status begin();
  Status send_chunk(bool is_last);

  GsTree& tree_;
  const std::string path_;
  const int64_t commit_ms_;
  std::vector<uint8_t> buffer_;
  uint64_t sent_bytes_ = 0;  // before buffer_
  std::string session_url_;  // of a resumable upload that is under way
  Status failed_;
};

class GsTree final : public RemoteTree {
 public:
  GsTree(GsOptions options, RemoteParts parts);

  const std::string& type() const override {
    static const auto* const type = new std::string("gs");
    return *type;
  }
  const std::string& url() const override { return options_.url; }
  void set_interrupted(bool interrupted) override {
    http_.set_interrupted(interrupted);
    token_http_.set_interrupted(interrupted);
  }

  Result<std::vector<RemoteEntry>> list(const std::string& folder) override;
  Result<std::optional<int64_t>> commit_time_ms(const std::string& path) override;
  Result<RemoteRange> read(const std::string& path, uint64_t offset_bytes, MutableBytes out,
                           std::string* version) override;
  Result<std::unique_ptr<RemoteUpload>> start_upload(const std::string& path,
                                                     int64_t commit_ms) override;
  Status remove(const std::string& path) override;
  Result<RemoteSmallFile> get_small(const std::string& path) override;
  Result<std::string> put_small(const std::string& path, const std::string& bytes,
                                const std::string& expected_version) override;

  // PUT of a whole object; the answer may be a refusal.
  Result<HttpResponse> put(const std::string& path, HttpHeaders headers, Bytes body);
  Result<std::string> begin_session(const std::string& path, HttpHeaders headers);
  // The answer is 308 while the upload is not complete.
  Result<HttpResponse> put_chunk(const std::string& path, const std::string& session_url,
                                 const std::string& content_range, Bytes chunk);
  void cancel_session(const std::string& path, const std::string& session_url);
  Status error_of(const std::string& path, const HttpResponse& response) const;

 private:
  static RemoteHttpParts http_parts(GsTree* tree);
  Status sign(HttpRequest* request, int64_t wall_ms);
  bool learn(const HttpResponse& response);
  HttpRequest request_for(std::string method, const std::string& path, const Query& query) const;
  std::string object_of(const std::string& path) const;

  const GsOptions options_;
  const RemoteParts parts_;
  HttpClient token_http_;
  GsTokens tokens_;
  std::mutex mutex_;
  std::string used_token_;  // under mutex_; the newest that was sent
  RemoteHttp http_;
};

HttpClientOptions client_options(const GsOptions& options) {
  HttpClientOptions http;
  http.ca_file = ca_file_from_environment({});
  http.skip_verify = options.skip_verify;
  return http;
}

RemoteHttpParts GsTree::http_parts(GsTree* tree) {
  RemoteHttpParts http;
  http.type = "gs";
  http.http = client_options(tree->options_);
  http.world = tree->parts_.world;
  http.policy = tree->parts_.policy;
  http.limits = tree->parts_.limits;
  http.code_of = error_code;
  http.sign = [tree](HttpRequest* request, int64_t wall_ms) {
    return tree->sign(request, wall_ms);
  };
  http.learn = [tree](const HttpResponse& response) { return tree->learn(response); };
  return http;
}

GsTree::GsTree(GsOptions options, RemoteParts parts)
    : options_(std::move(options)),
      parts_(std::move(parts)),
      token_http_(client_options(options_)),
      tokens_(options_.key_path, parts_.fs, &token_http_, parts_.world),
      http_(http_parts(this)) {}

Status GsTree::sign(HttpRequest* request, int64_t wall_ms) {
  // The address of a resumable upload is itself the right to it.
  if (request->url.find("upload_id=") != std::string::npos) return {};
  if (!options_.key_path.empty()) {
    LS_ASSIGN_OR_RETURN(const std::string token, tokens_.get());
    request->headers.push_back({"Authorization", "Bearer " + token});
    const std::lock_guard lock(mutex_);
    used_token_ = token;
    return {};
  }
  if (options_.hmac_key.access_key_id.empty()) return {};  // a public bucket
  std::string payload = std::string(kUnsignedPayload);
  if (!options_.endpoint.is_https) {
    std::vector<uint8_t> body(request->body_bytes);
    if (request->body != nullptr) LS_RETURN_IF_ERROR(read_exactly(*request->body, 0, body));
    payload = hex_encode(sha256(body));
  }
  sign_goog4(request, options_.hmac_key, payload, wall_ms);
  return {};
}

bool GsTree::learn(const HttpResponse& response) {
  if (response.status != 401 || options_.key_path.empty()) return false;
  const std::lock_guard lock(mutex_);
  tokens_.refuse(used_token_);
  return true;
}

std::string GsTree::object_of(const std::string& path) const {
  return options_.prefix.empty() ? path : options_.prefix + "/" + path;
}

// `path` empty: the bucket.
HttpRequest GsTree::request_for(std::string method, const std::string& path,
                                const Query& query) const {
  HttpRequest request;
  request.method = std::move(method);
  request.url = options_.endpoint.url() + "/" + options_.bucket;
  if (!path.empty()) request.url += "/" + percent_encode(object_of(path), Slashes::kKept);
  if (!query.empty()) request.url += "?" + canonical_query(query);
  request.limits = parts_.limits;
  return request;
}

Status GsTree::error_of(const std::string& path, const HttpResponse& response) const {
  const Status status = http_.error_of(options_.bucket + "/" + object_of(path), response);
  if (error_code(response) != "NoSuchBucket") return status;
  return invalid_argument(status.message() + "; create the bucket, or correct its name");
}

Result<std::vector<RemoteEntry>> GsTree::list(const std::string& folder) {
  const std::string prefix = object_of(folder) + "/";
  const Status endless = corrupt("gs: list " + prefix + ": a listing without end");
  std::vector<RemoteEntry> entries;
  std::string token;
  while (true) {
    Query query = {{"list-type", "2"},
                   {"prefix", prefix},
                   {"delimiter", "/"},
                   {"max-keys", std::to_string(kListPageSize)}};
    if (!token.empty()) query.emplace_back("continuation-token", token);
    HttpRequest request = request_for("GET", "", query);
    request.limits.body_bytes_max = kListBytesMax;
    LS_ASSIGN_OR_RETURN(const HttpResponse response, http_.send("list " + prefix, request));
    if (!response.ok()) return error_of(folder, response);
    const auto page = parse_list_page(response.body);
    if (!page.ok()) return page.status().with_context("gs: list " + prefix);
    for (const S3Object& object : page->objects) {
      if (!object.key.starts_with(prefix)) return corrupt("gs: list " + prefix + ": strange names");
      entries.push_back(
          {object.key.substr(prefix.size()), false, object.size_bytes, object.modified_ms, {}});
    }
    for (const std::string& name : page->prefixes) {
      if (!name.starts_with(prefix)) return corrupt("gs: list " + prefix + ": strange names");
      RemoteEntry entry;
      entry.name = name.substr(prefix.size());
      while (entry.name.ends_with('/')) entry.name.pop_back();
      entry.is_folder = true;
      entries.push_back(std::move(entry));
    }
    if (!page->is_truncated) return entries;
    const bool is_empty = page->objects.empty() && page->prefixes.empty();
    const bool leads_on = !page->next_token.empty() && page->next_token != token && !is_empty;
    if (!leads_on || entries.size() > kListEntriesMax) return endless;
    token = page->next_token;
  }
}

Result<std::optional<int64_t>> GsTree::commit_time_ms(const std::string& path) {
  LS_ASSIGN_OR_RETURN(const HttpResponse response,
                      http_.send("look at " + object_of(path), request_for("HEAD", path, {})));
  if (!response.ok()) return error_of(path, response);
  const auto told = parse_rfc3339_ms(response.header(kTimeHeader));
  return told.ok() ? std::optional(*told) : std::nullopt;
}

Result<RemoteRange> GsTree::read(const std::string& path, uint64_t offset_bytes, MutableBytes out,
                                 std::string* version) {
  return http_.read("read " + object_of(path), request_for("GET", path, {}), "Range", offset_bytes,
                    out, version);
}

Result<HttpResponse> GsTree::put(const std::string& path, HttpHeaders headers, Bytes body) {
  HttpRequest request = request_for("PUT", path, {});
  request.headers = std::move(headers);
  BytesReader reader(body);
  request.body = &reader;
  request.body_bytes = body.size();
  return http_.send("write " + object_of(path), request);
}

Result<std::string> GsTree::begin_session(const std::string& path, HttpHeaders headers) {
  HttpRequest request = request_for("POST", path, {});
  request.headers = std::move(headers);
  request.headers.push_back({"x-goog-resumable", "start"});
  request.sends_empty_body = true;
  LS_ASSIGN_OR_RETURN(const HttpResponse response,
                      http_.send("begin the upload of " + object_of(path), request));
  if (response.status == 412) return already_exists("gs: " + object_of(path) + " exists");
  if (!response.ok()) return error_of(path, response);
  std::string location(response.header("location"));
  // What we upload goes to the host we chose, whatever an answer says.
  const bool is_ours = location.starts_with(options_.endpoint.url() + "/") &&
                       location.find("upload_id=") != std::string::npos;
  if (!is_ours) return corrupt("gs: the service named no address for the upload");
  return location;
}

Result<HttpResponse> GsTree::put_chunk(const std::string& path, const std::string& session_url,
                                       const std::string& content_range, Bytes chunk) {
  HttpRequest request;
  request.method = "PUT";
  request.url = session_url;
  request.headers = {{"Content-Range", content_range}};
  BytesReader reader(chunk);
  request.body = &reader;
  request.body_bytes = chunk.size();
  request.limits = parts_.limits;
  return http_.send("write a part of " + object_of(path), request);
}

// Best effort: what is left is dropped by the service after a week.
void GsTree::cancel_session(const std::string& path, const std::string& session_url) {
  HttpRequest request;
  request.method = "DELETE";
  request.url = session_url;
  request.limits = parts_.limits;
  (void)http_.send("cancel the upload of " + object_of(path), request).ok();
}

Result<std::unique_ptr<RemoteUpload>> GsTree::start_upload(const std::string& path,
                                                           int64_t commit_ms) {
  std::unique_ptr<RemoteUpload> upload = std::make_unique<GsUpload>(*this, path, commit_ms);
  return upload;
}

Status GsTree::remove(const std::string& path) {
  LS_ASSIGN_OR_RETURN(const HttpResponse response,
                      http_.send("delete " + object_of(path), request_for("DELETE", path, {})));
  return response.ok() ? Status() : error_of(path, response);
}

Result<RemoteSmallFile> GsTree::get_small(const std::string& path) {
  HttpRequest request = request_for("GET", path, {});
  request.limits.body_bytes_max = kSmallFileBytesMax;
  LS_ASSIGN_OR_RETURN(HttpResponse response, http_.send("read " + object_of(path), request));
  if (!response.ok()) return error_of(path, response);
  std::string version(response.header("x-goog-generation"));
  if (version.empty()) return corrupt("gs: read " + object_of(path) + ": no generation number");
  return RemoteSmallFile{std::move(response.body), std::move(version)};
}

Result<std::string> GsTree::put_small(const std::string& path, const std::string& bytes,
                                      const std::string& expected_version) {
  const std::string generation = expected_version.empty() ? "0" : expected_version;
  LS_ASSIGN_OR_RETURN(const HttpResponse response,
                      put(path, {{"x-goog-if-generation-match", generation}}, as_bytes(bytes)));
  if (response.status == 412) {
    return position_mismatch("gs: " + object_of(path) + " was written by another");
  }
  if (!response.ok()) return error_of(path, response);
  return std::string(response.header("x-goog-generation"));
}

GsUpload::~GsUpload() {
  if (!session_url_.empty()) tree_.cancel_session(path_, session_url_);
}

HttpHeaders GsUpload::object_headers() const {
  return {{kTimeHeader, format_rfc3339_ms(commit_ms_)}, {"x-goog-if-generation-match", "0"}};
}

Status GsUpload::begin() {
  LS_ASSIGN_OR_RETURN(session_url_, tree_.begin_session(path_, object_headers()));
  return {};
}

// Sends buffer_, as often as the service keeps only part of it.
Status GsUpload::send_chunk(bool is_last) {
  const uint64_t end = sent_bytes_ + buffer_.size();
  const std::string total = is_last ? std::to_string(end) : "*";
  for (int idle_count = 0; idle_count < kStepsWithoutProgressMax;) {
    const std::string range =
        "bytes " + std::to_string(sent_bytes_) + "-" + std::to_string(end - 1) + "/" + total;
    const auto chunk = Bytes(buffer_).last(static_cast<size_t>(end - sent_bytes_));
    LS_ASSIGN_OR_RETURN(const HttpResponse response,
                        tree_.put_chunk(path_, session_url_, range, chunk));
    if (response.ok() && is_last) {
      session_url_.clear();
      return {};
    }
    // Taken meanwhile; or finished by an attempt whose answer was lost.
    const bool is_over = response.status == 404 || response.status == 410;
    if (response.status == 412 || (is_last && is_over)) {
      session_url_.clear();
      return already_exists("gs: " + path_ + " exists");
    }
    if (response.status != 308) return tree_.error_of(path_, response);
    constexpr std::string_view kKept = "bytes=0-";
    const std::string kept(response.header("range"));
    uint64_t kept_end = 0;
    if (kept.starts_with(kKept) && kept.size() < kKept.size() + 19) {
      kept_end = std::strtoull(kept.c_str() + kKept.size(), nullptr, 10) + 1;
    }
    if (kept_end < sent_bytes_ || kept_end > end) {
      return corrupt("gs: " + path_ + ": the service kept other bytes than were sent");
    }
    idle_count = kept_end > sent_bytes_ ? 0 : idle_count + 1;
    sent_bytes_ = kept_end;
    if (sent_bytes_ == end && !is_last) {
      buffer_.clear();
      return {};
    }
  }
  return unavailable("gs: " + path_ + ": the service keeps nothing of the upload");
}

Status GsUpload::append(Bytes bytes) {
  if (!failed_.ok()) return failed_;
  while (!bytes.empty()) {
    // A chunk goes out only when more follows: the last one is for finish().
    if (buffer_.size() == kChunkBytes) {
      if (session_url_.empty()) failed_ = begin();
      if (failed_.ok()) failed_ = send_chunk(false);
      if (!failed_.ok()) return failed_;
      continue;
    }
    const size_t count = std::min(bytes.size(), kChunkBytes - buffer_.size());
    buffer_.insert(buffer_.end(), bytes.begin(), bytes.begin() + static_cast<ptrdiff_t>(count));
    bytes = bytes.subspan(count);
  }
  return {};
}

Status GsUpload::finish() {
  if (!failed_.ok()) return failed_;
  failed_ = internal_error("finished twice");
  if (!session_url_.empty()) return send_chunk(true);
  LS_ASSIGN_OR_RETURN(const HttpResponse response, tree_.put(path_, object_headers(), buffer_));
  if (response.ok()) return {};
  if (response.status == 412) return already_exists("gs: " + path_ + " exists");
  return tree_.error_of(path_, response);
}

}  // namespace

std::unique_ptr<RemoteTree> make_gs_tree(GsOptions options, RemoteParts parts) {
  return std::make_unique<GsTree>(std::move(options), std::move(parts));
}

}  // namespace litestream
