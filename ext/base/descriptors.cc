#include "ext/base/descriptors.h"

#include <fcntl.h>
#include <sys/eventfd.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <string>

namespace litestream {

Status require_free_descriptors(int count) {
  std::array<int, kDescriptorsFreeMax> held{};
  const size_t wanted = static_cast<size_t>(std::clamp(count, 0, kDescriptorsFreeMax));
  size_t got = 0;
  for (; got < wanted; ++got) {
    held[got] = got == 0 ? ::eventfd(0, EFD_CLOEXEC) : ::fcntl(held[0], F_DUPFD_CLOEXEC, 0);
    if (held[got] < 0) break;
  }
  for (size_t i = 0; i < got; ++i) ::close(held[i]);
  if (got == wanted) return {};
  rlimit limit{};
  const bool known = ::getrlimit(RLIMIT_NOFILE, &limit) == 0;
  return io_error(
      "this process has too many open files to replicate another database" +
      (known ? " (its limit is " + std::to_string(limit.rlim_cur) + ")" : std::string()) +
      "; raise the limit with ulimit -n, or replicate fewer databases");
}

}  // namespace litestream
