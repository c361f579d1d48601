#include "mcp/cancellation.h"

namespace litestream {

void Cancellation::cancel() {
  const std::lock_guard lock(mutex_);
  if (cancelled_.exchange(true)) return;
  for (Watch* watch : watches_) watch->stop_();
}

Cancellation::Watch::Watch(Cancellation& cancellation, std::function<void()> stop)
    : cancellation_(cancellation), stop_(std::move(stop)) {
  const std::lock_guard lock(cancellation_.mutex_);
  cancellation_.watches_.push_back(this);
  if (cancellation_.is_cancelled()) stop_();
}

Cancellation::Watch::~Watch() {
  const std::lock_guard lock(cancellation_.mutex_);
  std::erase(cancellation_.watches_, this);
}

}  // namespace litestream
