#include "mcp/background_tasks.h"

#include <algorithm>
#include <chrono>

#include "ext/base/clock.h"
#include "mcp/program_log.h"

namespace litestream {
namespace {

constexpr int64_t kDiscoverIntervalMs = 1000;
constexpr int64_t kFirstBeatMs = 1000;
constexpr int64_t kBeatRetryMs = 30'000;
constexpr int64_t kNeverMs = INT64_MAX;

}  // namespace

Result<std::unique_ptr<BackgroundTasks>> BackgroundTasks::start(const BackgroundOptions& options) {
  std::unique_ptr<BackgroundTasks> tasks(new BackgroundTasks(options));
  if (!options.watches && options.heartbeat_url.empty()) return tasks;
  LS_ASSIGN_OR_RETURN(tasks->session_, SqlSession::open(":memory:", {}));
  tasks->thread_ = std::thread([raw = tasks.get()] { raw->run(); });
  return tasks;
}

BackgroundTasks::~BackgroundTasks() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
  }
  stopped_.notify_all();
  cancellation_.cancel();
  if (thread_.joinable()) thread_.join();
}

bool BackgroundTasks::wait_until(int64_t due_ms) {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    const int64_t left_ms = due_ms - system_clock().monotonic_ms();
    if (left_ms <= 0) return true;
    stopped_.wait_for(lock, std::chrono::milliseconds(left_ms));
  }
  return false;
}

void BackgroundTasks::run() {
  const int64_t begin_ms = system_clock().monotonic_ms();
  int64_t discover_due_ms = options_.watches ? begin_ms + kDiscoverIntervalMs : kNeverMs;
  int64_t beat_due_ms = options_.heartbeat_url.empty() ? kNeverMs : begin_ms + kFirstBeatMs;
  while (wait_until(std::min(discover_due_ms, beat_due_ms))) {
    const int64_t now_ms = system_clock().monotonic_ms();
    if (now_ms >= discover_due_ms) {
      discover();
      discover_due_ms = system_clock().monotonic_ms() + kDiscoverIntervalMs;
    }
    if (now_ms >= beat_due_ms) {
      const int64_t pause_ms = beat() ? options_.heartbeat_interval_ms
                                      : std::min(kBeatRetryMs, options_.heartbeat_interval_ms);
      beat_due_ms = now_ms + pause_ms;
    }
  }
}

void BackgroundTasks::discover() {
  const auto changes = session_->run("commands/discover", {}, cancellation_);
  if (!changes.ok()) {
    // The same trouble every second is one line.
    if (changes.status().message() != last_discover_error_ && !cancellation_.is_cancelled()) {
      log_line(ProgramLogLevel::kError, changes.status().message());
    }
    last_discover_error_ = changes.status().message();
    return;
  }
  last_discover_error_.clear();
  for (const auto& row : changes->rows) {
    const std::string path = to_text(row[1]);
    const bool is_found = to_text(row[0]) == "1";
    const auto done = session_->run(is_found ? "commands/start" : "commands/stop",
                                    {{"database", path}}, cancellation_);
    if (!done.ok()) {
      log_line(ProgramLogLevel::kError, path + ": " + done.status().message());
    } else {
      log_line(ProgramLogLevel::kInfo,
               is_found ? "replicating " + path + ", which is new" : path + " is gone");
    }
  }
}

bool BackgroundTasks::beat() {
  const auto ill = session_->run("commands/health",
                                 {{"lag_ms_max", options_.heartbeat_interval_ms}}, cancellation_);
  if (!ill.ok()) return false;
  if (!ill->rows.empty()) {
    if (was_healthy_) {
      const auto& row = ill->rows[0];
      log_line(ProgramLogLevel::kWarning, "heartbeat: not sent, " + to_text(row[0]) + " is " +
                                              to_text(row[2]) + " " + to_text(row[4]));
    }
    was_healthy_ = false;
    return false;
  }
  was_healthy_ = true;
  const auto sent =
      session_->run("commands/heartbeat", {{"url", options_.heartbeat_url}}, cancellation_);
  if (sent.ok()) return true;
  if (!cancellation_.is_cancelled()) {
    log_line(ProgramLogLevel::kWarning, "heartbeat: " + sent.status().message());
  }
  return false;
}

}  // namespace litestream
