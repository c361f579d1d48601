// Random numbers for tests: splitmix64, so that a printed seed reproduces a run on any machine.
// Threading: thread-compatible.
#pragma once

#include <cstdint>
#include <cstdlib>
#include <iostream>
#include <string>

namespace litestream::test {

class Prng {
 public:
  explicit Prng(uint64_t seed) : seed_(seed), state_(seed) {}
  // The seed of the environment variable LITESTREAM_TEST_SEED, else `default_seed`; prints it.
  static Prng announced(const char* test_name, uint64_t default_seed) {
    const char* text = std::getenv("LITESTREAM_TEST_SEED");
    const uint64_t seed = text != nullptr ? std::strtoull(text, nullptr, 0) : default_seed;
    std::cerr << test_name << ": LITESTREAM_TEST_SEED=" << seed << '\n';
    return Prng(seed);
  }

  uint64_t seed() const { return seed_; }
  uint64_t next() {
    uint64_t z = (state_ += 0x9E3779B97F4A7C15u);
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
  }
  // 0 <= result < bound; `bound` must not be 0.
  uint64_t below(uint64_t bound) { return next() % bound; }
  // first <= result <= last.
  uint64_t between(uint64_t first, uint64_t last) { return first + below(last - first + 1); }
  bool chance(uint64_t one_in) { return below(one_in) == 0; }
  std::string bytes(size_t count) {
    std::string out(count, '\0');
    for (char& c : out) c = static_cast<char>(next());
    return out;
  }

 private:
  uint64_t seed_;
  uint64_t state_;
};

}  // namespace litestream::test
