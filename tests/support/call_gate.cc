#include "tests/support/call_gate.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <array>
#include <atomic>
#include <cerrno>
#include <condition_variable>
#include <cstdarg>
#include <mutex>

namespace litestream::test {
namespace {

struct Rule {
  std::string path_part;
  GateAction action = GateAction::kPass;
  uint64_t number = 0;
  uint64_t count = 0;
};

struct Gates {
  std::mutex mutex;
  std::condition_variable changed;
  std::array<Rule, 3> rules;
  int held = 0;
  int passes = 0;
  uint64_t epoch = 0;  // open_gates() began a new one
};

// Most of the time there is no rule, and calls cost what they always do.
std::atomic<bool> any_rule{false};

// Immortal: threads may still call when the process ends.
Gates& gates() {
  static Gates* const all = new Gates;
  return *all;
}

void hold(std::unique_lock<std::mutex>& lock, Gates& all) {
  const uint64_t epoch = all.epoch;
  ++all.held;
  all.changed.wait(lock, [&] { return all.passes > 0 || all.epoch != epoch; });
  if (all.epoch == epoch) --all.passes;
  --all.held;
}

// What this call of `size` bytes shall do; kPass after it was held.
GateAction enter(GateCall call, const std::string& path, uint64_t size) {
  Gates& all = gates();
  std::unique_lock lock(all.mutex);
  Rule& rule = all.rules[static_cast<size_t>(call)];
  if (rule.action == GateAction::kPass || path.find(rule.path_part) == std::string::npos) {
    return GateAction::kPass;
  }
  ++rule.count;
  const GateAction action = rule.action;
  if (action == GateAction::kLoseReply) rule.action = GateAction::kPass;
  if (action == GateAction::kHold) {
    hold(lock, all);
    return GateAction::kPass;
  }
  if (action != GateAction::kQuota) return action;
  if (size > rule.number) return GateAction::kFail;
  rule.number -= size;
  return GateAction::kPass;
}

std::string path_of(int fd) {
  char path[4096];
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t n = ::readlink(link.c_str(), path, sizeof path);
  return n > 0 ? std::string(path, static_cast<size_t>(n)) : std::string();
}

template <typename Perform>
auto gated(GateCall call, const std::string& path, uint64_t size, Perform perform)
    -> decltype(perform()) {
  const GateAction action = enter(call, path, size);
  if (action == GateAction::kFail) {
    errno = ENOSPC;
    return -1;
  }
  const auto result = perform();
  if (action == GateAction::kKillAfter) (void)::kill(::getpid(), SIGKILL);
  if (action == GateAction::kLoseReply) {
    errno = EIO;
    return -1;
  }
  return result;
}

}  // namespace

void set_gate(GateCall call, const std::string& path_part, GateAction action, uint64_t number) {
  Gates& all = gates();
  const std::lock_guard lock(all.mutex);
  all.rules[static_cast<size_t>(call)] = {path_part, action, number, 0};
  any_rule.store(true);
}

void open_gates() {
  Gates& all = gates();
  {
    const std::lock_guard lock(all.mutex);
    all.rules = {};
    all.passes = 0;
    ++all.epoch;
    any_rule.store(false);
  }
  all.changed.notify_all();
}

int held_count() {
  const std::lock_guard lock(gates().mutex);
  return gates().held;
}

void let_pass() {
  {
    const std::lock_guard lock(gates().mutex);
    ++gates().passes;
  }
  gates().changed.notify_one();
}

uint64_t gated_count(GateCall call) {
  const std::lock_guard lock(gates().mutex);
  return gates().rules[static_cast<size_t>(call)].count;
}

bool set_gate_by_name(const std::string& call, const std::string& path_part,
                      const std::string& action, uint64_t number) {
  constexpr const char* kCalls[] = {"link", "write", "open"};
  constexpr const char* kActions[] = {"pass", "fail", "lose", "kill", "hold", "quota"};
  for (size_t c = 0; c < std::size(kCalls); ++c) {
    for (size_t a = 0; a < std::size(kActions); ++a) {
      if (call != kCalls[c] || action != kActions[a]) continue;
      set_gate(static_cast<GateCall>(c), path_part, static_cast<GateAction>(a), number);
      return true;
    }
  }
  return false;
}

}  // namespace litestream::test

using litestream::test::GateCall;

extern "C" {

int link(const char* from, const char* to) noexcept {
  const auto perform = [&] {
    return static_cast<int>(::syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0));
  };
  if (!litestream::test::any_rule.load()) return perform();
  return litestream::test::gated(GateCall::kLink, to, 0, perform);
}

// Our code is compiled with 64-bit offsets, so that pwrite() and open() have these names.
ssize_t pwrite64(int fd, const void* bytes, size_t count, off64_t offset) {
  const auto perform = [&] {
    return static_cast<ssize_t>(::syscall(SYS_pwrite64, fd, bytes, count, offset));
  };
  if (!litestream::test::any_rule.load()) return perform();
  return litestream::test::gated(GateCall::kWrite, litestream::test::path_of(fd), count, perform);
}

int open64(const char* path, int flags, ...) {
  va_list arguments;
  va_start(arguments, flags);
  const auto mode = (flags & O_CREAT) != 0 ? va_arg(arguments, unsigned) : 0u;
  va_end(arguments);
  const auto perform = [&] {
    return static_cast<int>(::syscall(SYS_openat, AT_FDCWD, path, flags, mode));
  };
  if (!litestream::test::any_rule.load()) return perform();
  return litestream::test::gated(GateCall::kOpen, path, 0, perform);
}
}
