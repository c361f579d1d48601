// plan_compaction on listings, Compactor on files: what becomes one file, and that its bytes lead
// to the same databases as its inputs.
#include "ext/engine/compactor.h"

#include <catch2/catch.hpp>

#include "ext/engine/compaction_plan.h"
#include "ext/ltx/decoder.h"
#include "tests/engine/levels_support.h"

namespace litestream::test {
namespace {

constexpr int64_t kNoon = 1'767'441'600'000;  // a multiple of a day's half

LtxFileInfo at(int level, uint64_t min, uint64_t max, int64_t seconds) {
  return {level, Txid{min}, Txid{max}, 100, kNoon + seconds * 1000};
}

CompactionRequest request_at(int64_t seconds, int level = 1, int64_t interval_ms = 30'000) {
  CompactionRequest request;
  request.level = level;
  request.interval_ms = interval_ms;
  request.now_wall_ms = kNoon + seconds * 1000;
  return request;
}

std::string planned(const std::vector<LtxFileInfo>& files, const CompactionRequest& request) {
  const auto plan = plan_compaction(files, request);
  if (!plan.ok()) return plan.status().message();
  if (!plan->group) return plan->is_waiting ? "waits" : "nothing";
  return names_of(plan->group->files);
}

const LtxFileInfo kBase = at(9, 1, 1, 0);

TEST_CASE("compaction plan: one window at a time, only when it is over") {
  const std::vector<LtxFileInfo> files = {kBase,           at(0, 2, 2, 1),  at(0, 3, 5, 29),
                                          at(0, 6, 6, 30), at(0, 7, 7, 59), at(0, 8, 8, 60)};
  REQUIRE(planned({kBase, at(0, 2, 2, 1), at(0, 3, 5, 29)}, request_at(29)) == "waits");
  REQUIRE(planned(files, request_at(30)) == "0:2-2 0:3-5");
  REQUIRE(planned(files, request_at(1000)) == "0:2-2 0:3-5");
  auto more = files;
  more.push_back(at(1, 2, 5, 29));
  REQUIRE(planned(more, request_at(60)) == "0:6-6 0:7-7");
  more.push_back(at(1, 6, 7, 59));
  REQUIRE(planned(more, request_at(61)) == "waits");
  REQUIRE(planned(more, request_at(90)) == "0:8-8");
  more.push_back(at(1, 8, 8, 60));
  REQUIRE(planned(more, request_at(90)) == "nothing");
  REQUIRE(planned({kBase}, request_at(90)) == "nothing");
  REQUIRE(planned({}, request_at(90)) == "nothing");
}

TEST_CASE(
    "compaction plan: a straggler joins the next window instead of making a file of its own") {
  const std::vector<LtxFileInfo> files = {kBase, at(1, 2, 5, 28), at(0, 6, 6, 29), at(0, 7, 7, 40)};
  REQUIRE(planned(files, request_at(60)) == "0:6-6 0:7-7");
  // What a merge left over for want of memory follows at once.
  auto left = files;
  left.pop_back();
  REQUIRE(planned(left, request_at(31)) == "0:6-6");
}

TEST_CASE("compaction plan: everything at once on request") {
  const std::vector<LtxFileInfo> files = {kBase, at(0, 2, 2, 1), at(0, 3, 3, 31), at(0, 4, 4, 61)};
  CompactionRequest request = request_at(62);
  request.whole_backlog = true;
  REQUIRE(planned(files, request) == "0:2-2 0:3-3 0:4-4");
  request.file_count_max = 2;
  REQUIRE(planned(files, request) == "0:2-2 0:3-3");
}

TEST_CASE("compaction plan: G6 times of a clock that jumped") {
  // +30 days and back: the files from the future belong to the window before them.
  constexpr int64_t kMonth = 30 * 86'400;
  const std::vector<LtxFileInfo> jumped = {
      kBase,           at(0, 2, 2, 1), at(0, 3, 3, kMonth), at(0, 4, 4, kMonth + 40),
      at(0, 5, 5, 10), at(0, 6, 6, 31)};
  REQUIRE(planned(jumped, request_at(31)) == "0:2-2 0:3-3 0:4-4 0:5-5");
  REQUIRE(planned(jumped, request_at(29)) == "waits");
  // One hour back: no window comes before that of an older file.
  const std::vector<LtxFileInfo> back = {kBase, at(0, 2, 2, 1), at(0, 3, 3, -3599),
                                         at(0, 4, 4, -3580)};
  REQUIRE(planned(back, request_at(-3400)) == "0:2-2 0:3-3 0:4-4");
  REQUIRE(planned(back, request_at(40)) == "0:2-2 0:3-3 0:4-4");
  // A level whose newest file is from the future holds nothing up.
  const std::vector<LtxFileInfo> ahead = {kBase, at(1, 2, 4, kMonth), at(0, 5, 5, 1)};
  REQUIRE(planned(ahead, request_at(30)) == "0:5-5");
  const std::vector<LtxFileInfo> extreme = {
      kBase, {0, Txid{2}, Txid{2}, 1, INT64_MIN}, {0, Txid{3}, Txid{3}, 1, INT64_MAX}};
  REQUIRE(planned(extreme, request_at(30)) == "0:2-2 0:3-3");
}

TEST_CASE("compaction plan: G3 a base at level 0 is not copied up") {
  const std::vector<LtxFileInfo> files = {at(0, 1, 1, 0), at(0, 2, 2, 1), at(0, 3, 3, 2)};
  REQUIRE(planned(files, request_at(30)) == "0:2-2 0:3-3");
  // Upstream's level 1 may begin with it; then it goes on from there.
  const std::vector<LtxFileInfo> theirs = {at(0, 1, 1, 0), at(1, 1, 3, 2), at(0, 4, 4, 31)};
  REQUIRE(planned(theirs, request_at(60)) == "0:4-4");
  REQUIRE(planned(theirs, request_at(3600, 2, 300'000)) == "nothing");
}

TEST_CASE("compaction plan: G1 a hole is refused unless a snapshot covers it") {
  const std::vector<LtxFileInfo> files = {kBase, at(0, 2, 2, 1), at(0, 3, 3, 2), at(0, 6, 6, 4),
                                          at(0, 7, 7, 5)};
  REQUIRE_THAT(planned(files, request_at(30)),
               Catch::Contains("no file of level 0 holds 0000000000000004..0000000000000005"));
  auto healed = files;
  healed.push_back(at(9, 1, 6, 4));
  REQUIRE(planned(healed, request_at(30)) == "0:2-2 0:3-3");
  healed.push_back(at(1, 2, 3, 2));
  REQUIRE(planned(healed, request_at(60)) == "0:7-7");
  // A snapshot that ends exactly before the hole's far side.
  healed = files;
  healed.push_back(at(9, 1, 5, 3));
  healed.push_back(at(1, 2, 3, 2));
  REQUIRE(planned(healed, request_at(60)) == "0:6-6 0:7-7");
  // One before the hole does not help.
  healed.back() = at(1, 2, 3, 2);
  healed[5] = at(9, 1, 4, 3);
  REQUIRE_THAT(planned(healed, request_at(60)),
               Catch::Contains("0000000000000004..0000000000000005"));
  // No snapshot at all.
  REQUIRE_THAT(planned({at(0, 2, 2, 1)}, request_at(30)),
               Catch::Contains("0000000000000001..0000000000000001"));
}

TEST_CASE("compaction plan: lower levels stand in for a missing file of the level below") {
  const std::vector<LtxFileInfo> files = {kBase,           at(1, 2, 3, 20), at(0, 4, 4, 31),
                                          at(0, 5, 6, 50), at(1, 7, 9, 80), at(0, 10, 10, 100)};
  REQUIRE(planned(files, request_at(300, 2, 300'000)) == "1:2-3 0:4-4 0:5-6 1:7-9");
}

TEST_CASE("compaction plan: overlapping files are taken once, senseless ones never") {
  const std::vector<LtxFileInfo> files = {
      at(0, 3, 4, 3),  at(0, 2, 3, 2),  at(0, 2, 2, 1),
      kBase,           at(0, 0, 4, 1),  at(0, 9, 5, 1),
      at(-1, 2, 9, 1), at(12, 2, 9, 1), at(0, 5, UINT64_MAX, 1)};
  REQUIRE(planned(files, request_at(30)) == "0:2-3 0:3-4");
}

TEST_CASE("compaction plan: arguments") {
  REQUIRE_THAT(planned({}, request_at(0, 9)), Catch::Contains("level 9 cannot be compacted"));
  REQUIRE_THAT(planned({}, request_at(0, 0)), Catch::Contains("level 0"));
  REQUIRE_THAT(planned({}, request_at(0, 1, 0)), Catch::Contains("interval"));
}

// A listing of files and a Compactor over it.
struct Fixture {
  explicit Fixture(bool with_chain = true, bool verify = false)
      : history(512, with_chain), compactor(replica, local, verify) {}
  void commits(int count, uint64_t seed = 1) {
    Prng prng(seed);
    for (int i = 0; i < count; ++i) history.commit_random(prng);
  }
  CompactionGroup group(int level = 1) {
    CompactionRequest request;
    request.level = level;
    request.interval_ms = 30'000;
    request.whole_backlog = true;
    const auto plan = plan_compaction(replica.files(), request);
    REQUIRE(plan.ok());
    REQUIRE(plan->group);
    return *plan->group;
  }
  Result<CompactionResult> merge(int level = 1) {
    return compactor.merge(group(level), {}, &failure);
  }
  void require_point(uint64_t txid, const std::vector<LtxFileInfo>& files) {
    const auto plan = plan_restore(files, RestoreTarget::at_txid(Txid{txid}));
    INFO(plan.status().message());
    REQUIRE(plan.ok());
    const auto bytes = restore_plan_bytes(replica, *plan);
    INFO(bytes.status().message());
    REQUIRE(bytes.ok());
    REQUIRE(*bytes == history.image(txid));
  }

  ReplicaHistory history;
  MemoryStore replica;
  LocalCopies local{nullptr};
  Compactor compactor;
  CompactionFailure failure;
};

TEST_CASE("compactor: the output leads where its inputs lead, with their header") {
  Fixture f;
  f.commits(20);
  f.history.put(f.replica, 9, 1, 1);
  for (uint64_t txid = 2; txid <= 20; ++txid) f.history.put(f.replica, 0, txid, txid);
  const auto merged = f.merge();
  INFO(f.failure.status.message());
  REQUIRE(merged.ok());
  REQUIRE(merged->file_count == 19);
  REQUIRE(names_of({merged->file}) == "1:2-20");
  const std::string bytes = f.replica.bytes(merged->file);
  REQUIRE(merged->file.size_bytes == bytes.size());
  const auto header = decode_header(as_bytes(bytes));
  REQUIRE(header.ok());
  REQUIRE(header->timestamp == ReplicaHistory::time_ms(20));
  REQUIRE(header->flags == kLtxFlagNoChecksum);
  REQUIRE(header->wal_offset == 0);
  REQUIRE(header->wal_size == 0);
  REQUIRE(header->wal_salt1 == 0);
  REQUIRE(header->node_id == 0);
  REQUIRE(header->chain.known);
  REQUIRE(header->chain.before == database_checksum(f.history.image(1), 512));
  REQUIRE(header->chain.after == database_checksum(f.history.image(20), 512));
  // Without the raw files.
  auto files = f.replica.files();
  std::erase_if(files, [](const auto& file) { return file.level == 0; });
  f.require_point(20, files);
  f.require_point(1, files);
}

TEST_CASE("compactor: what capture compressed in haste is compressed again where it stays") {
  Fixture f;
  f.commits(20);
  f.history.put(f.replica, 9, 1, 1);
  const auto encoded = [&](uint64_t min_txid, uint64_t max_txid, int acceleration) {
    const LtxLiteral literal = f.history.literal(min_txid, max_txid);
    VectorSink sink;
    LtxEncoder encoder(acceleration);
    REQUIRE(encoder.begin(literal.header, sink).ok());
    for (const auto& [pgno, page] : literal.pages) REQUIRE(encoder.add_page(pgno, page).ok());
    REQUIRE(encoder.finish().ok());
    return std::string(sink.bytes.begin(), sink.bytes.end());
  };
  constexpr int kHaste = 65537;
  for (uint64_t txid = 2; txid <= 20; ++txid) {
    f.replica.put(f.history.info(0, txid, txid), encoded(txid, txid, kHaste));
  }
  JobControl control;
  const auto level = GENERATE(0, 1);
  control.recompress_below_level = level;
  const auto merged = f.compactor.merge(f.group(), control, &f.failure);
  INFO(f.failure.status.message());
  REQUIRE(merged.ok());
  REQUIRE(encoded(2, 20, 1).size() < encoded(2, 20, kHaste).size());
  REQUIRE(merged->file.size_bytes == encoded(2, 20, level == 0 ? kHaste : 1).size());
  auto files = f.replica.files();
  std::erase_if(files, [](const auto& file) { return file.level == 0; });
  f.require_point(20, files);
}

TEST_CASE("compactor: level upon level, from blocks and from old frames, with and without chain") {
  const bool with_chain = GENERATE(true, false);
  const PageForm form = GENERATE(PageForm::kBlock, PageForm::kOldFrame);
  Fixture f(with_chain, true);
  f.commits(40, 7);
  f.history.put(f.replica, 9, 1, 1);
  for (uint64_t txid = 2; txid <= 40; ++txid) {
    LtxLiteral literal = f.history.literal(txid, txid);
    literal.form = form;
    const ByteVector bytes = write_ltx(literal);
    f.replica.put(f.history.info(0, txid, txid), {bytes.begin(), bytes.end()});
    if (txid % 5 == 0) REQUIRE(f.merge(1).ok());
    if (txid % 20 == 0) REQUIRE(f.merge(2).ok());
  }
  REQUIRE(names_of(files_of(f.replica, 2)) == "2:2-20 2:21-40");
  for (const int level : {0, 1, 2}) {
    auto files = f.replica.files();
    std::erase_if(files, [&](const auto& file) { return file.level != 9 && file.level != level; });
    f.require_point(20, files);
    f.require_point(40, files);
  }
}

TEST_CASE("compactor: G12 doing it again finds the same file, whoever does it") {
  Fixture f;
  f.commits(9);
  f.history.put(f.replica, 9, 1, 1);
  for (uint64_t txid = 2; txid <= 9; ++txid) f.history.put(f.replica, 0, txid, txid);
  const CompactionGroup group = f.group();
  REQUIRE(f.compactor.merge(group, {}, nullptr).ok());
  const std::string bytes = f.replica.bytes(f.history.info(1, 2, 9));
  LocalCopies none(nullptr);
  Compactor other(f.replica, none, true);
  const auto again = other.merge(group, {}, nullptr);
  REQUIRE(again.ok());
  REQUIRE(again->file.size_bytes == bytes.size());
  REQUIRE(f.replica.bytes(f.history.info(1, 2, 9)) == bytes);
  // A sound file of the same transactions that was compressed in another way is taken.
  f.replica.set_bytes(f.history.info(1, 2, 9), f.history.file(2, 9));
  REQUIRE(other.merge(group, {}, nullptr).ok());
  REQUIRE(f.replica.bytes(f.history.info(1, 2, 9)) == f.history.file(2, 9));
  // A damaged one is replaced.
  std::string damaged = bytes;
  damaged[damaged.size() / 2] ^= 1;
  f.replica.set_bytes(f.history.info(1, 2, 9), damaged);
  REQUIRE(other.merge(group, {}, nullptr).ok());
  REQUIRE(f.replica.bytes(f.history.info(1, 2, 9)) == bytes);
  // Another database's is not.
  Fixture foreign;
  foreign.commits(9, 99);
  f.replica.set_bytes(f.history.info(1, 2, 9), foreign.history.file(2, 9));
  const auto refused = other.merge(group, {}, nullptr);
  REQUIRE(refused.status().code() == StatusCode::kPositionMismatch);
  REQUIRE_THAT(refused.status().message(), Catch::Contains("another writer"));
}

TEST_CASE("compactor: G1 a missing or damaged input is an error before anything is written") {
  Fixture f;
  f.commits(9);
  f.history.put(f.replica, 9, 1, 1);
  for (uint64_t txid = 2; txid <= 9; ++txid) f.history.put(f.replica, 0, txid, txid);
  const CompactionGroup group = f.group();
  const LtxFileInfo victim = f.history.info(0, 5, 5);
  const std::string sound = f.replica.bytes(victim);
  const auto writes = f.replica.call_count(StoreCall::kCreate);
  SECTION("missing") { f.replica.erase(victim); }
  SECTION("one bit") {
    std::string bytes = sound;
    bytes[bytes.size() / 2] ^= 4;
    f.replica.set_bytes(victim, bytes);
  }
  SECTION("cut off") { f.replica.set_bytes(victim, sound.substr(0, sound.size() - 1)); }
  SECTION("empty") { f.replica.set_bytes(victim, ""); }
  SECTION("another file under the name") { f.replica.set_bytes(victim, f.history.file(6, 6)); }
  const auto merged = f.compactor.merge(group, {}, &f.failure);
  REQUIRE_FALSE(merged.ok());
  REQUIRE(f.failure.culprit);
  REQUIRE(names_of({*f.failure.culprit}) == "0:5-5");
  REQUIRE_THAT(merged.status().message(), Catch::Contains(f.replica.path_of(victim)));
  REQUIRE(f.replica.call_count(StoreCall::kCreate) == writes);
  REQUIRE(files_of(f.replica, 1).empty());
}

TEST_CASE("compactor: a known break of the chain is an error, a new lineage ends the output") {
  Fixture f;
  f.commits(6);
  Fixture other;
  other.commits(12, 77);
  f.history.put(f.replica, 9, 1, 1);
  for (uint64_t txid = 2; txid <= 6; ++txid) f.history.put(f.replica, 0, txid, txid);
  for (uint64_t txid = 7; txid <= 9; ++txid) other.history.put(f.replica, 0, txid, txid);
  const auto merged = f.merge();
  REQUIRE(merged.status().code() == StatusCode::kPositionMismatch);
  REQUIRE(f.failure.culprit);
  REQUIRE(names_of({*f.failure.culprit}) == "0:7-7");
  REQUIRE(files_of(f.replica, 1).empty());
  // A snapshot from which the new lineage leads on.
  other.history.put(f.replica, 9, 1, 6);
  REQUIRE(names_of({f.merge()->file}) == "1:2-6");
  REQUIRE(names_of({f.merge()->file}) == "1:7-9");
}

TEST_CASE("compactor: C2 page sizes are never mixed") {
  Fixture f;
  f.commits(6);
  ReplicaHistory larger(1024);
  Prng prng(3);
  for (int i = 0; i < 12; ++i) larger.commit_random(prng);
  f.history.put(f.replica, 9, 1, 1);
  for (uint64_t txid = 2; txid <= 5; ++txid) f.history.put(f.replica, 0, txid, txid);
  larger.put(f.replica, 9, 1, 6);  // the new page size began with a snapshot
  for (uint64_t txid = 7; txid <= 9; ++txid) larger.put(f.replica, 0, txid, txid);
  REQUIRE(names_of({f.merge()->file}) == "1:2-5");
  REQUIRE(names_of({f.merge()->file}) == "1:7-9");
  f.require_point(5, f.replica.files());
  REQUIRE(*restore_bytes(f.replica, RestoreTarget::newest()) == larger.image(9));
  // In one unbroken run of TXIDs too.
  f.replica.erase(larger.info(1, 7, 9));
  larger.put(f.replica, 0, 6, 6);
  f.replica.erase(f.history.info(1, 2, 5));
  f.replica.erase(larger.info(9, 1, 6));
  REQUIRE(f.merge().status().code() == StatusCode::kPositionMismatch);
  larger.put(f.replica, 9, 1, 5);
  REQUIRE(names_of({f.merge()->file}) == "1:2-5");
}

TEST_CASE("compactor: what the level holds already must be what the inputs continue") {
  Fixture f;
  f.commits(9);
  Fixture other;
  other.commits(9, 55);
  f.history.put(f.replica, 9, 1, 1);
  other.history.put(f.replica, 1, 2, 5);
  for (uint64_t txid = 6; txid <= 9; ++txid) f.history.put(f.replica, 0, txid, txid);
  REQUIRE(f.merge().status().code() == StatusCode::kPositionMismatch);
  REQUIRE(files_of(f.replica, 1).size() == 1);
  // Damaged: it is to blame.
  f.replica.set_bytes(f.history.info(1, 2, 5), "not an LTX file at all");
  LocalCopies none(nullptr);
  Compactor fresh(f.replica, none, false);
  REQUIRE(fresh.merge(f.group(), {}, &f.failure).status().code() == StatusCode::kCorrupt);
  REQUIRE(names_of({*f.failure.culprit}) == "1:2-5");
}

TEST_CASE("compactor: inputs come from the spool, and from the cache of what was written") {
  TestClock clock;
  MemoryStore spool;
  MemoryStore replica;
  ReplicaHistory history(512);
  Prng prng(5);
  for (int i = 0; i < 30; ++i) history.commit_random(prng);
  LocalCopies local(&spool);
  Compactor compactor(replica, local, false);
  // Left by an earlier process, perhaps of another replica.
  history.put(spool, 1, 2, 3);
  history.put(replica, 9, 1, 1);
  for (uint64_t txid = 2; txid <= 30; ++txid) {
    history.put(replica, 0, txid, txid);
    if (txid != 11) history.put(spool, 0, txid, txid);
  }
  // One in the spool is damaged, one is another file: the replica's serve.
  spool.set_bytes(history.info(0, 7, 7), history.file(7, 7).substr(0, 90));
  spool.set_bytes(history.info(0, 8, 8), history.file(9, 9));
  std::map<std::string, int> opened;
  replica.set_hook([&](StoreCall call, const LtxFileInfo* file) {
    if (call == StoreCall::kOpen) ++opened[names_of({*file})];
    return Status();
  });
  CompactionRequest request{1, 30'000, 0, true, 10};
  for (int i = 0; i < 3; ++i) {
    const auto plan = plan_compaction(replica.files(), request);
    const auto merged = compactor.merge(*plan->group, {}, nullptr);
    INFO(merged.status().message());
    REQUIRE(merged.ok());
  }
  REQUIRE(names_of(files_of(replica, 1)) == "1:2-11 1:12-21 1:22-30");
  REQUIRE(names_of(files_of(spool, 1)) == "1:2-11 1:12-21 1:22-30");
  REQUIRE(opened ==
          std::map<std::string, int>{{"9:1-1", 1}, {"0:7-7", 1}, {"0:8-8", 1}, {"0:11-11", 1}});
  opened.clear();
  request.level = 2;
  const auto plan = plan_compaction(replica.files(), request);
  const auto merged = compactor.merge(*plan->group, {}, nullptr);
  REQUIRE(merged.ok());
  REQUIRE(opened.empty());  // its predecessor, the snapshot, was met before
  REQUIRE(files_of(spool, 1).empty());
  REQUIRE(names_of(files_of(spool, 2)) == "2:2-30");
  REQUIRE(local.cache_bytes() == merged->file.size_bytes);
  auto files = replica.files();
  std::erase_if(files, [](const auto& file) { return file.level < 2; });
  REQUIRE(*restore_plan_bytes(replica, *plan_restore(files, RestoreTarget::newest())) ==
          history.image(30));
}

TEST_CASE("compactor: a cache without room is no cache, a spool that fails no obstacle") {
  MemoryStore spool;
  LocalCopies full(&spool, 100);
  REQUIRE(full.start({1, Txid{2}, Txid{3}, 101, 0}) == nullptr);
  REQUIRE(full.start({0, Txid{2}, Txid{3}, 10, 0}) == nullptr);  // the spool is not ours to fill
  REQUIRE(full.start({9, Txid{1}, Txid{3}, 10, 0}) == nullptr);
  REQUIRE(full.start({1, Txid{2}, Txid{3}, 100, 0}) != nullptr);
  Fixture f;
  f.commits(9);
  f.history.put(f.replica, 9, 1, 1);
  for (uint64_t txid = 2; txid <= 9; ++txid) f.history.put(f.replica, 0, txid, txid);
  spool.set_hook([](StoreCall, const LtxFileInfo*) { return io_error("no space left"); });
  LocalCopies broken(&spool);
  Compactor compactor(f.replica, broken, false);
  REQUIRE(compactor.merge(f.group(), {}, nullptr).ok());
}

TEST_CASE("compactor: verify-compaction finds an output that is not what it should be") {
  Fixture f(true, true);
  f.commits(9);
  f.history.put(f.replica, 9, 1, 1);
  for (uint64_t txid = 2; txid <= 9; ++txid) f.history.put(f.replica, 0, txid, txid);
  const CompactionGroup group = f.group();
  REQUIRE(f.compactor.merge(group, {}, nullptr).ok());
  const LtxFileInfo written = f.history.info(1, 2, 9);
  // A file that is sound in itself and has the right header, but one page of another version.
  LtxLiteral literal = f.history.literal(2, 9);
  literal.pages[0].second = make_page(512, literal.pages[0].first, 4711);
  const ByteVector wrong = write_ltx(literal);
  f.replica.set_bytes(written, {wrong.begin(), wrong.end()});
  const auto merged = f.compactor.merge(group, {}, &f.failure);
  REQUIRE(merged.status().code() == StatusCode::kCorrupt);
  REQUIRE_THAT(merged.status().message(), Catch::Contains("does not hold what its inputs hold"));
  REQUIRE(files_of(f.replica, 1).empty());  // nothing builds on it
  REQUIRE(f.compactor.merge(group, {}, nullptr).ok());
}

TEST_CASE("compactor: cancelled, it leaves nothing") {
  Fixture f;
  f.commits(9);
  f.history.put(f.replica, 9, 1, 1);
  for (uint64_t txid = 2; txid <= 9; ++txid) f.history.put(f.replica, 0, txid, txid);
  for (int allowed = 0; allowed < 20; ++allowed) {
    JobControl control;
    int asked = 0;
    control.cancel = [&] { return asked++ >= allowed; };
    const auto merged = f.compactor.merge(f.group(), control, &f.failure);
    if (merged.ok()) {
      REQUIRE(allowed > 2);
      return;
    }
    REQUIRE(merged.status().code() == StatusCode::kCancelled);
    REQUIRE_FALSE(f.failure.culprit);
    REQUIRE(files_of(f.replica, 1).empty());
  }
  FAIL("never done");
}

// Every call of the store fails once, or its reply is lost; afterwards a fresh process does it all.
TEST_CASE("compactor: G12 any call may fail, the next try completes") {
  for (uint64_t number = 1;; ++number) {
    Fixture f(true, true);
    f.commits(9);
    f.history.put(f.replica, 9, 1, 1);
    for (uint64_t txid = 2; txid <= 9; ++txid) f.history.put(f.replica, 0, txid, txid);
    const CompactionGroup group = f.group();
    f.replica.fail_call(number, unavailable("gone for a moment"));
    const bool done = f.compactor.merge(group, {}, &f.failure).ok();
    if (done) f.replica.fail_call(UINT32_MAX, {});
    REQUIRE((done || f.failure.status.code() == StatusCode::kUnavailable));
    LocalCopies none(nullptr);
    Compactor fresh(f.replica, none, true);
    const auto again = fresh.merge(group, {}, nullptr);
    INFO(number << ": " << f.failure.status.message() << ", then " << again.status().message());
    REQUIRE(again.ok());
    REQUIRE(names_of(files_of(f.replica, 1)) == "1:2-9");
    f.require_point(9, f.replica.files());
    if (done) break;
    REQUIRE(number < 1000);
  }
}

}  // namespace
}  // namespace litestream::test
