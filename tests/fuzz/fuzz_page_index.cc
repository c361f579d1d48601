// Any bytes as a page index: 10 bytes of circumstances, then the encoded index. Whatever is
// accepted encodes to the same bytes again.
//   0: page size is 512 << (byte & 7)   1: min_txid 1 or 2   2..5: commit   6..9: where frames end
#include <vector>

#include "ext/ltx/page_codec.h"
#include "ext/ltx/page_index.h"
#include "tests/fuzz/fuzz.h"

namespace litestream {
namespace {

constexpr size_t kPrefixBytes = 10;

// A file of which only the part from `begin_bytes` on exists.
class OffsetReader final : public RandomReader {
 public:
  OffsetReader(Bytes bytes, uint64_t begin_bytes) : inner_(bytes), begin_bytes_(begin_bytes) {}
  Result<size_t> read_at(uint64_t offset_bytes, MutableBytes out) override {
    return inner_.read_at(offset_bytes - begin_bytes_, out);
  }
  Result<uint64_t> size_bytes() override { return begin_bytes_ + *inner_.size_bytes(); }

 private:
  BytesReader inner_;
  uint64_t begin_bytes_;
};

}  // namespace
}  // namespace litestream

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace litestream;
  if (size < kPrefixBytes) return 0;
  LtxHeader header;
  header.page_size = 512u << (data[0] & 7);
  header.min_txid = header.max_txid = Txid{data[1] % 2u + 1};
  header.commit = load_be32(data + 2);
  const uint64_t frames_end = load_be32(data + 6);
  const uint64_t begin = frames_end + kPageHeaderBytes;
  const Bytes encoded = Bytes(data, size).subspan(kPrefixBytes);

  OffsetReader reader(encoded, begin);
  SequentialReader in(reader, begin, begin + encoded.size(), 30);
  const Result<PageIndex> index = decode_page_index(in, header);
  if (!index.ok()) {
    FUZZ_REQUIRE(index.status().code() == StatusCode::kCorrupt);
    return 0;
  }
  std::vector<uint8_t> again;
  PageIndex::Cursor cursor(*index);
  uint64_t next_offset = kLtxHeaderBytes;
  while (cursor.next()) {
    FUZZ_REQUIRE(cursor.entry().offset_bytes == next_offset);
    FUZZ_REQUIRE(cursor.entry().pgno <= header.commit);
    next_offset += cursor.entry().size_bytes;
    uint8_t entry[kPageIndexEntryBytesMax];
    const size_t used = encode_page_index_entry(cursor.entry(), entry);
    again.insert(again.end(), entry, entry + used);
  }
  again.push_back(0);
  FUZZ_REQUIRE(next_offset == frames_end);
  FUZZ_REQUIRE(again == std::vector<uint8_t>(encoded.begin(), encoded.end()));
  return 0;
}
