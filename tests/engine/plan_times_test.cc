// Times of restore points: what a clock does, what compaction leaves, what a question costs.
#include "ext/engine/plan_times.h"

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>

#include "tests/engine/restore_support.h"

namespace litestream {
namespace {

using Files = std::vector<LtxFileInfo>;
using test::MemoryStore;
using test::Target;

constexpr int64_t kEpochMs = 1767413106789;
constexpr int64_t kHourMs = 3'600'000;

LtxFileInfo file(int level, uint64_t min_txid, uint64_t max_txid, int64_t created_at_ms) {
  return {level, Txid{min_txid}, Txid{max_txid}, 100, created_at_ms};
}

// Raw files 1..times.size(), of which runs are compacted into level 1 with the time of their last.
Files compacted(const std::vector<int64_t>& times, test::Prng& prng, bool raw_files_stay) {
  Files files = {file(9, 1, 1, times[0])};
  for (uint64_t first = 2; first <= times.size();) {
    const uint64_t last = std::min<uint64_t>(times.size(), first + prng.below(5));
    files.push_back(file(1, first, last, times[last - 1]));
    for (uint64_t txid = first; raw_files_stay && txid <= last; ++txid) {
      files.push_back(file(0, txid, txid, times[txid - 1]));
    }
    first = last + 1;
  }
  return files;
}

TEST_CASE("G7 a clock that steps back: the same answer before and after compaction, or none") {
  auto prng = test::Prng::announced("clock_steps", 21);
  int answers = 0;
  int ambiguous = 0;
  for (int round = 0; round < 300; ++round) {
    std::vector<int64_t> times;
    int64_t now_ms = kEpochMs;
    for (int i = 0; i < 20; ++i) {
      now_ms += static_cast<int64_t>(prng.between(1, 600'000));
      if (prng.chance(15)) now_ms -= kHourMs;
      times.push_back(now_ms);
    }
    Files raw = {file(9, 1, 1, times[0])};
    for (uint64_t txid = 2; txid <= times.size(); ++txid) {
      raw.push_back(file(0, txid, txid, times[txid - 1]));
    }
    const Files both = compacted(times, prng, true);
    for (const int64_t at : times) {
      for (const int64_t time_ms : {at - 1, at, at + 1}) {
        const auto before = plan_restore(raw, Target::at_time(time_ms));
        const auto after = plan_restore(both, Target::at_time(time_ms));
        if (!before.ok()) {
          ++ambiguous;
          CHECK_FALSE(after.ok());
          continue;
        }
        ++answers;
        // A prefix: everything up to it is within the time, nothing after it is.
        const auto split = times.begin() + static_cast<ptrdiff_t>(before->txid.value);
        CHECK(std::all_of(times.begin(), split, [&](int64_t t) { return t <= time_ms; }));
        CHECK(std::all_of(split, times.end(), [&](int64_t t) { return t > time_ms; }));
        REQUIRE(after.ok());
        CHECK(after->txid == before->txid);
      }
    }
  }
  CHECK(answers > 1000);
  CHECK(ambiguous > 100);
}

TEST_CASE("G9 every commit's time, before and after compaction: exact, or rounded down and told") {
  auto prng = test::Prng::announced("commit_times", 22);
  for (int round = 0; round < 50; ++round) {
    std::vector<int64_t> times;
    for (int64_t i = 0; i < 30; ++i) times.push_back(kEpochMs + i * 1000);
    const Files raw_too = compacted(times, prng, true);
    const Files expired = compacted(times, prng, false);
    for (uint64_t txid = 1; txid <= times.size(); ++txid) {
      const int64_t time_ms = times[txid - 1];
      const auto exact = plan_restore(raw_too, Target::at_time(time_ms));
      REQUIRE(exact.ok());
      CHECK(exact->txid == Txid{txid});
      CHECK(exact->created_at_ms == time_ms);
      const auto rounded = plan_restore(expired, Target::at_time(time_ms));
      REQUIRE(rounded.ok());
      CHECK(rounded->txid <= Txid{txid});
      CHECK(rounded->created_at_ms == times[rounded->txid.value - 1]);
      // The newest that is left at or before it.
      for (const RestorePoint& point : restore_points(expired)) {
        CHECK((point.created_at_ms > time_ms || point.txid <= rounded->txid));
      }
    }
    CHECK_FALSE(plan_restore(expired, Target::at_time(kEpochMs - 1)).ok());
  }
}

TEST_CASE("G10 a time behind a missing file is an error, whatever is compacted") {
  auto prng = test::Prng::announced("times_and_gaps", 23);
  int errors = 0;
  for (int round = 0; round < 200; ++round) {
    std::vector<int64_t> times;
    for (int64_t i = 0; i < 20; ++i) times.push_back(kEpochMs + i * 1000);
    const Files whole = compacted(times, prng, prng.chance(2));
    Files broken = whole;
    broken.erase(broken.begin() + static_cast<ptrdiff_t>(prng.below(broken.size())));
    for (const int64_t time_ms : times) {
      const auto right = plan_restore(whole, Target::at_time(time_ms));
      const auto found = plan_restore(broken, Target::at_time(time_ms));
      REQUIRE(right.ok());
      if (!found.ok()) ++errors;
      // Only what compaction gave up anyway may be rounded down; a hole is never stepped over.
      if (found.ok() && found->txid != right->txid) {
        CHECK(restore_gaps(broken).empty());
        CHECK(found->txid < right->txid);
      }
    }
  }
  CHECK(errors > 100);
}

// A store that lists when objects were stored, and counts the questions about commit times.
class ObjectStore final : public LtxStore {
 public:
  const std::string& type() const override { return type_; }
  const std::string& url() const override { return type_; }
  Result<std::vector<LtxFileInfo>> list(int) override { return Files{}; }
  Result<std::unique_ptr<RandomReader>> open(const LtxFileInfo&) override {
    return internal_error("not opened");
  }
  Result<std::unique_ptr<LtxWriter>> create(const LtxFileInfo&) override {
    return internal_error("not written");
  }
  Result<Files> remove(std::span<const LtxFileInfo>, Status*) override { return Files{}; }
  Result<std::vector<GenerationInfo>> list_generations() override {
    return std::vector<GenerationInfo>{};
  }
  std::string path_of(const LtxFileInfo&) const override { return "key"; }
  bool lists_commit_times() const override { return false; }
  Status fill_times(std::span<LtxFileInfo> asked) override {
    ++rounds;
    for (LtxFileInfo& one : asked) {
      ++questions;
      one.created_at_ms = times.at(one.max_txid.value);
    }
    return {};
  }
  std::map<uint64_t, int64_t> times;  // by max_txid
  int questions = 0;
  int rounds = 0;

 private:
  const std::string type_ = "object";
};

// As listed: `lag_ms` later than committed.
Files listing(ObjectStore& store, uint64_t count, int64_t step_ms, int64_t lag_ms) {
  Files files;
  for (uint64_t txid = 1; txid <= count; ++txid) {
    const int64_t time_ms = kEpochMs + static_cast<int64_t>(txid) * step_ms;
    store.times[txid] = time_ms;
    files.push_back(file(txid == 1 ? 9 : 0, txid, txid, time_ms + lag_ms));
  }
  return files;
}

TEST_CASE("H5 a time among a hundred thousand objects costs a few dozen questions") {
  ObjectStore store;
  const Files listed = listing(store, 100'000, 1000, 600'000);
  for (const uint64_t txid : {1u, 77'777u, 100'000u}) {
    CAPTURE(txid);
    store.questions = store.rounds = 0;
    Files files = listed;
    const auto plan = plan_from_store(store, &files, Target::at_time(store.times.at(txid) + 999));
    INFO(plan.status().message());
    REQUIRE(plan.ok());
    CHECK(plan->txid == Txid{txid});
    CHECK(plan->created_at_ms == store.times.at(txid));
    CHECK(store.questions < 120);
    CHECK(store.rounds < 12);
  }
  Files files = listed;
  const auto early = plan_from_store(store, &files, Target::at_time(kEpochMs));
  CHECK(early.status().code() == StatusCode::kInvalidArgument);
  CHECK(early.status().message().find("before the first backup") != std::string::npos);
}

TEST_CASE("G8 the store's clock, ten minutes off either way, changes no answer") {
  for (const int64_t lag_ms : {-600'000, 0, 600'000}) {
    ObjectStore store;
    const Files listed = listing(store, 50, 7000, lag_ms);
    for (uint64_t txid = 1; txid <= 50; ++txid) {
      Files files = listed;
      const auto plan = plan_from_store(store, &files, Target::at_time(store.times.at(txid)));
      REQUIRE(plan.ok());
      CHECK(plan->txid == Txid{txid});
    }
    // A TXID is answered with the commit's time, too.
    Files files = listed;
    const auto plan = plan_from_store(store, &files, Target::at_txid(Txid{9}));
    REQUIRE(plan.ok());
    CHECK(plan->created_at_ms == store.times.at(9));
  }
}

TEST_CASE("times of objects: a gap and a clock that was set back are errors there, too") {
  ObjectStore store;
  Files listed = listing(store, 60, 1000, 0);
  Files gap = listed;
  gap.erase(gap.begin() + 30);
  CHECK(plan_from_store(store, &gap, Target::at_time(store.times.at(35))).status().code() ==
        StatusCode::kNotFound);
  for (uint64_t txid = 40; txid <= 60; ++txid) store.times[txid] -= 10'000;
  const auto plan = plan_from_store(store, &listed, Target::at_time(store.times.at(35)));
  CHECK(plan.status().message().find("ambiguous") != std::string::npos);
}

}  // namespace
}  // namespace litestream
