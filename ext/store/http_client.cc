#include "ext/store/http_client.h"

#include <pthread.h>
#include <signal.h>
#include <stdlib.h>

#include <algorithm>
#include <array>
#include <chrono>
#include <ctime>

#include "ext/store/call_limits.h"
#include "ext/store/http_transfer.h"

namespace litestream {
namespace {

// How often a running transfer looks whether it was interrupted.
constexpr int kPollMs = 50;
// Kept when a burst is over; each holds up to three descriptors.
constexpr size_t kIdleSlotsMax = 4;

// While libcurl runs on this thread no handler of the host does, threads that it starts inherit the
// mask, and a SIGPIPE of its TLS library (which knows no MSG_NOSIGNAL) is taken away again.
class SignalBlock {
 public:
  SignalBlock() {
    sigset_t blocked;
    sigfillset(&blocked);
    for (const int fault : {SIGSEGV, SIGBUS, SIGFPE, SIGILL, SIGTRAP}) sigdelset(&blocked, fault);
    pthread_sigmask(SIG_BLOCK, &blocked, &before_);
    sigset_t pending;
    sigpending(&pending);
    drains_ = sigismember(&before_, SIGPIPE) == 0 && sigismember(&pending, SIGPIPE) == 0;
  }
  ~SignalBlock() {
    if (drains_) {
      sigset_t pipe;
      sigemptyset(&pipe);
      sigaddset(&pipe, SIGPIPE);
      const timespec at_once{};
      (void)sigtimedwait(&pipe, nullptr, &at_once);
    }
    pthread_sigmask(SIG_SETMASK, &before_, nullptr);
  }
  SignalBlock(const SignalBlock&) = delete;
  SignalBlock& operator=(const SignalBlock&) = delete;

 private:
  sigset_t before_;
  bool drains_ = false;
};

// The result of the one transfer that has ended on `multi`.
CURLcode ended_with(const CurlApi& api, CURLM* multi) {
  int left = 0;
  while (const CURLMsg* message = api.multi_info_read(multi, &left)) {
    if (message->msg == CURLMSG_DONE) return message->data.result;
  }
  return CURLE_GOT_NOTHING;
}

}  // namespace

std::string ca_file_from_environment(const std::vector<std::string>& names) {
  std::vector<std::string> all = names;
  all.insert(all.end(), {"CURL_CA_BUNDLE", "SSL_CERT_FILE"});
  for (const std::string& name : all) {
    const char* value = ::secure_getenv(name.c_str());
    if (value != nullptr && *value != '\0') return value;
  }
  return "";
}

// One handle and the connections that it keeps.
struct HttpClient::Slot {
  const CurlApi& api;
  CURLM* multi;
  CURL* easy;
  ~Slot() {
    const SignalBlock block;  // closing a TLS connection writes to it
    if (easy != nullptr) api.easy_cleanup(easy);
    if (multi != nullptr) api.multi_cleanup(multi);
  }
};

HttpClient::HttpClient(HttpClientOptions options) : options_(std::move(options)) {}

HttpClient::~HttpClient() = default;

Status HttpClient::check_stopped() const {
  if (interrupted_.load()) return cancelled("interrupted");
  return CallLimits::check();
}

Result<std::unique_ptr<HttpClient::Slot>> HttpClient::make_slot(const CurlApi& api) {
  auto slot = std::unique_ptr<Slot>(new Slot{api, api.multi_init(), api.easy_init()});
  if (slot->multi == nullptr || slot->easy == nullptr) return io_error("libcurl: out of memory");
  // One connection, and one that is being replaced.
  (void)api.multi_setopt(slot->multi, CURLMOPT_MAXCONNECTS, 2L);
  return slot;
}

Result<std::unique_ptr<HttpClient::Slot>> HttpClient::acquire(const CurlApi& api) {
  std::unique_lock lock(mutex_);
  while (in_use_count_ >= options_.connections_max) {
    lock.unlock();
    LS_RETURN_IF_ERROR(check_stopped());
    lock.lock();
    free_.wait_for(lock, std::chrono::milliseconds(kPollMs),
                   [&] { return in_use_count_ < options_.connections_max; });
  }
  ++in_use_count_;
  if (!idle_.empty()) {
    auto slot = std::move(idle_.back());
    idle_.pop_back();
    return slot;
  }
  lock.unlock();
  auto slot = make_slot(api);
  if (!slot.ok()) release(nullptr);
  return slot;
}

void HttpClient::release(std::unique_ptr<Slot> slot) {
  {
    const std::lock_guard lock(mutex_);
    --in_use_count_;
    if (slot != nullptr && idle_.size() < kIdleSlotsMax) idle_.push_back(std::move(slot));
  }
  free_.notify_one();
}

Result<HttpResponse> HttpClient::perform(const HttpRequest& request) {
  LS_RETURN_IF_ERROR(check_stopped());
  LS_ASSIGN_OR_RETURN(const CurlApi* api, load_curl());
  LS_ASSIGN_OR_RETURN(std::unique_ptr<Slot> slot, acquire(*api));
  api->easy_reset(slot->easy);
  Result<HttpResponse> result = internal_error("no transfer");
  {
    HttpTransfer transfer(*api, slot->easy, request, options_);
    Status stopped = transfer.prepare();
    CURLMcode code = CURLM_OK;
    if (stopped.ok()) code = api->multi_add_handle(slot->multi, slot->easy);
    int running_count = 1;
    while (stopped.ok() && code == CURLM_OK) {
      {
        const SignalBlock block;
        code = api->multi_perform(slot->multi, &running_count);
      }
      if (code != CURLM_OK || running_count == 0) break;
      stopped = check_stopped();
      if (stopped.ok()) stopped = transfer.check_limits();
      if (stopped.ok()) code = api->multi_poll(slot->multi, nullptr, 0, kPollMs, nullptr);
    }
    const CURLcode ended = running_count == 0 ? ended_with(*api, slot->multi) : CURLE_OK;
    {
      const SignalBlock block;
      (void)api->multi_remove_handle(slot->multi, slot->easy);
    }
    if (!stopped.ok()) {
      result = stopped;
    } else if (code != CURLM_OK) {
      result = io_error("libcurl: " + std::string(api->multi_strerror(code)));
    } else {
      result = transfer.finish(ended);
    }
    api->easy_reset(slot->easy);  // it must not point to what is about to go
  }
  release(std::move(slot));
  return result;
}

}  // namespace litestream
