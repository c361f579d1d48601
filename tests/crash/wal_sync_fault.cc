#include "tests/crash/wal_sync_fault.h"

#include <signal.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <string>
#include <string_view>

namespace litestream::test {
namespace {

std::atomic<WalSyncFault> armed{WalSyncFault::kNone};

bool is_wal(int fd) {
  char path[4096];
  const std::string link = "/proc/self/fd/" + std::to_string(fd);
  const ssize_t n = ::readlink(link.c_str(), path, sizeof path);
  return n > 0 && std::string_view(path, static_cast<size_t>(n)).ends_with("-wal");
}

int sync_file(int fd, long call) {
  if (armed.load() != WalSyncFault::kNone && is_wal(fd)) {
    const WalSyncFault fault = armed.exchange(WalSyncFault::kNone);
    if (fault == WalSyncFault::kKill) (void)::kill(::getpid(), SIGKILL);
    if (fault == WalSyncFault::kFail) {
      errno = EIO;
      return -1;
    }
  }
  return static_cast<int>(::syscall(call, fd));
}

}  // namespace

void arm_wal_sync_fault(WalSyncFault fault) { armed.store(fault); }

}  // namespace litestream::test

extern "C" {
__attribute__((visibility("default"))) int fdatasync(int fd);
__attribute__((visibility("default"))) int fsync(int fd);
int fdatasync(int fd) { return litestream::test::sync_file(fd, SYS_fdatasync); }
int fsync(int fd) { return litestream::test::sync_file(fd, SYS_fsync); }
}
