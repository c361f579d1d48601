// Keeps one replica in order, beside the upload of L0 files: compaction level by level, snapshots,
// retention, validation, and noticing what is missing or damaged before anybody restores.
//
// run() does what is due and returns; everything it does may be cut short at any instant (error,
// cancel, SIGKILL) and is simply done again. It writes only where `may_write` allows it.
// A file that is missing or damaged is reported at once (status().warning), believed when that has
// lasted for kSuspicionMs, since stores may be late, and from then on treated as not there: other
// files take its place where they can, else status().snapshot_wish asks for a snapshot.
//
// Threading: next_due_ms(), status() and the note_ functions may be called by any thread; run() and
// the manual entry points by one thread at a time, else they answer Busy.
#pragma once

#include <array>
#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <mutex>
#include <optional>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "ext/base/clock.h"
#include "ext/engine/big_job_gate.h"
#include "ext/engine/compactor.h"
#include "ext/engine/level_schedule.h"
#include "ext/engine/listed_store.h"
#include "ext/engine/local_copies.h"
#include "ext/engine/options.h"
#include "ext/engine/restore_pins.h"
#include "ext/engine/retention.h"
#include "ext/engine/verify.h"

namespace litestream {

inline constexpr int64_t kSuspicionMs = 30'000;
// Files that no restore can use are removed when they have been that for so long.
inline constexpr int64_t kSettledMs = 600'000;
// A compaction that reads more is a big job.
inline constexpr uint64_t kBigCompactionBytes = 32 << 20;

struct KeeperParts {
  ListedStore* replica = nullptr;
  LtxStore* spool = nullptr;  // may be null
  const DatabaseOptions* options = nullptr;
  const Clock* clock = nullptr;
  RestorePins* pins = nullptr;
  BigJobGate* gate = nullptr;
  // Asked before every write, again before a finished file gets its name, and before removals (the
  // lease); an error stops the run. May be empty.
  std::function<Status()> may_write;
};

// What the caller of a run knows and wants to hear.
struct KeeperInput {
  uint64_t database_bytes = 0;  // 0: nobody can read the database now
  CancelCheck cancel;
  // Kind: "compaction", "snapshot", "verify". Bytes done of all.
  std::function<void(const char* kind, uint64_t done_bytes, uint64_t total_bytes)> progress;
};

// Whether somebody should write a snapshot from the database.
enum class SnapshotWish {
  kNone,
  kDue,      // it is time, and reading the database is cheaper than merging the replica's files
  kHealing,  // the replica's newest point cannot be restored without one
};

struct KeeperStatus {
  struct Level {
    uint64_t compaction_count = 0;
    uint64_t merged_count = 0;  // input files
    uint64_t read_bytes = 0;
    uint64_t written_bytes = 0;
  };
  std::array<Level, kCompactionLevelMax + 1> levels;
  uint64_t snapshot_count = 0;
  uint64_t removed_count = 0;
  uint64_t compaction_verify_error_count = 0;
  SnapshotWish snapshot_wish = SnapshotWish::kNone;
  std::string snapshot_reason;
  std::string last_error;  // of the last run that failed; empty after one that did not
  std::string warning;     // one sentence or more for people; empty: all is well
  bool retained = false;   // the store denies deletes
  struct Verify {
    bool ok = false;
    int64_t at_ms = 0;  // wall time; 0: never
    size_t file_count = 0;
    std::vector<std::string> errors;  // in `warning`, too, until a verify finds none
  } verify;
};

class ReplicaKeeper {
 public:
  // What the parts point to must outlive the keeper.
  explicit ReplicaKeeper(const KeeperParts& parts);

  // Monotonic time of the next run wanted; INT64_MAX: none until something is uploaded. Cheap.
  int64_t next_due_ms();
  // Does what is due: levels from 1 up, snapshot, retention, validation. Ok, Cancelled, Busy
  // (another run, or the gate), else the first error; it comes back by itself after a while.
  Status run(const KeeperInput& input);
  KeeperStatus status() const;

  // Merges everything of the level below, ready or not. Returns how many files were merged.
  Result<size_t> compact(int level, const KeeperInput& input);
  // Writes a snapshot of the newest restorable point out of the replica's own files.
  Result<Txid> snapshot(const KeeperInput& input);
  // Applies retention now, due or not. The number of files removed.
  Result<uint64_t> enforce_retention();
  // Reads everything, keeps the answer in status() and decides about healing.
  Result<VerifyReport> verify(const KeeperInput& input);

  // The newest TXID up to which the spool's L0 files are no longer wanted as inputs. The caller
  // keeps what is not uploaded, of course.
  Txid spool_keep_after() const;
  // Another writer may have changed the replica: lists it again, and forgets what was believed.
  void note_new_term();

 private:
  using Key = std::tuple<int, Txid, Txid>;
  static Key key_of(const LtxFileInfo& f) { return {f.level, f.min_txid, f.max_txid}; }
  // What the last look at retention saw; while it is so and nothing ages, nothing can come of it.
  struct RetentionState {
    Txid newest, newest_of_level_1;
    size_t level_0_count = 0, snapshot_count = 0;
    bool level_0_is_idle = false, snapshots_are_idle = false;
    bool rests = false;  // its slot only waits for files to become old enough
  };
  using Files = std::vector<LtxFileInfo>;

  // replica_keeper.cc: when, and in which order.
  ListingCache& cache() const { return parts_.replica->cache(); }
  Moment now() const { return {parts_.clock->monotonic_ms(), parts_.clock->wall_ms()}; }
  size_t level_count() const;
  int long_lived_level() const;
  template <typename Work>
  auto exclusively(Work work) -> decltype(work());
  void plan_ahead(const Moment& at);
  void plan_retention(const Moment& at);
  bool wish_is_answered() const;
  void begin(const Files& files);
  bool is_due(size_t slot) const;
  void set_done(size_t slot);
  void finish(const Status& status);
  Status do_due(const KeeperInput& input);
  Status compact_due_levels(const KeeperInput& input);
  Status ask_to_write() const { return parts_.may_write ? parts_.may_write() : Status(); }

  // replica_keeper_work.cc: compaction and snapshots.
  Result<size_t> compact_level(int level, bool whole_backlog, const KeeperInput& input);
  Result<CompactionResult> merge_group(const CompactionGroup& group, const KeeperInput& input);
  Result<Txid> merge_snapshot(const Files& files, Txid txid, const KeeperInput& input);
  Status snapshot_if_due(const KeeperInput& input);
  uint64_t spooled_bytes(const RestorePlan& plan) const;
  JobControl control_for(const char* kind, const KeeperInput& input) const;

  // replica_keeper_care.cc: what is there, what is wrong with it, what may go.
  Result<Files> load_files();
  void watch(const Moment& at);
  Files usable(const Files& files) const;
  bool is_unusable(const LtxFileInfo& file) const { return unusable_.contains(key_of(file)); }
  void list_again(int64_t age_min_ms);
  bool is_lasting(const std::string& what);
  void blame(const CompactionFailure& failure);
  void look_at_health(const Files& files);
  void wish(SnapshotWish wanted, const std::string& reason);
  Status apply_retention();
  Result<RetentionDecision> decide_on_snapshots(Files* files);
  RetentionView view_of(const Files& files) const;
  Status check_base(const LtxFileInfo& base);
  Status remove(const RetentionDecision& decision, Status* denied);
  void note_denied(const Status& denied);
  Result<VerifyReport> verify_now(const KeeperInput& input);
  void note_damage(const VerifyReport& report);
  Status look_at_suspects(const CancelCheck& cancel);

  const KeeperParts parts_;
  std::atomic<bool> running_{false};
  std::atomic<bool> new_term_{false};

  // Of the running job.
  LocalCopies local_;
  Compactor compactor_;
  TxidHistory snapshot_history_;  // of all TXIDs, over the snapshot retention
  TxidHistory level_0_history_;   // of all TXIDs, over l0-retention
  TxidHistory level_1_history_;   // of what level 1 has, over l0-retention
  TxidHistory settled_history_;   // of all TXIDs, over kSettledMs
  bool watching_ = false;
  bool catch_up_ = true;  // levels do not wait for their multiples
  struct Suspicion {
    int64_t since_ms = 0;       // monotonic
    bool is_confirmed = false;  // everything was listed again after kSuspicionMs
  };
  std::map<std::string, Suspicion> suspicions_;
  // Files that a verify found missing or damaged; they are read once more before it is believed.
  Files suspects_;
  int64_t suspects_due_ms_ = 0;  // monotonic
  std::set<Key> unusable_;
  uint64_t health_list_count_ = 0;  // listings made when it was last looked at
  bool health_in_doubt_ = true;
  int64_t useless_since_ms_ = INT64_MAX;  // monotonic time when useless files were first seen
  int64_t listed_at_ms_ = INT64_MIN;      // monotonic time of the last listing of everything

  // Guarded.
  mutable std::mutex mutex_;
  LevelSchedule schedule_;
  std::array<Txid, kCompactionLevelMax + 1> settled_{};  // newest of the level below, dealt with
  Txid snapshot_settled_;
  RetentionState retention_state_;
  bool begun_ = false;
  int64_t retry_ms_ = 0;               // monotonic: nothing before
  int64_t health_due_ms_ = INT64_MAX;  // monotonic: a suspicion is looked at again
  int64_t backoff_ms_ = 0, denied_backoff_ms_ = 0;
  Txid snapshot_when_wished_;  // newest of level 9 then
  std::string health_warning_, file_warning_, retained_warning_;
  KeeperStatus status_;
};

}  // namespace litestream
