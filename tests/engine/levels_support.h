// What the tests of levels, snapshots and retention share: a database with a history, a clock that
// passes only when told to, a replica and a spool in memory, and restores into memory whose bytes
// are compared with the history's.
// Threading: one thread.
#pragma once

#include <algorithm>
#include <catch2/catch.hpp>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "ext/base/clock.h"
#include "ext/engine/database_stream.h"
#include "ext/engine/replica_keeper.h"
#include "ext/engine/restore_plan.h"
#include "tests/support/ltx_literals.h"
#include "tests/support/memory_store.h"
#include "tests/support/prng.h"
#include "tests/support/replica_history.h"
#include "tests/support/store_contract.h"

namespace litestream::test {

class TestClock final : public Clock {
 public:
  int64_t wall_ms() const override { return wall; }
  int64_t monotonic_ms() const override { return monotonic; }
  void advance(int64_t ms) {
    wall += ms;
    monotonic += ms;
  }
  int64_t wall = 1'767'413'100'000;  // a multiple of ten minutes
  int64_t monotonic = 5'000'000;
};

class MemoryPages final : public PageSink {
 public:
  Status begin(const DatabaseShape& shape) override {
    page_size_ = shape.page_size;
    bytes.assign(shape.size_bytes(), 0);
    return {};
  }
  Status add_page(Pgno pgno, Bytes page, Checksum) override {
    std::copy(page.begin(), page.end(),
              bytes.begin() + static_cast<ptrdiff_t>(size_t{pgno - 1} * page_size_));
    return {};
  }
  ByteVector bytes;

 private:
  size_t page_size_ = 0;
};

inline Result<ByteVector> restore_plan_bytes(LtxStore& store, const RestorePlan& plan) {
  MemoryPages pages;
  LS_RETURN_IF_ERROR(stream_database(store, plan, pages, {}).status());
  return std::move(pages.bytes);
}

inline Result<ByteVector> restore_bytes(LtxStore& store, const RestoreTarget& target) {
  LS_ASSIGN_OR_RETURN(const auto files, list_all_levels(store));
  LS_ASSIGN_OR_RETURN(const auto plan, plan_restore(files, target));
  return restore_plan_bytes(store, plan);
}

inline std::vector<LtxFileInfo> files_of(const MemoryStore& store, int level) {
  std::vector<LtxFileInfo> files = store.files();
  std::erase_if(files, [&](const LtxFileInfo& file) { return file.level != level; });
  return files;
}

inline std::string names_of(const std::vector<LtxFileInfo>& files) {
  std::string text;
  for (const LtxFileInfo& file : files) {
    text += (text.empty() ? "" : " ") + std::to_string(file.level) + ":" +
            std::to_string(file.min_txid.value) + "-" + std::to_string(file.max_txid.value);
  }
  return text;
}

inline const LtxFileInfo* find_file(const std::vector<LtxFileInfo>& files, int level, uint64_t min,
                                    uint64_t max) {
  for (const LtxFileInfo& file : files) {
    if (file.level == level && file.min_txid.value == min && file.max_txid.value == max) {
      return &file;
    }
  }
  return nullptr;
}

// A database that is written, its uploads, and the keeper of its replica.
class LevelsWorld {
 public:
  explicit LevelsWorld(DatabaseOptions with = {}, bool with_spool = true, bool with_chain = true,
                       uint32_t page_size = 512)
      : options(std::move(with)), history(page_size, with_chain), with_spool_(with_spool) {
    times_.push_back(0);
    born_.push_back(0);
    start();
  }

  // A process begins (again): what was only in memory is gone.
  void start() {
    keeper.reset();
    listed = std::make_unique<ListedStore>(origin == nullptr ? replica : *origin, clock);
    KeeperParts parts;
    parts.replica = listed.get();
    parts.spool = with_spool_ ? &spool : nullptr;
    parts.options = &options;
    parts.clock = &clock;
    parts.pins = &pins;
    parts.gate = &gate;
    parts.may_write = [this] { return lease; };
    keeper = std::make_unique<ReplicaKeeper>(parts);
  }

  // One transaction of `pages` pages or so, at the clock's time.
  void commit(Prng* prng = nullptr) {
    if (prng != nullptr) {
      history.commit_random(*prng);
    } else {
      const Pgno size = history.newest() == 0 ? 8 : 8 + static_cast<Pgno>(history.newest() % 5);
      history.commit(size, {static_cast<Pgno>(history.newest() % 7 + 1)});
    }
    times_.push_back(clock.wall);
    born_.push_back(clock.monotonic);
  }
  uint64_t newest() const { return history.newest(); }
  int64_t time_of(uint64_t txid) const { return times_.at(txid); }
  int64_t age_of(uint64_t txid) const { return clock.monotonic - born_.at(txid); }

  std::string file(uint64_t min_txid, uint64_t max_txid) const {
    LtxLiteral literal = history.literal(min_txid, max_txid);
    literal.header.timestamp = times_.at(max_txid);
    const ByteVector bytes = write_ltx(literal);
    return {bytes.begin(), bytes.end()};
  }
  LtxFileInfo info(int level, uint64_t min_txid, uint64_t max_txid) const {
    return {level, Txid{min_txid}, Txid{max_txid}, 0, times_.at(max_txid)};
  }
  // As the uploader does: into the spool, then to the replica through the keeper's listing.
  Status upload(int level, uint64_t min_txid, uint64_t max_txid) {
    const std::string bytes = file(min_txid, max_txid);
    if (with_spool_ && level == 0) spool.put(info(0, min_txid, max_txid), bytes);
    return put_file(*listed, info(level, min_txid, max_txid), bytes);
  }
  // `count` transactions in one L0 file.
  void write(uint64_t count = 1, Prng* prng = nullptr) {
    const uint64_t first = newest() + 1;
    for (uint64_t i = 0; i < count; ++i) commit(prng);
    REQUIRE(upload(0, first, newest()).ok());
  }
  void snapshot() { REQUIRE(upload(kSnapshotLevel, 1, newest()).ok()); }
  void begin() {
    commit();
    snapshot();
  }
  // A transaction and its file every `step_ms`, the keeper when it is due.
  void live(int64_t duration_ms, int64_t step_ms) {
    const int64_t end = clock.monotonic + duration_ms;
    while (clock.monotonic < end) {
      clock.advance(step_ms);
      write();
      (void)run_if_due().ok();
    }
  }
  // Time without transactions.
  void idle(int64_t duration_ms) {
    const int64_t end = clock.monotonic + duration_ms;
    for (int i = 0; i < 100'000; ++i) {
      const int64_t due = keeper->next_due_ms();
      if (due > end) break;
      clock.advance(std::max<int64_t>(due - clock.monotonic, 0));
      const Status status = keeper->run(input);
      INFO(status.message());
      REQUIRE((status.ok() || may_fail));
      ++run_count;
    }
    clock.advance(end - clock.monotonic);
  }
  Status run_if_due() {
    if (keeper->next_due_ms() > clock.monotonic) return {};
    ++run_count;
    const Status status = keeper->run(input);
    INFO(status.message());
    REQUIRE((status.ok() || may_fail));
    return status;
  }
  // Runs once whatever is due now.
  Status run() { return keeper->run(input); }

  // From what is really there, however late listings are.
  Result<ByteVector> restore(const RestoreTarget& target) {
    LS_ASSIGN_OR_RETURN(const auto plan, plan_restore(replica.files(), target));
    return restore_plan_bytes(replica, plan);
  }
  // The newest point has the bytes of the newest transaction that was uploaded.
  void require_newest() {
    Txid uploaded;
    for (const LtxFileInfo& f : replica.files()) uploaded = std::max(uploaded, f.max_txid);
    const auto bytes = restore(RestoreTarget::newest());
    INFO(bytes.status().message());
    REQUIRE(bytes.ok());
    INFO(names_of(replica.files()));
    const bool same = *bytes == history.image(uploaded.value);
    REQUIRE(same);
  }
  // Every listed point, by TXID and by its time. What was found right once is not read again: files
  // do not change. Returns the number of points.
  size_t require_all_points(bool times_are_clear = true) {
    const auto files = replica.files();
    const auto points = restore_points(files);
    for (const RestorePoint& point : points) {
      const auto plan = plan_restore(files, RestoreTarget::at_txid(point.txid));
      INFO(describe_point(point) << ": " << plan.status().message());
      REQUIRE(plan.ok());
      REQUIRE(plan->txid == point.txid);
      require_plan(*plan);
      require_time(files, points, point.created_at_ms, times_are_clear);
    }
    return points.size();
  }
  void require_time(const std::vector<LtxFileInfo>& files, const std::vector<RestorePoint>& points,
                    int64_t time_ms, bool times_are_clear) {
    const auto plan = plan_restore(files, RestoreTarget::at_time(time_ms));
    INFO(format_rfc3339_ms(time_ms) << ": " << plan.status().message());
    if (!times_are_clear && !plan.ok()) return;  // said so, instead of guessing
    REQUIRE(plan.ok());
    REQUIRE(plan->created_at_ms <= time_ms);
    if (times_are_clear) {
      const auto expected = std::find_if(points.begin(), points.end(),
                                         [&](const auto& p) { return p.created_at_ms <= time_ms; });
      REQUIRE(plan->txid == expected->txid);
    }
    require_plan(*plan);
  }
  void require_plan(const RestorePlan& plan) {
    std::string key;
    for (const LtxFileInfo& f : plan.files) key += names_of({f}) + " ";
    if (!verified_.insert(key).second) return;
    const auto bytes = restore_plan_bytes(replica, plan);
    INFO(key << ": " << bytes.status().message());
    REQUIRE(bytes.ok());
    const bool same = *bytes == history.image(plan.txid.value);
    REQUIRE(same);
  }

  DatabaseOptions options;
  TestClock clock;
  ReplicaHistory history;
  MemoryStore replica;
  LtxStore* origin = nullptr;  // what the keeper sees of it, if not itself; from start() on
  MemoryStore spool;
  RestorePins pins;
  BigJobGate gate;
  Status lease;
  KeeperInput input;
  bool may_fail = false;
  int run_count = 0;
  std::unique_ptr<ListedStore> listed;
  std::unique_ptr<ReplicaKeeper> keeper;

 private:
  const bool with_spool_;
  std::vector<int64_t> times_;  // [txid] wall
  std::vector<int64_t> born_;   // [txid] monotonic
  std::set<std::string> verified_;
};

inline DatabaseOptions small_options() {
  DatabaseOptions options;
  options.level_interval_ms = {30'000, 300'000, 3'600'000};
  options.snapshot_interval_ms = 4 * 3'600'000;
  options.snapshot_retention_ms = 4 * 3'600'000;
  return options;
}

}  // namespace litestream::test
