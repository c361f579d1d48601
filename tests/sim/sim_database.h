// A model of one SQLite database in WAL mode, with every connection of every process: the file, the
// WAL with real frames, the wal-index, read marks, checkpoints, resets, recovery. Written from
// SQLite's published description of WAL mode; it is the world the engine is tested in.
//
// A page is named by a version, a number never used twice; its bytes follow from page number and
// version, so that whole images are compared as lists of numbers.
// Threading: one thread.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <set>
#include <vector>

#include "ext/base/file_system.h"
#include "ext/engine/source_database.h"
#include "tests/sim/sim_clock.h"
#include "tests/support/prng.h"
#include "tests/support/wal_builder.h"

namespace litestream::test {

using Version = uint32_t;
using Image = std::vector<Version>;  // [pgno - 1]

std::vector<uint8_t> sim_page(uint32_t page_size, uint32_t pgno, Version version);
// The version of a page that has exactly the bytes sim_page makes of it; nullopt for any other.
std::optional<Version> sim_page_version(uint32_t pgno, Bytes page);

// What the database was after one commit (or after a recovery that took commits back).
struct SimState {
  Image image;
  std::set<uint32_t> touched;  // pages the commit wrote; not known after a recovery
};

struct SimChange {
  std::vector<uint32_t> pages;  // also pages beyond the new end, which are dropped
  uint32_t page_count = 0;      // after the commit; pages of growth are added
  bool unchained = false;       // leaves frames without checksums (savepoint bug before 3.50)
};

enum class CheckpointMode { kPassive, kFull, kRestart, kTruncate };

class SimDatabase {
 public:
  struct Config {
    uint32_t page_size = 512;
    bool big_endian = false;
    bool synchronous_full = false;
    uint32_t page_count = 1;
  };
  static constexpr int kNoSlot = -1;

  SimDatabase(const Config& config, Prng& random, const SimClock& clock);

  // The first connection recovers what the WAL file holds. The last one checkpoints and deletes the
  // WAL if it may, else leaves it for the next recovery.
  void connect();
  void disconnect(bool may_checkpoint);
  bool is_open() const { return connection_count_ > 0; }

  int begin_read();  // the slot taken; 0 is "lock 0": only the database file counts
  void end_read(int slot);
  bool lock_writes();  // BEGIN IMMEDIATE
  void unlock_writes() { write_locked_ = false; }
  bool writes_locked() const { return write_locked_; }

  CheckpointOutcome checkpoint(CheckpointMode mode, bool own_write_lock = false);
  void checkpoint_and_die();  // some pages were copied, nothing was published

  void commit(const SimChange& change);
  // Frames reach the file, the commit does not.
  void spill_and_roll_back(uint32_t frame_count);
  // The writer dies between writing its commit frame and publishing it.
  void die_before_publishing(const SimChange& change);
  // A writer begins, may reset the WAL, and goes away.
  void begin_and_roll_back() { restart_if_possible(); }

  // Every process is gone; the next connection recovers.
  void kill_all();
  // Likewise, and what was not synced may be gone too.
  void lose_power();

  const Config& config() const { return config_; }
  uint32_t page_count() const { return static_cast<uint32_t>(current().size()); }
  const Image& current() const { return history_.back().image; }
  const std::vector<SimState>& history() const { return history_; }
  WalIndex index() const;
  const std::vector<uint8_t>& wal_file() const { return wal_file_; }
  const Image& database_file() const { return file_; }
  FileStat stat() const;

 private:
  struct Frame {
    uint32_t pgno;
    uint32_t commit;
    Version version;
  };
  static constexpr uint32_t kMarkUnused = kWalReadMarkUnused;

  void recover();
  void restart_header();
  void restart_if_possible();
  bool readers_beyond_lock_0() const;
  WalBuilder writer_for_next_frame();
  std::vector<Frame> frames_of(const SimChange& change);
  void add(WalBuilder& builder, const Frame& frame, bool unchained) const;
  void write_wal(const WalBuilder& builder, uint32_t first_frame);
  void sync_wal();
  uint32_t safe_frame(bool* reader_in_way);
  std::vector<Frame> frames_to_copy(uint32_t safe) const;
  void copy_to_file(const Frame& frame);
  void touch_file();
  Image logical_image() const;
  size_t frame_end(uint32_t frame_no) const;

  const Config config_;
  Prng& random_;
  const SimClock& clock_;
  Version next_version_ = 1;

  Image file_;
  int64_t file_mtime_ns_ = 0;
  std::vector<uint8_t> wal_file_;
  std::vector<uint8_t> wal_durable_;
  size_t dirty_from_ = SIZE_MAX;  // bytes of wal_file_ from here may differ from wal_durable_

  uint32_t connection_count_ = 0;
  bool write_locked_ = false;
  std::optional<WalBuilder> builder_;  // the committed frames; none while mx_frame_ is 0
  std::vector<Frame> frames_;
  uint32_t mx_frame_ = 0;
  WalSalts salts_;
  uint32_t change_counter_ = 0;
  uint32_t backfill_ = 0;
  bool has_unchained_ = false;
  std::array<uint32_t, 5> marks_{};
  std::array<uint32_t, 5> readers_{};  // per slot

  std::vector<SimState> history_;
};

}  // namespace litestream::test
