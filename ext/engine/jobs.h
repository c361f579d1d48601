// What of this process takes long right now: restores, verifies, snapshots, compactions. A row of
// litestream_jobs each, and a way to stop one from elsewhere.
// Threading: thread-safe. After fork() the child has none.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "ext/base/status.h"

namespace litestream {

struct JobInfo {
  int64_t id = 0;        // counts up from 1 in each process
  std::string kind;      // "restore", "verify", "snapshot", "compaction", "follow"
  std::string database;  // path, or URL without secrets
  std::string replica;   // its name
  uint64_t done_bytes = 0;
  uint64_t total_bytes = 0;   // 0: not known yet
  int64_t started_at_ms = 0;  // wall time
};

// One job; listed while the object lives.
class Job {
 public:
  Job(std::string kind, std::string database, std::string replica);
  ~Job();
  Job(const Job&) = delete;
  Job& operator=(const Job&) = delete;

  int64_t id() const;
  // May be called as often as one likes.
  void report(uint64_t done_bytes, uint64_t total_bytes) noexcept;
  // Somebody wants it to end; it should within 200 ms, with Cancelled.
  bool is_cancelled() const noexcept;

 private:
  friend std::vector<JobInfo> running_jobs();
  friend bool cancel_job(int64_t id) noexcept;
  struct Entry;
  const std::shared_ptr<Entry> entry_;
};

// Oldest first.
std::vector<JobInfo> running_jobs();
// False: no such job runs.
bool cancel_job(int64_t id) noexcept;

}  // namespace litestream
