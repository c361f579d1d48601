#include "mcp/program_events.h"

#include <poll.h>
#include <sys/eventfd.h>
#include <sys/signalfd.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <csignal>

namespace litestream {
namespace {

sigset_t program_signals() {
  sigset_t signals;
  sigemptyset(&signals);
  for (const int number : {SIGTERM, SIGINT, SIGCHLD}) sigaddset(&signals, number);
  return signals;
}

}  // namespace

void block_program_signals() {
  const sigset_t signals = program_signals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

Result<std::unique_ptr<ProgramEvents>> ProgramEvents::create() {
  const sigset_t signals = program_signals();
  const int signal_fd = ::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK);
  if (signal_fd < 0) return errno_status(errno, "signalfd");
  const int wake_fd = ::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
  if (wake_fd < 0) {
    const int error = errno;
    ::close(signal_fd);
    return errno_status(error, "eventfd");
  }
  return std::unique_ptr<ProgramEvents>(new ProgramEvents(signal_fd, wake_fd));
}

ProgramEvents::~ProgramEvents() {
  ::close(signal_fd_);
  ::close(wake_fd_);
}

ProgramEvents::Event ProgramEvents::wait(int64_t timeout_ms) {
  pollfd fds[2] = {{signal_fd_, POLLIN, 0}, {wake_fd_, POLLIN, 0}};
  const int timeout =
      timeout_ms < 0 ? -1 : static_cast<int>(std::min<int64_t>(timeout_ms, INT_MAX));
  const int ready = ::poll(fds, 2, timeout);
  if (ready < 0) return {Event::Kind::kWake, 0, false};  // interrupted: look again
  signalfd_siginfo info{};
  if (::read(signal_fd_, &info, sizeof info) == sizeof info) {
    const int number = static_cast<int>(info.ssi_signo);
    if (number == SIGCHLD) return {Event::Kind::kChild, 0, false};
    return {Event::Kind::kStop, number, info.ssi_code == SI_KERNEL};
  }
  uint64_t count = 0;
  if (::read(wake_fd_, &count, sizeof count) == sizeof count) return {Event::Kind::kWake, 0, false};
  return {Event::Kind::kTimeout, 0, false};
}

void ProgramEvents::wake() noexcept {
  const uint64_t one = 1;
  const ssize_t ignored = ::write(wake_fd_, &one, sizeof one);
  static_cast<void>(ignored);
}

}  // namespace litestream
