// Names that remote files have while they are written, for places where a file appears under its
// name by a rename. They are no LTX names, and tell when they were made.
// Threading: pure functions.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

namespace litestream {

// ".<name>.litestream-tmp-<seconds since the epoch, hex>-<8 hex digits>"; `unique` makes two
// uploads at the same time differ.
std::string make_temporary_name(std::string_view name, int64_t wall_ms, const void* unique);

// When such a name was made, milliseconds since the Unix epoch; nothing for any other name.
std::optional<int64_t> time_of_temporary_name(std::string_view name);

}  // namespace litestream
