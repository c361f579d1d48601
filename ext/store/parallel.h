// The same small thing for many items, several at once, for the length of one call.
#pragma once

#include <cstddef>
#include <functional>

#include "ext/base/status.h"

namespace litestream {

// Calls `each` with 0..count-1, on at most `thread_count` threads of which the caller's is one;
// they have the caller's CallLimits. The first error ends it and is returned once all threads are
// done. `each` must be thread-safe and not throw.
Status for_each_in_parallel(size_t count, int thread_count,
                            const std::function<Status(size_t index)>& each);

}  // namespace litestream
