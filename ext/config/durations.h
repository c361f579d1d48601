// Durations as Go writes them: "1m30s", "50ms", "1.5h", "-2s", "0".
// Threading: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ext/base/status.h"

namespace litestream {

// Nanoseconds. Units ns, us (µs), ms, s, m, h; several parts add up. InvalidArgument for anything
// else, for a number without unit (but "0") and for what does not fit into 64 bits.
Result<int64_t> parse_duration_ns(std::string_view text);

// Whole milliseconds; InvalidArgument for what is finer.
Result<int64_t> parse_duration_ms(std::string_view text);

// The shortest text that parse_duration_ms reads as the same: "1m30s", "50ms", "0s".
std::string format_duration_ms(int64_t duration_ms);

}  // namespace litestream
