// Several threads for one job that the calling thread waits for and may give up at any moment.
//
// The caller's callbacks (is it interrupted? how far is it?) belong to the caller's thread: that
// one does none of the work while there are workers, only watches. With one worker everything
// happens on the calling thread, in one order; tests that replay a seed rely on it.
#pragma once

#include <functional>
#include <memory>

#include "ext/base/status.h"
#include "ext/store/ltx_store.h"

namespace litestream {

inline constexpr int kGangThreadsMax = 32;

// What the workers share. Kept alive by each of them.
class GangWork {
 public:
  virtual ~GangWork() = default;
  // One worker; ends when there is nothing left, or soon after stop(). Number from 0.
  virtual void work(int number) = 0;
  // Called from the watching thread: workers are to end as soon as they can.
  virtual void stop() = 0;
};

struct GangOptions {
  int worker_count = 1;  // 1: on the calling thread, unless aside; at most kGangThreadsMax
  // Called by the watching thread every few ms; an error stops the workers. With one worker the
  // work calls it itself, as often as it can.
  std::function<Status()> poll;
  // A thread of its own even for one worker: for work that cannot be polled from within.
  bool aside = false;
  // The store that the workers call, if nobody else uses it. When they are to stop their calls to
  // remote stores end (CallLimits); this one is interrupted besides, and a worker that is stuck in
  // it all the same is left alone with it. Without it the gang waits for stuck workers, however
  // long that takes.
  std::shared_ptr<LtxStore> owned_store;
};

// Runs the work to its end. Errors: of poll; Unavailable if the system gives no thread. What the
// work itself came to is for the work to say.
Status run_gang(const std::shared_ptr<GangWork>& work, const GangOptions& options);

}  // namespace litestream
