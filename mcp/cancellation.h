// Tells running work that nobody waits for its result any more: the client cancelled it, or went
// away, or the program ends.
// Threading: thread-safe.
#pragma once

#include <atomic>
#include <functional>
#include <mutex>
#include <vector>

namespace litestream {

class Cancellation {
 public:
  Cancellation() = default;
  Cancellation(const Cancellation&) = delete;
  Cancellation& operator=(const Cancellation&) = delete;

  // From any thread, any number of times.
  void cancel();
  bool is_cancelled() const { return cancelled_.load(); }

  // While it lives, `stop` runs when the work is cancelled: in the cancelling thread, or at once if
  // it is cancelled already. `stop` must not wait for the work and must not create or destroy
  // watches. Once the watch is destroyed `stop` is not running and does not run again.
  class Watch {
   public:
    Watch(Cancellation& cancellation, std::function<void()> stop);
    ~Watch();
    Watch(const Watch&) = delete;
    Watch& operator=(const Watch&) = delete;

   private:
    friend class Cancellation;
    Cancellation& cancellation_;
    const std::function<void()> stop_;
  };

 private:
  std::atomic<bool> cancelled_{false};
  std::mutex mutex_;  // guards watches_; held while a stop function runs
  std::vector<Watch*> watches_;
};

}  // namespace litestream
