// Any bytes as an LTX file. Whatever verifies reads the same by index, merges to itself and encodes
// to the same file again.
#include <map>
#include <vector>

#include "ext/ltx/contents.h"
#include "ext/ltx/decoder.h"
#include "ext/ltx/encoder.h"
#include "ext/ltx/merger.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/ltx_literals.h"

namespace litestream {
namespace {

using test::ByteVector;
using Pages = std::map<Pgno, ByteVector>;

class OneReader final : public MergeReaders {
 public:
  explicit OneReader(RandomReader& reader) : reader_(reader) {}
  Result<RandomReader*> reader_of(size_t) override { return &reader_; }

 private:
  RandomReader& reader_;
};

ByteVector copy(Bytes bytes) { return ByteVector(bytes.begin(), bytes.end()); }

// The pages, and the file encoded again from its own compressed blocks (empty if it has others).
Result<Pages> decode(RandomReader& reader, ByteVector& encoded) {
  LS_ASSIGN_OR_RETURN(const auto decoder, LtxDecoder::open(reader, 1));
  test::VectorSink sink;
  LtxEncoder encoder;
  Status status = encoder.begin(decoder->header(), sink);
  Pages pages;
  while (true) {
    LS_ASSIGN_OR_RETURN(const auto view, decoder->next());
    if (!view.has_value()) break;
    pages[view->pgno] = copy(view->page);
    if (status.ok()) status = encoder.add_compressed_page(view->pgno, view->page, view->block);
  }
  if (status.ok()) FUZZ_REQUIRE(encoder.finish().ok());
  if (status.ok()) encoded = std::move(sink.bytes);
  return pages;
}

Result<Pages> read_by_index(RandomReader& reader) {
  LS_ASSIGN_OR_RETURN(LtxIndexedFile file, LtxIndexedFile::open(reader));
  Pages pages;
  PageIndex::Cursor entries = file.entries();
  ByteVector page(file.header().page_size);
  while (entries.next()) {
    LS_RETURN_IF_ERROR(file.read_page(entries.entry(), page));
    pages[entries.entry().pgno] = page;
  }
  return pages;
}

Result<Pages> read_merged(RandomReader& reader) {
  std::vector<LtxContents> inputs(1);
  LS_ASSIGN_OR_RETURN(inputs[0], read_ltx_contents(reader));
  LS_ASSIGN_OR_RETURN(const MergePlan plan, MergePlan::create(std::move(inputs)));
  OneReader readers(reader);
  PageMerger merger(plan, readers, {.buffer_bytes_total = 2000});
  Pages pages;
  while (true) {
    LS_ASSIGN_OR_RETURN(const auto view, merger.next());
    if (!view.has_value()) return pages;
    pages[view->pgno] = copy(view->page);
  }
}

}  // namespace
}  // namespace litestream

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace litestream;
  const Bytes file(data, size);
  BytesReader reader(file);
  ByteVector encoded;
  const auto decoded = decode(reader, encoded);
  const auto indexed = read_by_index(reader);
  const auto merged = read_merged(reader);
  FUZZ_REQUIRE(indexed.ok() == merged.ok());
  if (indexed.ok()) FUZZ_REQUIRE(*indexed == *merged);
  if (!decoded.ok()) {
    FUZZ_REQUIRE(decoded.status().code() == StatusCode::kCorrupt);
    return 0;
  }
  FUZZ_REQUIRE(indexed.ok() && *indexed == *decoded);
  if (encoded.empty()) return 0;
  FUZZ_REQUIRE(encoded.size() == size);
  // Reserved bytes of other writers are dropped; then header and file checksum differ.
  const bool same_header = copy(Bytes(encoded).first(100)) == copy(file.first(100));
  FUZZ_REQUIRE(copy(Bytes(encoded).subspan(100, size - 108)) ==
               copy(file.subspan(100, size - 108)));
  FUZZ_REQUIRE(!same_header || encoded == copy(file));
  return 0;
}
