#include "mcp/job_progress.h"

#include <chrono>
#include <system_error>

namespace litestream {
namespace {

// Often enough for a progress bar, seldom enough for a client that shows every one.
constexpr std::chrono::milliseconds kReportInterval{200};

int64_t integer(const SqlValue& value) {
  const auto* number = std::get_if<int64_t>(&value);
  return number == nullptr ? 0 : *number;
}

}  // namespace

JobProgress::JobProgress(McpCall& call, std::string kind, std::vector<GivenSource> given_sources)
    : call_(call), kind_(std::move(kind)), given_sources_(std::move(given_sources)) {
  if (!call_.wants_progress()) return;
  call_.progress(0, std::nullopt, kind_ + ": started");
  try {
    thread_ = std::thread(&JobProgress::watch, this);
  } catch (const std::system_error&) {
    return;  // no thread to be had: no news until the end
  }
  // Jobs that run already are not the one to watch.
  std::unique_lock lock(mutex_);
  stopped_.wait(lock, [this] { return is_ready_; });
}

JobProgress::~JobProgress() { stop(); }

void JobProgress::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    stopped_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void JobProgress::watch() {
  auto session = SqlSession::open(":memory:", given_sources_);
  if (session.ok()) {
    auto newest = (*session)->run_scalar("commands/job_newest");
    if (newest.ok()) last_id_before_ = integer(*newest);
  }
  std::unique_lock lock(mutex_);
  is_ready_ = true;
  stopped_.notify_all();
  if (!session.ok()) return;
  while (!stopped_.wait_for(lock, kReportInterval, [this] { return stopping_; })) {
    lock.unlock();
    report(**session);
    lock.lock();
  }
}

void JobProgress::report(SqlSession& session) {
  const auto job =
      session.run("commands/job_progress", {{"kind", kind_}, {"after", last_id_before_}});
  if (!job.ok() || job->rows.empty()) return;
  const auto& row = job->rows[0];
  const auto done = static_cast<double>(integer(row[0]));
  std::optional<double> total;
  if (integer(row[1]) > 0) total = static_cast<double>(integer(row[1]));
  call_.progress(done, total, to_text(row[2]));
}

}  // namespace litestream
