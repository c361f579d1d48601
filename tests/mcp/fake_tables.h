// The double's eponymous tables. An equality on `database` (or `path`) is pushed down and echoed,
// an equality with NULL on `replica` or `level` means any: as in the extension. Threading:
// thread-safe.
#pragma once

#include <string>
#include <vector>

struct sqlite3;

namespace litestream::test {

int register_fake_tables(sqlite3* connection);

// Implemented in fake_extension.cc.
std::vector<std::string> fake_databases();

}  // namespace litestream::test
