#include "ext/store/temporary_name.h"

#include <atomic>
#include <charconv>

#include "ext/base/clock.h"
#include "ext/store/digest.h"

namespace litestream {
namespace {

constexpr std::string_view kMark = ".litestream-tmp-";
constexpr size_t kRandomDigits = 8;

std::string to_hex(int64_t value) {
  char digits[20];
  const auto [end, error] = std::to_chars(digits, digits + sizeof digits, value, 16);
  return error == std::errc() ? std::string(digits, end) : "0";
}

}  // namespace

std::string make_temporary_name(std::string_view name, int64_t wall_ms, const void* unique) {
  static std::atomic<uint64_t> count{0};
  const std::string seed =
      std::to_string(system_clock().monotonic_ms()) + "/" + std::to_string(wall_ms) + "/" +
      std::to_string(reinterpret_cast<uintptr_t>(unique)) + "/" + std::to_string(++count);
  return "." + std::string(name) + std::string(kMark) + to_hex(wall_ms / 1000) + "-" +
         hex_encode(sha256(as_bytes(seed))).substr(0, kRandomDigits);
}

std::optional<int64_t> time_of_temporary_name(std::string_view name) {
  const size_t at = name.rfind(kMark);
  if (!name.starts_with('.') || at == std::string_view::npos) return std::nullopt;
  const std::string_view rest = name.substr(at + kMark.size());
  const size_t dash = rest.find('-');
  if (dash == std::string_view::npos || rest.size() - dash - 1 != kRandomDigits) {
    return std::nullopt;
  }
  int64_t seconds = 0;
  const auto [end, error] = std::from_chars(rest.data(), rest.data() + dash, seconds, 16);
  const bool is_time = error == std::errc() && end == rest.data() + dash && seconds >= 0 &&
                       seconds < (int64_t{1} << 40);
  if (!is_time) return std::nullopt;
  return seconds * 1000;
}

}  // namespace litestream
