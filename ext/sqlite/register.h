// Puts our functions, tables and the commit hook on one connection.
#pragma once

#include "ext/sqlite/sqlite_api.h"

#include <string>

namespace litestream {

// A result code of SQLite; on failure `*error` names the entry that failed.
int register_on_connection(sqlite3* db, std::string* error);
// The log sink that hands lines to sqlite3_log of the host.
void log_to_sqlite();

}  // namespace litestream
