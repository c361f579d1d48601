// Our process in the simulated world, and what its machine and store do to it.
#include <algorithm>

#include "ext/base/log.h"
#include "ext/ltx/file_name.h"
#include "ext/store/file_store.h"
#include "tests/sim/sim_world.h"

namespace litestream::test {

// ---------------------------------------------------------------- our process

void SimWorld::start_process() {
  if (replicator_) return;
  jobs_ = std::make_unique<SimJobs>();
  if (random_.chance(4)) {
    jobs_->run_inline = [this](std::function<void()> job) { run_job(std::move(job)); };
  }
  jobs_->refuse = [this] { return !calm_ && (dead() || random_.chance(100)); };
  ReplicatorParts parts;
  parts.fs = &fs_;
  parts.clock = &clock_;
  parts.jobs = jobs_.get();
  parts.sync_turn_wait_max_ms = 0;
  parts.wake = [this] { wake(); };
  parts.options = options_;
  parts.database_path = database_path_;
  parts.meta_path = meta_path_;
  parts.source = std::make_unique<FakeSource>(database_, static_cast<SimHost&>(*this), defect_);
  parts.replicas.push_back({"memory", std::make_unique<SimStore>(store_)});
  if (has_second_) {
    parts.replicas.push_back({"memory-2", std::make_unique<SimStore>(second_store_)});
  }
  parts.spool = std::make_unique<FileStore>(fs_, meta_path_);
  parts.may_set_wal = true;
  replicator_ = std::make_shared<Replicator>(std::move(parts));
  due_ms_ = 0;
  stop_asked_ = false;
  trace("process starts");
}

void SimWorld::end_process() {
  if (!replicator_) return;
  if (replicator_->status().phase == ReplicatorStatus::Phase::kFailed) {
    ++fail_count_;
    last_failure_ = replicator_->status().last_error;
  }
  trace("process ended");
  note_lost_claims();
  jobs_.reset();
  replicator_.reset();
}

void SimWorld::kill_process() {
  if (!replicator_ && !dead()) return;  // it may have died while it was ending
  ++kill_count_;
  trace("kill");
  // Nothing of what the destructors try may reach the disk.
  death_came_ = true;
  disk_.fail_call(1, FaultFileSystem::After::kDead);
  jobs_.reset();
  replicator_.reset();
  death_came_ = death_armed_ = false;
  calls_until_death_ = 0;
  disk_.heal();
  note_lost_claims();
}

// What was named but is not in a file is lost with the memory that held it.
void SimWorld::note_lost_claims() {
  uint64_t newest = oracle_.newest_point();
  for (const MemoryStore* store : {&store_, &second_store_}) {
    for (const LtxFileInfo& file : store->files()) newest = std::max(newest, file.max_txid.value);
  }
  const auto entries = posix_file_system().list_directory(meta_path_ + "/ltx/0");
  if (entries.ok()) {
    for (const DirectoryEntry& entry : *entries) {
      const auto range = parse_ltx_file_name(entry.name);
      if (range.ok()) newest = std::max(newest, range->max_txid.value);
    }
  }
  oracle_.forget_claims_beyond(newest);
}

void SimWorld::step() {
  if (!replicator_ || in_step_ || dead()) return;
  in_step_ = true;
  woken_ = false;
  due_ms_ = replicator_->step();
  in_step_ = false;
  const ReplicatorStatus now = replicator_->status();
  trace("step: phase " + std::to_string(static_cast<int>(now.phase)) + " local " +
        std::to_string(now.local_txid.value) + " replica " +
        std::to_string(now.replica_txid.value) + " " + now.last_error);
  const auto phase = replicator_->status().phase;
  // It may be resynchronising.
  if (phase != ReplicatorStatus::Phase::kRunning) note_lost_claims();
}

void SimWorld::step_when_due() {
  if (!replicator_) return;
  const int64_t now_ms = clock_.monotonic_ms();
  if (!woken_ && due_ms_ > now_ms) clock_.advance(std::min<int64_t>(due_ms_ - now_ms, 20'000));
  step();
}

void SimWorld::run_job(std::function<void()> job) {
  const bool before = in_job_;
  in_job_ = true;
  // Meanwhile the replicator thread may run.
  const bool in_step = in_step_;
  trace("job begins");
  job();
  trace("job ends");
  in_step_ = in_step;
  in_job_ = before;
}

void SimWorld::run_some_job() {
  if (!replicator_ || jobs_->empty() || dead()) return;
  run_job(jobs_->take(random_.below(jobs_->count())));
}

// Somebody left a request for the replicator thread. While a caller waits for the answer the thread
// runs at once; else whenever the simulation lets it.
void SimWorld::wake() {
  woken_ = true;
  if (!answer_at_once_ || in_step_ || in_job_) return;
  clock_.let_waits_end(false);
  step();
  clock_.let_waits_end(true);
}

// A call of the application that waits for the replicator thread, which gets to run, as do its
// jobs. What is not done then has timed out.
template <typename Call>
auto SimWorld::wait_for(Call call) {
  const auto run_inline = jobs_->run_inline;
  jobs_->run_inline = [this](std::function<void()> job) { run_job(std::move(job)); };
  answer_at_once_ = true;
  clock_.let_waits_end(true);
  auto answer = call();
  clock_.let_waits_end(false);
  answer_at_once_ = false;
  if (jobs_) jobs_->run_inline = run_inline;
  return answer;
}

void SimWorld::ask() {
  if (!replicator_ || dead()) return;
  switch (random_.below(12)) {
    case 0:
    case 1:
    case 2: return ask_for_txid();
    case 3:
    case 4: return ask_for_sync();
    case 5:
    case 6: return wait_for_replica();
    case 7:
    case 8: {
      const auto answer = wait_for([&] { return replicator_->snapshot(0, nullptr); });
      if (answer.ok()) calmly([&] { oracle_.check_listed(answer->value); });
      return;
    }
    case 9: {
      const auto timeout_ms = static_cast<int64_t>(random_.below(5000));
      if (random_.chance(2)) {
        replicator_->request_stop(timeout_ms);
      } else {
        replicator_->request_idle_stop(timeout_ms);
      }
      stop_asked_ = true;
      return;
    }
    case 10:
      // A connection comes back in time.
      if (replicator_->hold()) {
        (void)replicator_->release();
        stop_asked_ = false;
      }
      return;
    default: return fork();
  }
}

// The process forks, whether the pause is granted in time or not.
void SimWorld::fork() {
  replicator_->request_pause();
  for (uint64_t i = random_.below(4); i > 0; --i) random_.chance(2) ? step() : run_some_job();
  replicator_->resume();
}

// Like litestream_txid() right after a COMMIT: it names the state of the database now.
void SimWorld::ask_for_txid() {
  calmly([&] {
    const auto txid = wait_for([&] { return replicator_->current_txid(0, nullptr); });
    trace("asked for the TXID: " + (txid.ok() ? format_txid(*txid) : txid.status().message()));
    if (txid.ok() && !stop_asked_) oracle_.claim(txid->value);
  });
}

// What was committed before the question is on the replica if the answer is yes.
void SimWorld::ask_for_sync() {
  const size_t state = database_.history().size() - 1;
  const auto txid = wait_for([&] { return replicator_->sync(0, nullptr); });
  trace("sync: " + (txid.ok() ? format_txid(*txid) : txid.status().message()));
  if (txid.ok()) check_uploaded(txid->value, state, true);
}

void SimWorld::wait_for_replica() {
  if (options_.durability != Durability::kReplica) return;
  const size_t state = database_.history().size() - 1;
  const Status durable = wait_for([&] { return replicator_->wait_durable(); });
  trace("wait for the replica: " + durable.message());
  if (durable.ok()) check_uploaded(0, state, false);
}

// The barrier in the hook of a committing connection.
void SimWorld::checkpoint_from_hook() {
  if (!replicator_ || dead() || app_holds_writes_) return;
  const auto frame_count = static_cast<int64_t>(database_.index().mx_frame);
  if (!wait_for([&] { return replicator_->checkpoint_from_hook(frame_count); })) {
    foreign_checkpoint();
  }
}

// ---------------------------------------------------------------- machine and store

bool SimWorld::dead() const { return death_came_ || (death_armed_ && disk_.fired()); }

// The process dies at one of its next calls, to the disk or to anything else.
void SimWorld::arm_death() {
  if (!replicator_) return;
  if (random_.chance(2)) {
    death_armed_ = true;
    disk_.fail_call(random_.between(1, 60), FaultFileSystem::After::kDead);
  } else {
    calls_until_death_ = random_.between(1, 60);
  }
}

Status SimWorld::pause(const char* what) {
  if (dead()) return io_error(std::string(what) + ": the process is dead");
  if (calm_) return {};
  if (calls_until_death_ > 0 && --calls_until_death_ == 0) {
    death_came_ = true;
    disk_.fail_call(1, FaultFileSystem::After::kDead);
    return io_error(std::string(what) + ": the process is dead");
  }
  if (random_.chance(fault_one_in_)) {
    const std::string text = std::string(what) + ": injected";
    return random_.chance(2) ? busy(text) : io_error(text);
  }
  if (in_pause_ || !random_.chance(interference_one_in_)) return {};
  in_pause_ = true;
  foreign_move();
  in_pause_ = false;
  if (in_job_ && !in_step_ && random_.chance(4)) step();
  if (dead()) return io_error(std::string(what) + ": the process is dead");
  return {};
}

// Only L0 files are listed late. A snapshot whose reply was lost and which is then not listed
// cannot be told from one that was never written, and its TXID would be given out again; no store
// that the contract of LtxStore admits does both.
Status SimWorld::store_fault(MemoryStore& store, StoreCall call, const LtxFileInfo* file) {
  if (call == StoreCall::kCommit) store.set_listing_lag(file->level == 0 ? listing_lag_ : 0);
  const bool asked_by_oracle = calm_ && !in_job_ && !in_step_;
  if (asked_by_oracle) return {};
  if ((&store == &store_ ? outage_ : second_outage_) && !calm_)
    return unavailable("injected outage");
  if (store_calls_until_fault_ > 0 && --store_calls_until_fault_ == 0 && !calm_) {
    return unavailable("injected");
  }
  const Status paused = pause("store");
  if (paused.code() == StatusCode::kBusy) return unavailable(paused.message());
  return paused;
}

void SimWorld::lose_power() {
  ++power_loss_count_;
  kill_process();
  app_readers_.clear();
  app_holds_writes_ = app_connected_ = false;
  if (random_.chance(4)) {
    database_.kill_all();  // only the processes died
  } else {
    database_.lose_power();
    const Status dropped = disk_.drop_unsynced(random_.chance(2) ? &random_ : nullptr);
    if (!dropped.ok()) throw SimFailure(dropped.message());
  }
  database_.connect();
  app_connected_ = true;
  trace("power loss");
}

void SimWorld::misbehave() {
  switch (random_.below(11)) {
    case 0: outage_ = !outage_; break;
    case 9: second_outage_ = !second_outage_; break;
    case 10: (random_.chance(2) ? store_ : second_store_).lose_next_lease_reply(); break;
    case 1: fs_.set_full(!fs_.full()); break;
    case 2:
      if (!death_armed_) disk_.fail_call(random_.between(1, 40), FaultFileSystem::After::kRecovers);
      break;
    case 3: store_.lose_next_commit_reply(); break;
    case 4: listing_lag_ = static_cast<int>(random_.below(3)); break;
    case 5: clock_.jump_wall(static_cast<int64_t>(random_.below(7'200'000)) - 3'600'000); break;
    case 6: store_calls_until_fault_ = random_.between(1, 20); break;
    default: clock_.advance(static_cast<int64_t>(random_.below(40'000)));
  }
}

void SimWorld::heal() {
  if (dead()) kill_process();
  outage_ = second_outage_ = false;
  fs_.set_full(false);
  death_armed_ = false;
  calls_until_death_ = 0;
  disk_.heal();
  listing_lag_ = 0;
  if (app_holds_writes_) hold_writes();
  for (const int slot : app_readers_) database_.end_read(slot);
  app_readers_.clear();
  // A process that was told to stop stops; another takes its place.
}

}  // namespace litestream::test
