// WAL bytes from anywhere. The first byte picks the page size and byte order of a header that is
// put right, so that the fuzzer spends its time on frames; 0xff leaves the input as it is.
// What must hold: no read outside the input, and scan_wal agrees with find_last_commit wherever
// the chain is whole.
#include <vector>

#include "ext/base/limits.h"
#include "ext/wal/wal_reader.h"
#include "tests/fuzz/fuzz.h"
#include "tests/support/wal_builder.h"

namespace {

using namespace litestream;
using litestream::test::MemoryReader;

class Counter final : public WalFrameVisitor {
 public:
  Status on_frame(uint32_t frame_no, uint32_t pgno, uint32_t, Bytes page) override {
    FUZZ_REQUIRE(pgno != 0 && is_page_size(page.size()));
    FUZZ_REQUIRE(frame_no == ++last_frame_);
    byte_sum += page.front() + page.back();
    return {};
  }
  uint64_t byte_sum = 0;

 private:
  uint32_t last_frame_ = 0;
};

void scan_both_ways(std::vector<uint8_t> bytes) {
  const uint64_t file_bytes = bytes.size();
  MemoryReader reader(std::move(bytes));
  const auto recovery = find_last_commit(reader);
  if (!recovery.ok()) return;
  const WalHeader& header = recovery->header;
  FUZZ_REQUIRE(recovery->last_commit.frame == 0 ||
               wal_frame_offset(recovery->last_commit.frame + 1, header.page_size) <= file_bytes);
  FUZZ_REQUIRE((recovery->commit_count == 0) == (recovery->last_commit.frame == 0));

  WalIndex index;
  index.page_size = header.page_size;
  index.big_endian_checksums = header.big_endian_checksums;
  index.salts = header.salts;
  index.mx_frame = recovery->last_commit.frame;
  index.frame_checksum = recovery->last_commit.checksum;
  Counter counter;
  const auto scan = scan_wal(reader, header, wal_start(header), index, counter);
  if (scan.ok()) {
    FUZZ_REQUIRE(!scan->chain_broken && scan->commit_count == recovery->commit_count);
    FUZZ_REQUIRE(scan->end == recovery->last_commit);
    FUZZ_REQUIRE(*frame_matches(reader, header.page_size, scan->end));
  } else {
    // Only page numbers beyond the limit, which SQLite's recovery does not look at.
    FUZZ_REQUIRE(scan.status().code() == StatusCode::kCorrupt);
  }
  // An index that promises more: anything but a crash.
  index.mx_frame += 3;
  Counter beyond;
  const auto more = scan_wal(reader, header, wal_start(header), index, beyond);
  FUZZ_REQUIRE(!more.ok() || more->chain_broken);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const uint8_t choice = data[0];
  const Bytes rest(data + 1, size - 1);
  (void)decode_wal_index(rest);
  (void)decode_wal_header(rest);
  if (choice == 0xff) {
    scan_both_ways({rest.begin(), rest.end()});
    return 0;
  }
  // The input as a list of frames: 3 bytes say page, commit size and fill.
  litestream::test::WalBuilder wal(512u << (choice & 7), (choice & 8) != 0);
  size_t used = 0;
  while ((choice & 16) != 0 && used + 3 <= rest.size() && wal.frame_count() < 32) {
    wal.add_frame(rest[used], rest[used + 1] & 3u, rest[used + 2]);
    used += 3;
  }
  std::vector<uint8_t> bytes = wal.bytes();
  bytes.insert(bytes.end(), rest.begin() + static_cast<ptrdiff_t>(used), rest.end());
  if ((choice & 32) != 0) bytes.resize(bytes.size() - bytes.size() % 997);
  scan_both_ways(std::move(bytes));
  return 0;
}
