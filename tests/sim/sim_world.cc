// The users of the database and the order of events; what our process and its machine do stands in
// sim_process.cc.
#include "tests/sim/sim_world.h"

#include <algorithm>
#include <cstdlib>
#include <iostream>

namespace litestream::test {
namespace {

SimDatabase::Config random_config(Prng& random) {
  SimDatabase::Config config;
  // Pages in memory are bounded by bytes, so that only large pages reach the bound.
  config.page_size = random.chance(30) ? 65536 : random.chance(4) ? 1024 : 512;
  config.big_endian = random.chance(3);
  config.synchronous_full = random.chance(3);
  config.page_count = static_cast<uint32_t>(random.between(2, 12));
  return config;
}

template <typename T>
T one_of(Prng& random, std::initializer_list<T> values) {
  return values.begin()[random.below(values.size())];
}

}  // namespace

SimWorld::SimWorld(uint64_t seed, SourceDefect defect)
    : seed_(seed),
      defect_(defect),
      random_(seed),
      dir_(TempDir::Place::kMemory),
      database_path_(dir_.file("app.db")),
      meta_path_(dir_.file("meta")),
      database_(random_config(random_), random_, clock_),
      disk_(posix_file_system()),
      fs_(disk_, database_path_, database_),
      oracle_(database_, store_),
      second_oracle_(database_, second_store_) {
  huge_pages_ = database_.config().page_size == 65536;
  options_.sync_interval_ms = one_of<int64_t>(random_, {1, 50, 1000, 5000});
  options_.checkpoint_interval_ms = one_of<int64_t>(random_, {1000, 60'000});
  options_.min_checkpoint_page_count = one_of<int64_t>(random_, {1, 10, 50, 1000});
  options_.truncate_page_n = one_of<int64_t>(random_, {0, 20, 200});
  options_.spool_limit_bytes = one_of<int64_t>(random_, {3000, 20'000, 1 << 30});
  if (random_.chance(4)) options_.durability = Durability::kReplica;
  options_.commit_timeout_ms = 100;
  interference_one_in_ = one_of<uint64_t>(random_, {2, 5, 20});
  fault_one_in_ = one_of<uint64_t>(random_, {30, 200, 1'000'000});
  for (MemoryStore* store : {&store_, &second_store_}) {
    store->set_hook([this, store](StoreCall call, const LtxFileInfo* file) {
      return store_fault(*store, call, file);
    });
    store->set_lease_supported(random_.chance(2));
  }
  // Every file is a chance for others to commit: with more of them capture would never catch up.
  options_.file_per_commit = random_.chance(6);
  if (options_.file_per_commit) interference_one_in_ = 50;
  // The oracle wants every point kept.
  options_.retention_enabled = false;
  options_.validation_interval_ms = one_of<int64_t>(random_, {0, 10'000, 3'600'000});
  options_.verify_compaction = random_.chance(3);
  has_second_ = random_.chance(3);
  options_.ack_count = has_second_ ? static_cast<int64_t>(random_.below(3)) : 1;
  database_.connect();
  app_connected_ = true;
}

SimWorld::~SimWorld() { end_process(); }

std::string SimWorld::summary() const {
  return "seed " + std::to_string(seed_) + ": " + std::to_string(database_.history().size()) +
         " states, " + std::to_string(oracle_.point_count()) + " points, " +
         std::to_string(kill_count_) + " kills, " + std::to_string(power_loss_count_) +
         " power losses, " + std::to_string(fail_count_) + " failed starts";
}

// With LITESTREAM_SIM_VERBOSE=2: what happens, and where that leaves the WAL.
void SimWorld::trace(const std::string& what) const {
  static const char* const verbose = std::getenv("LITESTREAM_SIM_VERBOSE");
  if (verbose == nullptr || *verbose != '2') return;
  const WalIndex index = database_.index();
  std::cerr << std::string(in_step_ + in_job_ + in_pause_, ' ') << clock_.monotonic_ms() << ' '
            << what << "  [state " << database_.history().size() - 1 << ", "
            << database_.page_count() << " pages; salt " << index.salts.salt2 % 1000 << " mx "
            << index.mx_frame << " backfill " << index.backfill_count << "]\n";
}

// ---------------------------------------------------------------- users

// Page 1 stays what it is: a database of which no page is left unchanged, with all local records
// lost, cannot be told from another database, and is refused.
SimChange SimWorld::random_change() {
  SimChange change;
  uint32_t size = database_.page_count();
  if (random_.chance(3)) size += static_cast<uint32_t>(random_.between(1, 6));
  if (random_.chance(12)) size = static_cast<uint32_t>(random_.between(2, size));
  change.page_count = size;
  const uint64_t count = random_.between(1, random_.chance(8) ? 40 : 5);
  for (uint64_t i = 0; i < count; ++i) {
    change.pages.push_back(static_cast<uint32_t>(random_.between(2, size)));
  }
  return change;
}

void SimWorld::signal_commit() {
  if (!replicator_ || dead()) return;
  const uint64_t kind = random_.below(4);
  if (kind <= 1) replicator_->note_commit();
  if (kind == 2) replicator_->note_file_event();
}

void SimWorld::commit() {
  if (database_.writes_locked() && !app_holds_writes_) return;
  // Somebody who comes, writes, and closes again.
  const bool visitor = !app_connected_ && app_readers_.empty();
  if (visitor) database_.connect();
  database_.commit(random_change());
  if (visitor) database_.disconnect(true);
  trace(visitor ? "visitor commits" : "commit");
  signal_commit();
}

void SimWorld::commit_huge() {
  if (!app_connected_ || (database_.writes_locked() && !app_holds_writes_)) return;
  SimChange change = random_change();
  change.page_count += static_cast<uint32_t>(random_.between(50, huge_pages_ ? 300 : 400));
  if (change.page_count > 700) change.page_count = 20;
  database_.commit(change);
  trace("huge commit");
  signal_commit();
}

void SimWorld::foreign_checkpoint() {
  if (!app_connected_) return;
  const auto mode =
      one_of(random_, {CheckpointMode::kPassive, CheckpointMode::kPassive, CheckpointMode::kFull,
                       CheckpointMode::kRestart, CheckpointMode::kTruncate});
  if (random_.chance(6)) {
    database_.checkpoint_and_die();
  } else {
    (void)database_.checkpoint(mode, app_holds_writes_);
  }
  trace("foreign checkpoint " + std::to_string(static_cast<int>(mode)));
}

void SimWorld::toggle_reader() {
  if (!app_connected_) return;
  if (!app_readers_.empty() && random_.chance(2)) {
    const size_t which = random_.below(app_readers_.size());
    database_.end_read(app_readers_[which]);
    app_readers_.erase(app_readers_.begin() + static_cast<ptrdiff_t>(which));
    return;
  }
  if (app_readers_.size() >= 6) return;
  const int slot = database_.begin_read();
  if (slot != SimDatabase::kNoSlot) app_readers_.push_back(slot);
  trace("reader at slot " + std::to_string(slot));
}

void SimWorld::toggle_connection() {
  if (app_connected_) {
    if (app_holds_writes_ || !app_readers_.empty()) return;
    database_.disconnect(true);
    app_connected_ = false;
  } else {
    database_.connect();
    app_connected_ = true;
  }
  trace(app_connected_ ? "application connects" : "application closes");
}

void SimWorld::odd_write() {
  if (!app_connected_ || (database_.writes_locked() && !app_holds_writes_)) return;
  switch (random_.below(5)) {
    case 0: database_.spill_and_roll_back(static_cast<uint32_t>(random_.between(1, 8))); break;
    case 1: database_.die_before_publishing(random_change()); break;
    case 2: database_.begin_and_roll_back(); break;
    default: {
      SimChange change = random_change();
      change.unchained = true;
      database_.commit(change);
      signal_commit();
    }
  }
  trace("odd write");
}

void SimWorld::hold_writes() {
  if (!app_connected_) return;
  if (app_holds_writes_) {
    database_.unlock_writes();
    app_holds_writes_ = false;
  } else {
    app_holds_writes_ = database_.lock_writes();
  }
}

// What others may do between two steps of ours.
void SimWorld::foreign_move() {
  const uint64_t count = random_.between(1, 3);
  for (uint64_t i = 0; i < count; ++i) {
    const uint64_t kind = random_.below(12);
    if (kind < 6) {
      commit();
    } else if (kind < 10) {
      foreign_checkpoint();
    } else if (kind < 11) {
      toggle_reader();
    } else {
      odd_write();
    }
  }
}

// ---------------------------------------------------------------- order of events

void SimWorld::move() {
  const uint64_t kind = random_.below(200);
  if (kind < 45) return commit();
  if (kind < 46) return commit_huge();
  if (kind < 60) return foreign_checkpoint();
  if (kind < 66) return toggle_reader();
  if (kind < 69) return odd_write();
  if (kind < 71) return hold_writes();
  if (kind < 73) return toggle_connection();
  if (kind < 93) return step();
  if (kind < 125) return step_when_due();
  if (kind < 152) return run_some_job();
  if (kind < 160) return clock_.advance(static_cast<int64_t>(random_.below(5000)));
  if (kind < 166) return ask();
  if (kind < 170) return checkpoint_from_hook();
  if (kind < 172) return kill_process();
  if (kind < 174) return arm_death();
  if (kind < 175) return random_.chance(2) ? lose_power() : void();
  if (kind < 185) return misbehave();
  return start_process();
}

void SimWorld::run() {
  const uint64_t move_count = random_.between(100, huge_pages_ ? 300 : 800);
  for (uint64_t i = 0; i < move_count; ++i) {
    move();
    if (dead()) kill_process();
    if (replicator_ && replicator_->stopped()) end_process();
    if (random_.chance(60)) check();
    if (random_.chance(250)) {
      settle();
      calmly([&] {
        oracle_.check_newest();
        if (has_second_) second_oracle_.check_newest();
      });
    }
  }
  settle();
  calmly([&] {
    oracle_.check_everything();
    if (has_second_) second_oracle_.check_everything();
  });
}

void SimWorld::check() {
  calmly([&] {
    oracle_.check_points();
    if (has_second_) second_oracle_.check_points();
    if (!replicator_ || dead()) return;
    const uint64_t txid = replicator_->status().replica_txid.value;
    oracle_.check_listed(txid);
    if (has_second_) second_oracle_.check_listed(txid);
  });
}

// `everywhere`: on all replicas, else on as many as `acks` says.
void SimWorld::check_uploaded(uint64_t txid, size_t state, bool everywhere) {
  calmly([&] {
    if (!has_second_) return oracle_.check_uploaded(txid, state);
    if (everywhere || options_.ack_count != 1) {
      oracle_.check_uploaded(txid, state);
      return second_oracle_.check_uploaded(txid, state);
    }
    try {
      oracle_.check_uploaded(txid, state);
    } catch (const SimFailure&) {
      second_oracle_.check_uploaded(txid, state);
    }
  });
}

bool SimWorld::is_settled() const {
  if (!replicator_)
    return false;  // jobs may wait: levels and validation come round again and again
  const ReplicatorStatus status = replicator_->status();
  return status.phase == ReplicatorStatus::Phase::kRunning &&
         status.local_txid == status.replica_txid && status.oldest_unsent_at_ms == 0;
}

// Everything works, nobody writes: half a minute after the last commit all of it is uploaded.
void SimWorld::settle() {
  trace("settle");
  heal();
  calmly([&] {
    int quiet = 0;
    for (int i = 0; i < 2000 && quiet < 4; ++i) {
      if (!replicator_) start_process();
      while (!jobs_->empty()) run_job(jobs_->take(0));
      step();
      if (replicator_ && replicator_->stopped()) {
        if (replicator_->status().phase == ReplicatorStatus::Phase::kFailed && i > 100) break;
        end_process();
        quiet = 0;
        continue;
      }
      quiet = is_settled() ? quiet + 1 : 0;
      // The slow verifier looks every ten seconds.
      clock_.advance(is_settled() ? 10'001
                                  : std::clamp<int64_t>(due_ms_ - clock_.monotonic_ms(), 1, 5000));
    }
    if (quiet >= 4) return;
    const ReplicatorStatus status = replicator_ ? replicator_->status() : ReplicatorStatus{};
    throw SimFailure("does not settle: phase " + std::to_string(static_cast<int>(status.phase)) +
                     ", local " + std::to_string(status.local_txid.value) + ", replica " +
                     std::to_string(status.replica_txid.value) + ", error " + status.last_error +
                     ", last failure " + last_failure_);
  });
}

}  // namespace litestream::test
