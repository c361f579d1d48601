// Byte views, fixed-width integers in both byte orders, and the two ways bytes move here: a
// sequential sink and a positioned reader.
//
// Ownership: spans borrow; the caller keeps the memory alive for the call.
// Threading: free functions are pure; implementations of ByteSink and RandomReader say their own.
#pragma once

#include <bit>
#include <cstddef>
#include <cstdint>
#include <cstring>
#include <span>

#include "ext/base/status.h"

namespace litestream {

using Bytes = std::span<const uint8_t>;
using MutableBytes = std::span<uint8_t>;

// The caller guarantees that 2, 4 or 8 bytes stand at `p`.
inline uint16_t load_be16(const uint8_t* p) {
  uint16_t v;
  std::memcpy(&v, p, sizeof v);
  return std::endian::native == std::endian::big ? v : __builtin_bswap16(v);
}
inline uint32_t load_be32(const uint8_t* p) {
  uint32_t v;
  std::memcpy(&v, p, sizeof v);
  return std::endian::native == std::endian::big ? v : __builtin_bswap32(v);
}
inline uint64_t load_be64(const uint8_t* p) {
  uint64_t v;
  std::memcpy(&v, p, sizeof v);
  return std::endian::native == std::endian::big ? v : __builtin_bswap64(v);
}
inline uint32_t load_le32(const uint8_t* p) {
  uint32_t v;
  std::memcpy(&v, p, sizeof v);
  return std::endian::native == std::endian::little ? v : __builtin_bswap32(v);
}
inline void store_be16(uint8_t* p, uint16_t v) {
  if constexpr (std::endian::native == std::endian::little) v = __builtin_bswap16(v);
  std::memcpy(p, &v, sizeof v);
}
inline void store_be32(uint8_t* p, uint32_t v) {
  if constexpr (std::endian::native == std::endian::little) v = __builtin_bswap32(v);
  std::memcpy(p, &v, sizeof v);
}
inline void store_be64(uint8_t* p, uint64_t v) {
  if constexpr (std::endian::native == std::endian::little) v = __builtin_bswap64(v);
  std::memcpy(p, &v, sizeof v);
}

inline Bytes as_bytes(std::string_view text) {
  return {reinterpret_cast<const uint8_t*>(text.data()), text.size()};
}

// Takes bytes in order. An error is final: nothing more may be appended.
class ByteSink {
 public:
  virtual ~ByteSink() = default;
  virtual Status append(Bytes bytes) = 0;
};

// Reads anywhere in a file or object of known size.
class RandomReader {
 public:
  virtual ~RandomReader() = default;
  // Fills as much of `out` as exists from `offset_bytes` on; fewer bytes only at the end of file.
  virtual Result<size_t> read_at(uint64_t offset_bytes, MutableBytes out) = 0;
  virtual Result<uint64_t> size_bytes() = 0;
};

// Fills all of `out` or fails with Corrupt ("short read ...").
Status read_exactly(RandomReader& reader, uint64_t offset_bytes, MutableBytes out);

}  // namespace litestream
