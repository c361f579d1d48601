#include "ext/store/webdav_store.h"

#include <condition_variable>
#include <mutex>
#include <set>

#include "ext/base/limits.h"
#include "ext/ltx/sequential_reader.h"
#include "ext/store/digest.h"
#include "ext/store/remote_http.h"
#include "ext/store/spill_buffer.h"
#include "ext/store/temporary_name.h"
#include "ext/store/xml.h"

namespace litestream {
namespace {

constexpr size_t kUploadMemoryBytes = 4 << 20;
constexpr std::string_view kPropfind =
    "<?xml version=\"1.0\" encoding=\"utf-8\"?><D:propfind xmlns:D=\"DAV:\"><D:prop>"
    "<D:resourcetype/><D:getcontentlength/><D:getlastmodified/></D:prop></D:propfind>";

std::string error_code(const HttpResponse&) { return ""; }  // the status says it all

// The properties that the server has: those of the propstat whose status is 200.
const XmlElement* found_properties(const XmlElement& response) {
  for (const XmlElement& child : response.children) {
    if (child.name != "propstat") continue;
    const std::string_view status = child.child_text("status");
    if (status.find(" 200") != std::string_view::npos) return child.child("prop");
  }
  return nullptr;
}

// The decoded path of an href, which may be a whole URL; without a slash at the end.
Result<std::string> path_of_href(std::string_view href) {
  while (!href.empty() && (href.front() == ' ' || href.front() == '\n')) href.remove_prefix(1);
  while (!href.empty() && (href.back() == ' ' || href.back() == '\n')) href.remove_suffix(1);
  LS_ASSIGN_OR_RETURN(std::string path, percent_decode(target_of_url(href)));
  while (path.ends_with('/')) path.pop_back();
  return path;
}

bool parse_size(std::string_view text, uint64_t* size) {
  if (text.empty() || text.size() > 18) return false;
  *size = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    *size = *size * 10 + static_cast<uint64_t>(c - '0');
  }
  return true;
}

class WebdavTree;

class WebdavUpload final : public RemoteUpload {
 public:
  WebdavUpload(WebdavTree& tree, std::string path, std::string temporary_path, SpillBuffer* buffer);
  ~WebdavUpload() override;
  Status append(Bytes bytes) override { return buffer_->append(bytes); }
  Status finish() override;

 private:
  WebdavTree& tree_;
  const std::string path_;
  const std::string temporary_path_;
  const std::unique_ptr<SpillBuffer> buffer_;
  bool may_be_there_ = false;  // under its temporary name
};

class WebdavTree final : public RemoteTree {
 public:
  WebdavTree(WebdavOptions options, RemoteParts parts)
      : type_("webdav"),
        options_(std::move(options)),
        parts_(std::move(parts)),
        http_(http_parts(this)) {}

  const std::string& type() const override { return type_; }
  const std::string& url() const override { return options_.url; }
  bool leaves_temporary_files() const override { return true; }
  void set_interrupted(bool interrupted) override { http_.set_interrupted(interrupted); }

  Result<std::vector<RemoteEntry>> list(const std::string& folder) override;
  Result<RemoteRange> read(const std::string& path, uint64_t offset_bytes, MutableBytes out,
                           std::string* version) override;
  Result<std::unique_ptr<RemoteUpload>> start_upload(const std::string& path,
                                                     int64_t commit_ms) override;
  Status remove(const std::string& path) override;

  // Writes a file whole, after the folders above it.
  Status put(const std::string& path, SpillBuffer* bytes, uint64_t byte_count);
  // Corrupt if the server has fewer or more bytes than `byte_count`.
  Status check_size(const std::string& path, uint64_t byte_count);
  // AlreadyExists: `to` is taken, or was moved there before.
  Status move(const std::string& from, const std::string& to);

 private:
  class NameHold;
  static RemoteHttpParts http_parts(WebdavTree* tree);
  HttpRequest request_for(std::string method, const std::string& path) const;
  Result<HttpResponse> make_folder(const std::string& absolute_path);
  Status make_folders(const std::string& path);
  Result<bool> is_folder(const std::string& absolute_path);
  Result<bool> exists(const std::string& path);

  const std::string type_;
  const WebdavOptions options_;
  const RemoteParts parts_;
  std::mutex mutex_;
  std::condition_variable name_is_free_;
  std::set<std::string> known_folders_;  // these two guarded by mutex_
  std::set<std::string> held_names_;     // being given to an upload right now
  RemoteHttp http_;
};

RemoteHttpParts WebdavTree::http_parts(WebdavTree* tree) {
  RemoteHttpParts http;
  http.type = "webdav";
  http.http.ca_file = ca_file_from_environment({});
  http.http.skip_verify = tree->options_.skip_verify;
  http.world = tree->parts_.world;
  http.policy = tree->parts_.policy;
  http.limits = tree->parts_.limits;
  http.code_of = error_code;
  http.sign = [tree](HttpRequest* request, int64_t) -> Status {
    const WebdavOptions& options = tree->options_;
    if (options.user_name.empty() && options.password.empty()) return {};
    const std::string pair = options.user_name + ":" + options.password;
    request->headers.push_back({"Authorization", "Basic " + base64_encode(as_bytes(pair))});
    return {};
  };
  return http;
}

// `path` is below the root, "" the root itself, with a slash at its end for a folder.
HttpRequest WebdavTree::request_for(std::string method, const std::string& path) const {
  HttpRequest request;
  request.method = std::move(method);
  request.url = options_.origin + percent_encode(options_.root + "/" + path, Slashes::kKept);
  request.limits = parts_.limits;
  return request;
}

Result<std::vector<RemoteEntry>> WebdavTree::list(const std::string& folder) {
  HttpRequest request = request_for("PROPFIND", folder + "/");
  request.headers = {{"Depth", "1"}, {"Content-Type", "application/xml; charset=utf-8"}};
  BytesReader body(as_bytes(kPropfind));
  request.body = &body;
  request.body_bytes = kPropfind.size();
  request.limits.body_bytes_max = kXmlBytesMax;
  const std::string what = "list " + folder;
  LS_ASSIGN_OR_RETURN(const HttpResponse response, http_.send(what, request));
  if (response.status == 404) return std::vector<RemoteEntry>();
  if (response.status != 207) return http_.error_of(what, response);
  auto entries = parse_multistatus(response.body, options_.root + "/" + folder);
  if (!entries.ok()) return entries.status().with_context("webdav: " + what);
  return entries;
}

Result<RemoteRange> WebdavTree::read(const std::string& path, uint64_t offset_bytes,
                                     MutableBytes out, std::string* version) {
  return http_.read("read " + path, request_for("GET", path), "Range", offset_bytes, out, version);
}

Result<std::unique_ptr<RemoteUpload>> WebdavTree::start_upload(const std::string& path, int64_t) {
  const std::string folder = path_directory(path);
  const std::string name =
      make_temporary_name(path_basename(path), parts_.world.clock->wall_ms(), this);
  std::unique_ptr<RemoteUpload> upload = std::make_unique<WebdavUpload>(
      *this, path, folder == "." ? name : folder + "/" + name,
      new SpillBuffer(*parts_.fs, options_.spill_directory, kUploadMemoryBytes));
  return upload;
}

Status WebdavTree::remove(const std::string& path) {
  return http_.expect_success("delete " + path, request_for("DELETE", path)).status();
}

// 201: made; 405: it was there. The answer may be a refusal.
Result<HttpResponse> WebdavTree::make_folder(const std::string& absolute_path) {
  HttpRequest request;
  request.method = "MKCOL";
  request.url = options_.origin + percent_encode(absolute_path, Slashes::kKept) + "/";
  request.limits = parts_.limits;
  return http_.send("make the folder " + absolute_path, request);
}

// Asked for before the first file of a folder, not when a PUT fails: a server that refuses a body
// before it has read it may break the connection under it (HTTP/2 does).
Status WebdavTree::make_folders(const std::string& path) {
  const std::string folder = path_directory(path);
  const std::string whole = options_.root + (folder == "." ? "" : "/" + folder);
  if (whole.empty()) return {};
  {
    const std::lock_guard lock(mutex_);
    if (known_folders_.count(whole) != 0) return {};
  }
  LS_ASSIGN_OR_RETURN(HttpResponse response, make_folder(whole));
  // 409: one above it is missing. From the root down, each unless it is there.
  if (response.status == 409 || response.status == 404) {
    for (size_t end = whole.find('/', 1); end != whole.npos; end = whole.find('/', end + 1)) {
      LS_RETURN_IF_ERROR(make_folder(whole.substr(0, end)).status());
    }
    LS_ASSIGN_OR_RETURN(response, make_folder(whole));
  }
  // Servers call it forbidden, too, when another request makes it at the same time.
  const bool may_be_there = response.status == 405 || response.status == 403;
  LS_ASSIGN_OR_RETURN(const bool is_there, response.ok() || !may_be_there
                                               ? Result<bool>(response.ok())
                                               : is_folder(whole));
  if (!is_there) return http_.error_of("make the folder " + whole, response);
  const std::lock_guard lock(mutex_);
  known_folders_.insert(whole);
  return {};
}

Result<bool> WebdavTree::is_folder(const std::string& absolute_path) {
  HttpRequest request;
  request.method = "PROPFIND";
  request.url = options_.origin + percent_encode(absolute_path, Slashes::kKept) + "/";
  request.headers = {{"Depth", "0"}, {"Content-Type", "application/xml; charset=utf-8"}};
  BytesReader body(as_bytes(kPropfind));
  request.body = &body;
  request.body_bytes = kPropfind.size();
  request.limits = parts_.limits;
  LS_ASSIGN_OR_RETURN(const HttpResponse response, http_.send("look at " + absolute_path, request));
  return response.status == 207;
}

Status WebdavTree::put(const std::string& path, SpillBuffer* bytes, uint64_t byte_count) {
  LS_RETURN_IF_ERROR(make_folders(path));
  HttpRequest request = request_for("PUT", path);
  request.headers = {{"Content-Type", "application/octet-stream"}};
  request.body = bytes;
  request.body_bytes = byte_count;
  const Status status = http_.expect_success("write " + path, request).status();
  if (status.ok()) return {};
  // Perhaps somebody removed a folder: the next upload looks.
  const std::lock_guard lock(mutex_);
  known_folders_.clear();
  return status;
}

Status WebdavTree::check_size(const std::string& path, uint64_t byte_count) {
  const std::string what = "look at " + path;
  LS_ASSIGN_OR_RETURN(const HttpResponse response,
                      http_.expect_success(what, request_for("HEAD", path)));
  uint64_t size = 0;
  const bool is_told = parse_size(response.header("content-length"), &size);
  if (!is_told || size == byte_count) return {};
  return corrupt("webdav: write " + path + ": the server kept " + std::to_string(size) + " of " +
                 std::to_string(byte_count) + " bytes");
}

Result<bool> WebdavTree::exists(const std::string& path) {
  const std::string what = "look at " + path;
  LS_ASSIGN_OR_RETURN(const HttpResponse response, http_.send(what, request_for("HEAD", path)));
  if (response.ok()) return true;
  if (response.status == 404) return false;
  return http_.error_of(what, response);
}

// Many servers look whether the name is free and then rename: two of our own uploads of one name
// must not meet between the two. (Those of other processes are kept away by the owner's lock.)
class WebdavTree::NameHold {
 public:
  NameHold(WebdavTree& tree, const std::string& name) : tree_(tree), name_(name) {
    std::unique_lock lock(tree_.mutex_);
    tree_.name_is_free_.wait(lock, [&] { return tree_.held_names_.count(name_) == 0; });
    tree_.held_names_.insert(name_);
  }
  ~NameHold() {
    {
      const std::lock_guard lock(tree_.mutex_);
      tree_.held_names_.erase(name_);
    }
    tree_.name_is_free_.notify_all();
  }
  NameHold(const NameHold&) = delete;
  NameHold& operator=(const NameHold&) = delete;

 private:
  WebdavTree& tree_;
  const std::string name_;
};

Status WebdavTree::move(const std::string& from, const std::string& to) {
  const NameHold hold(*this, to);
  HttpRequest request = request_for("MOVE", from);
  request.headers = {{"Destination", request_for("MOVE", to).url}, {"Overwrite", "F"}};
  const std::string what = "name " + to;
  LS_ASSIGN_OR_RETURN(const HttpResponse response, http_.send(what, request));
  if (response.ok()) return {};
  if (response.status == 412) return already_exists("webdav: " + to + " exists");
  if (response.status != 404) return http_.error_of(what, response);
  // An attempt whose answer was lost may have moved it.
  LS_ASSIGN_OR_RETURN(const bool is_there, exists(to));
  if (is_there) return already_exists("webdav: " + to + " exists");
  return unavailable("webdav: " + what + ": what was uploaded is gone; try again");
}

WebdavUpload::WebdavUpload(WebdavTree& tree, std::string path, std::string temporary_path,
                           SpillBuffer* buffer)
    : tree_(tree),
      path_(std::move(path)),
      temporary_path_(std::move(temporary_path)),
      buffer_(buffer) {}

WebdavUpload::~WebdavUpload() {
  if (may_be_there_) (void)tree_.remove(temporary_path_).ok();
}

Status WebdavUpload::finish() {
  LS_ASSIGN_OR_RETURN(const uint64_t byte_count, buffer_->size_bytes());
  may_be_there_ = true;
  LS_RETURN_IF_ERROR(tree_.put(temporary_path_, buffer_.get(), byte_count));
  LS_RETURN_IF_ERROR(tree_.check_size(temporary_path_, byte_count));
  LS_RETURN_IF_ERROR(tree_.move(temporary_path_, path_));
  may_be_there_ = false;
  return {};
}

}  // namespace

Result<std::vector<RemoteEntry>> parse_multistatus(std::string_view body,
                                                   std::string_view folder_path) {
  while (folder_path.ends_with('/')) folder_path.remove_suffix(1);
  LS_ASSIGN_OR_RETURN(const XmlElement root, parse_xml(body));
  if (root.name != "multistatus") return corrupt("no multistatus");
  std::vector<RemoteEntry> entries;
  for (const XmlElement& response : root.children) {
    if (response.name != "response") continue;
    LS_ASSIGN_OR_RETURN(const std::string path, path_of_href(response.child_text("href")));
    if (path == folder_path) continue;  // the folder itself
    const size_t slash = path.rfind('/');
    if (slash == std::string::npos || path.substr(0, slash) != folder_path) {
      return corrupt("the server lists files elsewhere");
    }
    const XmlElement* properties = found_properties(response);
    if (properties == nullptr) return corrupt("the server tells nothing of a file");
    RemoteEntry entry;
    entry.name = path.substr(slash + 1);
    const XmlElement* kind = properties->child("resourcetype");
    entry.is_folder = kind != nullptr && kind->child("collection") != nullptr;
    const std::string_view size = properties->child_text("getcontentlength");
    if (!entry.is_folder && !parse_size(size, &entry.size_bytes)) {
      return corrupt("the server tells no size of a file");
    }
    entry.modified_ms = parse_http_date_ms(properties->child_text("getlastmodified")).value_or(0);
    entries.push_back(std::move(entry));
  }
  return entries;
}

std::unique_ptr<RemoteTree> make_webdav_tree(WebdavOptions options, RemoteParts parts) {
  return std::make_unique<WebdavTree>(std::move(options), std::move(parts));
}

}  // namespace litestream
