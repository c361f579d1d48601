// How near the process is to its limit of open files (ulimit -n).
// Threading: thread-safe.
#pragma once

#include "ext/base/status.h"

namespace litestream {

inline constexpr int kDescriptorsFreeMax = 64;

// Io, with what to do about it, unless `count` more descriptors (at most kDescriptorsFreeMax) can
// be opened at this moment. Opens and closes them to find out: the numbers in use have gaps, and
// the limit of the system counts, too.
Status require_free_descriptors(int count);

}  // namespace litestream
