#include "tests/support/store_contract.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <thread>

#include "ext/base/limits.h"
#include "ext/ltx/header.h"
#include "tests/support/prng.h"

namespace litestream::test {
namespace {

constexpr int64_t kTimeMs = 1767413106789;

LtxFileInfo file_of(int level, uint64_t min_txid, uint64_t max_txid) {
  return {level, Txid{min_txid}, Txid{max_txid}, 0, kTimeMs + static_cast<int64_t>(max_txid)};
}

std::vector<LtxFileInfo> listed(LtxStore& store, int level) {
  const auto files = store.list(level);
  INFO(files.status().message());
  REQUIRE(files.ok());
  return *files;
}

// Begins like the LTX file it is named as: some stores tell the time of a file by its header.
std::string ltx_content(const LtxFileInfo& file, std::string_view text) {
  LtxHeader header;
  header.page_size = 4096;
  header.commit = 1;
  header.min_txid = file.min_txid;
  header.max_txid = file.max_txid;
  header.timestamp = file.created_at_ms;
  const auto bytes = encode_header(header);
  return std::string(reinterpret_cast<const char*>(bytes.data()), bytes.size()) +
         std::string(text);
}

void check_listing(const StoreBackend& backend) {
  const auto store = backend.open();
  for (int level = 0; level <= kLevelMax; ++level) CHECK(listed(*store, level).empty());
  CHECK_FALSE(store->list(-1).ok());
  CHECK_FALSE(store->list(10).ok());
  // Written in an order that is neither ascending nor descending.
  for (const uint64_t txid : {5u, 300u, 2u, 1u, 0xFFFFu, 17u}) {
    const LtxFileInfo file = file_of(0, txid, txid);
    REQUIRE(put_file(*store, file, ltx_content(file, "content " + std::to_string(txid))).ok());
  }
  REQUIRE(put_file(*store, file_of(1, 1, 5), "level one").ok());
  REQUIRE(put_file(*store, file_of(1, 1, 2), "overlapping").ok());
  REQUIRE(put_file(*store, file_of(9, 1, 0xFFFF), "snapshot").ok());
  const auto fresh = backend.open();
  auto files = listed(*fresh, 0);
  REQUIRE(files.size() == 6);
  CHECK(std::is_sorted(files.begin(), files.end(),
                       [](const auto& a, const auto& b) { return a.min_txid < b.min_txid; }));
  CHECK(files[1].max_txid == Txid{2});
  CHECK(files[1].level == 0);
  CHECK(files[1].size_bytes == kLtxHeaderBytes + std::string("content 2").size());
  REQUIRE(fresh->fill_times(std::span(files).subspan(1, 1)).ok());
  CHECK(files[1].created_at_ms == kTimeMs + 2);
  const auto overlapping = listed(*store, 1);
  REQUIRE(overlapping.size() == 2);
  CHECK(overlapping[0].max_txid == Txid{2});
  const auto all = list_all_levels(*store);
  REQUIRE(all.ok());
  REQUIRE(all->size() == 9);
  CHECK(all->front().level == 9);
  CHECK(all->back().level == 1);
}

void check_ranged_reads(const StoreBackend& backend) {
  const auto store = backend.open();
  const std::string content = Prng(1).bytes(300'000);
  const LtxFileInfo file = file_of(0, 7, 7);
  REQUIRE(put_file(*store, file, content).ok());
  const auto reader = store->open(file);
  REQUIRE(reader.ok());
  Prng prng(2);
  std::string buffer;
  for (int i = 0; i < 200; ++i) {
    const uint64_t offset = prng.below(content.size() + 100);
    const size_t wanted = prng.below(10'000);
    buffer.assign(wanted, '?');
    const auto got =
        (*reader)->read_at(offset, {reinterpret_cast<uint8_t*>(buffer.data()), buffer.size()});
    REQUIRE(got.ok());
    const std::string expected =
        offset < content.size() ? content.substr(offset, wanted) : std::string();
    REQUIRE(*got == expected.size());
    REQUIRE(buffer.substr(0, *got) == expected);
  }
  CHECK((*reader)->size_bytes().value() == content.size());
  CHECK(get_file(*store, file, 70'000).value() == content);
}

void check_missing_file(const StoreBackend& backend) {
  const auto store = backend.open();
  CHECK(get_file(*store, file_of(0, 3, 3)).status().code() == StatusCode::kNotFound);
  REQUIRE(put_file(*store, file_of(0, 3, 3), "x").ok());
  CHECK(get_file(*store, file_of(1, 3, 3)).status().code() == StatusCode::kNotFound);
  CHECK(get_file(*store, file_of(0, 3, 4)).status().code() == StatusCode::kNotFound);
}

void check_create_only(const StoreBackend& backend) {
  const auto store = backend.open();
  const LtxFileInfo file = file_of(0, 4, 4);
  REQUIRE(put_file(*store, file, "the bytes").ok());
  // The reply was lost, the writer repeats.
  CHECK(put_file(*backend.open(), file, "the bytes").ok());
  const std::vector<std::string_view> others = {"", "the byte", "the bytes!", "The bytes"};
  for (const std::string_view other : others) {
    CAPTURE(other);
    CHECK(put_file(*store, file, other).code() == StatusCode::kAlreadyExists);
    CHECK(get_file(*store, file).value() == "the bytes");
  }
  // The same range on another level is another file.
  CHECK(put_file(*store, file_of(1, 4, 4), "other bytes").ok());
  CHECK(listed(*store, 0).size() == 1);
}

void check_visibility(const StoreBackend& backend) {
  const auto store = backend.open();
  const LtxFileInfo file = file_of(2, 1, 9);
  {
    auto writer = store->create(file);
    REQUIRE(writer.ok());
    REQUIRE((*writer)->append(as_bytes("half of the ")).ok());
    CHECK(listed(*backend.open(), 2).empty());
    CHECK_FALSE(get_file(*store, file).ok());
  }
  CHECK(listed(*store, 2).empty());
  auto first = store->create(file);
  auto second = store->create(file);
  REQUIRE(first.ok());
  REQUIRE(second.ok());
  REQUIRE((*first)->append(as_bytes("first")).ok());
  REQUIRE((*second)->append(as_bytes("second")).ok());
  REQUIRE((*second)->commit().ok());
  CHECK(get_file(*backend.open(), file).value() == "second");
  CHECK((*first)->commit().code() == StatusCode::kAlreadyExists);
  first->reset();
  second->reset();
  CHECK(get_file(*store, file).value() == "second");
  CHECK(listed(*store, 2).size() == 1);
}

void check_remove(const StoreBackend& backend) {
  const auto store = backend.open();
  std::vector<LtxFileInfo> files;
  for (uint64_t txid = 1; txid <= 5; ++txid) files.push_back(file_of(0, txid, txid));
  for (const LtxFileInfo& file : files) REQUIRE(put_file(*store, file, "x").ok());
  Status why = internal_error("untouched");
  const std::vector<LtxFileInfo> doomed = {files[0], file_of(0, 77, 77), files[3],
                                           file_of(5, 1, 1)};
  const auto remaining = store->remove(doomed, &why);
  REQUIRE(remaining.ok());
  CHECK(remaining->empty());
  CHECK(why.ok());
  CHECK(listed(*store, 0).size() == 3);
  CHECK(store->remove(doomed, nullptr).value().empty());
  CHECK(store->remove({}, nullptr).value().empty());
  CHECK_FALSE(get_file(*store, files[0]).ok());
  // The name is free again.
  CHECK(put_file(*store, files[0], "other").ok());
  CHECK(get_file(*store, files[0]).value() == "other");
  const std::vector<LtxFileInfo> too_many(1001, files[0]);
  CHECK_FALSE(store->remove(too_many, nullptr).ok());
}

void check_bad_arguments(const StoreBackend& backend) {
  const auto store = backend.open();
  for (const LtxFileInfo& file :
       {file_of(-1, 1, 1), file_of(10, 1, 1), file_of(0, 0, 1), file_of(0, 2, 1)}) {
    CAPTURE(file.level, file.min_txid.value, file.max_txid.value);
    CHECK_FALSE(put_file(*store, file, "x").ok());
  }
}

void check_many_files(const StoreBackend& backend) {
  const auto store = backend.open();
  const size_t count = backend.many_files_count;
  std::vector<LtxFileInfo> files;
  for (uint64_t txid = 1; txid <= count; ++txid) files.push_back(file_of(0, txid, txid));
  for (const LtxFileInfo& file : files) REQUIRE(put_file(*store, file, "x").ok());
  const auto found = listed(*backend.open(), 0);
  REQUIRE(found.size() == count);
  for (size_t i = 0; i < count; ++i) REQUIRE(found[i].min_txid == Txid{i + 1});
  for (size_t at = 0; at < count; at += 1000) {
    const size_t batch = std::min<size_t>(1000, count - at);
    REQUIRE(store->remove(std::span(files).subspan(at, batch), nullptr).value().empty());
  }
  CHECK(listed(*store, 0).empty());
}

void check_parallel_writers(const StoreBackend& backend) {
  const auto store = backend.open();
  const LtxFileInfo contested = file_of(0, 1, 1);
  std::vector<std::thread> threads;
  std::vector<Status> own(4);
  std::vector<Status> shared(4);
  for (size_t i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      shared[i] = put_file(*store, contested, "content " + std::to_string(i));
      own[i] = put_file(*store, file_of(0, 10 + i, 10 + i), "mine");
    });
  }
  for (std::thread& thread : threads) thread.join();
  int winners = 0;
  for (size_t i = 0; i < 4; ++i) {
    CHECK(own[i].ok());
    if (shared[i].ok()) {
      ++winners;
      CHECK(get_file(*store, contested).value() == "content " + std::to_string(i));
    } else {
      CHECK(shared[i].code() == StatusCode::kAlreadyExists);
    }
  }
  CHECK(winners == 1);
  CHECK(listed(*store, 0).size() == 5);
}

void check_lease(const StoreBackend& backend) {
  const auto store = backend.open();
  const auto none = store->read_lease();
  const Lease mine{1, 1'700'000'000'000, "host:1", ""};
  const auto first = store->write_lease(mine, "");
  if (!backend.has_lease) {
    CHECK(none.status().code() == StatusCode::kUnsupported);
    CHECK(first.status().code() == StatusCode::kUnsupported);
    return;
  }
  REQUIRE(none.ok());
  CHECK_FALSE(none->has_value());
  REQUIRE(first.ok());
  CHECK_FALSE(first->etag.empty());
  const auto other = backend.open();
  const Lease theirs{2, 1'700'000'030'000, "host:2", ""};
  CHECK(other->write_lease(theirs, "").status().code() == StatusCode::kPositionMismatch);
  const auto seen = other->read_lease();
  REQUIRE(seen.ok());
  REQUIRE(seen->has_value());
  CHECK((*seen)->generation == 1);
  CHECK((*seen)->owner == "host:1");
  CHECK((*seen)->expires_at_ms == 1'700'000'000'000);
  CHECK((*seen)->etag == first->etag);
  const auto taken = other->write_lease(theirs, (*seen)->etag);
  REQUIRE(taken.ok());
  CHECK(taken->etag != first->etag);
  CHECK(store->write_lease(mine, first->etag).status().code() == StatusCode::kPositionMismatch);
  CHECK(store->write_lease({3, 1, "host:1", ""}, taken->etag).ok());
}

}  // namespace

Status put_file(LtxStore& store, const LtxFileInfo& file, std::string_view bytes) {
  LS_ASSIGN_OR_RETURN(const auto writer, store.create(file));
  LS_RETURN_IF_ERROR(writer->append(as_bytes(bytes.substr(0, bytes.size() / 2))));
  LS_RETURN_IF_ERROR(writer->append(as_bytes(bytes.substr(bytes.size() / 2))));
  return writer->commit();
}

Result<std::string> get_file(LtxStore& store, const LtxFileInfo& file, size_t chunk_bytes) {
  LS_ASSIGN_OR_RETURN(const auto reader, store.open(file));
  std::string out;
  while (true) {
    std::string chunk(chunk_bytes, '\0');
    LS_ASSIGN_OR_RETURN(
        const size_t got,
        reader->read_at(out.size(), {reinterpret_cast<uint8_t*>(chunk.data()), chunk.size()}));
    out += chunk.substr(0, got);
    if (got < chunk_bytes) return out;
  }
}

void run_store_contract(const std::function<StoreBackend()>& make_backend) {
  SECTION("listings are complete and sorted") { check_listing(make_backend()); }
  SECTION("any range can be read") { check_ranged_reads(make_backend()); }
  SECTION("what is not there is NotFound") { check_missing_file(make_backend()); }
  SECTION("a name is taken once, the same bytes again are fine") {
    check_create_only(make_backend());
  }
  SECTION("nothing is visible before commit") { check_visibility(make_backend()); }
  SECTION("removal is idempotent and bounded") { check_remove(make_backend()); }
  SECTION("impossible files are refused") { check_bad_arguments(make_backend()); }
  SECTION("thousands of files") { check_many_files(make_backend()); }
  SECTION("writers in parallel, one name has one winner") {
    check_parallel_writers(make_backend());
  }
  SECTION("the lease has one holder or is not supported") { check_lease(make_backend()); }
}

}  // namespace litestream::test
