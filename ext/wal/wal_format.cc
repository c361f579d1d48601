#include "ext/wal/wal_format.h"

#include <bit>
#include <cstring>
#include <string>

#include "ext/base/limits.h"

namespace litestream {
namespace {

constexpr size_t kChecksummedHeaderBytes = 24;      // of the WAL header
constexpr size_t kChecksummedFrameHeaderBytes = 8;  // page number and commit size
constexpr size_t kChecksumStepBytes = 8;

uint32_t load_native32(const uint8_t* p) {
  uint32_t v;
  std::memcpy(&v, p, sizeof v);
  return v;
}

// The additions are ordered so that only two of them per step wait for the step before.
template <bool kSwap>
WalChecksum checksum_words(WalChecksum seed, const uint8_t* p, size_t step_count) {
  uint32_t s1 = seed.s1;
  uint32_t s2 = seed.s2;
  for (size_t i = 0; i < step_count; ++i, p += kChecksumStepBytes) {
    uint32_t x1 = load_native32(p);
    uint32_t x2 = load_native32(p + 4);
    if constexpr (kSwap) {
      x1 = __builtin_bswap32(x1);
      x2 = __builtin_bswap32(x2);
    }
    s1 = (s1 + x1) + s2;
    s2 = (s2 + x2) + s1;
  }
  return {s1, s2};
}

}  // namespace

WalChecksum wal_checksum(WalChecksum seed, Bytes bytes, bool big_endian) {
  constexpr bool kHostIsBig = std::endian::native == std::endian::big;
  const size_t step_count = bytes.size() / kChecksumStepBytes;
  if (big_endian == kHostIsBig) return checksum_words<false>(seed, bytes.data(), step_count);
  return checksum_words<true>(seed, bytes.data(), step_count);
}

WalChecksum wal_frame_checksum(WalChecksum seed, const uint8_t* frame_header, Bytes page,
                               bool big_endian) {
  const Bytes head(frame_header, kChecksummedFrameHeaderBytes);
  return wal_checksum(wal_checksum(seed, head, big_endian), page, big_endian);
}

Result<WalHeader> decode_wal_header(Bytes bytes) {
  if (bytes.size() < kWalHeaderBytes) {
    return corrupt("WAL header: " + std::to_string(bytes.size()) + " bytes, needs " +
                   std::to_string(kWalHeaderBytes));
  }
  const uint8_t* p = bytes.data();
  const uint32_t magic = load_be32(p);
  if (magic != kWalMagicLittleEndian && magic != kWalMagicBigEndian) {
    return corrupt("WAL header: wrong magic " + std::to_string(magic));
  }
  const uint32_t version = load_be32(p + 4);
  if (version != kWalFormatVersion) {
    return corrupt("WAL header: unknown version " + std::to_string(version));
  }
  WalHeader header;
  header.big_endian_checksums = magic == kWalMagicBigEndian;
  header.page_size = load_be32(p + 8);
  if (!is_page_size(header.page_size)) {
    return corrupt("WAL header: impossible page size " + std::to_string(header.page_size));
  }
  header.checkpoint_sequence = load_be32(p + 12);
  header.salts = {load_be32(p + 16), load_be32(p + 20)};
  header.checksum = {load_be32(p + 24), load_be32(p + 28)};
  const WalChecksum actual =
      wal_checksum({}, bytes.first(kChecksummedHeaderBytes), header.big_endian_checksums);
  if (actual != header.checksum) return corrupt("WAL header: bad checksum");
  return header;
}

WalFrameHeader decode_frame_header(const uint8_t* p) {
  WalFrameHeader frame;
  frame.pgno = load_be32(p);
  frame.commit = load_be32(p + 4);
  frame.salts = {load_be32(p + 8), load_be32(p + 12)};
  frame.checksum = {load_be32(p + 16), load_be32(p + 20)};
  return frame;
}

}  // namespace litestream
