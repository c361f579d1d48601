// The counted store does what the store does, and the numbers are those of what was asked.
#include "ext/store/counting_store.h"

#include <catch2/catch.hpp>

#include "ext/store/file_store.h"
#include "tests/support/store_contract.h"
#include "tests/support/temp_dir.h"

using namespace litestream;

namespace {

OperationCounts counts_of(StoreOperation operation) {
  for (const OperationCounts& counts : operation_counts()) {
    if (counts.type == "file" && counts.operation == operation) return counts;
  }
  return {};
}

const LtxFileInfo kFile{0, Txid{1}, Txid{2}, 0, 1'700'000'000'000};

}  // namespace

TEST_CASE("counting store: operations, bytes and durations") {
  const test::TempDir dir;
  const auto store =
      count_operations(std::make_unique<FileStore>(posix_file_system(), dir.file("r")));
  const OperationCounts puts = counts_of(StoreOperation::kPut);
  const OperationCounts gets = counts_of(StoreOperation::kGet);
  const OperationCounts lists = counts_of(StoreOperation::kList);
  const OperationCounts deletes = counts_of(StoreOperation::kDelete);
  auto writer = store->create(kFile);
  REQUIRE(writer.ok());
  REQUIRE((*writer)->append(as_bytes("0123456789")).ok());
  REQUIRE((*writer)->commit().ok());
  (*writer).reset();
  const auto listed = store->list(0);
  REQUIRE(listed.ok());
  REQUIRE(listed->size() == 1);
  {
    auto reader = store->open(listed->front());
    REQUIRE(reader.ok());
    uint8_t bytes[4];
    REQUIRE(*(*reader)->read_at(2, bytes) == 4);
  }
  Status why;
  REQUIRE(store->remove(*listed, &why)->empty());
  REQUIRE(counts_of(StoreOperation::kPut).count == puts.count + 1);
  REQUIRE(counts_of(StoreOperation::kPut).bytes == puts.bytes + 10);
  REQUIRE(counts_of(StoreOperation::kGet).count == gets.count + 1);
  REQUIRE(counts_of(StoreOperation::kGet).bytes == gets.bytes + 4);
  REQUIRE(counts_of(StoreOperation::kList).count == lists.count + 1);
  REQUIRE(counts_of(StoreOperation::kDelete).count == deletes.count + 1);
  for (const OperationCounts& counts : operation_counts()) {
    uint64_t sum = 0;
    for (const uint64_t bucket : counts.buckets) sum += bucket;
    REQUIRE(sum == counts.count);
  }
}

TEST_CASE("counting store: the contract of every store holds") {
  std::vector<std::unique_ptr<test::TempDir>> dirs;
  test::run_store_contract([&] {
    dirs.push_back(std::make_unique<test::TempDir>(test::TempDir::Place::kMemory));
    test::StoreBackend backend;
    backend.open = [root = dirs.back()->file("r")] {
      return count_operations(std::make_unique<FileStore>(posix_file_system(), root));
    };
    return backend;
  });
}

TEST_CASE("counting store: that a file is not there is an answer, no error") {
  const test::TempDir dir;
  const auto store =
      count_operations(std::make_unique<FileStore>(posix_file_system(), dir.file("r")));
  {
    // Whether the store looks when it opens or when it reads is its own business.
    auto reader = store->open(kFile);
    uint8_t byte[1];
    const Status status = reader.ok() ? (*reader)->read_at(0, byte).status() : reader.status();
    REQUIRE(status.code() == StatusCode::kNotFound);
  }
  for (const uint64_t errors : counts_of(StoreOperation::kGet).error_counts) REQUIRE(errors == 0);
}
