#include "ext/config/durations.h"

#include <array>

namespace litestream {
namespace {

constexpr int64_t kNsPerMs = 1'000'000;
constexpr int64_t kMsPerSecond = 1000;
constexpr int64_t kMsPerMinute = 60 * kMsPerSecond;
constexpr int64_t kMsPerHour = 60 * kMsPerMinute;

struct Unit {
  std::string_view name;
  int64_t ns;
};
// Longer names before their prefixes.
constexpr std::array<Unit, 8> kUnits = {{{"ns", 1},
                                         {"us", 1000},
                                         {"\xC2\xB5s", 1000},  // micro sign
                                         {"\xCE\xBCs", 1000},  // Greek mu
                                         {"ms", kNsPerMs},
                                         {"s", kMsPerSecond* kNsPerMs},
                                         {"m", kMsPerMinute* kNsPerMs},
                                         {"h", kMsPerHour* kNsPerMs}}};

Status not_a_duration(std::string_view text, std::string_view why) {
  std::string message = "'";
  message += text.substr(0, 64);
  message += "' is not a duration: ";
  message += why;
  return invalid_argument(std::move(message));
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

// Takes one "<digits>[.<digits>]<unit>" off the front and adds it to `total_ns`; "" or why not.
std::string_view take_part(std::string_view& rest, int64_t& total_ns) {
  constexpr std::string_view kTooLong = "too long";
  int64_t whole = 0;
  size_t at = 0;
  for (; at < rest.size() && is_digit(rest[at]); ++at) {
    if (__builtin_mul_overflow(whole, 10, &whole) ||
        __builtin_add_overflow(whole, rest[at] - '0', &whole)) {
      return kTooLong;
    }
  }
  size_t digit_count = at;
  double fraction = 0;
  if (at < rest.size() && rest[at] == '.') {
    double scale = 0.1;
    for (++at; at < rest.size() && is_digit(rest[at]); ++at, ++digit_count, scale /= 10) {
      fraction += scale * (rest[at] - '0');
    }
  }
  if (digit_count == 0) return "write for example 500ms, 10s or 1m30s";
  rest.remove_prefix(at);
  for (const Unit& unit : kUnits) {
    if (!rest.starts_with(unit.name)) continue;
    rest.remove_prefix(unit.name.size());
    int64_t part_ns = 0;
    // The half makes up for what binary fractions lose.
    const auto fraction_ns = static_cast<int64_t>(fraction * static_cast<double>(unit.ns) + 0.5);
    if (__builtin_mul_overflow(whole, unit.ns, &part_ns) ||
        __builtin_add_overflow(part_ns, fraction_ns, &part_ns) ||
        __builtin_add_overflow(total_ns, part_ns, &total_ns)) {
      return kTooLong;
    }
    return "";
  }
  return "a number needs a unit: ns, us, ms, s, m or h";
}

}  // namespace

Result<int64_t> parse_duration_ns(std::string_view text) {
  std::string_view rest = text;
  const bool negative = rest.starts_with('-');
  if (negative || rest.starts_with('+')) rest.remove_prefix(1);
  if (rest == "0") return int64_t{0};
  if (rest.empty()) return not_a_duration(text, "write for example 500ms, 10s or 1m30s");
  int64_t total_ns = 0;
  while (!rest.empty()) {
    const std::string_view fault = take_part(rest, total_ns);
    if (!fault.empty()) return not_a_duration(text, fault);
  }
  return negative ? -total_ns : total_ns;
}

Result<int64_t> parse_duration_ms(std::string_view text) {
  LS_ASSIGN_OR_RETURN(const int64_t ns, parse_duration_ns(text));
  if (ns % kNsPerMs != 0) return invalid_argument("'" + std::string(text) + "' is finer than 1ms");
  return ns / kNsPerMs;
}

std::string format_duration_ms(int64_t duration_ms) {
  if (duration_ms == 0) return "0s";
  std::string out = duration_ms < 0 ? "-" : "";
  // Unsigned, so that the smallest value has a magnitude.
  uint64_t rest = static_cast<uint64_t>(duration_ms);
  if (duration_ms < 0) rest = 0 - rest;
  struct Step {
    uint64_t ms;
    const char* unit;
  };
  const Step steps[] = {{kMsPerHour, "h"}, {kMsPerMinute, "m"}, {kMsPerSecond, "s"}, {1, "ms"}};
  for (const Step& step : steps) {
    if (rest < step.ms) continue;
    out += std::to_string(rest / step.ms) + step.unit;
    rest %= step.ms;
  }
  return out;
}

}  // namespace litestream
