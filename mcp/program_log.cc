#include "mcp/program_log.h"

#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <string>

#include "ext/base/clock.h"

namespace litestream {
namespace {

std::atomic<ProgramLogLevel> least_level{ProgramLogLevel::kInfo};

const char* level_name(ProgramLogLevel level) {
  switch (level) {
    case ProgramLogLevel::kDebug: return "DEBUG";
    case ProgramLogLevel::kInfo: return "INFO";
    case ProgramLogLevel::kWarning: return "WARN";
    case ProgramLogLevel::kError: return "ERROR";
  }
  return "ERROR";
}

// SQLite also logs every failed statement there; the caller has that error already.
constexpr std::string_view kExtensionPrefix = "litestream";

void sqlite_log(void*, int code, const char* message) noexcept {
  const std::string_view text = message == nullptr ? "" : message;
  if (!text.starts_with(kExtensionPrefix)) return;
  ProgramLogLevel level = ProgramLogLevel::kError;
  if ((code & 0xFF) == SQLITE_NOTICE) level = ProgramLogLevel::kInfo;
  if ((code & 0xFF) == SQLITE_WARNING) level = ProgramLogLevel::kWarning;
  if ((code & 0xFF) == SQLITE_OK) level = ProgramLogLevel::kDebug;
  log_line(level, text);
}

}  // namespace

void log_line(ProgramLogLevel level, std::string_view message) {
  if (level < least_level.load()) return;
  std::string line = format_rfc3339_ms(system_clock().wall_ms());
  line += ' ';
  line += level_name(level);
  line += ' ';
  line += message;
  // A message stays one line whatever is in it.
  std::replace_if(
      line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  line += '\n';
  // One write per line: lines of different threads do not mix.
  const ssize_t ignored = ::write(STDERR_FILENO, line.data(), line.size());
  static_cast<void>(ignored);
}

bool set_log_level(std::string_view name) {
  if (name == "debug") {
    least_level = ProgramLogLevel::kDebug;
  } else if (name == "info") {
    least_level = ProgramLogLevel::kInfo;
  } else if (name == "warn" || name == "warning") {
    least_level = ProgramLogLevel::kWarning;
  } else if (name == "error") {
    least_level = ProgramLogLevel::kError;
  } else {
    return false;
  }
  return true;
}

void install_sqlite_log() {
  sqlite3_config(SQLITE_CONFIG_LOG, sqlite_log, static_cast<void*>(nullptr));
}

}  // namespace litestream
