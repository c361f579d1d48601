#include "ext/store/remote_http.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

#include "ext/store/call_limits.h"
#include "ext/store/s3_reader.h"

namespace litestream {
namespace {

// What an answer may teach us before it counts as a failure: time, credentials.
constexpr int kLessonsMax = 2;
// Stores bear a quarter of an hour; less is no reason to refuse a signature.
constexpr int64_t kSkewMsMin = 5 * 60'000;
// Bodies that take long on a slow line get the time; a stall ends them anyway.
constexpr int64_t kSlowestBytesPerMs = 16;

bool parse_size(std::string_view text, uint64_t* value) {
  if (text.empty() || text.size() > 19) return false;
  *value = 0;
  for (const char c : text) {
    if (c < '0' || c > '9') return false;
    *value = *value * 10 + static_cast<uint64_t>(c - '0');
  }
  return true;
}

// Takes the bytes of one range, over as many answers as it needs.
class RangeSink final : public ByteSink {
 public:
  RangeSink(uint64_t begin, MutableBytes out) : begin_(begin), out_(out) {}

  Status begin_answer(uint64_t first, uint64_t file_size) {
    if (first > position()) return corrupt("the server answered with another range");
    skip_bytes_ = position() - first;
    const uint64_t left = file_size > begin_ ? file_size - begin_ : 0;
    out_ = out_.first(static_cast<size_t>(std::min<uint64_t>(out_.size(), left)));
    return {};
  }
  Status append(Bytes bytes) override {
    const auto skipped = static_cast<size_t>(std::min<uint64_t>(skip_bytes_, bytes.size()));
    skip_bytes_ -= skipped;
    bytes = bytes.subspan(skipped);
    // More than was asked for: a server that ignores ranges. The rest is of no interest.
    has_enough_ = bytes.size() > out_.size() - filled_;
    bytes = bytes.first(std::min(bytes.size(), out_.size() - filled_));
    if (!bytes.empty()) std::memcpy(out_.data() + filled_, bytes.data(), bytes.size());
    filled_ += bytes.size();
    return has_enough_ ? cancelled("enough") : Status();
  }
  std::string range() const {
    return "bytes=" + std::to_string(position()) + "-" + std::to_string(begin_ + out_.size() - 1);
  }
  uint64_t position() const { return begin_ + filled_; }
  size_t filled() const { return filled_; }
  bool is_full() const { return filled_ == out_.size(); }
  bool has_enough() const { return has_enough_; }

 private:
  const uint64_t begin_;
  MutableBytes out_;
  size_t filled_ = 0;
  uint64_t skip_bytes_ = 0;
  bool has_enough_ = false;
};

struct FileIdentity {
  std::string etag;
  bool size_is_known = false;
  uint64_t size_bytes = 0;
};

// A server may call a tag weak while the file is a second old, and strong after.
bool is_same_tag(std::string_view a, std::string_view b) {
  for (std::string_view* tag : {&a, &b}) {
    if (tag->starts_with("W/")) tag->remove_prefix(2);
  }
  return a == b;
}

// What the head of a successful answer to a ranged GET says; Corrupt if it is of another file.
Status take_head(const HttpResponse& head, FileIdentity* identity, RangeSink* sink) {
  uint64_t first = 0;
  uint64_t last = 0;
  uint64_t size = 0;
  if (head.status == 206) {
    if (!parse_content_range(head.header("content-range"), &first, &last, &size)) {
      return corrupt("the server told no range");
    }
  } else if (!parse_size(head.header("content-length"), &size)) {
    return corrupt("the server told no length");
  }
  const std::string etag(head.header("etag"));
  const bool is_other =
      !etag.empty() && !identity->etag.empty() && !is_same_tag(etag, identity->etag);
  if (is_other || (identity->size_is_known && identity->size_bytes != size)) {
    return corrupt("the file was replaced while it was read");
  }
  if (!etag.empty()) identity->etag = etag;
  identity->size_is_known = true;
  identity->size_bytes = size;
  return sink->begin_answer(first, size);
}

}  // namespace

std::string format_http_date(int64_t wall_ms) {
  constexpr const char* kDays[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  constexpr const char* kMonths[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                     "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  // "2013-05-24T00:00:00.000Z": the digits are all there but for the day of the week.
  const std::string text = format_rfc3339_ms(wall_ms);
  const int64_t days = wall_ms >= 0 ? wall_ms / 86'400'000 : (wall_ms + 1) / 86'400'000 - 1;
  const auto weekday = static_cast<size_t>(((days + 4) % 7 + 7) % 7);  // 1970 began on a Thursday
  const auto month = static_cast<size_t>((text[5] - '0') * 10 + text[6] - '0');
  return std::string(kDays[weekday]) + ", " + text.substr(8, 2) + " " + kMonths[(month + 11) % 12] +
         " " + text.substr(0, 4) + " " + text.substr(11, 8) + " GMT";
}

std::string_view target_of_url(std::string_view url) {
  const size_t scheme_end = url.find("://");
  if (scheme_end == std::string_view::npos) return url;
  const size_t path = url.find_first_of("/?", scheme_end + 3);
  return path == std::string_view::npos ? std::string_view("/") : url.substr(path);
}

RemoteHttp::RemoteHttp(RemoteHttpParts parts) : parts_(std::move(parts)), http_(parts_.http) {}

Status RemoteHttp::check_stopped() const {
  if (http_.is_interrupted()) return cancelled("interrupted");
  return CallLimits::check();
}

// A signature that carries a time is refused when the clocks differ: the store's counts.
bool RemoteHttp::learn_time(const HttpResponse& response) {
  if (response.status != 403) return false;
  const auto store_ms = parse_http_date_ms(response.header("date"));
  if (!store_ms.has_value()) return false;
  const int64_t skew_ms = *store_ms - parts_.world.clock->wall_ms();
  if (std::abs(skew_ms - skew_ms_.load()) < kSkewMsMin) return false;
  skew_ms_.store(skew_ms);
  return true;
}

Result<HttpResponse> RemoteHttp::send(const std::string& what, const HttpRequest& request) {
  return send(what, request, {});
}

Result<HttpResponse> RemoteHttp::send(const std::string& what, const HttpRequest& request,
                                      const Hooks& hooks) {
  const std::string context = parts_.type + ": " + what;
  HttpRequest draft = request;
  draft.limits.total_ms += static_cast<int64_t>(draft.body_bytes) / kSlowestBytesPerMs;
  RetryLoop loop(parts_.policy, parts_.world, [this] { return !check_stopped().ok(); });
  int lesson_count = 0;
  while (true) {
    LS_RETURN_IF_ERROR(check_stopped());
    HttpRequest signed_request = draft;
    const int64_t wall_ms = parts_.world.clock->wall_ms() + skew_ms_.load();
    LS_RETURN_IF_ERROR(parts_.sign(&signed_request, wall_ms).with_context(context));
    auto response = http_.perform(signed_request);
    Failure failure = Failure::kFinal;
    std::optional<int64_t> retry_after_ms;
    if (response.ok()) {
      const bool has_learned = lesson_count < kLessonsMax &&
                               (learn_time(*response) || (parts_.learn && parts_.learn(*response)));
      if (has_learned) {
        ++lesson_count;
        continue;
      }
      if (!response->ok()) failure = classify_http(response->status, parts_.code_of(*response));
      retry_after_ms = parse_retry_after_ms(response->header("retry-after"), wall_ms);
    } else {
      failure = classify_status(response.status());
    }
    if (failure == Failure::kFinal) {
      if (!response.ok()) return response.status().with_context(context);
      return response;
    }
    if (hooks.before_retry && hooks.before_retry(&draft)) loop.made_progress();
    if (loop.wait_before_retry(failure, retry_after_ms)) continue;
    LS_RETURN_IF_ERROR(check_stopped());
    if (!response.ok()) return response.status().with_context(context);
    return error_of(what, *response);
  }
}

Result<HttpResponse> RemoteHttp::expect_success(const std::string& what,
                                                const HttpRequest& request) {
  LS_ASSIGN_OR_RETURN(HttpResponse response, send(what, request));
  if (!response.ok()) return error_of(what, response);
  return response;
}

Status RemoteHttp::error_of(const std::string& what, const HttpResponse& response) const {
  const std::string code = parts_.code_of(response);
  const std::string text = parts_.type + ": " + what + ": " + (code.empty() ? "" : code + " ") +
                           "(HTTP " + std::to_string(response.status) + ")";
  if (classify_http(response.status, code) != Failure::kFinal) return unavailable(text);
  switch (response.status) {
    case 301:
    case 302:
    case 307:
    case 308: return io_error(text + "; the server is elsewhere: correct the URL");
    case 401:
    case 403: return io_error(text + "; check the credentials and what they may do");
    case 404: return not_found(text);
    case 412: return position_mismatch(text);
    case 405:
    case 501: return unsupported(text);
    case 507: return io_error(text + "; the server has no space left");
    default: return io_error(text);
  }
}

Result<RemoteRange> RemoteHttp::read(const std::string& what, const HttpRequest& request,
                                     const std::string& range_header, uint64_t offset_bytes,
                                     MutableBytes out, std::string* version) {
  if (out.empty()) return invalid_argument("a read of no bytes");
  RangeSink sink(offset_bytes, out);
  FileIdentity identity;
  identity.etag = *version;
  const auto name_range = [&](HttpRequest* draft) {
    draft->headers = request.headers;
    draft->headers.push_back({range_header, sink.range()});
    // A weak tag never matches; then the sizes must do.
    const bool is_strong = !identity.etag.empty() && !identity.etag.starts_with("W/");
    if (is_strong) draft->headers.push_back({"If-Match", identity.etag});
  };
  HttpRequest draft = request;
  name_range(&draft);
  draft.sink = &sink;
  draft.on_head = [&](const HttpResponse& head) {
    return head.ok() ? take_head(head, &identity, &sink) : Status();
  };
  Hooks hooks;
  size_t filled_before = 0;
  hooks.before_retry = [&](HttpRequest* next) {
    name_range(next);
    return sink.filled() > std::exchange(filled_before, sink.filled());
  };
  auto response = send(what, draft, hooks);
  *version = identity.etag;
  const RemoteRange range = {sink.filled(), identity.size_bytes};
  if (sink.has_enough()) return range;
  if (!response.ok()) return response.status();
  if (response->ok()) {
    if (sink.is_full()) return range;
    return unavailable(parts_.type + ": " + what + ": the answer is too short");
  }
  if (response->status == 412) {
    return corrupt(parts_.type + ": " + what + ": the file was replaced while it was read");
  }
  if (response->status != 416) return error_of(what, *response);
  // Nothing behind the end; how large is the file?
  uint64_t first = 0;
  uint64_t last = 0;
  uint64_t size = 0;
  if (parse_content_range(response->header("content-range"), &first, &last, &size)) {
    return RemoteRange{0, size};
  }
  // A server that does not say: an empty file is the only one without a first byte.
  if (offset_bytes == 0) return RemoteRange{0, 0};
  if (identity.size_is_known) return RemoteRange{0, identity.size_bytes};
  return corrupt(parts_.type + ": " + what + ": the server does not say how long the file is");
}

}  // namespace litestream
