// Takes committed frames out of the WAL into memory and writes them as L0 files.
//
// The caller holds a mark (source_database.h) from before the first run() on and moves it only
// when may_advance() says so. TXIDs count commit frames: every SQLite transaction gets the next
// one. A file holds min_txid..max_txid, the newest version of each page, and the commit size.
//
//     flush()   writes what is pending, on this thread
//     seal()    takes what is pending aside, for SealedFile::write() on any thread, while capture
//               goes on; adopt_sealed() when it is written
//
// Threading: replicator thread only, SealedFile apart.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "ext/base/bytes.h"
#include "ext/engine/page_sums.h"
#include "ext/engine/pending_pages.h"
#include "ext/engine/position.h"
#include "ext/engine/source_database.h"
#include "ext/engine/sync_turns.h"
#include "ext/ltx/encoder.h"
#include "ext/ltx/header.h"
#include "ext/store/ltx_store.h"
#include "ext/wal/wal_reader.h"

namespace litestream {

// Of LZ4: capture must not hold up commits; higher levels compress harder.
inline constexpr int kCaptureAccelerationDefault = 4;

// An L0 file that lacks nothing but being written. It depends on nothing else: neither on the mark
// nor on the Capture it comes from.
class SealedFile {
 public:
  SealedFile(uint32_t page_size_bytes, int acceleration)
      : page_size_bytes_(page_size_bytes), encoder_(acceleration) {}
  // Durable when it returns. After an error nothing is left in `spool` and it can be tried again,
  // on another thread, too, but not on two at once. `turns` may be null.
  Result<LtxFileInfo> write(LtxStore& spool, SyncTurns* turns);

 private:
  friend class Capture;
  struct NewSum {
    Pgno pgno;
    Checksum sum;
  };
  using PageBytes = std::function<Result<Bytes>(const PendingPages::Page& page)>;
  Result<LtxFileInfo> write(LtxStore& spool, SyncTurns* turns, const PageBytes& page_bytes);
  // Memory of a burst is given back; only the encoder stays.
  void clear();

  const uint32_t page_size_bytes_;
  std::unique_ptr<PendingPages> store_;  // of the bytes; null when nothing is sealed
  std::vector<PendingPages::Page> pages_;
  std::vector<NewSum> changes_;
  LtxHeader header_;
  Position end_;
  uint32_t commit_min_ = 0;
  LtxEncoder encoder_;
};

class Capture final : private WalFrameVisitor {
 public:
  struct Outcome {
    uint64_t commit_count = 0;
    uint64_t frame_count = 0;
    bool chain_broken = false;  // SQLite's savepoint bug was met
    WalIndex index;             // as read for this run
  };

  // `source` must outlive the object. `sums` are those of the database at `start`.
  Capture(SourceDatabase& source, const Position& start, PageSums sums, size_t pending_bytes_max,
          int acceleration = kCaptureAccelerationDefault);

  // `restore-granularity: commit`: from now on `sink` is called after each captured commit and must
  // write it (flush), so that every file holds one. Its errors end the run; nothing is lost.
  void set_commit_sink(std::function<Status()> sink) { commit_sink_ = std::move(sink); }

  // Reads everything committed beyond the position. PositionMismatch: the WAL is not a
  // continuation of the position; resynchronise. After any error nothing is lost: the position
  // stays and the next run reads the same frames again.
  // `limit`: stop at this index instead of the newest (for a reader's mark); such a run never
  // allows an advance.
  Result<Outcome> run(const WalIndex* limit = nullptr);

  // The last run reached the end and no captured page depends on the mark.
  bool may_advance() const { return complete_ && !pending_->needs_mark(); }
  bool has_pending() const { return captured_.txid > written_.txid; }
  bool has_unsealed() const { return captured_.txid > sealed_end_.txid; }
  bool pending_needs_mark() const { return pending_->needs_mark(); }
  // Not sealed.
  size_t pending_bytes() const { return pending_->bytes_in_memory(); }

  // Writes what is pending as one L0 file to `spool`; durable when it returns. Needs the mark if
  // pending_needs_mark(), and that nothing is sealed. `commit_time_ms`: time of the last commit.
  Result<LtxFileInfo> flush(LtxStore& spool, int64_t commit_time_ms);

  // Needs pages that do not depend on the mark, and that nothing is sealed; else Busy.
  Status seal(int64_t commit_time_ms);
  // What is sealed, null if nothing is. It outlives this object if somebody still writes it.
  std::shared_ptr<SealedFile> sealed() const { return is_sealed_ ? file_ : nullptr; }
  // After SealedFile::write().
  void adopt_sealed();

  const Position& captured() const { return captured_; }  // in memory
  const Position& written() const { return written_; }    // in the spool
  const PageSums& sums() const { return sums_; }          // at written()

 private:
  using NewSum = SealedFile::NewSum;
  Status on_frame(uint32_t frame_no, uint32_t pgno, uint32_t commit, Bytes page) override;
  Status scan_commits(const WalIndex& index, Outcome* outcome);
  Result<WalIndex> end_of_next_commit(const WalIndex& index);
  bool is_at(const WalIndex& index) const;
  Result<WalPosition> start_of(const WalIndex& index, const WalHeader& header) const;
  Status scan(const WalIndex& index, Outcome* outcome);
  Status fill_growth(const WalIndex& index);
  Status read_page_at_mark(uint32_t mx_frame, Pgno pgno, MutableBytes out);
  LtxHeader make_header(int64_t commit_time_ms) const;
  void prepare_file(int64_t commit_time_ms);
  std::vector<NewSum> new_sums(const std::vector<PendingPages::Page>& pages) const;
  Result<Bytes> page_bytes(const PendingPages::Page& page);
  Checksum checksum_after(const std::vector<NewSum>& changes) const;
  void apply(const SealedFile& file);
  void begin_next();
  size_t sealed_bytes() const;

  SourceDatabase& source_;
  const uint32_t page_size_bytes_;
  Position captured_;
  Position written_;
  Position sealed_end_;  // that of what is sealed, else written_
  PageSums sums_;
  std::unique_ptr<PendingPages> pending_;  // beyond sealed_end_
  const size_t pending_bytes_max_;
  std::function<Status()> commit_sink_;
  bool complete_ = false;
  bool torn_ = false;           // a failed run left newer pages in pending_ than captured_ says
  bool end_comparable_ = true;  // the frame at the position carries its checksum
  uint32_t commit_min_ = 0;     // smallest database size since sealed_end_, in pages
  uint32_t scan_commit_ = 0;    // size after the last commit of the running scan
  uint32_t scan_commit_min_ = 0;
  uint32_t range_frame_ = 0;  // first frame of the pending range in the current WAL generation
  std::vector<uint8_t> page_buffer_;
  std::shared_ptr<SealedFile> file_;  // sealed if is_sealed_, else there to be used again
  bool is_sealed_ = false;
};

}  // namespace litestream
