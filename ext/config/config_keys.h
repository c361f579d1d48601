// Which keys litestream.yml has, and what to say about the others.
// Threading: pure functions.
#pragma once

#include <string_view>

#include "ext/base/status.h"

namespace litestream {

enum class KeyScope {
  kTop,
  kDatabase,
  kReplica,
  kLogging,
  kSocket,
  kSnapshot,
  kRetention,
  kValidation,
  kLevel,
  kOptionsJson,
};

// Ok for a key that is read at this place. Unsupported, with the reason, for a key of Litestream's
// that is refused; InvalidArgument for a key that is unknown, with the nearest known one, or that
// belongs elsewhere.
Status check_key(KeyScope scope, std::string_view key);

}  // namespace litestream
