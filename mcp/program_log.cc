#include "mcp/program_log.h"

#include <sqlite3.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <string>

#include "ext/base/clock.h"
#include "mcp/json_writer.h"

namespace litestream {
namespace {

std::atomic<ProgramLogLevel> least_level{ProgramLogLevel::kInfo};
std::atomic<bool> is_json{false};
std::atomic<bool> is_on_stderr{true};
std::atomic<bool> has_source{false};

const char* level_name(ProgramLogLevel level) {
  switch (level) {
    case ProgramLogLevel::kDebug: return "DEBUG";
    case ProgramLogLevel::kInfo: return "INFO";
    case ProgramLogLevel::kWarning: return "WARN";
    case ProgramLogLevel::kError: return "ERROR";
  }
  return "ERROR";
}

std::string text_line(ProgramLogLevel level, std::string_view message, std::string_view source) {
  std::string line = format_rfc3339_ms(system_clock().wall_ms());
  line += ' ';
  line += level_name(level);
  line += ' ';
  if (!source.empty()) line += std::string(source) + ' ';
  line += message;
  // A message stays one line whatever is in it.
  std::replace_if(
      line.begin(), line.end(), [](char c) { return static_cast<unsigned char>(c) < 0x20; }, ' ');
  return line;
}

std::string json_line(ProgramLogLevel level, std::string_view message, std::string_view source) {
  JsonWriter writer;
  writer.begin_object().key("time").string(format_rfc3339_ms(system_clock().wall_ms()));
  writer.key("level").string(level_name(level));
  if (!source.empty()) writer.key("source").string(source);
  return std::move(writer.key("msg").string(message).end_object()).take();
}

void write_line(ProgramLogLevel level, std::string_view message, std::string_view source) {
  if (level < least_level.load()) return;
  if (!has_source.load()) source = "";
  std::string line =
      is_json.load() ? json_line(level, message, source) : text_line(level, message, source);
  line += '\n';
  // One write per line: lines of different threads do not mix.
  const ssize_t ignored =
      ::write(is_on_stderr.load() ? STDERR_FILENO : STDOUT_FILENO, line.data(), line.size());
  static_cast<void>(ignored);
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
  write_line(level, text, "extension");
}

}  // namespace

void log_line(ProgramLogLevel level, std::string_view message, const std::source_location& where) {
  std::string_view file = where.file_name();
  file = file.substr(file.rfind('/') + 1);  // npos + 1 is 0
  write_line(level, message, std::string(file) + ":" + std::to_string(where.line()));
}

bool set_log_level(std::string_view name) {
  if (name == "debug" || name == "trace") {
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

void set_log_style(const LogStyle& style) {
  is_json = style.format == LogFormat::kJson;
  is_on_stderr = style.to_stderr;
  has_source = style.with_source;
}

void install_sqlite_log() {
  sqlite3_config(SQLITE_CONFIG_LOG, sqlite_log, static_cast<void*>(nullptr));
}

}  // namespace litestream
