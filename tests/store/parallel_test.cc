#include "ext/store/parallel.h"

#include <atomic>
#include <catch2/catch.hpp>
#include <chrono>
#include <thread>
#include <vector>

#include "ext/store/call_limits.h"

namespace litestream {
namespace {

using std::chrono::milliseconds;

}  // namespace

TEST_CASE("parallel: every index once, and the first error ends it") {
  std::vector<std::atomic<int>> calls(100);
  REQUIRE(for_each_in_parallel(calls.size(), 8, [&](size_t index) -> Status {
            ++calls[index];
            return {};
          }).ok());
  for (const auto& count : calls) CHECK(count == 1);
  std::atomic<int> call_count{0};
  const Status status = for_each_in_parallel(1000, 4, [&](size_t) -> Status {
    ++call_count;
    return io_error("no");
  });
  CHECK(status.message() == "no");
  CHECK(call_count <= 4);
}

TEST_CASE("parallel: helpers hear of an interrupt though the caller has nothing left to do") {
  // As a statement's limits: only the caller's thread may ask, others are told what it heard.
  const auto caller = std::this_thread::get_id();
  std::atomic<bool> is_interrupted{false};
  std::atomic<bool> heard{false};
  const CallLimits limits(CallLimits::kNoDeadline, [&] {
    if (std::this_thread::get_id() == caller && is_interrupted) heard = true;
    return heard.load();
  });
  std::atomic<bool> helper_works{false};
  const Status status = for_each_in_parallel(2, 2, [&](size_t) -> Status {
    if (std::this_thread::get_id() == caller) {
      while (!helper_works) std::this_thread::sleep_for(milliseconds(1));
      is_interrupted = true;
      return {};
    }
    helper_works = true;
    for (int i = 0; i < 30'000; ++i) {
      if (Status stopped = CallLimits::check(); !stopped.ok()) return stopped;
      std::this_thread::sleep_for(milliseconds(1));
    }
    return io_error("never heard of the interrupt");
  });
  CHECK(status.code() == StatusCode::kCancelled);
}

}  // namespace litestream
