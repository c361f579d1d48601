// The one wall between SQLite's C callbacks and our C++: nothing thrown crosses it.
#pragma once

#include "ext/sqlite/sqlite_api.h"

#include <exception>
#include <new>
#include <string>

namespace litestream {

// Runs `body` for an SQL function; bad_alloc becomes NOMEM, anything else an error text.
template <typename Body>
void guard_function(sqlite3_context* context, Body body) noexcept {
  try {
    body();
  } catch (const std::bad_alloc&) {
    sqlite3_result_error_nomem(context);
  } catch (const std::exception& error) {
    sqlite3_result_error(context, error.what(), -1);
  } catch (...) {
    sqlite3_result_error(context, "litestream: unknown exception", -1);
  }
}

// Runs `body` (returning a result code) for any other callback.
template <typename Body>
int guard_code(Body body) noexcept {
  try {
    return body();
  } catch (const std::bad_alloc&) {
    return SQLITE_NOMEM;
  } catch (...) {
    return SQLITE_ERROR;
  }
}

}  // namespace litestream
