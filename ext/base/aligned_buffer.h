// Bytes at an address that suits direct writes (WritableFile::write_direct). Not initialised.
// Neither copied nor moved. Threading: thread-compatible.
#pragma once

#include <cstddef>
#include <cstdint>
#include <new>

#include "ext/base/bytes.h"

namespace litestream {

// Of offset, address and length of a direct write: no file system in use asks for more.
inline constexpr size_t kDirectAlignBytes = 4096;

class AlignedBuffer {
 public:
  AlignedBuffer() = default;
  ~AlignedBuffer() { free_all(); }
  AlignedBuffer(const AlignedBuffer&) = delete;
  AlignedBuffer& operator=(const AlignedBuffer&) = delete;

  // What it held is lost when it grows. Throws std::bad_alloc.
  void resize(size_t size_bytes) {
    if (size_bytes > capacity_bytes_) {
      free_all();
      data_ = static_cast<uint8_t*>(::operator new(size_bytes, kAlign));
      capacity_bytes_ = size_bytes;
    }
    size_bytes_ = size_bytes;
  }
  MutableBytes bytes() { return {data_, size_bytes_}; }

 private:
  static constexpr std::align_val_t kAlign{kDirectAlignBytes};
  void free_all() {
    if (data_ != nullptr) ::operator delete(data_, kAlign);
    data_ = nullptr;
    size_bytes_ = capacity_bytes_ = 0;
  }

  uint8_t* data_ = nullptr;
  size_t size_bytes_ = 0;
  size_t capacity_bytes_ = 0;
};

}  // namespace litestream
