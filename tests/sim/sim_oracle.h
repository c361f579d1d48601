// Judges a replica against the history of the simulated database.
//
// Holds: every listed point restores; its image is one the database had; points are in the order of
// the commits; a TXID seen once keeps its content for ever; L0 ranges do not overlap; an L0 file
// holds nothing but what changed; snapshots and the chain beside them agree.
// Threading: one thread. Failures are thrown as SimFailure.
#pragma once

#include <map>
#include <set>
#include <stdexcept>
#include <string>

#include "tests/sim/sim_database.h"
#include "tests/support/memory_store.h"

namespace litestream::test {

struct SimFailure : std::runtime_error {
  using std::runtime_error::runtime_error;
};

class SimOracle {
 public:
  SimOracle(const SimDatabase& database, MemoryStore& store) : database_(database), store_(store) {}

  // The points of the replica as it is now; no store fault may be active.
  void check_points();
  // Moreover the newest point is the database as it is now.
  void check_newest();
  // Every point again, by every way there is.
  void check_everything();

  // `txid` was named as the TXID of the present state.
  void claim(uint64_t txid) { claims_[txid] = database_.history().size() - 1; }
  // What was beyond `txid` was lost with a process.
  void forget_claims_beyond(uint64_t txid) {
    claims_.erase(claims_.upper_bound(txid), claims_.end());
  }
  // `txid` was named as being on the replica, and with it everything up to this state.
  void check_uploaded(uint64_t txid, size_t state);
  // Something called `txid` is on the replica.
  void check_listed(uint64_t txid);
  uint64_t newest_point() const { return points_.empty() ? 0 : points_.rbegin()->first; }
  size_t point_count() const { return points_.size(); }

 private:
  struct Point {
    Image image;
    size_t state = 0;  // in the history
  };
  Image restore(const std::vector<LtxFileInfo>& files, Txid txid);
  void place_points();
  void check_ranges(const std::vector<LtxFileInfo>& files);
  void check_file_is_minimal(const LtxFileInfo& file);

  const SimDatabase& database_;
  MemoryStore& store_;
  std::map<uint64_t, Point> points_;
  std::map<uint64_t, size_t> claims_;
  std::set<uint64_t> minimal_;  // min_txid of L0 files found to be minimal
};

}  // namespace litestream::test
