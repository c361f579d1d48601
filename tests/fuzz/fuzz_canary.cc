// Proves that the harness can fail: dies on any input but its corpus. The test of it must fail.
#include <cstring>

#include "tests/fuzz/fuzz.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  FUZZ_REQUIRE(size == 7 && std::memcmp(data, "canary\n", 7) == 0);
  return 0;
}
