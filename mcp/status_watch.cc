#include "mcp/status_watch.h"

#include <chrono>
#include <system_error>

#include "mcp/resources.h"

namespace litestream {
namespace {

constexpr std::chrono::milliseconds kSubscribedInterval{1000};
constexpr std::chrono::milliseconds kListInterval{10'000};  // who only hears of new databases

}  // namespace

StatusWatch::~StatusWatch() { stop(); }

void StatusWatch::connect(std::function<McpListeners()> listeners, Publish publish) {
  listeners_ = std::move(listeners);
  publish_ = std::move(publish);
}

void StatusWatch::wake() {
  const std::lock_guard lock(mutex_);
  if (stopping_ || !listeners_) return;
  is_awake_ = true;
  woken_.notify_all();
  if (thread_.joinable()) return;
  try {
    thread_ = std::thread(&StatusWatch::run, this);
  } catch (const std::system_error&) {
    // No thread to be had: the next listener tries again.
  }
}

void StatusWatch::stop() {
  {
    const std::lock_guard lock(mutex_);
    stopping_ = true;
    woken_.notify_all();
  }
  if (thread_.joinable()) thread_.join();
}

void StatusWatch::run() {
  std::unique_lock lock(mutex_);
  while (!stopping_) {
    is_awake_ = false;
    lock.unlock();
    const McpListeners listeners = listeners_();
    if (listeners.any) {
      look();
    } else {
      has_looked_ = false;  // what happens meanwhile is nobody's news
      session_.reset();
    }
    lock.lock();
    const auto is_over = [this] { return stopping_ || is_awake_; };
    if (!listeners.any) {
      woken_.wait(lock, is_over);
    } else {
      woken_.wait_for(lock, listeners.to_resources ? kSubscribedInterval : kListInterval, is_over);
    }
  }
}

void StatusWatch::look() {
  if (session_ == nullptr) {
    auto opened = SqlSession::open(":memory:", given_sources_);
    if (!opened.ok()) return;
    session_ = std::move(opened).value();
  }
  const auto rows = session_->run("commands/status_digest");
  if (!rows.ok()) return;
  std::map<std::string, Seen> now;
  for (const auto& row : rows->rows) {
    Seen& seen = now[to_text(row[0])];
    seen.status += to_text(row[1]);
    seen.replica += to_text(row[2]);
  }
  if (has_looked_) publish_differences(now);
  has_looked_ = true;
  seen_ = std::move(now);
}

void StatusWatch::publish_differences(const std::map<std::string, Seen>& now) {
  bool list_changed = now.size() != seen_.size();
  for (const auto& [database, seen] : now) {
    const auto before = seen_.find(database);
    if (before == seen_.end()) {
      list_changed = true;
      continue;
    }
    for (const ResourceKind& kind : resource_kinds().subspan(1)) {
      const bool is_status = kind.tool == std::string_view("litestream_status");
      const bool changed =
          is_status ? !(seen == before->second) : seen.replica != before->second.replica;
      if (!changed) continue;
      publish_({McpChange::Kind::kResource, format_resource_uri({&kind, database, {}})});
    }
  }
  if (!list_changed) return;
  publish_({McpChange::Kind::kResources, ""});
  publish_({McpChange::Kind::kResource, format_resource_uri({&resource_kinds()[0], "", {}})});
}

}  // namespace litestream
