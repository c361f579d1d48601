// The program's log: one line per event, time and level first, on stderr unless told otherwise.
// Threading: thread-safe.
#pragma once

#include <source_location>
#include <string_view>

namespace litestream {

enum class ProgramLogLevel { kDebug, kInfo, kWarning, kError };

// "2026-01-03T04:05:06.789Z INFO mcp: listening on http://localhost:8080", or as JSON
// {"time":...,"level":"INFO","msg":...}
void log_line(ProgramLogLevel level, std::string_view message,
              const std::source_location& where = std::source_location::current());

// "trace", "debug", "info", "warn", "warning" or "error"; false for anything else. Default: info.
bool set_log_level(std::string_view name);

enum class LogFormat { kText, kJson };
struct LogStyle {
  LogFormat format = LogFormat::kText;
  bool to_stderr = true;  // else to stdout
  bool with_source =
      false;  // file and line that said it; "extension" for what litestream itself says
};
void set_log_style(const LogStyle& style);

// Sends what the extension says through sqlite3_log to log_line(). Call before SQLite is used.
void install_sqlite_log();

}  // namespace litestream
