// Restore plans for times, where finding out the time of a file costs a request.
//
// A folder tells the time of each file's last commit with its name; an object store lists only when
// the object was stored, and the commit time is in its metadata. Of a hundred thousand files a few
// dozen are asked, as many as a search for the boundary needs; the others are taken to be in order.
// Threading: pure over its arguments; options.cancelled is called on the calling thread.
#pragma once

#include <vector>

#include "ext/base/status.h"
#include "ext/engine/database_stream.h"
#include "ext/engine/restore_plan.h"
#include "ext/store/ltx_store.h"

namespace litestream {

// list_all_levels(), from a thread of its own if options.owned_store is set, so that the caller's
// cancelled() is asked meanwhile. Cancelled; else errors of the store.
Result<std::vector<LtxFileInfo>> list_watched(LtxStore& store, const StreamOptions& options);

// plan_restore(files, target), after finding out what a time target needs to know. `*files` is a
// listing of the store; times of some are corrected in it. Errors of plan_restore and of the store.
Result<RestorePlan> plan_from_store(LtxStore& store, std::vector<LtxFileInfo>* files,
                                    const RestoreTarget& target, const StreamOptions& options = {});

// Both. A listing is not of one moment: a gap in it, which retention or compaction may have made
// while it was read, is believed when a second listing shows it, too. `*files`: the last listing.
// Errors of both.
Result<RestorePlan> list_and_plan(LtxStore& store, const RestoreTarget& target,
                                  const StreamOptions& options, std::vector<LtxFileInfo>* files);

}  // namespace litestream
