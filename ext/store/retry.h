// When and how often a failed request is tried again.
//
// Delays grow by doubling up to a cap, with jitter so that many clients do not come back together;
// a store's Retry-After is honoured up to a bound. The number of attempts and the time in which new
// ones begin are limited; both start over when an attempt made progress.
// Threading: pure functions; a RetryLoop belongs to one thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>

#include "ext/base/clock.h"
#include "ext/base/status.h"

namespace litestream {

struct RetryPolicy {
  int attempts_max = 8;
  int64_t first_delay_ms = 200;
  int64_t delay_ms_max = 10'000;
  int64_t retry_after_ms_max = 60'000;  // a longer Retry-After is cut to this
  int64_t total_ms = 60'000;            // after this no new attempt begins
};

// What requests live in; tests bring their own.
struct RetryWorld {
  const Clock* clock = &system_clock();
  Sleeper* sleeper = &system_sleeper();
  uint64_t jitter_seed = 0;  // 0: from the clock
};

enum class Failure {
  kFinal,      // the same request will fail again
  kTransient,  // network, server errors: try again soon
  kThrottled,  // the store asks for less: try again later, starting with a longer delay
};

// Of an HTTP status and the store's own error code ("SlowDown"; may be empty). For 2xx and 3xx:
// kFinal.
Failure classify_http(int http_status, std::string_view code);
// Of a request that got no answer.
Failure classify_status(const Status& status);

// The value of a Retry-After header, seconds or an HTTP date, as milliseconds from `wall_ms`; not
// negative. Nothing if it is malformed.
std::optional<int64_t> parse_retry_after_ms(std::string_view value, int64_t wall_ms);

// "Fri, 24 May 2013 00:00:00 GMT" as milliseconds since the Unix epoch.
std::optional<int64_t> parse_http_date_ms(std::string_view value);

class RetryLoop {
 public:
  // `stop` (may be empty) ends a wait early; `world`'s parts must outlive this.
  RetryLoop(const RetryPolicy& policy, const RetryWorld& world, std::function<bool()> stop);

  // After a failed attempt: waits and returns true if there should be another, at once false if
  // not (final, limits reached, stopped, or the wait would pass the time limit).
  bool wait_before_retry(Failure failure, std::optional<int64_t> retry_after_ms);
  // The last attempt moved bytes that need not be moved again: counting starts over.
  void made_progress();

  int attempt_count() const { return attempt_count_; }  // failed ones since progress was made

 private:
  int64_t next_delay_ms(Failure failure, std::optional<int64_t> retry_after_ms);

  const RetryPolicy policy_;
  const RetryWorld world_;
  const std::function<bool()> stop_;
  uint64_t random_state_;
  int64_t begun_ms_;
  int attempt_count_ = 0;
};

}  // namespace litestream
