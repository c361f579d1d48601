// Time as a parameter, and RFC 3339 text. Wall time is only ever shown or stored, never used to
// decide how long something took: for that there is monotonic_ms().
// Threading: SystemClock is thread-safe; text functions are pure.
#pragma once

#include <cstdint>
#include <functional>
#include <string>
#include <string_view>

#include "ext/base/status.h"

namespace litestream {

class Clock {
 public:
  virtual ~Clock() = default;
  virtual int64_t wall_ms() const = 0;       // milliseconds since the Unix epoch, UTC
  virtual int64_t monotonic_ms() const = 0;  // milliseconds since an arbitrary start
};

// The operating system's clocks; one immortal instance.
const Clock& system_clock();

// Waiting as a parameter, so that tests can let hours pass at once.
class Sleeper {
 public:
  virtual ~Sleeper() = default;
  // Returns after `ms`, or soon after `stop` (may be empty) says true: it is asked before the wait
  // and at least every 50 ms of real waiting.
  virtual void sleep_ms(int64_t ms, const std::function<bool()>& stop) = 0;
};

// Really sleeps; one immortal, thread-safe instance.
Sleeper& system_sleeper();

// "2026-01-03T04:05:06.789Z". Years outside 0..9999 are clamped.
std::string format_rfc3339_ms(int64_t wall_ms);

// Accepts any offset and any number of fraction digits (beyond milliseconds they are cut off), 'T'
// or a space, 'Z' or 'z'. InvalidArgument says what is expected.
Result<int64_t> parse_rfc3339_ms(std::string_view text);

}  // namespace litestream
