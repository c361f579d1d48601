#include "ext/ltx/header.h"

#include <algorithm>
#include <limits>
#include <string>

#include "ext/base/limits.h"
#include "ext/ltx/checksum.h"

namespace litestream {

namespace {

constexpr char kMagic[] = "LTX1";
constexpr char kChainMagic[] = "LSC1";
constexpr size_t kMagicBytes = 4;
constexpr size_t kChainOffset = 80;

static_assert(kChainOffset + kMagicBytes + 8 + 8 == kLtxHeaderBytes);

Status bad_field(const char* field, uint64_t value) {
  return corrupt(std::string("LTX header: ") + field + " is " + std::to_string(value));
}

bool has_flag(Checksum checksum) { return (checksum & kChecksumFlag) != 0; }

Status validate_wal_fields(const LtxHeader& header) {
  // The fields are signed in other implementations.
  constexpr uint64_t kWalBytesMax = std::numeric_limits<int64_t>::max();
  if (header.wal_offset > kWalBytesMax) return bad_field("wal_offset", header.wal_offset);
  if (header.wal_size > kWalBytesMax) return bad_field("wal_size", header.wal_size);
  const bool has_wal_facts = header.wal_salt1 != 0 || header.wal_salt2 != 0 || header.wal_size != 0;
  if (has_wal_facts && header.wal_offset == 0) {
    return corrupt("LTX header: wal_salt or wal_size without wal_offset");
  }
  return {};
}

Status validate_checksums(const LtxHeader& header) {
  const bool may_have_pre_apply = (header.flags & kLtxFlagNoChecksum) == 0 && !header.is_snapshot();
  if (may_have_pre_apply != has_flag(header.pre_apply_checksum) ||
      (!may_have_pre_apply && header.pre_apply_checksum != 0)) {
    return bad_field("pre_apply_checksum", header.pre_apply_checksum);
  }
  if (!header.chain.known) return {};
  if (header.chain.before != 0 && !has_flag(header.chain.before)) {
    return bad_field("chain checksum before", header.chain.before);
  }
  if (!has_flag(header.chain.after)) {
    return bad_field("chain checksum after", header.chain.after);
  }
  return {};
}

ChainChecksum decode_chain(const uint8_t* p) {
  // Other content belongs to other writers: legal, and unknown to us.
  if (!std::equal(p, p + kMagicBytes, kChainMagic)) return {};
  return {true, load_be64(p + kMagicBytes), load_be64(p + kMagicBytes + 8)};
}

}  // namespace

Status validate_header(const LtxHeader& header) {
  if ((header.flags & ~kLtxFlagNoChecksum) != 0) return bad_field("flags", header.flags);
  if (!is_page_size(header.page_size)) return bad_field("page_size", header.page_size);
  if (header.commit > kPageCountMax) return bad_field("commit", header.commit);
  if (header.min_txid == Txid{}) return bad_field("min_txid", 0);
  if (header.max_txid < header.min_txid) return corrupt("LTX header: max_txid before min_txid");
  LS_RETURN_IF_ERROR(validate_wal_fields(header));
  return validate_checksums(header);
}

std::array<uint8_t, kLtxHeaderBytes> encode_header(const LtxHeader& header) {
  std::array<uint8_t, kLtxHeaderBytes> bytes{};
  uint8_t* const p = bytes.data();
  std::copy_n(kMagic, kMagicBytes, p);
  store_be32(p + 4, header.flags);
  store_be32(p + 8, header.page_size);
  store_be32(p + 12, header.commit);
  store_be64(p + 16, header.min_txid.value);
  store_be64(p + 24, header.max_txid.value);
  store_be64(p + 32, static_cast<uint64_t>(header.timestamp));
  store_be64(p + 40, header.pre_apply_checksum);
  store_be64(p + 48, header.wal_offset);
  store_be64(p + 56, header.wal_size);
  store_be32(p + 64, header.wal_salt1);
  store_be32(p + 68, header.wal_salt2);
  store_be64(p + 72, header.node_id);
  if (header.chain.known) {
    std::copy_n(kChainMagic, kMagicBytes, p + kChainOffset);
    store_be64(p + kChainOffset + kMagicBytes, header.chain.before);
    store_be64(p + kChainOffset + kMagicBytes + 8, header.chain.after);
  }
  return bytes;
}

Result<LtxHeader> decode_header(Bytes bytes) {
  if (bytes.size() < kLtxHeaderBytes) {
    return corrupt("LTX header: only " + std::to_string(bytes.size()) + " bytes");
  }
  const uint8_t* const p = bytes.data();
  if (!std::equal(p, p + kMagicBytes, kMagic)) return corrupt("LTX header: not an LTX file");
  LtxHeader header;
  header.flags = load_be32(p + 4);
  header.page_size = load_be32(p + 8);
  header.commit = load_be32(p + 12);
  header.min_txid = Txid{load_be64(p + 16)};
  header.max_txid = Txid{load_be64(p + 24)};
  header.timestamp = static_cast<int64_t>(load_be64(p + 32));
  header.pre_apply_checksum = load_be64(p + 40);
  header.wal_offset = load_be64(p + 48);
  header.wal_size = load_be64(p + 56);
  header.wal_salt1 = load_be32(p + 64);
  header.wal_salt2 = load_be32(p + 68);
  header.node_id = load_be64(p + 72);
  header.chain = decode_chain(p + kChainOffset);
  LS_RETURN_IF_ERROR(validate_header(header));
  return header;
}

Status validate_trailer(const LtxHeader& header, const LtxTrailer& trailer) {
  const bool has_post_apply = (header.flags & kLtxFlagNoChecksum) == 0;
  if (has_post_apply != has_flag(trailer.post_apply_checksum) ||
      (!has_post_apply && trailer.post_apply_checksum != 0)) {
    return corrupt("LTX trailer: post_apply_checksum does not fit the header's flags");
  }
  if (!has_flag(trailer.file_checksum)) return corrupt("LTX trailer: malformed file checksum");
  return {};
}

std::array<uint8_t, kLtxTrailerBytes> encode_trailer(const LtxTrailer& trailer) {
  std::array<uint8_t, kLtxTrailerBytes> bytes;
  store_be64(bytes.data(), trailer.post_apply_checksum);
  store_be64(bytes.data() + 8, trailer.file_checksum);
  return bytes;
}

Result<LtxTrailer> decode_trailer(const LtxHeader& header, Bytes bytes) {
  if (bytes.size() < kLtxTrailerBytes) return corrupt("LTX trailer: file too short");
  const LtxTrailer trailer{load_be64(bytes.data()), load_be64(bytes.data() + 8)};
  LS_RETURN_IF_ERROR(validate_trailer(header, trailer));
  return trailer;
}

}  // namespace litestream
