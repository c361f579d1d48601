#include "ext/engine/jobs.h"

#include <pthread.h>

#include <algorithm>
#include <mutex>

#include "ext/base/clock.h"

namespace litestream {

struct Job::Entry {
  JobInfo info;  // but for the counts: constant
  std::atomic<uint64_t> done_bytes{0};
  std::atomic<uint64_t> total_bytes{0};
  std::atomic<bool> cancelled{false};
};

namespace {

// Immortal: jobs may end while the process does.
template <typename Entry>
struct List {
  std::mutex mutex;
  int64_t last_id = 0;
  std::vector<std::shared_ptr<Entry>> entries;
};

template <typename Entry>
List<Entry>& job_list() {
  static List<Entry>* const list = [] {
    ::pthread_atfork([] { job_list<Entry>().mutex.lock(); },
                     [] { job_list<Entry>().mutex.unlock(); },
                     [] {
                       // The threads that did the work are not there.
                       job_list<Entry>().entries.clear();
                       job_list<Entry>().mutex.unlock();
                     });
    return new List<Entry>;
  }();
  return *list;
}

}  // namespace

Job::Job(std::string kind, std::string database, std::string replica)
    : entry_(std::make_shared<Entry>()) {
  entry_->info.kind = std::move(kind);
  entry_->info.database = std::move(database);
  entry_->info.replica = std::move(replica);
  entry_->info.started_at_ms = system_clock().wall_ms();
  auto& list = job_list<Entry>();
  const std::lock_guard lock(list.mutex);
  entry_->info.id = ++list.last_id;
  list.entries.push_back(entry_);
}

Job::~Job() {
  auto& list = job_list<Entry>();
  const std::lock_guard lock(list.mutex);
  std::erase(list.entries, entry_);
}

int64_t Job::id() const { return entry_->info.id; }

void Job::report(uint64_t done_bytes, uint64_t total_bytes) noexcept {
  entry_->done_bytes = done_bytes;
  entry_->total_bytes = total_bytes;
}

bool Job::is_cancelled() const noexcept { return entry_->cancelled; }

std::vector<JobInfo> running_jobs() {
  auto& list = job_list<Job::Entry>();
  const std::lock_guard lock(list.mutex);
  std::vector<JobInfo> jobs;
  for (const auto& entry : list.entries) {
    JobInfo& info = jobs.emplace_back(entry->info);
    info.done_bytes = entry->done_bytes;
    info.total_bytes = entry->total_bytes;
  }
  return jobs;
}

bool cancel_job(int64_t id) noexcept {
  auto& list = job_list<Job::Entry>();
  const std::lock_guard lock(list.mutex);
  const auto found = std::find_if(list.entries.begin(), list.entries.end(),
                                  [&](const auto& entry) { return entry->info.id == id; });
  if (found == list.entries.end()) return false;
  (*found)->cancelled = true;
  return true;
}

}  // namespace litestream
