// Reads committed frames out of a WAL: with a wal-index and under a read mark of the caller
// (scan_wal), or cold, the way SQLite's recovery does (find_last_commit).
//
// Threading: free functions, no state; one RandomReader may be used by one call at a time. All of
// them read in blocks of at most 1 MiB and allocate one such block.
#pragma once

#include <cstdint>
#include <functional>

#include "ext/base/bytes.h"
#include "ext/base/status.h"
#include "ext/wal/wal_format.h"
#include "ext/wal/wal_index.h"

namespace litestream {

// How far somebody has read. `checksum` is that of `frame`, hence the seed of the next one; at
// frame 0 it is the WAL header's.
struct WalPosition {
  WalSalts salts;
  uint32_t frame = 0;
  WalChecksum checksum;
  bool operator==(const WalPosition&) const = default;
};

inline WalPosition wal_start(const WalHeader& header) { return {header.salts, 0, header.checksum}; }

class WalFrameVisitor {
 public:
  virtual ~WalFrameVisitor() = default;
  // In WAL order. `commit` is not 0 on the last frame of a transaction. `page` is valid during the
  // call only. An error ends the scan and is handed to its caller.
  virtual Status on_frame(uint32_t frame_no, uint32_t pgno, uint32_t commit, Bytes page) = 0;
};

struct WalScanResult {
  WalPosition end;            // at the last frame visited; `from` if there was none
  uint64_t commit_count = 0;  // transactions that end within the visited frames
  bool chain_broken = false;  // checksums ended early; see scan_wal
  uint32_t frame_count = 0;   // frames visited
};

// Visits the frames from.frame+1 .. index.mx_frame. The caller holds a mark at or beyond
// index.mx_frame taken before `index` was read, so all of them are committed and stand still.
//
// The salts and checksum of every frame are verified from the saved seed on. Where that chain
// breaks, SQLite's savepoint bug (frames rewritten after ROLLBACK TO carry zeroed salts and
// checksums) is the reason, and the frames are committed all the same: chain_broken is set, page
// number and commit size are believed, and end.checksum is index.frame_checksum. The visitor may
// have been called when an error is returned: it must be able to forget.
//
// PositionMismatch: other salts than `from`, or mx_frame < from.frame. Busy: the index's checksum
// is not that of the unbroken chain (it belongs to another moment: read it again). Corrupt: page
// number 0 or a page beyond the limit, no commit size on the last frame, a short read, `header` and
// `index` naming different page sizes or byte orders.
Result<WalScanResult> scan_wal(RandomReader& wal, const WalHeader& header, const WalPosition& from,
                               const WalIndex& index, WalFrameVisitor& visitor);

struct WalRecovery {
  WalHeader header;
  WalPosition last_commit;    // wal_start(header) if there is no whole transaction
  uint32_t page_count = 0;    // database size in pages after last_commit; 0 if there is none
  uint64_t commit_count = 0;  // whole transactions
};

// What SQLite's recovery would keep of this WAL: the longest chain of frames with the header's
// salts and right checksums, up to its last commit. A torn tail is simply the end.
// NotFound: the file is shorter than a header (an empty WAL). Corrupt: the header is not one.
Result<WalRecovery> find_last_commit(RandomReader& wal);

// Whether the frame at position.frame is there and has these salts and this checksum. At frame 0
// the WAL header is compared instead. False, not an error, when the file is too short, and for a
// frame that SQLite's savepoint bug left without a checksum.
Result<bool> frame_matches(RandomReader& wal, uint32_t page_size, const WalPosition& position);

using WalFrameHeaderCallback = std::function<Status(uint32_t frame_no, const WalFrameHeader&)>;

// Calls back for the frames first..last (from 1, both included), in order, without looking at
// pages or verifying anything. Corrupt on a short read; the callback's error ends the scan.
Status scan_frame_headers(RandomReader& wal, uint32_t page_size, uint32_t first, uint32_t last,
                          const WalFrameHeaderCallback& callback);

}  // namespace litestream
