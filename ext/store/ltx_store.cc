#include "ext/store/ltx_store.h"

#include "ext/base/limits.h"

namespace litestream {

Result<std::vector<V3File>> LtxStore::list_v3(const std::string&) {
  return unsupported("v0.3 backups are not read from a replica of type " + type());
}

Result<std::unique_ptr<RandomReader>> LtxStore::open_v3(const V3File&) {
  return unsupported("v0.3 backups are not read from a replica of type " + type());
}

Result<std::vector<LtxFileInfo>> list_all_levels(LtxStore& store, bool names_only) {
  const auto list = [&](int level) {
    return names_only ? store.list_names(level) : store.list(level);
  };
  // Lower levels before higher ones: a file that compaction takes away from a level while we list
  // is then met again in the level it went to.
  LS_ASSIGN_OR_RETURN(std::vector<LtxFileInfo> all, list(kSnapshotLevel));
  for (int level = 0; level <= kCompactionLevelMax; ++level) {
    LS_ASSIGN_OR_RETURN(const std::vector<LtxFileInfo> files, list(level));
    all.insert(all.end(), files.begin(), files.end());
  }
  return all;
}

}  // namespace litestream
