#include "ext/wal/wal_format.h"

#include <array>
#include <bit>
#include <cstring>
#include <string>

#include "ext/base/limits.h"

#if defined(__x86_64__)
#include <immintrin.h>
#define LITESTREAM_HAS_AVX2 1
#else
#define LITESTREAM_HAS_AVX2 0
#endif

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

#if LITESTREAM_HAS_AVX2

// The words of a block, each multiplied by how often it ends up in either sum: after the last word
// the sums are what they were, times two factors, plus all those products. So nothing waits for the
// word before, as it does in the definition.
constexpr size_t kBlockSteps = 128;
constexpr size_t kBlockWords = 2 * kBlockSteps;
constexpr size_t kBlockBytes = kChecksumStepBytes * kBlockSteps;

struct BlockFactors {
  alignas(32) std::array<uint32_t, kBlockWords> in_s1;
  alignas(32) std::array<uint32_t, kBlockWords> in_s2;
  WalChecksum of_s1, of_s2;  // of the sums before the block
};

constexpr BlockFactors make_block_factors() {
  BlockFactors factors{};
  // What one unit in s1 and one in s2 become by the end, going backwards from there.
  WalChecksum s1{1, 0};
  WalChecksum s2{0, 1};
  for (size_t step = kBlockSteps; step-- > 0;) {
    // The first word of a step goes into both sums, the second into s2 only.
    const WalChecksum first{s1.s1 + s2.s1, s1.s2 + s2.s2};
    factors.in_s1[2 * step] = first.s1;
    factors.in_s2[2 * step] = first.s2;
    factors.in_s1[2 * step + 1] = s2.s1;
    factors.in_s2[2 * step + 1] = s2.s2;
    // s1 goes into both, s2 into s1 and, with that, into itself twice.
    const WalChecksum next_s2{first.s1 + s2.s1, first.s2 + s2.s2};
    s1 = first;
    s2 = next_s2;
  }
  factors.of_s1 = s1;
  factors.of_s2 = s2;
  return factors;
}

constexpr BlockFactors kBlockFactors = make_block_factors();

#define LITESTREAM_AVX2_TARGET __attribute__((target("avx2")))

LITESTREAM_AVX2_TARGET inline __m256i load_words(const void* p) {
  return _mm256_loadu_si256(static_cast<const __m256i*>(p));
}

LITESTREAM_AVX2_TARGET inline uint32_t sum_of_words(__m256i words) {
  __m128i sum = _mm_add_epi32(_mm256_castsi256_si128(words), _mm256_extracti128_si256(words, 1));
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0x4E));
  sum = _mm_add_epi32(sum, _mm_shuffle_epi32(sum, 0xB1));
  return static_cast<uint32_t>(_mm_cvtsi128_si32(sum));
}

LITESTREAM_AVX2_TARGET WalChecksum checksum_blocks(WalChecksum seed, const uint8_t* p,
                                                   size_t block_count) {
  for (size_t block = 0; block < block_count; ++block, p += kBlockBytes) {
    __m256i sum1 = _mm256_setzero_si256();
    __m256i sum2 = _mm256_setzero_si256();
    for (size_t i = 0; i < kBlockWords; i += 8) {
      const __m256i words = load_words(p + i * sizeof(uint32_t));
      sum1 = _mm256_add_epi32(sum1, _mm256_mullo_epi32(words, load_words(&kBlockFactors.in_s1[i])));
      sum2 = _mm256_add_epi32(sum2, _mm256_mullo_epi32(words, load_words(&kBlockFactors.in_s2[i])));
    }
    const WalChecksum& f1 = kBlockFactors.of_s1;
    const WalChecksum& f2 = kBlockFactors.of_s2;
    seed = {seed.s1 * f1.s1 + seed.s2 * f2.s1 + sum_of_words(sum1),
            seed.s1 * f1.s2 + seed.s2 * f2.s2 + sum_of_words(sum2)};
  }
  return seed;
}

#endif

// In the byte order of this machine.
WalChecksum checksum_native(WalChecksum seed, const uint8_t* p, size_t step_count) {
#if LITESTREAM_HAS_AVX2
  static const bool has_avx2 = __builtin_cpu_supports("avx2") != 0;
  if (has_avx2 && step_count >= kBlockSteps) {
    const size_t block_count = step_count / kBlockSteps;
    seed = checksum_blocks(seed, p, block_count);
    p += block_count * kBlockBytes;
    step_count %= kBlockSteps;
  }
#endif
  return checksum_words<false>(seed, p, step_count);
}

}  // namespace

WalChecksum wal_checksum(WalChecksum seed, Bytes bytes, bool big_endian) {
  constexpr bool kHostIsBig = std::endian::native == std::endian::big;
  const size_t step_count = bytes.size() / kChecksumStepBytes;
  if (big_endian == kHostIsBig) return checksum_native(seed, bytes.data(), step_count);
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
