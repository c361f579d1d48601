// Bytes in memory as a RandomReader, and small files for tests.
// Threading: thread-compatible.
#pragma once

#include <algorithm>
#include <cstring>
#include <fstream>
#include <functional>
#include <string>

#include "ext/base/bytes.h"

namespace litestream::test {

class TextReader final : public RandomReader {
 public:
  // `on_read`, if given, is called before each read with its offset.
  explicit TextReader(std::string text, std::function<void(uint64_t)> on_read = nullptr)
      : text_(std::move(text)), on_read_(std::move(on_read)) {}
  Result<size_t> read_at(uint64_t offset_bytes, MutableBytes out) override {
    if (on_read_) on_read_(offset_bytes);
    if (offset_bytes >= text_.size()) return size_t{0};
    const size_t count = std::min<size_t>(out.size(), text_.size() - offset_bytes);
    std::memcpy(out.data(), text_.data() + offset_bytes, count);
    return count;
  }
  Result<uint64_t> size_bytes() override { return static_cast<uint64_t>(text_.size()); }

 private:
  const std::string text_;
  const std::function<void(uint64_t)> on_read_;
};

// Writes a file and returns its path.
inline std::string write_text_file(const std::string& path, const std::string& text) {
  std::ofstream(path, std::ios::binary) << text;
  return path;
}

}  // namespace litestream::test
