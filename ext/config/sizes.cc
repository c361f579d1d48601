#include "ext/config/sizes.h"

#include <algorithm>
#include <charconv>

namespace litestream {
namespace {

struct Unit {
  std::string_view name;  // lower case, without the last "b"
  int64_t bytes;
};

// Larger first, so that a size is written with the largest unit that divides it.
constexpr Unit kUnits[] = {
    {"ti", int64_t{1} << 40},
    {"t", 1'000'000'000'000},
    {"gi", int64_t{1} << 30},
    {"g", 1'000'000'000},
    {"mi", int64_t{1} << 20},
    {"m", 1'000'000},
    {"ki", int64_t{1} << 10},
    {"k", 1'000},
    {"", 1},
};

std::string lower_case(std::string_view text) {
  std::string out(text);
  std::transform(out.begin(), out.end(), out.begin(), [](char c) {
    return c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c;
  });
  return out;
}

bool is_digit(char c) { return c >= '0' && c <= '9'; }

}  // namespace

Result<int64_t> parse_size_bytes(std::string_view text) {
  const Status malformed = invalid_argument("'" + std::string(text.substr(0, 32)) +
                                            "' is not a size; write bytes, or for example 64MiB");
  size_t end = 0;
  while (end < text.size() && (is_digit(text[end]) || text[end] == '.')) ++end;
  const std::string_view number = text.substr(0, end);
  constexpr size_t kNumberBytesMax = 20;
  if (number.empty() || number.size() > kNumberBytesMax || !is_digit(number.front())) {
    return malformed;
  }
  while (end < text.size() && text[end] == ' ') ++end;
  std::string name = lower_case(text.substr(end));
  if (name.ends_with('b')) name.pop_back();
  const auto* unit = std::find_if(std::begin(kUnits), std::end(kUnits),
                                  [&](const Unit& candidate) { return candidate.name == name; });
  if (unit == std::end(kUnits)) return malformed;
  int64_t whole = 0;
  const char* stop = number.data() + number.size();
  auto [at, fault] = std::from_chars(number.data(), stop, whole);
  const Status too_large =
      invalid_argument("'" + std::string(text.substr(0, 32)) + "' is too large");
  if (fault != std::errc() || __builtin_mul_overflow(whole, unit->bytes, &whole)) return too_large;
  if (at == stop) return whole;
  double fraction = 0;  // "." and digits
  const auto [fraction_end, fraction_fault] = std::from_chars(at, stop, fraction);
  if (fraction_fault != std::errc() || fraction_end != stop) return malformed;
  const auto part = static_cast<int64_t>(fraction * static_cast<double>(unit->bytes));
  if (__builtin_add_overflow(whole, part, &whole)) return too_large;
  return whole;
}

std::string format_size_bytes(int64_t size_bytes) {
  for (const Unit& unit : kUnits) {
    if (size_bytes == 0 || unit.bytes == 1) break;
    if (size_bytes % unit.bytes != 0) continue;
    std::string name = lower_case(unit.name);
    name[0] = static_cast<char>(name[0] - 'a' + 'A');
    return std::to_string(size_bytes / unit.bytes) + name + "B";
  }
  return std::to_string(size_bytes);
}

}  // namespace litestream
