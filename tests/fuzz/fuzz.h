// What every fuzz target includes. A target defines LLVMFuzzerTestOneInput and returns 0; it states
// what must hold for any input with FUZZ_REQUIRE. Built with clang and -DLITESTREAM_LIBFUZZER=ON it
// is a libFuzzer program, else standalone_main.cc replays corpus and mutations.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdio>
#include <cstdlib>

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

#define FUZZ_REQUIRE(condition)                                                           \
  do {                                                                                    \
    if (!(condition)) {                                                                   \
      std::fprintf(stderr, "%s:%d: does not hold: %s\n", __FILE__, __LINE__, #condition); \
      std::abort();                                                                       \
    }                                                                                     \
  } while (false)
