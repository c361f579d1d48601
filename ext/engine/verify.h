// Reads every file of a replica and says what is wrong with it, without restoring anything.
// Threading: pure over its arguments.
#pragma once

#include <cstddef>
#include <string>
#include <vector>

#include "ext/base/status.h"
#include "ext/engine/database_stream.h"
#include "ext/store/ltx_store.h"

namespace litestream {

inline constexpr size_t kVerifyErrorsMax = 1000;

struct VerifyReport {
  size_t file_count = 0;            // files read
  std::vector<std::string> errors;  // empty: every listed point can be restored
  bool ok() const { return errors.empty(); }
};

// Checks: each file whole (format, order of pages, index, file checksum; for whole databases their
// checksum), its header against its name; that the newest transaction is restorable and no
// transactions are missing between; that files which meet at a TXID agree on the page size and, as
// far as chain checksums are known, on the database there. A replica without files is an error in
// the report. A file that vanishes meanwhile is left out if its level no longer lists it.
// At most kVerifyErrorsMax errors are kept, the last of them saying how many more there are.
// options.parallelism files are read at a time. Cancelled; else only errors of listing, Unavailable
// and Io of the store.
Result<VerifyReport> verify_replica(LtxStore& store, const StreamOptions& options);

}  // namespace litestream
