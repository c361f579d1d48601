// A small frame for eponymous read-only tables whose rows are computed at xFilter.
//
// idxNum bits say which inputs reach filter(), in the order of the bits:
//
//   bit 0  kDatabase   database = ?    (path or replica URL; echoed as written, omit)
//   bit 1  kReplica    replica = ?     (NULL: any, omit)
//   bit 2  kLevel      level = ?       (NULL: any, omit)
//   bit 3  kTxid       txid = ?        (hidden input of litestream_plan)
//   bit 4  kTimestamp  timestamp = ?   (likewise)
//   from bit 5 on, one per column: the statement looks at it
//
// An equality on `database` that exists but cannot be used makes xBestIndex answer CONSTRAINT, so
// that a join never lists everything by accident.
// Reading has the limits of remote_call.h: 30 s, sqlite3_interrupt(), no network inside a write
// transaction.
// Threading: the connection's own thread. Rows are copies; no store or lock is held between calls.
#pragma once

#include "ext/sqlite/sqlite_api.h"

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "ext/base/status.h"
#include "ext/sqlite/registry.h"

namespace litestream {

using TableValue = std::variant<std::monostate, int64_t, double, std::string>;
using TableRow = std::vector<TableValue>;

// Empty text and level -1 mean "not given"; see the bits above.
struct TableQuery {
  std::optional<std::string> database;
  std::optional<std::string> replica;
  std::optional<int64_t> level;
  std::optional<std::string> txid;
  std::optional<std::string> timestamp;
  // A column that is not used may be left out of the rows (monostate).
  uint32_t used_columns = UINT32_MAX;
  bool uses(int column) const { return column > 31 || (used_columns >> column & 1) != 0; }
};

struct TableDefinition {
  const char* name;
  const char* schema;  // the text of sql/tables/<name>.sql
  // Column numbers of the inputs, -1 where the table has none. Order: the bits.
  int input_columns[5];
  Result<std::vector<TableRow>> (*rows)(const TableQuery& query);
};

// Registers one table on one connection; a result code of SQLite.
int register_table(sqlite3* db, const TableDefinition& definition);

// Rows about the process as a whole (tables_process.cc).
Result<std::vector<TableRow>> config_values_rows(const TableQuery& query);
Result<std::vector<TableRow>> metrics_rows(const TableQuery& query);
// tables_jobs.cc
Result<std::vector<TableRow>> jobs_rows(const TableQuery& query);

// The tables of this extension, ended by a null name.
extern const TableDefinition kTables[];

}  // namespace litestream
