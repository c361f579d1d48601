#include "ext/base/log.h"

#include <atomic>

namespace litestream {
namespace {

std::atomic<LogSink> current_sink{nullptr};

}  // namespace

void set_log_sink(LogSink sink) { current_sink.store(sink); }

void log_message(LogLevel level, std::string_view message) {
  const LogSink sink = current_sink.load();
  if (sink != nullptr) sink(level, message);
}

}  // namespace litestream
