#include "ext/base/clock.h"

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <ctime>
#include <thread>

namespace litestream {
namespace {

class SystemClock final : public Clock {
 public:
  int64_t wall_ms() const override {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::system_clock::now().time_since_epoch())
        .count();
  }
  int64_t monotonic_ms() const override {
    return std::chrono::duration_cast<std::chrono::milliseconds>(
               std::chrono::steady_clock::now().time_since_epoch())
        .count();
  }
};

class SystemSleeper final : public Sleeper {
 public:
  void sleep_ms(int64_t ms, const std::function<bool()>& stop) override {
    constexpr int64_t kAskEveryMs = 50;
    const int64_t until_ms = system_clock().monotonic_ms() + ms;
    while (!stop || !stop()) {
      const int64_t left_ms = until_ms - system_clock().monotonic_ms();
      if (left_ms <= 0) return;
      std::this_thread::sleep_for(std::chrono::milliseconds(std::min(left_ms, kAskEveryMs)));
    }
  }
};

// Reads exactly `count` digits.
bool read_digits(std::string_view text, size_t* at, size_t count, int* value) {
  if (text.size() < *at + count) return false;
  int result = 0;
  for (size_t i = 0; i < count; ++i) {
    const char c = text[*at + i];
    if (c < '0' || c > '9') return false;
    result = result * 10 + (c - '0');
  }
  *at += count;
  *value = result;
  return true;
}

bool read_char(std::string_view text, size_t* at, std::string_view any_of) {
  if (*at >= text.size() || any_of.find(text[*at]) == std::string_view::npos) return false;
  ++*at;
  return true;
}

// Reads "Z" or "+hh:mm"; the result is what to subtract from local time, in minutes.
bool read_offset(std::string_view text, size_t* at, int* offset_minutes) {
  if (read_char(text, at, "Zz")) {
    *offset_minutes = 0;
    return true;
  }
  if (*at >= text.size()) return false;
  const int sign = text[*at] == '-' ? -1 : 1;
  int hours = 0;
  int minutes = 0;
  if (!read_char(text, at, "+-") || !read_digits(text, at, 2, &hours) ||
      !read_char(text, at, ":") || !read_digits(text, at, 2, &minutes)) {
    return false;
  }
  if (hours > 23 || minutes > 59) return false;
  *offset_minutes = sign * (hours * 60 + minutes);
  return true;
}

}  // namespace

const Clock& system_clock() {
  static const SystemClock* const clock = new SystemClock;
  return *clock;
}

Sleeper& system_sleeper() {
  static SystemSleeper* const sleeper = new SystemSleeper;
  return *sleeper;
}

std::string format_rfc3339_ms(int64_t wall_ms) {
  constexpr int64_t kFirstMs = -62167219200000;  // 0000-01-01T00:00:00Z
  constexpr int64_t kLastMs = 253402300799999;   // 9999-12-31T23:59:59.999Z
  const std::chrono::sys_time<std::chrono::milliseconds> time{
      std::chrono::milliseconds{std::clamp(wall_ms, kFirstMs, kLastMs)}};
  const auto day = std::chrono::floor<std::chrono::days>(time);
  const std::chrono::year_month_day date{day};
  const std::chrono::hh_mm_ss clock{time - day};
  char buffer[64];
  std::snprintf(
      buffer, sizeof buffer, "%04d-%02u-%02uT%02d:%02d:%02d.%03dZ", static_cast<int>(date.year()),
      static_cast<unsigned>(date.month()), static_cast<unsigned>(date.day()),
      static_cast<int>(clock.hours().count()), static_cast<int>(clock.minutes().count()),
      static_cast<int>(clock.seconds().count()), static_cast<int>(clock.subseconds().count()));
  return buffer;
}

Result<int64_t> parse_rfc3339_ms(std::string_view text) {
  const Status bad = invalid_argument("'" + std::string(text.substr(0, 64)) +
                                      "' is not a time; write RFC 3339, for example "
                                      "2026-01-03T04:05:06Z or 2026-01-03T04:05:06.789+02:00");
  size_t at = 0;
  int year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0, offset_minutes = 0;
  if (!read_digits(text, &at, 4, &year) || !read_char(text, &at, "-") ||
      !read_digits(text, &at, 2, &month) || !read_char(text, &at, "-") ||
      !read_digits(text, &at, 2, &day) || !read_char(text, &at, "Tt ") ||
      !read_digits(text, &at, 2, &hour) || !read_char(text, &at, ":") ||
      !read_digits(text, &at, 2, &minute) || !read_char(text, &at, ":") ||
      !read_digits(text, &at, 2, &second)) {
    return bad;
  }
  int64_t fraction_ms = 0;
  if (read_char(text, &at, ".")) {
    int scale = 100;
    int digit = 0;
    if (!read_digits(text, &at, 1, &digit)) return bad;
    do {
      fraction_ms += scale * digit;
      scale /= 10;
    } while (read_digits(text, &at, 1, &digit));
  }
  if (!read_offset(text, &at, &offset_minutes) || at != text.size()) return bad;
  const std::chrono::year_month_day date{std::chrono::year{year},
                                         std::chrono::month{static_cast<unsigned>(month)},
                                         std::chrono::day{static_cast<unsigned>(day)}};
  // A leap second (":60") is read as the second after.
  if (!date.ok() || hour > 23 || minute > 59 || second > 60) return bad;
  const auto time = std::chrono::sys_days{date} + std::chrono::hours{hour} +
                    std::chrono::minutes{minute - offset_minutes} + std::chrono::seconds{second};
  return std::chrono::duration_cast<std::chrono::milliseconds>(time.time_since_epoch()).count() +
         fraction_ms;
}

}  // namespace litestream
