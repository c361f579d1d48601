// The word that somebody may have meant, for error messages.
// Threading: pure functions.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>

namespace litestream {

// Single-character edits and swaps of neighbours between two words. Costs the product of their
// lengths: bound them first.
size_t edit_distance(std::string_view a, std::string_view b);

// The first of `words` that begins with `word`, else the one that is nearest to it; empty if none
// is near (more than a third of it would have to change) or `word` is longer than 64 bytes. Of
// equals, the first.
std::string_view nearest_word(std::span<const std::string_view> words, std::string_view word);

// " (did you mean 'x'?)", or nothing.
std::string nearest_hint(std::span<const std::string_view> words, std::string_view word);

}  // namespace litestream
