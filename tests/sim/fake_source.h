// SourceDatabase over the model of SQLite, with the rest of the world acting between any two of its
// steps: before every call, before every read of the WAL or the database file, and inside
// advance().
//
// Defects are deliberate mistakes of a source. They exist to prove that the simulation sees them.
// Threading: one thread.
#pragma once

#include <memory>

#include "ext/engine/source_database.h"
#include "tests/sim/sim_database.h"

namespace litestream::test {

// What a process of ours runs in.
class SimHost {
 public:
  virtual ~SimHost() = default;
  // Others may act now. An error: this call fails (an injected fault, or the process is dead).
  virtual Status pause(const char* what) = 0;
};

enum class SourceDefect {
  kNone,
  kSkipsRelief,     // advance() lets go of the old mark before it takes the new one
  kSkipsWriteLock,  // the barrier's write lock is reported but not taken
};

class FakeSource final : public SourceDatabase {
 public:
  FakeSource(SimDatabase& database, SimHost& host, SourceDefect defect);
  ~FakeSource() override;

  Status open(bool may_set_wal) override;
  void close(bool captured_all) override;
  uint32_t page_size_bytes() const override { return database_.config().page_size; }
  Result<WalIndex> read_index() override;
  RandomReader& wal() override { return *wal_; }
  RandomReader& database() override { return *file_; }
  Status advance() override;
  Result<CheckpointOutcome> relief_checkpoint() override;
  Result<bool> relief_lock_writes(int64_t wait_us) override;
  Status relief_unlock_writes() override;
  Result<CheckpointOutcome> guard_checkpoint_and_renew() override;
  Result<bool> relief_truncate() override;
  Result<std::unique_ptr<SourceReader>> open_reader() override;

 private:
  SimDatabase& database_;
  SimHost& host_;
  const SourceDefect defect_;
  std::unique_ptr<RandomReader> wal_;
  std::unique_ptr<RandomReader> file_;
  bool open_ = false;
  bool locked_ = false;  // relief holds the write lock
  int guard_slot_ = SimDatabase::kNoSlot;
};

}  // namespace litestream::test
