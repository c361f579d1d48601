// When failed requests are tried again, in time that does not pass.
#include "ext/store/retry.h"

#include <catch2/catch.hpp>
#include <thread>
#include <vector>

#include "ext/store/call_limits.h"
#include "tests/support/virtual_time.h"

namespace litestream {
namespace {

RetryWorld world_of(test::VirtualTime& time, uint64_t seed = 7) { return {&time, &time, seed}; }

TEST_CASE("retry: statuses and codes are classified") {
  for (const int status : {408, 425, 500, 502, 504, 522}) {
    CHECK(classify_http(status, "") == Failure::kTransient);
  }
  for (const int status : {429, 503}) CHECK(classify_http(status, "") == Failure::kThrottled);
  for (const int status : {200, 206, 301, 304, 400, 401, 403, 404, 405, 409, 411, 412, 416, 501}) {
    CHECK(classify_http(status, "") == Failure::kFinal);
  }
  CHECK(classify_http(400, "RequestTimeout") == Failure::kTransient);
  CHECK(classify_http(409, "OperationAborted") == Failure::kTransient);
  CHECK(classify_http(409, "ConditionalRequestConflict") == Failure::kTransient);
  CHECK(classify_http(200, "InternalError") == Failure::kTransient);
  CHECK(classify_http(200, "SlowDown") == Failure::kThrottled);
  CHECK(classify_http(400, "RequestLimitExceeded") == Failure::kThrottled);
  CHECK(classify_http(403, "AccessDenied") == Failure::kFinal);
  CHECK(classify_status(unavailable("x")) == Failure::kTransient);
  CHECK(classify_status(cancelled("x")) == Failure::kFinal);
  CHECK(classify_status(io_error("x")) == Failure::kFinal);
}

TEST_CASE("retry: Retry-After in both forms") {
  constexpr int64_t kNow = 1369353600000;  // Fri, 24 May 2013 00:00:00 GMT
  CHECK(parse_retry_after_ms("0", kNow) == 0);
  CHECK(parse_retry_after_ms("120", kNow) == 120'000);
  CHECK(parse_retry_after_ms("Fri, 24 May 2013 00:00:30 GMT", kNow) == 30'000);
  CHECK(parse_retry_after_ms("Thu, 23 May 2013 00:00:30 GMT", kNow) == 0);
  for (const char* bad : {"", "soon", "-1", "1.5", "99999999999999", "Fri, 24 May 2013 00:00:30",
                          "Fri, 24 Mey 2013 "
                          "00:00:30 GMT",
                          "Fri, 31 Feb 2013 00:00:30 GMT", "Fri, 24 May 2013 24:00:30 GMT"}) {
    CAPTURE(bad);
    CHECK_FALSE(parse_retry_after_ms(bad, kNow).has_value());
  }
  CHECK(parse_http_date_ms("Sat, 03 Jan 2026 04:05:06 GMT") == 1767413106000);
}

TEST_CASE("retry: delays double up to the cap, with jitter between half and whole") {
  for (uint64_t seed = 1; seed <= 50; ++seed) {
    CAPTURE(seed);
    test::VirtualTime time;
    RetryPolicy policy{.attempts_max = 10, .first_delay_ms = 100, .delay_ms_max = 1000};
    RetryLoop loop(policy, world_of(time, seed), {});
    for (const int64_t whole_ms : {100, 200, 400, 800, 1000, 1000, 1000, 1000, 1000}) {
      const int64_t before = time.passed_ms();
      REQUIRE(loop.wait_before_retry(Failure::kTransient, {}));
      const int64_t waited = time.passed_ms() - before;
      REQUIRE(waited >= whole_ms / 2);
      REQUIRE(waited <= whole_ms);
    }
    REQUIRE_FALSE(loop.wait_before_retry(Failure::kTransient, {}));
    REQUIRE(loop.attempt_count() == 10);
  }
}

TEST_CASE("retry: clients do not come back together") {
  std::vector<int64_t> delays;
  for (uint64_t seed = 1; seed <= 20; ++seed) {
    test::VirtualTime time;
    RetryLoop loop({.first_delay_ms = 10'000, .delay_ms_max = 10'000}, world_of(time, seed), {});
    REQUIRE(loop.wait_before_retry(Failure::kTransient, {}));
    delays.push_back(time.passed_ms());
  }
  std::sort(delays.begin(), delays.end());
  CHECK(delays.back() - delays.front() > 2000);
}

TEST_CASE("retry: what is final is not tried again") {
  test::VirtualTime time;
  RetryLoop loop({}, world_of(time), {});
  CHECK_FALSE(loop.wait_before_retry(Failure::kFinal, {}));
  CHECK(time.sleep_count() == 0);
}

TEST_CASE("retry: Retry-After is honoured, and bounded") {
  test::VirtualTime time;
  RetryPolicy policy;
  policy.total_ms = 1'000'000;
  RetryLoop loop(policy, world_of(time), {});
  REQUIRE(loop.wait_before_retry(Failure::kThrottled, 30'000));
  CHECK(time.passed_ms() == 30'000);
  REQUIRE(loop.wait_before_retry(Failure::kThrottled, 3'600'000));
  CHECK(time.passed_ms() == 30'000 + policy.retry_after_ms_max);
  // A store that says 0 does not make us hammer it.
  REQUIRE(loop.wait_before_retry(Failure::kThrottled, 0));
  CHECK(time.passed_ms() > 30'000 + policy.retry_after_ms_max);
}

TEST_CASE("retry: no attempt begins after the total time") {
  test::VirtualTime time;
  RetryPolicy policy{.attempts_max = 1'000'000, .delay_ms_max = 5000, .total_ms = 60'000};
  RetryLoop loop(policy, world_of(time), {});
  while (loop.wait_before_retry(Failure::kThrottled, {})) time.advance_ms(100);
  CHECK(time.passed_ms() <= 60'000);
  CHECK(time.passed_ms() > 50'000);
  CHECK(loop.attempt_count() < 40);
}

TEST_CASE("retry: progress starts the count again") {
  test::VirtualTime time;
  RetryLoop loop({.attempts_max = 3, .total_ms = 10'000}, world_of(time), {});
  for (int i = 0; i < 100; ++i) {
    REQUIRE(loop.wait_before_retry(Failure::kTransient, {}));
    loop.made_progress();
  }
  REQUIRE(loop.wait_before_retry(Failure::kTransient, {}));
  REQUIRE(loop.wait_before_retry(Failure::kTransient, {}));
  REQUIRE_FALSE(loop.wait_before_retry(Failure::kTransient, {}));
}

TEST_CASE("retry: a stop ends it before and after the wait") {
  test::VirtualTime time;
  bool stopped = true;
  RetryLoop before({}, world_of(time), [&] { return stopped; });
  CHECK_FALSE(before.wait_before_retry(Failure::kTransient, {}));
  CHECK(time.sleep_count() == 0);
  stopped = false;
  RetryLoop after({}, world_of(time), [&] { return stopped; });
  time.set_on_sleep([&](int64_t) { stopped = true; });
  CHECK_FALSE(after.wait_before_retry(Failure::kTransient, {}));
}

TEST_CASE("call limits: nested, on their thread only, and handed on") {
  CHECK(CallLimits::check().ok());
  const int64_t now_ms = system_clock().monotonic_ms();
  bool stopped = false;
  {
    const CallLimits outer(now_ms + 1'000'000, [&] { return stopped; });
    {
      const CallLimits inner(now_ms - 1, {});
      CHECK(CallLimits::check().code() == StatusCode::kUnavailable);
      std::thread([&] { CHECK(CallLimits::check().ok()); }).join();
      stopped = true;
      CHECK(CallLimits::check().code() == StatusCode::kCancelled);
    }
    CHECK(CallLimits::check().code() == StatusCode::kCancelled);
    const CallLimits* mine = CallLimits::current();
    std::thread([&] {
      const CallLimits handed(mine);
      CHECK(CallLimits::check().code() == StatusCode::kCancelled);
      CHECK(CallLimits::deadline_ms() == now_ms + 1'000'000);
    }).join();
    stopped = false;
    CHECK(CallLimits::check().ok());
  }
  CHECK(CallLimits::current() == nullptr);
  CHECK(CallLimits::deadline_ms() == CallLimits::kNoDeadline);
}

}  // namespace
}  // namespace litestream
