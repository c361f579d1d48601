// Rows of a query as text: a table for people or JSON for programs.
// Threading: pure functions.
#pragma once

#include <string>

#include "mcp/sql_session.h"

namespace litestream {

// Column names, then the rows; columns two spaces apart, numbers to the right, NULL as "-". Control
// characters become "?" so that data cannot drive the terminal. `width_max` above 0: where lines
// would be longer, the widest texts lose their middle ("/data/…/app.db").
std::string format_table(const SqlRows& rows, size_t width_max = 0);

// An array of objects, one object per line, members named like the columns.
std::string format_json_rows(const SqlRows& rows);

}  // namespace litestream
