// Which keys litestream.yml has, and what to say about the others.
// Threading: pure functions.
#pragma once

#include <string_view>

#include "ext/base/status.h"

namespace litestream {

enum class KeyScope { kTop, kDatabase, kReplica, kLogging, kOptionsJson };

// Ok for a key that this build reads at this place. Unsupported for a key of Litestream's, or of
// ours, that it does not read yet; InvalidArgument for a key that is unknown, with the nearest
// known one, or that belongs elsewhere.
Status check_key(KeyScope scope, std::string_view key);

}  // namespace litestream
