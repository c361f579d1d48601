// How a long job is watched and stopped.
// Threading: plain values; the job calls them on its own thread.
#pragma once

#include <cstdint>
#include <functional>

#include "ext/base/status.h"

namespace litestream {

// Asked often by everything that takes long; true stops it with Cancelled.
using CancelCheck = std::function<bool()>;

// All may be empty.
struct JobControl {
  CancelCheck cancel;
  // Bytes of the inputs dealt with, and their sum.
  std::function<void(uint64_t done_bytes, uint64_t total_bytes)> progress;
  // Asked when a file is finished, before it gets its name, and before a damaged one is removed:
  // the lease may have run out meanwhile. An error ends the job.
  std::function<Status()> may_publish;
  // Of LZ4, for pages of files that are kept long: 1 compresses best. A merge compresses pages
  // again that come from inputs below `recompress_below_level`, which capture compressed in haste;
  // all others are copied as they are.
  int acceleration = 1;
  int recompress_below_level = 0;

  Status ask_to_publish() const { return may_publish ? may_publish() : Status(); }
};

}  // namespace litestream
