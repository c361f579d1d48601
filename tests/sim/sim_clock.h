// The time of a simulation: it passes only when told to.
// Threading: one thread.
#pragma once

#include <cstdint>

#include "ext/base/clock.h"

namespace litestream::test {

class SimClock final : public Clock {
 public:
  int64_t wall_ms() const override { return wall_ms_; }
  // While somebody waits (let_waits_end) every look at the clock finds hours gone, so that a
  // condition nobody is left to fulfil times out at once.
  int64_t monotonic_ms() const override {
    if (waits_end_) waiting_ms_ += 3'600'000;
    return monotonic_ms_ + waiting_ms_;
  }
  void advance(int64_t ms) {
    monotonic_ms_ += ms;
    wall_ms_ += ms;
  }
  void jump_wall(int64_t ms) { wall_ms_ += ms; }
  void let_waits_end(bool on) {
    waits_end_ = on;
    waiting_ms_ = 0;
  }

 private:
  int64_t wall_ms_ = 1'767'413'106'789;
  int64_t monotonic_ms_ = 1'000'000;
  mutable int64_t waiting_ms_ = 0;
  bool waits_end_ = false;
};

}  // namespace litestream::test
