// One seeded run: a database with many users, one process of ours that replicates it, a machine and
// a store that misbehave. Everything happens on one thread in an order the seed decides.
// Threading: one thread. An oracle that does not hold throws SimFailure.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "ext/engine/replicator.h"
#include "tests/sim/fake_source.h"
#include "tests/sim/sim_environment.h"
#include "tests/sim/sim_oracle.h"
#include "tests/support/temp_dir.h"

namespace litestream::test {

class SimWorld final : private SimHost {
 public:
  SimWorld(uint64_t seed, SourceDefect defect);
  ~SimWorld() override;

  // Moves, oracles in between, then a quiet time after which everything must be on the replica.
  void run();
  std::string summary() const;

 private:
  enum class Signal { kNone, kHook, kFileEvent };

  // --- users of the database ---
  SimChange random_change();
  void commit();
  void commit_huge();
  void foreign_checkpoint();
  void foreign_move();
  void toggle_reader();
  void toggle_connection();
  void odd_write();
  void hold_writes();
  void signal_commit();

  // --- our process ---
  void start_process();
  void end_process();
  void kill_process();
  void step();
  void step_when_due();
  void run_job(std::function<void()> job);
  void run_some_job();
  void wake();
  template <typename Call>
  auto wait_for(Call call);
  void ask();
  void wait_for_replica();
  void fork();
  void ask_for_txid();
  void ask_for_sync();
  void checkpoint_from_hook();
  void note_lost_claims();

  // --- the machine and the store ---
  Status pause(const char* what) override;
  Status store_fault(MemoryStore& store, StoreCall call, const LtxFileInfo* file);
  bool dead() const;
  void arm_death();
  void lose_power();
  void misbehave();
  void heal();

  void trace(const std::string& what) const;
  void move();
  void check();
  void check_uploaded(uint64_t txid, size_t state, bool everywhere);
  void settle();
  bool is_settled() const;
  template <typename Action>
  void calmly(Action action) {
    struct Scope {
      bool& flag;
      const bool before;
      ~Scope() { flag = before; }
    } const scope{calm_, std::exchange(calm_, true)};
    action();
  }

  const uint64_t seed_;
  const SourceDefect defect_;
  Prng random_;
  SimClock clock_;
  TempDir dir_;
  const std::string database_path_;
  const std::string meta_path_;
  SimDatabase database_;
  FaultFileSystem disk_;
  SimFileSystem fs_;
  MemoryStore store_, second_store_;
  SimOracle oracle_, second_oracle_;
  bool has_second_ = false;  // a second replica

  DatabaseOptions options_;
  std::unique_ptr<SimJobs> jobs_;
  std::shared_ptr<Replicator> replicator_;
  int64_t due_ms_ = 0;
  bool woken_ = false;
  bool stop_asked_ = false;
  bool answer_at_once_ = false;

  bool calm_ = false;  // no interference, no faults
  bool in_pause_ = false, in_step_ = false, in_job_ = false;
  uint64_t interference_one_in_ = 8;
  uint64_t fault_one_in_ = 200;
  bool outage_ = false, second_outage_ = false;
  int listing_lag_ = 0;
  bool death_armed_ = false, death_came_ = false;
  uint64_t calls_until_death_ = 0, store_calls_until_fault_ = 0;
  bool app_connected_ = false;
  bool app_holds_writes_ = false;
  bool huge_pages_ = false;
  std::vector<int> app_readers_;
  uint64_t kill_count_ = 0, power_loss_count_ = 0, fail_count_ = 0;
  std::string last_failure_;
};

}  // namespace litestream::test
