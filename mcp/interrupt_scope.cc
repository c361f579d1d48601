#include "mcp/interrupt_scope.h"

#include <pthread.h>

#include <algorithm>
#include <ctime>
#include <system_error>

namespace litestream {
namespace {

constexpr std::chrono::milliseconds kLook{20};

}  // namespace

InterruptScope::InterruptScope() {
  sigemptyset(&signals_);
  sigaddset(&signals_, SIGINT);
  sigaddset(&signals_, SIGTERM);
  pthread_sigmask(SIG_BLOCK, &signals_, &mask_before_);
  try {
    thread_ = std::thread([this] { watch(); });
  } catch (const std::system_error&) {
    // Without a thread the signals end the process, as ever.
    pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
  }
}

InterruptScope::~InterruptScope() {
  is_over_ = true;
  if (thread_.joinable()) thread_.join();
  pthread_sigmask(SIG_SETMASK, &mask_before_, nullptr);
}

void InterruptScope::watch() {
  const timespec look{0, std::chrono::nanoseconds(kLook).count()};
  while (!is_over_) {
    if (sigtimedwait(&signals_, nullptr, &look) > 0) cancellation_.cancel();
  }
}

bool InterruptScope::sleep(std::chrono::milliseconds time) {
  const auto until = std::chrono::steady_clock::now() + time;
  while (!cancellation_.is_cancelled()) {
    const auto left = until - std::chrono::steady_clock::now();
    if (left <= std::chrono::nanoseconds(0)) return true;
    std::this_thread::sleep_for(std::min<std::chrono::nanoseconds>(left, kLook));
  }
  return false;
}

}  // namespace litestream
