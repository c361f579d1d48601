#include "ext/store/call_limits.h"

#include <algorithm>

#include "ext/base/clock.h"

namespace litestream {
namespace {

thread_local const CallLimits* current_limits = nullptr;

}  // namespace

CallLimits::CallLimits(int64_t deadline_ms, std::function<bool()> stopped)
    : outer_(current_limits),
      previous_(current_limits),
      deadline_ms_(deadline_ms),
      stopped_(std::move(stopped)) {
  current_limits = this;
}

CallLimits::CallLimits(Status refusal)
    : outer_(current_limits),
      previous_(current_limits),
      deadline_ms_(kNoDeadline),
      refusal_(std::move(refusal)) {
  current_limits = this;
}

CallLimits::CallLimits(const CallLimits* outer)
    : outer_(outer), previous_(current_limits), deadline_ms_(kNoDeadline) {
  current_limits = this;
}

CallLimits::~CallLimits() { current_limits = previous_; }

const CallLimits* CallLimits::current() { return current_limits; }

int64_t CallLimits::deadline_ms() {
  int64_t deadline = kNoDeadline;
  for (const CallLimits* at = current_limits; at != nullptr; at = at->outer_) {
    deadline = std::min(deadline, at->deadline_ms_);
  }
  return deadline;
}

Status CallLimits::check() {
  for (const CallLimits* at = current_limits; at != nullptr; at = at->outer_) {
    if (!at->refusal_.ok()) return at->refusal_;
    if (at->stopped_ && at->stopped_()) return cancelled("interrupted");
  }
  const int64_t deadline = deadline_ms();
  if (deadline != kNoDeadline && system_clock().monotonic_ms() >= deadline) {
    return unavailable("the store did not answer in the time given to this call");
  }
  return {};
}

}  // namespace litestream
