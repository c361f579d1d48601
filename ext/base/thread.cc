#include "ext/base/thread.h"

#include <pthread.h>
#include <signal.h>

#include <exception>

#include "ext/base/log.h"

namespace litestream {

bool start_thread(std::thread* thread, std::function<void()> body) noexcept {
  sigset_t all;
  sigset_t before;
  sigfillset(&all);
  if (pthread_sigmask(SIG_SETMASK, &all, &before) != 0) return false;
  bool started = false;
  try {
    *thread = std::thread(std::move(body));
    started = true;
  } catch (const std::exception& error) {
    log_message(LogLevel::kError, error.what());
  }
  pthread_sigmask(SIG_SETMASK, &before, nullptr);
  return started;
}

}  // namespace litestream
