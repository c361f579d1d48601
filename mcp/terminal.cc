#include "mcp/terminal.h"

#include <sys/ioctl.h>
#include <unistd.h>

#include <charconv>
#include <chrono>
#include <cstdlib>
#include <cstring>
#include <ostream>

namespace litestream {
namespace {

constexpr size_t kWidthWithoutAnswer = 80;
constexpr size_t kWidthMin = 20;
constexpr auto kFirstLine = std::chrono::milliseconds(1000);
constexpr auto kNextLine = std::chrono::milliseconds(200);
constexpr const char* kClearLine = "\r\x1b[K";

}  // namespace

size_t terminal_width(int fd) {
  if (::isatty(fd) == 0) return 0;
  size_t width = 0;
  const char* columns = std::getenv("COLUMNS");
  if (columns != nullptr) std::from_chars(columns, columns + std::strlen(columns), width);
  winsize size{};
  if (width == 0 && ::ioctl(fd, TIOCGWINSZ, &size) == 0) width = size.ws_col;
  if (width == 0) width = kWidthWithoutAnswer;
  return width < kWidthMin ? kWidthMin : width;
}

ProgressLine::ProgressLine(std::ostream& out, bool is_terminal, std::string kind)
    : out_(out), kind_(std::move(kind)) {
  if (is_terminal) thread_ = std::thread([this] { run(); });
}

ProgressLine::~ProgressLine() {
  if (!thread_.joinable()) return;
  {
    const std::lock_guard lock(mutex_);
    is_over_ = true;
  }
  over_.notify_all();
  thread_.join();
  if (is_shown_) out_ << kClearLine << std::flush;
}

void ProgressLine::run() {
  const auto session = SqlSession::open(":memory:", {});
  if (!session.ok()) return;
  std::unique_lock lock(mutex_);
  over_.wait_for(lock, kFirstLine, [this] { return is_over_; });
  while (!is_over_) {
    lock.unlock();
    show(**session);
    lock.lock();
    over_.wait_for(lock, kNextLine, [this] { return is_over_; });
  }
}

void ProgressLine::show(SqlSession& session) {
  const auto rows = session.run("commands/job_progress", {{"kind", kind_}, {"after", int64_t{0}}});
  if (!rows.ok() || rows->rows.empty() || rows->rows[0].size() < 3) return;
  out_ << kClearLine << to_text(rows->rows[0][2]) << std::flush;
  is_shown_ = true;
}

}  // namespace litestream
