// Bytes that this process has allocated and not freed, so that a test can see a leak that ends with
// the process. Nothing that the allocator keeps for later counts.
// Threading: thread-safe; other threads' allocations count too.
#pragma once

#include <malloc.h>
#ifdef __SANITIZE_ADDRESS__
#include <sanitizer/allocator_interface.h>
#endif

#include <cstddef>

namespace litestream::test {

inline size_t heap_in_use_bytes() {
#ifdef __SANITIZE_ADDRESS__
  return __sanitizer_get_current_allocated_bytes();
#else
  const struct mallinfo2 info = ::mallinfo2();
  return info.uordblks + info.hblkhd;
#endif
}

}  // namespace litestream::test
