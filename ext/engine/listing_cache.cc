#include "ext/engine/listing_cache.h"

#include <algorithm>
#include <tuple>
#include <utility>

namespace litestream {
namespace {

// Writes remembered against late listings; more within kListingLagMs than any pace of uploads.
constexpr size_t kRecentMax = 8192;

bool before(const LtxFileInfo& a, const LtxFileInfo& b) {
  return std::tie(a.min_txid, a.max_txid) < std::tie(b.min_txid, b.max_txid);
}

bool same_name(const LtxFileInfo& a, const LtxFileInfo& b) {
  return a.min_txid == b.min_txid && a.max_txid == b.max_txid;
}

// Where `file` stands, or would stand, in the sorted `files`.
auto place_of(std::vector<LtxFileInfo>& files, const LtxFileInfo& file) {
  return std::lower_bound(files.begin(), files.end(), file, before);
}

void put(std::vector<LtxFileInfo>& files, const LtxFileInfo& file) {
  const auto place = place_of(files, file);
  if (place != files.end() && same_name(*place, file)) {
    *place = file;
  } else {
    files.insert(place, file);
  }
}

void take_out(std::vector<LtxFileInfo>& files, const LtxFileInfo& file) {
  const auto place = place_of(files, file);
  if (place != files.end() && same_name(*place, file)) files.erase(place);
}

Txid newest_of(const std::vector<LtxFileInfo>& files) {
  Txid newest;
  for (const LtxFileInfo& file : files) newest = std::max(newest, file.max_txid);
  return newest;
}

Status check_level(int level) {
  if (level >= 0 && level <= kLevelMax) return {};
  return invalid_argument("level " + std::to_string(level) + " is not 0..9");
}

}  // namespace

std::vector<LtxFileInfo> ListingCache::known(int level) const {
  if (!check_level(level).ok()) return {};
  const std::lock_guard lock(mutex_);
  return at(level).files;
}

std::vector<LtxFileInfo> ListingCache::all_known() const {
  const std::lock_guard lock(mutex_);
  std::vector<LtxFileInfo> all = at(kSnapshotLevel).files;
  for (int level = 0; level <= kCompactionLevelMax; ++level) {
    all.insert(all.end(), at(level).files.begin(), at(level).files.end());
  }
  return all;
}

bool ListingCache::is_complete() const {
  const std::lock_guard lock(mutex_);
  return std::all_of(levels_.begin(), levels_.end(),
                     [](const Level& level) { return level.known && level.doubt_serial == 0; });
}

Txid ListingCache::newest(int level) const {
  if (!check_level(level).ok()) return {};
  const std::lock_guard lock(mutex_);
  return at(level).newest;
}

Txid ListingCache::newest() const {
  const std::lock_guard lock(mutex_);
  Txid newest;
  for (const Level& level : levels_) newest = std::max(newest, level.newest);
  return newest;
}

size_t ListingCache::count(int level) const {
  if (!check_level(level).ok()) return 0;
  const std::lock_guard lock(mutex_);
  return at(level).files.size();
}

uint64_t ListingCache::list_count() const {
  const std::lock_guard lock(mutex_);
  return list_count_;
}

std::optional<std::vector<LtxFileInfo>> ListingCache::if_certain(int level) const {
  const std::lock_guard lock(mutex_);
  if (!at(level).known || at(level).doubt_serial != 0) return std::nullopt;
  return at(level).files;
}

Result<std::vector<LtxFileInfo>> ListingCache::files(LtxStore& origin, int level) {
  LS_RETURN_IF_ERROR(check_level(level));
  if (auto files = if_certain(level)) return std::move(*files);
  return list(origin, level);
}

Result<std::vector<LtxFileInfo>> ListingCache::all_files(LtxStore& origin) {
  // Lower levels before higher ones: a file that compaction takes away from a level meanwhile is
  // then met again in the level it went to.
  for (int level = 0; level <= kLevelMax; ++level) {
    if (!if_certain(level)) LS_RETURN_IF_ERROR(list(origin, level).status());
  }
  return all_known();
}

Status ListingCache::refresh(LtxStore& origin) {
  for (int level = 0; level <= kLevelMax; ++level) {
    LS_RETURN_IF_ERROR(list(origin, level).status());
  }
  return {};
}

Result<std::vector<LtxFileInfo>> ListingCache::list(LtxStore& origin, int level) {
  uint64_t begun_serial = 0;
  {
    const std::lock_guard lock(mutex_);
    begun_serial = ++serial_;
    ++list_count_;
  }
  LS_ASSIGN_OR_RETURN(std::vector<LtxFileInfo> listed, origin.list(level));
  std::sort(listed.begin(), listed.end(), before);
  const std::lock_guard lock(mutex_);
  adopt(at(level), std::move(listed), begun_serial);
  return at(level).files;
}

void ListingCache::adopt(Level& level, std::vector<LtxFileInfo> listed, uint64_t begun_serial) {
  for (LtxFileInfo& file : listed) {
    const auto place = place_of(level.files, file);
    const bool is_known = place != level.files.end() && same_name(*place, file);
    if (is_known) file.created_at_ms = place->created_at_ms;
  }
  const int64_t believed_since_ms = clock_.monotonic_ms() - kListingLagMs;
  for (const Own& own : level.recent) {
    if (own.at_ms < believed_since_ms && own.serial < begun_serial) continue;
    if (own.written) {
      put(listed, own.file);
    } else {
      take_out(listed, own.file);
    }
  }
  std::erase_if(level.recent, [&](const Own& own) {
    return own.at_ms < believed_since_ms && own.serial < begun_serial;
  });
  level.files = std::move(listed);
  level.newest = newest_of(level.files);
  level.known = true;
  if (level.doubt_serial < begun_serial) level.doubt_serial = 0;
}

void ListingCache::note(const LtxFileInfo& file, bool written) {
  if (!check_level(file.level).ok()) return;
  const std::lock_guard lock(mutex_);
  Level& level = at(file.level);
  const int64_t now_ms = clock_.monotonic_ms();
  while (!level.recent.empty() && (level.recent.size() >= kRecentMax ||
                                   level.recent.front().at_ms < now_ms - kListingLagMs)) {
    level.recent.pop_front();
  }
  level.recent.push_back({file, written, now_ms, ++serial_});
  if (!level.known) return;
  if (written) {
    put(level.files, file);
    level.newest = std::max(level.newest, file.max_txid);
  } else {
    take_out(level.files, file);
    if (file.max_txid == level.newest) level.newest = newest_of(level.files);
  }
}

void ListingCache::note_written(const LtxFileInfo& file) { note(file, true); }

void ListingCache::note_removed(const LtxFileInfo& file) { note(file, false); }

void ListingCache::note_doubt(int level) {
  if (!check_level(level).ok()) return;
  const std::lock_guard lock(mutex_);
  at(level).doubt_serial = ++serial_;
}

void ListingCache::forget() {
  const std::lock_guard lock(mutex_);
  for (Level& level : levels_) {
    level.recent.clear();
    level.doubt_serial = ++serial_;
  }
}

}  // namespace litestream
