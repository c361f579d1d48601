// Writes WALs and wal-indexes for tests, in either byte order, from nothing but the format's
// description: it shares no code with ext/wal, so that one can be the oracle of the other.
// Threading: thread-compatible.
#pragma once

#include <algorithm>
#include <cstdint>
#include <cstring>
#include <string>
#include <vector>

#include "ext/base/bytes.h"

namespace litestream::test {

// A RandomReader over bytes in memory, which may be changed between calls.
class MemoryReader final : public RandomReader {
 public:
  explicit MemoryReader(std::vector<uint8_t> bytes) : content(std::move(bytes)) {}
  Result<size_t> read_at(uint64_t offset_bytes, MutableBytes out) override {
    if (offset_bytes >= content.size()) return size_t{0};
    const size_t at = static_cast<size_t>(offset_bytes);
    const size_t count = std::min(out.size(), content.size() - at);
    std::memcpy(out.data(), content.data() + at, count);
    return count;
  }
  Result<uint64_t> size_bytes() override { return uint64_t{content.size()}; }

  std::vector<uint8_t> content;
};

struct BuiltFrame {
  uint32_t pgno = 0;
  uint32_t commit = 0;
  std::vector<uint8_t> page;
  uint32_t checksum1 = 0;
  uint32_t checksum2 = 0;
};

class WalBuilder {
 public:
  WalBuilder(uint32_t page_size, bool big_endian, uint32_t salt1 = 0x01020304,
             uint32_t salt2 = 0xa0b0c0d0)
      : page_size_(page_size), big_endian_(big_endian), salt1_(salt1), salt2_(salt2) {
    append32(bytes_, big_endian ? 0x377f0683u : 0x377f0682u);
    append32(bytes_, 3007000);
    append32(bytes_, page_size);
    append32(bytes_, 7);  // checkpoint sequence
    append32(bytes_, salt1);
    append32(bytes_, salt2);
    sum(bytes_.data(), 24);
    append32(bytes_, sum1_);
    append32(bytes_, sum2_);
  }

  // A frame whose page is made of `fill`.
  void add_frame(uint32_t pgno, uint32_t commit, uint8_t fill) {
    std::vector<uint8_t> page(page_size_);
    for (size_t i = 0; i < page.size(); ++i) page[i] = static_cast<uint8_t>(fill + i * 31);
    add_frame(pgno, commit, std::move(page));
  }
  void add_frame(uint32_t pgno, uint32_t commit, std::vector<uint8_t> page) {
    const size_t start = bytes_.size();
    append32(bytes_, pgno);
    append32(bytes_, commit);
    sum(bytes_.data() + start, 8);
    sum(page.data(), page.size());
    append32(bytes_, salt1_);
    append32(bytes_, salt2_);
    append32(bytes_, sum1_);
    append32(bytes_, sum2_);
    bytes_.insert(bytes_.end(), page.begin(), page.end());
    frames_.push_back({pgno, commit, std::move(page), sum1_, sum2_});
  }
  // A committed frame as SQLite's savepoint bug leaves it: salts and checksum are zero, and the
  // chain goes on from the frame before.
  void add_unchained_frame(uint32_t pgno, uint32_t commit, uint8_t fill) {
    add_unchained_frame(pgno, commit, std::vector<uint8_t>(page_size_, fill));
  }
  void add_unchained_frame(uint32_t pgno, uint32_t commit, std::vector<uint8_t> page) {
    append32(bytes_, pgno);
    append32(bytes_, commit);
    bytes_.insert(bytes_.end(), 16, 0);
    bytes_.insert(bytes_.end(), page.begin(), page.end());
    frames_.push_back({pgno, commit, std::move(page), sum1_, sum2_});
  }

  const std::vector<uint8_t>& bytes() const { return bytes_; }
  const std::vector<BuiltFrame>& frames() const { return frames_; }
  uint32_t frame_count() const { return static_cast<uint32_t>(frames_.size()); }
  uint32_t page_size() const { return page_size_; }
  bool big_endian() const { return big_endian_; }
  uint32_t salt1() const { return salt1_; }
  uint32_t salt2() const { return salt2_; }
  uint32_t header_checksum1() const { return word_at(24); }
  uint32_t header_checksum2() const { return word_at(28); }

  // The first 136 bytes of the wal-index that says "frames 1..mx_frame are committed", as this
  // host would write it.
  std::vector<uint8_t> index_bytes(uint32_t mx_frame) const {
    std::vector<uint8_t> copy(48, 0);
    put_native32(copy, 0, 3007000);
    put_native32(copy, 8, 99);  // change counter
    copy[12] = 1;
    copy[13] = big_endian_ ? 1 : 0;
    const uint16_t stored =
        page_size_ == 65536 ? uint16_t{1} : static_cast<uint16_t>(page_size_ & 0xffff);
    std::memcpy(copy.data() + 14, &stored, 2);
    put_native32(copy, 16, mx_frame);
    put_native32(copy, 20, mx_frame == 0 ? 0 : frames_[mx_frame - 1].commit);
    put_native32(copy, 24, mx_frame == 0 ? 0 : frames_[mx_frame - 1].checksum1);
    put_native32(copy, 28, mx_frame == 0 ? 0 : frames_[mx_frame - 1].checksum2);
    std::memcpy(copy.data() + 32, bytes_.data() + 16, 8);  // salts: raw bytes of the WAL header
    seal_index_copy(copy);
    std::vector<uint8_t> all = copy;
    all.insert(all.end(), copy.begin(), copy.end());
    all.resize(136, 0);
    put_native32(all, 96, 3);  // backfilled
    for (uint32_t i = 0; i < 5; ++i) put_native32(all, 100 + 4 * i, i == 4 ? 0xffffffffu : i * 2);
    return all;
  }
  // Recomputes the checksum in bytes 40..47 of one header copy.
  static void seal_index_copy(std::vector<uint8_t>& copy) {
    uint32_t s1 = 0;
    uint32_t s2 = 0;
    for (size_t at = 0; at < 40; at += 8) {
      uint32_t x1;
      uint32_t x2;
      std::memcpy(&x1, copy.data() + at, 4);
      std::memcpy(&x2, copy.data() + at + 4, 4);
      s1 += x1 + s2;
      s2 += x2 + s1;
    }
    put_native32(copy, 40, s1);
    put_native32(copy, 44, s2);
  }
  static void put_native32(std::vector<uint8_t>& bytes, size_t at, uint32_t value) {
    std::memcpy(bytes.data() + at, &value, 4);
  }

 private:
  static void append32(std::vector<uint8_t>& out, uint32_t v) {
    for (int shift = 24; shift >= 0; shift -= 8) out.push_back(static_cast<uint8_t>(v >> shift));
  }
  uint32_t word_at(size_t at) const {
    return uint32_t{bytes_[at]} << 24 | uint32_t{bytes_[at + 1]} << 16 |
           uint32_t{bytes_[at + 2]} << 8 | uint32_t{bytes_[at + 3]};
  }
  // One word in the WAL's checksum byte order, byte by byte.
  uint32_t input_word(const uint8_t* p) const {
    uint32_t v = 0;
    for (int i = 0; i < 4; ++i) v |= uint32_t{p[i]} << (big_endian_ ? 24 - 8 * i : 8 * i);
    return v;
  }
  void sum(const uint8_t* p, size_t count) {
    for (size_t i = 0; i < count; i += 8) {
      sum1_ += input_word(p + i) + sum2_;
      sum2_ += input_word(p + i + 4) + sum1_;
    }
  }

  uint32_t page_size_;
  bool big_endian_;
  uint32_t salt1_;
  uint32_t salt2_;
  uint32_t sum1_ = 0;
  uint32_t sum2_ = 0;
  std::vector<uint8_t> bytes_;
  std::vector<BuiltFrame> frames_;
};

}  // namespace litestream::test
