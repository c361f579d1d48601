// The double's eponymous tables. An equality on `database` (or `path`) is pushed down and echoed,
// an equality with NULL on `replica` or `level` means any: as in the extension. Threading:
// thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

struct sqlite3;

namespace litestream::test {

int register_fake_tables(sqlite3* connection);

struct FakeJob {
  int64_t id;
  std::string kind;
  std::string database;
  int64_t done_bytes;
  int64_t total_bytes;
};

// Implemented in fake_extension.cc.
std::vector<std::string> fake_databases();
std::vector<FakeJob> fake_jobs();
std::string fake_replica_txid();

}  // namespace litestream::test
