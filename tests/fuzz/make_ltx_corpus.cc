// Writes the corpora of fuzz_ltx_decoder and fuzz_page_index; the only argument is
// tests/fuzz/corpus. The files in the repository come from here.
#include <filesystem>
#include <fstream>
#include <iostream>

#include "ext/ltx/encoder.h"
#include "tests/support/ltx_literals.h"

namespace litestream::test {
namespace {

ByteVector encode(const LtxLiteral& literal) {
  VectorSink sink;
  LtxEncoder encoder;
  Status status = encoder.begin(literal.header, sink);
  for (const auto& [pgno, page] : literal.pages) {
    if (status.ok()) status = encoder.add_page(pgno, page);
  }
  if (status.ok()) status = encoder.finish();
  if (!status.ok()) std::cerr << status.message() << '\n';
  return sink.bytes;
}

// The circumstances as fuzz_page_index wants them, then the index of `file`.
ByteVector index_of(const LtxLiteral& literal, const ByteVector& file) {
  const uint64_t index_bytes = load_be64(file.data() + file.size() - 24);
  const uint64_t begin = file.size() - 24 - index_bytes;
  ByteVector out;
  uint8_t shift = 0;
  while (512u << shift < literal.header.page_size) ++shift;
  out.push_back(shift);
  out.push_back(literal.header.is_snapshot() ? 0 : 1);
  literal_detail::put(out, literal.header.commit, 4);
  literal_detail::put(out, begin - 6, 4);
  literal_detail::put_all(out, Bytes(file).subspan(begin, index_bytes));
  return out;
}

void save(const std::filesystem::path& path, const ByteVector& bytes) {
  std::ofstream out(path, std::ios::binary);
  out.write(reinterpret_cast<const char*>(bytes.data()),
            static_cast<std::streamsize>(bytes.size()));
  std::cout << path.string() << ": " << bytes.size() << " bytes\n";
}

void write_all(const std::filesystem::path& folder) {
  const std::filesystem::path files = folder / "ltx_decoder";
  const std::filesystem::path indexes = folder / "page_index";
  std::filesystem::create_directories(files);
  std::filesystem::create_directories(indexes);

  LtxLiteral snapshot = snapshot_literal(512, 3, 7);
  set_chain({&snapshot, 1});
  const LtxLiteral change = change_literal(1024, 4000, 8, 9, {1, 200, 3000});
  const LtxLiteral empty = snapshot_literal(4096, 0, 1);
  LtxLiteral old = snapshot_literal(512, 1, 1);
  old.form = PageForm::kOldFrame;
  LtxLiteral summed = snapshot_literal(512, 2, 1);
  summed.header.flags = 0;
  summed.post_apply_checksum = database_checksum(database_after({&summed, 1}), 512);

  save(files / "snapshot", encode(snapshot));
  save(files / "change", encode(change));
  save(files / "empty", encode(empty));
  save(files / "old_frame", write_ltx(old));
  save(files / "with_checksums", write_ltx(summed));
  save(indexes / "snapshot", index_of(snapshot, encode(snapshot)));
  save(indexes / "change", index_of(change, encode(change)));
  save(indexes / "empty", index_of(empty, encode(empty)));
  const LtxLiteral large = snapshot_literal(65536, 40, 1);
  save(indexes / "large", index_of(large, write_ltx(large)));
}

}  // namespace
}  // namespace litestream::test

int main(int argc, char** argv) {
  if (argc != 2) {
    std::cerr << "usage: make_ltx_corpus tests/fuzz/corpus\n";
    return 2;
  }
  litestream::test::write_all(argv[1]);
  return 0;
}
