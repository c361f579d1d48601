// SQLite as this folder sees it: through the host's API table when built as a loadable extension,
// directly when linked statically (SQLITE_CORE). Included first by every file here but entry.cc.
#pragma once

#include <sqlite3ext.h>
SQLITE_EXTENSION_INIT3
