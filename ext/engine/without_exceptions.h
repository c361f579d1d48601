// A job must end with a result, whatever happens in it.
#pragma once

#include <exception>
#include <string>

#include "ext/base/status.h"

namespace litestream {

// The Result of `body`, or Internal with what it threw.
template <typename Body>
auto without_exceptions(Body body) -> decltype(body()) {
  try {
    return body();
  } catch (const std::exception& error) {
    return internal_error(std::string("unexpected: ") + error.what());
  }
}

}  // namespace litestream
