#include "ext/store/retry.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <chrono>
#include <limits>

namespace litestream {
namespace {

// Codes that S3 and its kin use, whatever HTTP status they come with.
constexpr std::array<std::string_view, 8> kThrottleCodes = {
    "SlowDown",         "Throttling",      "ThrottlingException",  "ThrottledException",
    "RequestThrottled", "TooManyRequests", "RequestLimitExceeded", "BandwidthLimitExceeded"};
constexpr std::array<std::string_view, 9> kTransientCodes = {
    "RequestTimeout",     "RequestTimeoutException", "InternalError",
    "ServiceUnavailable", "OperationAborted",        "ConditionalRequestConflict",
    "IncompleteBody",     "PriorRequestNotComplete", "Busy"};

template <size_t N>
bool contains(const std::array<std::string_view, N>& codes, std::string_view code) {
  return std::find(codes.begin(), codes.end(), code) != codes.end();
}

uint64_t next_random(uint64_t* state) {
  uint64_t z = (*state += 0x9E3779B97F4A7C15);
  z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
  z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
  return z ^ (z >> 31);
}

std::optional<int> parse_int(std::string_view text) {
  int value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return {};
  return value;
}

}  // namespace

Failure classify_http(int http_status, std::string_view code) {
  if (contains(kThrottleCodes, code) || http_status == 429 || http_status == 503) {
    return Failure::kThrottled;
  }
  if (contains(kTransientCodes, code)) return Failure::kTransient;
  switch (http_status) {
    case 408:  // request timeout
    case 425:  // too early
    case 500:
    case 502:
    case 504:
    case 507:  // of gateways that are out of space for the moment
    case 509:
    case 520:  // Cloudflare's own: origin errors and time-outs
    case 521:
    case 522:
    case 523:
    case 524:
    case 529: return Failure::kTransient;
    default: return Failure::kFinal;
  }
}

Failure classify_status(const Status& status) {
  return status.code() == StatusCode::kUnavailable ? Failure::kTransient : Failure::kFinal;
}

std::optional<int64_t> parse_http_date_ms(std::string_view value) {
  // The fixed form of RFC 9110; obsolete forms are no longer sent by anyone.
  constexpr std::string_view kMonths = "JanFebMarAprMayJunJulAugSepOctNovDec";
  if (value.size() != 29 || value.substr(25) != " GMT" || value[4] != ' ' || value[7] != ' ' ||
      value[11] != ' ' || value[16] != ' ' || value[19] != ':' || value[22] != ':') {
    return {};
  }
  const size_t month_at = kMonths.find(value.substr(8, 3));
  const auto day = parse_int(value.substr(5, 2));
  const auto year = parse_int(value.substr(12, 4));
  const auto hour = parse_int(value.substr(17, 2));
  const auto minute = parse_int(value.substr(20, 2));
  const auto second = parse_int(value.substr(23, 2));
  if (month_at == std::string_view::npos || month_at % 3 != 0) return {};
  if (!day || !year || !hour || !minute || !second) return {};
  const std::chrono::year_month_day date{
      std::chrono::year{*year}, std::chrono::month{static_cast<unsigned>(month_at / 3 + 1)},
      std::chrono::day{static_cast<unsigned>(*day)}};
  if (!date.ok() || *hour > 23 || *minute > 59 || *second > 60 || *hour < 0 || *minute < 0 ||
      *second < 0) {
    return {};
  }
  const auto time = std::chrono::sys_days{date} + std::chrono::hours{*hour} +
                    std::chrono::minutes{*minute} + std::chrono::seconds{*second};
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count();
}

std::optional<int64_t> parse_retry_after_ms(std::string_view value, int64_t wall_ms) {
  if (const auto seconds = parse_int(value); seconds.has_value()) {
    if (*seconds < 0) return {};
    return int64_t{*seconds} * 1000;
  }
  const auto date_ms = parse_http_date_ms(value);
  if (!date_ms.has_value()) return {};
  return std::max<int64_t>(0, *date_ms - wall_ms);
}

RetryLoop::RetryLoop(const RetryPolicy& policy, const RetryWorld& world, std::function<bool()> stop)
    : policy_(policy),
      world_(world),
      stop_(std::move(stop)),
      random_state_(world.jitter_seed != 0 ? world.jitter_seed
                                           : static_cast<uint64_t>(world.clock->wall_ms()) ^
                                                 reinterpret_cast<uintptr_t>(this)),
      begun_ms_(world.clock->monotonic_ms()) {}

void RetryLoop::made_progress() {
  attempt_count_ = 0;
  begun_ms_ = world_.clock->monotonic_ms();
}

int64_t RetryLoop::next_delay_ms(Failure failure, std::optional<int64_t> retry_after_ms) {
  // A store that throttles has already seen too much of us: begin two doublings further.
  const int doublings = attempt_count_ - 1 + (failure == Failure::kThrottled ? 2 : 0);
  int64_t delay_ms = policy_.first_delay_ms;
  for (int i = 0; i < doublings && delay_ms < policy_.delay_ms_max; ++i) delay_ms *= 2;
  delay_ms = std::max<int64_t>(1, std::min(delay_ms, policy_.delay_ms_max));
  // Half of it fixed, half of it drawn.
  const int64_t half_ms = delay_ms / 2;
  delay_ms = half_ms + static_cast<int64_t>(next_random(&random_state_) %
                                            static_cast<uint64_t>(delay_ms - half_ms + 1));
  if (!retry_after_ms.has_value()) return delay_ms;
  return std::max(delay_ms, std::min(*retry_after_ms, policy_.retry_after_ms_max));
}

bool RetryLoop::wait_before_retry(Failure failure, std::optional<int64_t> retry_after_ms) {
  ++attempt_count_;
  if (failure == Failure::kFinal || attempt_count_ >= policy_.attempts_max) return false;
  const int64_t delay_ms = next_delay_ms(failure, retry_after_ms);
  const int64_t now_ms = world_.clock->monotonic_ms();
  if (now_ms - begun_ms_ + delay_ms > policy_.total_ms) return false;
  if (stop_ && stop_()) return false;
  world_.sleeper->sleep_ms(delay_ms, stop_);
  return !(stop_ && stop_());
}

}  // namespace litestream
