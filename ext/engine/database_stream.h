// Reads the database that a restore plan leads to, page by page, out of its LTX files.
//
// Files are visited newest first, so that the first file that has a page has its final content:
// superseded pages are neither read nor decompressed, one file is open at a time, and memory is one
// page index, one bit per page and two buffers.
//
// What is verified: every header against the name of its file, the page size, that each file whose
// chain checksum is known continues its predecessor, that every page of the database is there, and
// the whole database against the chain checksum of the last file. If the last file has none, every
// file is read whole and its file checksum verified.
// Threading: thread-compatible; the callbacks run on the calling thread.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>

#include "ext/base/bytes.h"
#include "ext/base/status.h"
#include "ext/engine/restore_plan.h"
#include "ext/ltx/types.h"
#include "ext/store/ltx_store.h"

namespace litestream {

struct DatabaseShape {
  uint32_t page_size = 0;   // bytes
  uint32_t page_count = 0;  // size of the database, lock page included
  uint64_t size_bytes() const { return uint64_t{page_size} * page_count; }
};

// Takes the pages. An error stops the stream and is returned as it is.
class PageSink {
 public:
  virtual ~PageSink() = default;
  // Once, before the first page.
  virtual Status begin(const DatabaseShape& shape) = 0;
  // Every page except the lock page exactly once, in no particular order. `checksum` is
  // page_checksum(pgno, page). `page` is valid during the call.
  virtual Status add_page(Pgno pgno, Bytes page, Checksum checksum) = 0;
};

struct StreamOptions {
  std::function<bool()> cancelled;  // asked at least once per MiB; true: stop with Cancelled
  // Bytes of the plan's files that are dealt with, and their sum.
  std::function<void(uint64_t done_bytes, uint64_t total_bytes)> progress;
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

}  // namespace litestream
