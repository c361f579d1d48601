// How every thread of ours begins.
#pragma once

#include <functional>
#include <thread>

namespace litestream {

// Runs `body` on a new thread with all signals blocked, so that the host's handlers run on the
// host's threads; false if the system has no thread to give.
bool start_thread(std::thread* thread, std::function<void()> body) noexcept;

}  // namespace litestream
