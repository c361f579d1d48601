// The lease object's text (FORMATS.md, Lease object).
// Threading: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "ext/base/status.h"
#include "ext/store/ltx_store.h"

namespace litestream {

inline constexpr char kLeaseObjectName[] = "lock.json";  // under the root of the replica

// {"generation":3,"expires_at":"2026-01-03T04:05:06.789Z","owner":"host:1"}; the etag is not in it.
std::string format_lease(const Lease& lease);

// Corrupt unless `text` is such an object; members we do not know are ignored.
Result<Lease> parse_lease(std::string_view text);

}  // namespace litestream
