// LTX files written out by hand, for tests of any layer: an implementation of the format of its own
// (ext/ltx/FORMAT.md) that shares no code with ext/ltx but its types, writes what it is told, right
// or wrong, and knows what a database must look like after a sequence of files.
// Threading: values, pure functions.
#pragma once

#include <algorithm>
#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <span>
#include <utility>
#include <vector>

#include "ext/base/bytes.h"
#include "ext/base/limits.h"
#include "ext/ltx/header.h"
#include "ext/ltx/types.h"

namespace litestream::test {

using ByteVector = std::vector<uint8_t>;

// Keeps what it is given.
class VectorSink final : public ByteSink {
 public:
  Status append(Bytes more) override {
    bytes.insert(bytes.end(), more.begin(), more.end());
    return {};
  }
  ByteVector bytes;
};

// A page that differs for every (pgno, version) and compresses well.
inline ByteVector make_page(uint32_t page_size, Pgno pgno, uint32_t version = 0) {
  ByteVector page(page_size);
  for (uint32_t i = 0; i < page_size; ++i) {
    page[i] = static_cast<uint8_t>(pgno * 31 + version * 7 + i / 64 + i % 5);
  }
  store_be32(page.data(), pgno);
  store_be32(page.data() + 4, version);
  return page;
}

enum class PageForm {
  kBlock,     // LZ4 block with a size before it, as written today
  kOldFrame,  // LZ4 frame without size, as written by old versions
};

// One file. A default-made one is an empty snapshot; fields may contradict each other.
struct LtxLiteral {
  LtxHeader header;
  std::vector<std::pair<Pgno, ByteVector>> pages;  // in the order written
  PageForm form = PageForm::kBlock;
  Checksum post_apply_checksum = 0;
  std::optional<ByteVector> index;  // instead of the right varints (with their zero byte)
  ByteVector after_trailer;
};

// A snapshot 1..max_txid of `commit` pages of make_page(..., version), without the lock page.
inline LtxLiteral snapshot_literal(uint32_t page_size, Pgno commit, uint64_t max_txid,
                                   uint32_t version = 0) {
  LtxLiteral literal;
  literal.header.page_size = page_size;
  literal.header.commit = commit;
  literal.header.min_txid = Txid{1};
  literal.header.max_txid = Txid{max_txid};
  literal.header.timestamp = 1'700'000'000'000 + static_cast<int64_t>(max_txid) * 1000;
  for (Pgno pgno = 1; pgno <= commit; ++pgno) {
    if (pgno == lock_page(page_size)) continue;
    literal.pages.emplace_back(pgno, make_page(page_size, pgno, version));
  }
  return literal;
}

// A file min..max that holds just `pgnos` (ascending); `version` 0 stands for max_txid.
inline LtxLiteral change_literal(uint32_t page_size, Pgno commit, uint64_t min_txid,
                                 uint64_t max_txid, const std::vector<Pgno>& pgnos,
                                 uint32_t version = 0) {
  LtxLiteral literal = snapshot_literal(page_size, 0, max_txid);
  literal.header.commit = commit;
  literal.header.min_txid = Txid{min_txid};
  if (version == 0) version = static_cast<uint32_t>(max_txid);
  for (const Pgno pgno : pgnos) {
    literal.pages.emplace_back(pgno, make_page(page_size, pgno, version));
  }
  return literal;
}

namespace literal_detail {

inline uint64_t crc64(uint64_t crc, Bytes bytes) {
  static const std::array<uint64_t, 256> kTable = [] {
    std::array<uint64_t, 256> table{};
    for (uint64_t b = 0; b < 256; ++b) {
      uint64_t v = b;
      for (int bit = 0; bit < 8; ++bit) v = (v & 1) != 0 ? (v >> 1) ^ 0xD800000000000000 : v >> 1;
      table[b] = v;
    }
    return table;
  }();
  crc = ~crc;
  for (const uint8_t byte : bytes) crc = kTable[(crc ^ byte) & 0xFF] ^ (crc >> 8);
  return ~crc;
}

inline void put(ByteVector& out, uint64_t value, int bytes) {
  for (int i = bytes - 1; i >= 0; --i) out.push_back(static_cast<uint8_t>(value >> (8 * i)));
}

inline void put_varint(ByteVector& out, uint64_t value) {
  while (value > 127) {
    out.push_back(static_cast<uint8_t>(128 + value % 128));
    value /= 128;
  }
  out.push_back(static_cast<uint8_t>(value));
}

inline void put_all(ByteVector& out, Bytes bytes) {
  out.insert(out.end(), bytes.begin(), bytes.end());
}

// One sequence of literals and nothing else is a valid LZ4 block.
inline ByteVector stored_block(Bytes page) {
  ByteVector out{0xF0};
  size_t rest = page.size() - 15;
  for (; rest >= 255; rest -= 255) out.push_back(255);
  out.push_back(static_cast<uint8_t>(rest));
  put_all(out, page);
  return out;
}

// Frame header (independent blocks of at most 64 KiB, no checksums), one stored block, end mark.
inline ByteVector stored_frame(Bytes page) {
  ByteVector out{0x04, 0x22, 0x4D, 0x18, 0x60, 0x40, 0x82};
  const uint32_t size = static_cast<uint32_t>(page.size()) | 0x80000000u;
  for (int shift = 0; shift < 32; shift += 8) out.push_back(static_cast<uint8_t>(size >> shift));
  put_all(out, page);
  out.insert(out.end(), 4, 0);
  return out;
}

inline ByteVector header_bytes(const LtxHeader& header) {
  ByteVector out{'L', 'T', 'X', '1'};
  put(out, header.flags, 4);
  put(out, header.page_size, 4);
  put(out, header.commit, 4);
  put(out, header.min_txid.value, 8);
  put(out, header.max_txid.value, 8);
  put(out, static_cast<uint64_t>(header.timestamp), 8);
  put(out, header.pre_apply_checksum, 8);
  put(out, header.wal_offset, 8);
  put(out, header.wal_size, 8);
  put(out, header.wal_salt1, 4);
  put(out, header.wal_salt2, 4);
  put(out, header.node_id, 8);
  if (header.chain.known) {
    put_all(out, as_bytes("LSC1"));
    put(out, header.chain.before, 8);
    put(out, header.chain.after, 8);
  }
  out.resize(100);
  return out;
}

}  // namespace literal_detail

// The bytes of the file.
inline ByteVector write_ltx(const LtxLiteral& literal) {
  namespace detail = literal_detail;
  constexpr uint64_t kBit63 = uint64_t{1} << 63;
  ByteVector file = detail::header_bytes(literal.header);
  ByteVector summed = file;  // what the file checksum runs over
  ByteVector index;
  for (const auto& [pgno, page] : literal.pages) {
    const bool sized = literal.form == PageForm::kBlock;
    const ByteVector data = sized ? detail::stored_block(page) : detail::stored_frame(page);
    ByteVector frame;
    detail::put(frame, pgno, 4);
    detail::put(frame, sized ? 1 : 0, 2);
    if (sized) detail::put(frame, data.size(), 4);
    detail::put_varint(index, pgno);
    detail::put_varint(index, file.size());
    detail::put_varint(index, frame.size() + data.size());
    detail::put_all(summed, frame);
    detail::put_all(summed, page);
    detail::put_all(file, frame);
    detail::put_all(file, data);
  }
  index.push_back(0);
  ByteVector end(6, 0);
  detail::put_all(end, literal.index.value_or(index));
  detail::put(end, end.size() - 6, 8);
  detail::put(end, literal.post_apply_checksum, 8);
  detail::put_all(summed, end);
  detail::put_all(file, end);
  detail::put(file, detail::crc64(0, summed) | kBit63, 8);
  detail::put_all(file, literal.after_trailer);
  return file;
}

// The database after these files, oldest first, starting from `base`; the lock page is zeros.
inline ByteVector database_after(std::span<const LtxLiteral> literals, ByteVector base = {}) {
  for (const LtxLiteral& literal : literals) {
    const size_t page_size = literal.header.page_size;
    base.resize(page_size * literal.header.commit);
    for (const auto& [pgno, page] : literal.pages) {
      std::copy(page.begin(), page.end(),
                base.begin() + static_cast<ptrdiff_t>((pgno - 1) * page_size));
    }
  }
  return base;
}

// Whole-database checksum by the definition, not incrementally.
inline Checksum database_checksum(Bytes database, uint32_t page_size) {
  constexpr Checksum kBit63 = Checksum{1} << 63;
  Checksum sum = kBit63;
  for (size_t offset = 0; offset < database.size(); offset += page_size) {
    const Pgno pgno = static_cast<Pgno>(offset / page_size + 1);
    if (pgno == lock_page(page_size)) continue;
    ByteVector summed;
    literal_detail::put(summed, pgno, 4);
    literal_detail::put_all(summed, database.subspan(offset, page_size));
    sum = (sum ^ literal_detail::crc64(0, summed)) | kBit63;
  }
  return sum;
}

// Fills in the chain checksums of consecutive files, oldest first, starting from `base`.
inline void set_chain(std::span<LtxLiteral> literals, ByteVector base = {}) {
  for (LtxLiteral& literal : literals) {
    const uint32_t page_size = literal.header.page_size;
    const Checksum before = base.empty() ? 0 : database_checksum(base, page_size);
    base = database_after({&literal, 1}, std::move(base));
    literal.header.chain = {true, before, database_checksum(base, page_size)};
  }
}

}  // namespace litestream::test
