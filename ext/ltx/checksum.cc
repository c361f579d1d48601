#include "ext/ltx/checksum.h"

#include <array>

#if defined(__x86_64__)
#include <immintrin.h>
#define LITESTREAM_HAS_CLMUL 1
#else
#define LITESTREAM_HAS_CLMUL 0
#endif

namespace litestream {

namespace {

// Reflected: bit 63 of a word is the coefficient of x^0.
constexpr uint64_t kPolynomial = 0xD800000000000000;
constexpr size_t kSlices = 16;

constexpr uint64_t times_x(uint64_t value) {
  return (value >> 1) ^ ((value & 1) != 0 ? kPolynomial : 0);
}

using SliceTables = std::array<std::array<uint64_t, 256>, kSlices>;

// tables[k][b] is the state after byte b and k zero bytes.
constexpr SliceTables make_tables() {
  SliceTables tables{};
  for (size_t b = 0; b < 256; ++b) {
    uint64_t state = b;
    for (int bit = 0; bit < 8; ++bit) state = times_x(state);
    tables[0][b] = state;
  }
  for (size_t k = 1; k < kSlices; ++k) {
    for (size_t b = 0; b < 256; ++b) {
      const uint64_t state = tables[k - 1][b];
      tables[k][b] = (state >> 8) ^ tables[0][state & 0xFF];
    }
  }
  return tables;
}

constexpr SliceTables kTables = make_tables();

uint64_t load_le64(const uint8_t* p) {
  const uint64_t v = load_be64(p);
  return __builtin_bswap64(v);
}

// The share of eight bytes that stand `distance` bytes before the end of the block.
template <size_t distance>
uint64_t slice_word(uint64_t word) {
  return kTables[distance + 7][word & 0xFF] ^ kTables[distance + 6][word >> 8 & 0xFF] ^
         kTables[distance + 5][word >> 16 & 0xFF] ^ kTables[distance + 4][word >> 24 & 0xFF] ^
         kTables[distance + 3][word >> 32 & 0xFF] ^ kTables[distance + 2][word >> 40 & 0xFF] ^
         kTables[distance + 1][word >> 48 & 0xFF] ^ kTables[distance][word >> 56];
}

}  // namespace

uint64_t crc64_bytewise(uint64_t state, Bytes bytes) {
  for (const uint8_t byte : bytes) state = (state >> 8) ^ kTables[0][(state ^ byte) & 0xFF];
  return state;
}

uint64_t crc64_portable(uint64_t state, Bytes bytes) {
  while (bytes.size() >= kSlices) {
    const uint64_t first = load_le64(bytes.data()) ^ state;
    const uint64_t second = load_le64(bytes.data() + 8);
    state = slice_word<8>(first) ^ slice_word<0>(second);
    bytes = bytes.subspan(kSlices);
  }
  if (bytes.size() >= 8) {
    state = slice_word<0>(load_le64(bytes.data()) ^ state);
    bytes = bytes.subspan(8);
  }
  return crc64_bytewise(state, bytes);
}

#if LITESTREAM_HAS_CLMUL

namespace {

// Eight lanes of 16 bytes hide the latency of the multiplication.
constexpr size_t kLanes = 8;
constexpr size_t kLaneBytes = 16;
constexpr size_t kBlockBytes = kLanes * kLaneBytes;

constexpr uint64_t x_power(int exponent) {
  uint64_t value = uint64_t{1} << 63;
  for (int i = 0; i < exponent; ++i) value = times_x(value);
  return value;
}

// Moving a 128-bit lane over `bits` bits of message multiplies it by x^bits. Its low word holds the
// high powers and so takes x^(bits + 64). The product of two reflected words comes out shifted by
// one, hence the - 1.
struct FoldFactors {
  uint64_t low_word;
  uint64_t high_word;
};
constexpr FoldFactors fold_factors(int bits) { return {x_power(bits + 64 - 1), x_power(bits - 1)}; }
constexpr FoldFactors kFoldBlock = fold_factors(8 * static_cast<int>(kBlockBytes));
constexpr FoldFactors kFoldLane = fold_factors(8 * static_cast<int>(kLaneBytes));

#define LITESTREAM_CLMUL_TARGET __attribute__((target("sse2,pclmul")))

LITESTREAM_CLMUL_TARGET inline __m128i load_lane(const uint8_t* p) {
  return _mm_loadu_si128(reinterpret_cast<const __m128i*>(p));
}

LITESTREAM_CLMUL_TARGET inline __m128i load_factors(FoldFactors factors) {
  return _mm_set_epi64x(static_cast<long long>(factors.high_word),
                        static_cast<long long>(factors.low_word));
}

LITESTREAM_CLMUL_TARGET inline __m128i fold(__m128i lane, __m128i factors, __m128i next) {
  const __m128i from_low = _mm_clmulepi64_si128(lane, factors, 0x00);
  const __m128i from_high = _mm_clmulepi64_si128(lane, factors, 0x11);
  return _mm_xor_si128(_mm_xor_si128(from_low, from_high), next);
}

// The same with two lanes in one register. Folds whole blocks of `*bytes` into one lane.
constexpr size_t kPairBytes = 2 * kLaneBytes;
constexpr size_t kWideBlockBytes = kLanes * kPairBytes;
constexpr FoldFactors kFoldWideBlock = fold_factors(8 * static_cast<int>(kWideBlockBytes));
constexpr FoldFactors kFoldPair = fold_factors(8 * static_cast<int>(kPairBytes));

#define LITESTREAM_WIDE_TARGET __attribute__((target("sse2,pclmul,avx2,vpclmulqdq")))

LITESTREAM_WIDE_TARGET inline __m256i load_pair(const uint8_t* p) {
  return _mm256_loadu_si256(reinterpret_cast<const __m256i*>(p));
}

LITESTREAM_WIDE_TARGET inline __m256i load_pair_factors(FoldFactors factors) {
  return _mm256_broadcastsi128_si256(load_factors(factors));
}

LITESTREAM_WIDE_TARGET inline __m256i fold_pair(__m256i pair, __m256i factors, __m256i next) {
  const __m256i from_low = _mm256_clmulepi64_epi128(pair, factors, 0x00);
  const __m256i from_high = _mm256_clmulepi64_epi128(pair, factors, 0x11);
  return _mm256_xor_si256(_mm256_xor_si256(from_low, from_high), next);
}

LITESTREAM_WIDE_TARGET __m128i fold_wide_blocks(uint64_t state, Bytes* bytes) {
  __m256i pairs[kLanes];
  for (size_t i = 0; i < kLanes; ++i) pairs[i] = load_pair(bytes->data() + i * kPairBytes);
  const __m256i seed = _mm256_set_epi64x(0, 0, 0, static_cast<long long>(state));
  pairs[0] = _mm256_xor_si256(pairs[0], seed);
  *bytes = bytes->subspan(kWideBlockBytes);
  const __m256i fold_block = load_pair_factors(kFoldWideBlock);
  while (bytes->size() >= kWideBlockBytes) {
    for (size_t i = 0; i < kLanes; ++i) {
      pairs[i] = fold_pair(pairs[i], fold_block, load_pair(bytes->data() + i * kPairBytes));
    }
    *bytes = bytes->subspan(kWideBlockBytes);
  }
  const __m256i fold_one = load_pair_factors(kFoldPair);
  __m256i sum = pairs[0];
  for (size_t i = 1; i < kLanes; ++i) sum = fold_pair(sum, fold_one, pairs[i]);
  return fold(_mm256_castsi256_si128(sum), load_factors(kFoldLane),
              _mm256_extracti128_si256(sum, 1));
}

LITESTREAM_CLMUL_TARGET __m128i fold_blocks(uint64_t state, Bytes* bytes) {
  __m128i lanes[kLanes];
  for (size_t i = 0; i < kLanes; ++i) lanes[i] = load_lane(bytes->data() + i * kLaneBytes);
  lanes[0] = _mm_xor_si128(lanes[0], _mm_set_epi64x(0, static_cast<long long>(state)));
  *bytes = bytes->subspan(kBlockBytes);
  const __m128i fold_block = load_factors(kFoldBlock);
  while (bytes->size() >= kBlockBytes) {
    for (size_t i = 0; i < kLanes; ++i) {
      lanes[i] = fold(lanes[i], fold_block, load_lane(bytes->data() + i * kLaneBytes));
    }
    *bytes = bytes->subspan(kBlockBytes);
  }
  const __m128i fold_lane = load_factors(kFoldLane);
  __m128i sum = lanes[0];
  for (size_t i = 1; i < kLanes; ++i) sum = fold(sum, fold_lane, lanes[i]);
  return sum;
}

// From one lane that stands for all before it, and the rest of the message.
LITESTREAM_CLMUL_TARGET uint64_t finish(__m128i sum, Bytes bytes) {
  const __m128i fold_lane = load_factors(kFoldLane);
  while (bytes.size() >= kLaneBytes) {
    sum = fold(sum, fold_lane, load_lane(bytes.data()));
    bytes = bytes.subspan(kLaneBytes);
  }
  // What is left is congruent to the message: its own CRC from state 0 is the state.
  uint8_t remainder[kLaneBytes];
  _mm_storeu_si128(reinterpret_cast<__m128i*>(remainder), sum);
  return crc64_portable(crc64_portable(0, remainder), bytes);
}

}  // namespace

bool crc64_clmul_available() { return __builtin_cpu_supports("pclmul") != 0; }

bool crc64_wide_available() {
  return crc64_clmul_available() && __builtin_cpu_supports("avx2") != 0 &&
         __builtin_cpu_supports("vpclmulqdq") != 0;
}

LITESTREAM_CLMUL_TARGET uint64_t crc64_clmul(uint64_t state, Bytes bytes) {
  if (bytes.size() < kBlockBytes) return crc64_portable(state, bytes);
  const __m128i sum = fold_blocks(state, &bytes);
  return finish(sum, bytes);
}

LITESTREAM_CLMUL_TARGET uint64_t crc64_wide(uint64_t state, Bytes bytes) {
  if (bytes.size() < kWideBlockBytes) return crc64_clmul(state, bytes);
  const __m128i sum = fold_wide_blocks(state, &bytes);
  return finish(sum, bytes);
}

#else

bool crc64_clmul_available() { return false; }
bool crc64_wide_available() { return false; }
uint64_t crc64_clmul(uint64_t state, Bytes bytes) { return crc64_portable(state, bytes); }
uint64_t crc64_wide(uint64_t state, Bytes bytes) { return crc64_portable(state, bytes); }

#endif

void Crc64::update(Bytes bytes) {
  using Way = uint64_t (*)(uint64_t, Bytes);
  static const Way fastest = crc64_wide_available()    ? crc64_wide
                             : crc64_clmul_available() ? crc64_clmul
                                                       : crc64_portable;
  state_ = fastest(state_, bytes);
}

Checksum page_checksum(Pgno pgno, Bytes page) {
  uint8_t number[4];
  store_be32(number, pgno);
  Crc64 crc;
  crc.update(number);
  crc.update(page);
  return crc.checksum();
}

}  // namespace litestream
