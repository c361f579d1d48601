#include "ext/engine/worker_gang.h"

#include <algorithm>
#include <atomic>
#include <chrono>
#include <condition_variable>
#include <exception>
#include <mutex>
#include <thread>
#include <vector>

#include "ext/base/log.h"
#include "ext/engine/job_pool.h"
#include "ext/store/call_limits.h"

namespace litestream {
namespace {

constexpr auto kPollInterval = std::chrono::milliseconds(5);
constexpr auto kStopPatience = std::chrono::milliseconds(100);

struct Count {
  std::mutex mutex;
  std::condition_variable changed;
  int running = 0;
  std::atomic<bool> is_stopping{false};  // store calls of the workers end
};

void run_worker(GangWork& work, int number) noexcept {
  try {
    work.work(number);
  } catch (const std::exception& error) {
    log_message(LogLevel::kError, error.what());
    work.stop();
  }
}

// The threads of one gang.
class Gang {
 public:
  explicit Gang(std::shared_ptr<GangWork> work) : work_(std::move(work)) {}

  int start(int worker_count, const std::shared_ptr<LtxStore>& store) {
    for (int i = 0; i < worker_count; ++i) {
      {
        const std::lock_guard lock(count_->mutex);
        ++count_->running;
      }
      std::thread thread;
      const bool started = start_thread(&thread, [work = work_, count = count_, store, i] {
        const CallLimits limits(CallLimits::kNoDeadline,
                                [count] { return count->is_stopping.load(); });
        run_worker(*work, i);
        const std::lock_guard lock(count->mutex);
        --count->running;
        count->changed.notify_all();
      });
      if (started) {
        threads_.push_back(std::move(thread));
        continue;
      }
      const std::lock_guard lock(count_->mutex);
      --count_->running;
      break;
    }
    return static_cast<int>(threads_.size());
  }

  Status watch(const std::function<Status()>& poll) {
    std::unique_lock lock(count_->mutex);
    while (count_->running > 0) {
      count_->changed.wait_for(lock, kPollInterval);
      if (!poll || count_->running == 0) continue;
      lock.unlock();
      const Status status = poll();
      if (!status.ok()) return status;
      lock.lock();
    }
    return {};
  }

  void end(const Status& status, const std::shared_ptr<LtxStore>& store) {
    bool all_ended = true;
    if (!status.ok()) {
      count_->is_stopping.store(true);
      work_->stop();
    }
    if (!status.ok() && store != nullptr) {
      store->set_interrupted(true);
      std::unique_lock lock(count_->mutex);
      all_ended =
          count_->changed.wait_for(lock, kStopPatience, [this] { return count_->running == 0; });
    }
    for (std::thread& thread : threads_) all_ended ? thread.join() : thread.detach();
  }

 private:
  const std::shared_ptr<GangWork> work_;
  const std::shared_ptr<Count> count_ = std::make_shared<Count>();
  std::vector<std::thread> threads_;
};

}  // namespace

Status run_gang(const std::shared_ptr<GangWork>& work, const GangOptions& options) {
  if (options.worker_count <= 1 && !options.aside) {
    run_worker(*work, 0);
    return {};
  }
  Gang gang(work);
  const int started =
      gang.start(std::clamp(options.worker_count, 1, kGangThreadsMax), options.owned_store);
  if (started == 0) return unavailable("the system has no thread to give");
  const Status status = gang.watch(options.poll);
  gang.end(status, options.owned_store);
  return status;
}

}  // namespace litestream
