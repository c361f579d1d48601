// Reads the database that a restore plan leads to out of its LTX files.
//
// Two passes. The first visits the files newest first and decides from headers and page indexes
// which file supplies each page (page_chooser.h); the winners' compressed bytes of every file but
// the oldest, which holds a whole database, are kept aside (frame_pool.h). The second walks the
// oldest file and what was kept aside in page order. Superseded pages are never decompressed.
//
// What is verified: every header against the name of its file, the page size, that each file whose
// chain checksum is known continues its predecessor, that every page of the database is there, and
// the whole database against the chain checksum of the last file. If the last file has none, every
// file is read whole and its file checksum verified.
//
// Memory: one page index, one bit per page, kFramePoolBytesMax, and about 3 MiB per worker. At most
// one file per worker is open, and the oldest once per worker.
// Threading: the options' callbacks run on the calling thread. With parallelism 1 so does all else;
// otherwise sinks are called from worker threads.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>

#include "ext/base/bytes.h"
#include "ext/base/file_system.h"
#include "ext/base/status.h"
#include "ext/engine/page_chooser.h"
#include "ext/engine/restore_plan.h"
#include "ext/ltx/types.h"
#include "ext/store/ltx_store.h"

namespace litestream {

inline constexpr int kParallelismMax = 32;
inline constexpr int kParallelismDefault = 8;  // of people's restores
inline constexpr size_t kFramePoolBytesMax = 36 << 20;

// Takes the pages one by one. An error stops the stream and is returned as it is.
class PageSink {
 public:
  virtual ~PageSink() = default;
  // Once, before the first page.
  virtual Status begin(const DatabaseShape& shape) = 0;
  // Every page except the lock page exactly once, in no particular order; one call at a time.
  // `checksum` is page_checksum(pgno, page). `page` is valid during the call.
  virtual Status add_page(Pgno pgno, Bytes page, Checksum checksum) = 0;
};

// Takes the database in large pieces. An error stops the stream and is returned as it is.
class BlockSink {
 public:
  virtual ~BlockSink() = default;
  // Once, before the first block.
  virtual Status begin(const DatabaseShape& shape) = 0;
  // kCopyChunkBytes from page `first` on, at a multiple of that in the file; the last block may be
  // shorter. The lock page is zeros. Each block once, in ascending order or, with workers, nearly
  // so and several calls at once.
  virtual Status write_block(Pgno first, Bytes pages) = 0;
};

struct StreamOptions {
  std::function<bool()> cancelled;  // asked every few ms; true: stop with Cancelled
  // Bytes of the plan's files that are dealt with, and their sum.
  std::function<void(uint64_t done_bytes, uint64_t total_bytes)> progress;
  // Files or ranges fetched and decompressed at a time, 1..kParallelismMax. For a replica in a
  // folder no more than the machine has processors.
  int parallelism = 1;
  // The store, if nobody else uses it. With it a cancelled stream interrupts the store, and leaves
  // a read that hangs all the same behind instead of waiting.
  std::shared_ptr<LtxStore> owned_store;
};

struct StreamResult {
  DatabaseShape shape;
  Checksum checksum = 0;  // of the whole database
};

// An error that one file of the plan is to blame for carries its number; others do not.
struct StreamFailure {
  Status status;
  std::optional<size_t> file_index;
};

// On failure fills `*failure` (may be null) and returns its status. What the sink got by then is
// worthless. Corrupt, NotFound, PositionMismatch: as verified above, with the path of the file.
// Cancelled. Else errors of the store or the sink.
Result<StreamResult> stream_database(LtxStore& store, const RestorePlan& plan, PageSink& sink,
                                     const StreamOptions& options,
                                     StreamFailure* failure = nullptr);

// The same in blocks. What does not fit into memory goes to an unnamed temporary file in the folder
// of `spill_path`, at most as large as the plan's files but the first. `fs` must be immortal if
// options.owned_store is set.
Result<StreamResult> stream_database_blocks(LtxStore& store, const RestorePlan& plan,
                                            BlockSink& sink, FileSystem& fs,
                                            const std::string& spill_path,
                                            const StreamOptions& options,
                                            StreamFailure* failure = nullptr);

}  // namespace litestream
