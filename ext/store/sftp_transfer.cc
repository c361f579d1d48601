#include "ext/store/sftp_transfer.h"

#include <exception>

#include "ext/base/url.h"
#include "ext/store/call_limits.h"
#include "ext/store/digest.h"

namespace litestream {
namespace {

// A server answers the eleventh unauthenticated connection with luck (MaxStartups 10:30:100).
constexpr size_t kConnectionsMax = 4;
constexpr int kMissingFolderRetriesMax = 2;
constexpr int64_t kSlowestBytesPerMs = 16;

HttpClientOptions client_options(const SftpOptions& options) {
  HttpClientOptions client;
  client.protocols = CURLPROTO_SFTP;
  client.connections_max = options.concurrent_writes ? kConnectionsMax : 1;
  return client;
}

// What the server showed when known_hosts did not have it.
struct SeenHostKey {
  std::string fingerprint;
  bool is_other = false;  // known_hosts has another key of this host
};

int judge_host_key(CURL*, const curl_khkey*, const curl_khkey* found, enum curl_khmatch match,
                   void* context) noexcept {
  if (match == CURLKHMATCH_OK) return CURLKHSTAT_FINE;
  try {
    auto* seen = static_cast<SeenHostKey*>(context);
    seen->is_other = match == CURLKHMATCH_MISMATCH;
    // A length of 0 says that the key is base64.
    const std::string_view text =
        found->len == 0 ? std::string_view(found->key) : std::string_view(found->key, found->len);
    std::vector<uint8_t> bytes(text.begin(), text.end());
    if (found->len == 0) {
      auto decoded = base64_decode(text);
      if (decoded.ok()) bytes = *std::move(decoded);
    }
    seen->fingerprint = base64_encode(sha256(bytes));
    while (seen->fingerprint.ends_with('=')) seen->fingerprint.pop_back();
  } catch (const std::exception&) {
    return CURLKHSTAT_REJECT;
  }
  return CURLKHSTAT_REJECT;
}

// The commands and answers of one attempt that libcurl holds pointers to.
class Attempt {
 public:
  Attempt(const SftpOptions& options, const SftpCall& call) : options_(options), call_(call) {}
  ~Attempt() {
    if (api_ != nullptr) api_->slist_free_all(commands_);
  }
  Attempt(const Attempt&) = delete;
  Attempt& operator=(const Attempt&) = delete;

  Status prepare(const CurlApi& api, void* handle) {
    api_ = &api;
    easy_ = handle;
    long methods = 0;
    if (!options_.key_path.empty()) methods |= CURLSSH_AUTH_PUBLICKEY;
    if (!options_.password.empty()) methods |= CURLSSH_AUTH_PASSWORD | CURLSSH_AUTH_KEYBOARD;
    set(CURLOPT_SSH_AUTH_TYPES, methods);
    set(CURLOPT_USERNAME, options_.user_name.c_str());
    if (!options_.password.empty()) set(CURLOPT_PASSWORD, options_.password.c_str());
    if (!options_.key_path.empty()) {
      set(CURLOPT_SSH_PRIVATE_KEYFILE, options_.key_path.c_str());
      if (!options_.password.empty()) set(CURLOPT_KEYPASSWD, options_.password.c_str());
    }
    set_host_key();
    set_transfer();
    if (!is_set_) return unsupported("sftp: this libcurl cannot do SFTP as we need it");
    return {};
  }
  void inspect(const CurlApi& api, void* handle) {
    curl_off_t size = -1;
    (void)api.easy_getinfo(handle, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &size);
    file_size_bytes_ = static_cast<int64_t>(size);
  }
  const SeenHostKey& seen() const { return seen_; }
  int64_t file_size_bytes() const { return file_size_bytes_; }

 private:
  template <typename Value>
  void set(CURLoption option, Value value) {
    if (api_->easy_setopt(easy_, option, value) != CURLE_OK) is_set_ = false;
  }
  void set_host_key() {
    if (!options_.host_key_sha256.empty()) {
      set(CURLOPT_SSH_HOST_PUBLIC_KEY_SHA256, options_.host_key_sha256.c_str());
      return;
    }
    // A file that is not there knows nobody.
    set(CURLOPT_SSH_KNOWNHOSTS, options_.known_hosts_path.c_str());
    set(CURLOPT_SSH_KEYFUNCTION, &judge_host_key);
    set(CURLOPT_SSH_KEYDATA, static_cast<void*>(&seen_));
  }
  void set_transfer() {
    for (const std::string& command : call_.commands) {
      curl_slist* longer = api_->slist_append(commands_, command.c_str());
      if (longer == nullptr) is_set_ = false;
      if (longer != nullptr) commands_ = longer;
    }
    if (commands_ != nullptr) set(CURLOPT_QUOTE, commands_);
    if (!call_.has_transfer) set(CURLOPT_NOBODY, 1L);
    if (call_.body != nullptr) {
      set(CURLOPT_FTP_CREATE_MISSING_DIRS, static_cast<long>(CURLFTP_CREATE_DIR));
    }
    if (call_.appends) set(CURLOPT_APPEND, 1L);
    if (!call_.range.empty()) set(CURLOPT_RANGE, call_.range.c_str());
  }

  const SftpOptions& options_;
  const SftpCall& call_;
  const CurlApi* api_ = nullptr;
  CURL* easy_ = nullptr;
  bool is_set_ = true;
  curl_slist* commands_ = nullptr;
  SeenHostKey seen_;
  int64_t file_size_bytes_ = -1;
};

// Of an error that libcurl reports for the server's identity.
Status host_key_error(const SftpOptions& options, const SeenHostKey& seen,
                      const Status& by_libcurl) {
  if (!options.host_key_sha256.empty()) {
    const bool is_about_key = by_libcurl.message().find("fingerprint") != std::string::npos;
    if (!is_about_key) return by_libcurl;
    return io_error("sftp: the server " + options.host_and_port +
                    " does not have the host key of 'host-key': nothing was sent to it");
  }
  if (seen.fingerprint.empty()) return by_libcurl;
  const std::string shown = " (SHA256:" + seen.fingerprint + ")";
  if (seen.is_other) {
    return io_error("sftp: the host key of " + options.host_and_port + shown +
                    " is not the one in known_hosts: nothing was sent to it");
  }
  return io_error("sftp: the host key of " + options.host_and_port + shown +
                  " is not known: if it is right, set 'host-key' to it, or add the server to "
                  "~/.ssh/known_hosts");
}

}  // namespace

std::string quote_sftp_path(std::string_view path) {
  std::string out = "\"";
  for (const char c : path) {
    if (c == '"' || c == '\\' || c == '\'') out += '\\';
    out += c;
  }
  return out + "\"";
}

SftpTransfer::SftpTransfer(const SftpOptions& options, const RemoteParts& parts)
    : options_(options), parts_(parts), http_(client_options(options)) {}

Status SftpTransfer::check_stopped() const {
  if (http_.is_interrupted()) return cancelled("interrupted");
  return CallLimits::check();
}

Result<SftpAnswer> SftpTransfer::perform_once(const SftpCall& call) {
  Attempt attempt(options_, call);
  HttpRequest request;
  request.method = call.what;
  request.url = "sftp://" + options_.host_and_port + percent_encode(call.path, Slashes::kKept);
  request.body = call.body;
  request.body_bytes = call.body_bytes;
  request.sink = call.sink;
  request.limits = parts_.limits;
  request.limits.body_bytes_max = call.body_bytes_max;
  request.limits.total_ms += static_cast<int64_t>(call.body_bytes) / kSlowestBytesPerMs;
  request.prepare = [&](const CurlApi& api, void* easy) { return attempt.prepare(api, easy); };
  request.inspect = [&](const CurlApi& api, void* easy) { attempt.inspect(api, easy); };
  auto response = http_.perform(request);
  if (response.ok()) return SftpAnswer{std::move(response->body), attempt.file_size_bytes()};
  const Status status = host_key_error(options_, attempt.seen(), response.status());
  // A command's failure and a missing folder have no code of their own.
  const bool is_missing = status.code() == StatusCode::kIo &&
                          (status.message().find("No such file") != std::string::npos ||
                           status.message().find("File not found") != std::string::npos);
  return is_missing ? not_found(status.message()) : status;
}

// A connection that ends while we log in looks like a wrong password: where it was right before, it
// is asked again.
bool SftpTransfer::is_worth_another(const Status& status) const {
  if (classify_status(status) != Failure::kFinal) return true;
  return has_logged_in_.load() && status.code() == StatusCode::kIo &&
         status.message().find("uthentication") != std::string::npos;
}

Result<SftpAnswer> SftpTransfer::perform(const SftpCall& call) {
  SftpCall draft = call;
  RetryLoop loop(parts_.policy, parts_.world, [this] { return !check_stopped().ok(); });
  while (true) {
    LS_RETURN_IF_ERROR(check_stopped());
    auto answer = perform_once(draft);
    // That a file is not there is told to those who are in.
    const bool is_missing = answer.status().code() == StatusCode::kNotFound;
    if (answer.ok() || is_missing) has_logged_in_.store(true);
    // A connection that ends while folders are made for an upload looks like a missing folder.
    const bool may_be_cut =
        is_missing && draft.body != nullptr && loop.attempt_count() < kMissingFolderRetriesMax;
    if (answer.ok() || !(may_be_cut || is_worth_another(answer.status()))) return answer;
    if (!loop.wait_before_retry(Failure::kTransient, std::nullopt)) {
      LS_RETURN_IF_ERROR(check_stopped());
      return answer;
    }
    if (draft.before_retry) LS_RETURN_IF_ERROR(draft.before_retry(&draft));
  }
}

}  // namespace litestream
