// The program's log: one line per event on stderr, time and level first.
// Threading: thread-safe.
#pragma once

#include <string_view>

namespace litestream {

enum class ProgramLogLevel { kDebug, kInfo, kWarning, kError };

// "2026-01-03T04:05:06.789Z INFO mcp: listening on http://localhost:8080"
void log_line(ProgramLogLevel level, std::string_view message);

// "debug", "info", "warn", "warning" or "error"; false for anything else. Default: info.
bool set_log_level(std::string_view name);

// Sends what the extension says through sqlite3_log to log_line(). Call before SQLite is used.
void install_sqlite_log();

}  // namespace litestream
