// Time that passes only when somebody sleeps: hours of waiting take none.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>

#include "ext/base/clock.h"

namespace litestream::test {

// Thread-safe.
class VirtualTime final : public Clock, public Sleeper {
 public:
  explicit VirtualTime(int64_t wall_ms = 1767413106789) : begin_wall_ms_(wall_ms) {}

  int64_t wall_ms() const override { return begin_wall_ms_ + passed_ms_.load(); }
  int64_t monotonic_ms() const override { return 1'000'000 + passed_ms_.load(); }
  void sleep_ms(int64_t ms, const std::function<bool()>& stop) override {
    if (stop && stop()) return;
    ++sleep_count_;
    passed_ms_ += ms;
    if (on_sleep_) on_sleep_(ms);
  }

  void advance_ms(int64_t ms) { passed_ms_ += ms; }
  int64_t passed_ms() const { return passed_ms_.load(); }
  int sleep_count() const { return sleep_count_.load(); }
  // Called in each sleep; set it before other threads sleep.
  void set_on_sleep(std::function<void(int64_t ms)> on_sleep) { on_sleep_ = std::move(on_sleep); }

 private:
  const int64_t begin_wall_ms_;
  std::atomic<int64_t> passed_ms_{0};
  std::atomic<int> sleep_count_{0};
  std::function<void(int64_t)> on_sleep_;
};

}  // namespace litestream::test
