// Pages as databases have them: text that compresses by a fifth, noise that does not, and both by
// turns. The same pages in every run.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace litestream::bench {

inline constexpr uint32_t kPageSize = 4096;

using Page = std::vector<uint8_t>;

inline uint64_t next_random(uint64_t& state) {
  state = state * 6364136223846793005u + 1442695040888963407u;
  return state >> 33;
}

inline Page text_page(uint64_t& random) {
  std::string text;
  while (text.size() < kPageSize) {
    text += "name" + std::to_string(next_random(random) % 5000) + " = ";
    text += std::to_string(next_random(random)) + "; ";
  }
  return Page(text.begin(), text.begin() + kPageSize);
}

inline Page noise_page(uint64_t& random) {
  Page page(kPageSize);
  for (uint8_t& byte : page) byte = static_cast<uint8_t>(next_random(random));
  return page;
}

// `kind`: noise, text or mixed.
inline std::vector<Page> make_pages(const std::string& kind, uint32_t page_count,
                                    uint64_t seed = 42) {
  uint64_t random = seed;
  std::vector<Page> pages;
  pages.reserve(page_count);
  for (uint32_t i = 0; i < page_count; ++i) {
    const bool text = kind == "text" || (kind == "mixed" && i % 2 == 0);
    pages.push_back(text ? text_page(random) : noise_page(random));
  }
  return pages;
}

}  // namespace litestream::bench
