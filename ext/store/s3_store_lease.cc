// What an S3 store promises about conditional writes, and the lease that is built on them.
#include <algorithm>
#include <charconv>

#include "ext/base/clock.h"
#include "ext/base/json.h"
#include "ext/store/s3_store.h"

namespace litestream {
namespace {

constexpr std::string_view kLeaseName = "lock.json";
constexpr std::string_view kProbeName = ".litestream-probe-";
constexpr size_t kLeaseBytesMax = 4096;
// Uploads older than this were left behind by a process that is gone.
constexpr int64_t kUploadAgeMsMax = 24LL * 3600 * 1000;

bool is_refused(const S3Answer& answer) {
  return answer.http.status == 501 || answer.error.code == "NotImplemented";
}

// Names of probes need not be secret, only different: two hosts may probe at once.
std::string probe_suffix(const Clock& clock, const void* self) {
  const std::string seed = std::to_string(clock.wall_ms()) + "/" +
                           std::to_string(clock.monotonic_ms()) + "/" +
                           std::to_string(reinterpret_cast<uintptr_t>(self));
  return hex_encode(sha256(as_bytes(seed))).substr(0, 16);
}

std::string format_lease(const Lease& lease) {
  return "{\"generation\":" + std::to_string(lease.generation) +
         ",\"expires_at\":" + json_quote(format_rfc3339_ms(lease.expires_at_ms)) +
         ",\"owner\":" + json_quote(lease.owner) + "}";
}

Result<Lease> parse_lease(std::string_view text) {
  const Status bad =
      corrupt(std::string(kLeaseName) + " is no lease; if no writer runs anywhere, remove it");
  const auto fields = parse_flat_json_object(text);
  if (!fields.ok()) return bad;
  const auto text_of = [&](const char* name) {
    const auto found = fields->find(name);
    return found == fields->end() ? std::string() : found->second.text;
  };
  Lease lease;
  lease.owner = text_of("owner");
  const std::string generation = text_of("generation");
  const char* end = generation.data() + generation.size();
  const auto [stop, error] = std::from_chars(generation.data(), end, lease.generation);
  const auto expires = parse_rfc3339_ms(text_of("expires_at"));
  if (error != std::errc() || stop != end || !expires.ok()) return bad;
  lease.expires_at_ms = *expires;
  return lease;
}

}  // namespace

Result<S3Answer> S3Store::put_small(const std::string& key, std::string_view body,
                                    HttpHeaders headers) {
  S3Call call;
  call.what = "write";
  call.method = "PUT";
  call.key = key;
  call.headers = std::move(headers);
  call.body = as_bytes(body);
  call.has_body = true;
  call.is_data = true;
  call.is_encrypted = true;
  LS_ASSIGN_OR_RETURN(S3Answer answer, client_.send(call));
  const bool is_condition = answer.http.status == 412 || answer.http.status == 404 ||
                            answer.http.status == 409 || is_refused(answer);
  if (answer.ok() || (is_condition && answer.error.code != "NoSuchBucket")) return answer;
  return client_.error_of(call, answer);
}

// First a name that is free, then one that is taken; then a tag that is wrong, and one that is
// right. What a store does with the third and fourth request tells whether it looks at all.
Status S3Store::run_probe(const std::string& key, Probe* probe) {
  const HttpHeader only_new = {"If-None-Match", "*"};
  LS_ASSIGN_OR_RETURN(S3Answer answer, put_small(key, "a", {only_new}));
  if (is_refused(answer)) {
    LS_ASSIGN_OR_RETURN(answer, put_small(key, "a", {}));
  } else {
    LS_ASSIGN_OR_RETURN(const S3Answer second, put_small(key, "b", {only_new}));
    probe->create_only = !second.ok() && !is_refused(second);
    if (second.ok()) answer = second;
  }
  const std::string etag(answer.http.header("etag"));
  if (etag.empty() || !answer.ok()) return {};
  const HttpHeader wrong = {"If-Match", "\"00000000000000000000000000000000\""};
  LS_ASSIGN_OR_RETURN(const S3Answer with_wrong, put_small(key, "c", {wrong}));
  if (with_wrong.http.status != 412) return {};
  LS_ASSIGN_OR_RETURN(const S3Answer with_right, put_small(key, "d", {{"If-Match", etag}}));
  probe->conditional_put = with_right.ok();
  return {};
}

Result<S3Store::Probe> S3Store::probe() {
  if (!conditions_.is_probed.load()) {
    const std::string key =
        below_root(std::string(kProbeName) + probe_suffix(*client_.world().clock, this));
    Probe found;
    const Status probed = run_probe(key, &found);
    S3Call call;
    call.what = "delete";
    call.method = "DELETE";
    call.key = key;
    (void)client_.send(call).ok();  // who may write but not delete keeps a byte there
    LS_RETURN_IF_ERROR(probed);
    conditions_.create_only.store(found.create_only);
    conditions_.if_match.store(found.conditional_put);
    conditions_.is_probed.store(true);
  }
  return Probe{conditions_.create_only.load(), conditions_.if_match.load()};
}

Status S3Store::check_writable() {
  const auto probed = probe();
  if (!probed.ok()) {
    return probed.status().with_context("the replica " + url() + " cannot be written");
  }
  abort_old_uploads();
  return {};
}

std::string S3Store::warning() const {
  if (!conditions_.is_probed.load()) return {};
  std::string text;
  if (!conditions_.create_only.load()) {
    text = "the store ignores If-None-Match: two writers at once could overwrite each other";
  }
  if (!conditions_.if_match.load()) {
    text += std::string(text.empty() ? "" : "; ") +
            "the store ignores If-Match: there is no lease against a second writer";
  }
  return text;
}

// Best effort: what is left costs space and nothing else.
void S3Store::abort_old_uploads() {
  S3Call call;
  call.what = "list uploads of";
  call.query = {{"prefix", below_root("")}, {"uploads", ""}};
  const auto answer = client_.expect_success(call);
  if (!answer.ok()) return;
  const auto uploads = parse_uploads(answer->http.body);
  if (!uploads.ok()) return;
  const int64_t old_ms = client_.world().clock->wall_ms() - kUploadAgeMsMax;
  for (const S3PendingUpload& upload : *uploads) {
    if (upload.initiated_ms > old_ms || !upload.key.ends_with(".ltx")) continue;
    S3Call abort;
    abort.what = "abort the upload of";
    abort.method = "DELETE";
    abort.key = upload.key;
    abort.query = {{"uploadId", upload.upload_id}};
    if (!client_.send(abort).ok()) return;
  }
}

Status S3Store::require_lease_support() {
  LS_ASSIGN_OR_RETURN(const Probe probed, probe());
  if (probed.create_only && probed.conditional_put) return {};
  return unsupported("the store does not honour conditional writes, which a lease needs");
}

// Some stores order writes of one name by the second.
void S3Store::wait_for_lease_gap() {
  const int64_t gap_ms = client_.options().provider->same_key_gap_ms;
  if (gap_ms == 0) return;
  int64_t wait_ms = 0;
  {
    const std::lock_guard lock(mutex_);
    const int64_t now_ms = client_.world().clock->monotonic_ms();
    if (lease_written_ms_ != 0) wait_ms = lease_written_ms_ + gap_ms - now_ms;
  }
  if (wait_ms <= 0) return;
  client_.world().sleeper->sleep_ms(wait_ms, [this] { return !client_.check_stopped().ok(); });
}

Result<std::optional<Lease>> S3Store::read_lease() {
  LS_RETURN_IF_ERROR(require_lease_support());
  S3Call call;
  call.what = "read";
  call.key = below_root(kLeaseName);
  call.is_encrypted = true;
  call.body_bytes_max = kLeaseBytesMax;
  LS_ASSIGN_OR_RETURN(const S3Answer answer, client_.send(call));
  if (answer.http.status == 404 && answer.error.code != "NoSuchBucket") {
    return std::optional<Lease>();
  }
  if (!answer.ok()) return client_.error_of(call, answer);
  LS_ASSIGN_OR_RETURN(Lease lease, parse_lease(answer.http.body));
  lease.etag = answer.http.header("etag");
  if (lease.etag.empty()) return unsupported("the store tells no ETag, which a lease needs");
  return std::optional(std::move(lease));
}

Result<Lease> S3Store::write_lease(const Lease& next, const std::string& expected_etag) {
  LS_RETURN_IF_ERROR(require_lease_support());
  wait_for_lease_gap();
  const HttpHeader condition = expected_etag.empty() ? HttpHeader{"If-None-Match", "*"}
                                                     : HttpHeader{"If-Match", expected_etag};
  LS_ASSIGN_OR_RETURN(const S3Answer answer,
                      put_small(below_root(kLeaseName), format_lease(next),
                                {condition, {"Content-Type", "application/json"}}));
  {
    const std::lock_guard lock(mutex_);
    lease_written_ms_ = client_.world().clock->monotonic_ms();
  }
  Lease written = next;
  if (answer.ok()) {
    written.etag = answer.http.header("etag");
    if (written.etag.empty()) return unsupported("the store tells no ETag, which a lease needs");
    return written;
  }
  // Perhaps it was us: an attempt whose reply was lost has changed the tag.
  LS_ASSIGN_OR_RETURN(const auto current, read_lease());
  const bool is_ours = current.has_value() && current->generation == next.generation &&
                       current->owner == next.owner &&
                       current->expires_at_ms == next.expires_at_ms &&
                       current->etag != expected_etag;
  if (is_ours) return *current;
  return position_mismatch(url() + ": another writer has taken the lease");
}

}  // namespace litestream
