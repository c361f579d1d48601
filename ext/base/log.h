// Where messages for the operator go. Code in ext/ never prints: it hands lines to a sink that the
// right-most layer installs (sqlite3_log in a host, stderr in the program).
// Threading: thread-safe. The sink may be called from any thread and must not call back.
#pragma once

#include <string_view>

namespace litestream {

enum class LogLevel { kDebug, kInfo, kWarning, kError };

using LogSink = void (*)(LogLevel level, std::string_view message) noexcept;

void set_log_sink(LogSink sink);  // nullptr: drop everything (the default)
void log_message(LogLevel level, std::string_view message);

}  // namespace litestream
