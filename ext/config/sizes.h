// Byte sizes as Litestream reads them: "64MiB", "5 MB", "1.5GiB", "4096".
// Threading: pure functions.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "ext/base/status.h"

namespace litestream {

// Units B, KB, MB, GB, TB (powers of 1000) and KiB, MiB, GiB, TiB (powers of 1024) in any case,
// the last "B" may be left out; no unit means bytes. A fraction is cut off below a byte.
// InvalidArgument for anything else and for what does not fit into 63 bits.
Result<int64_t> parse_size_bytes(std::string_view text);

// The shortest text that parse_size_bytes reads as the same: "16MiB", "5MB", "4097".
std::string format_size_bytes(int64_t size_bytes);

}  // namespace litestream
