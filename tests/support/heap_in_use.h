// Bytes that this process has allocated and not freed, so that a test can see a leak that ends with
// the process. Nothing that the allocator keeps for later counts.
// Threading: thread-safe; other threads' allocations count too.
#pragma once

#include <malloc.h>

#include <cstddef>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
// Of the sanitizers' runtime; Debian has no header for it. What they keep back does not count.
extern "C" size_t __sanitizer_get_current_allocated_bytes();
#endif

namespace litestream::test {

inline size_t heap_in_use_bytes() {
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
  return __sanitizer_get_current_allocated_bytes();
#else
  const struct mallinfo2 info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
#endif
}

}  // namespace litestream::test
