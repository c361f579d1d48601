// The slow verifier: what no hook, no file event and no frame tells. Every ten seconds, before
// each sync, and when the -wal seems to be gone. Replicator thread.
#include "ext/engine/replicator.h"

namespace litestream {
namespace {

constexpr const char* kSuffixes[] = {"", "-wal", "-shm"};

}  // namespace

void Replicator::note_files_moved() noexcept {
  files_moved_.store(true, std::memory_order_release);
  parts_.wake();
}

Replicator::OpenFiles Replicator::find_open_files() const {
  OpenFiles files{};
  for (size_t i = 0; i < files.size(); ++i) {
    const auto stat = parts_.fs->stat(parts_.database_path + kSuffixes[i]);
    if (stat.ok()) files[i] = {stat->device, stat->inode};
  }
  return files;
}

// Taken right after the mark was parked: until the next commit nobody who uses SQLite writes to the
// database file.
void Replicator::remember_idle_file() {
  auto stat = parts_.fs->stat(parts_.database_path);
  if (stat.ok()) idle_file_ = *stat;
}

// PositionMismatch: the files at their paths are not, or no longer hold, what we have open. Writers
// that open them now write where we do not look.
Status Replicator::verify_files() {
  const OpenFiles now = find_open_files();
  for (size_t i = 0; i < now.size(); ++i) {
    if (now[i] == open_files_[i]) continue;
    const std::string path = parts_.database_path + kSuffixes[i];
    return position_mismatch(path + " was " + (now[i].second == 0 ? "deleted" : "replaced") +
                             " while it was in use; connections that were open then must be "
                             "opened again");
  }
  return {};
}

// Somebody wrote to the database file who is not SQLite ("cp backup.db app.db"): only seen while
// the mark is parked, when nobody who is has a reason to.
bool Replicator::replaced_in_place() {
  if (!parked_ || !idle_file_) return false;
  const auto index = parts_.source->read_index();
  if (!index.ok() || index->mx_frame != index_.mx_frame || index->salts != index_.salts) {
    return false;
  }
  const auto stat = parts_.fs->stat(parts_.database_path);
  return stat.ok() &&
         (stat->mtime_ns != idle_file_->mtime_ns || stat->size_bytes != idle_file_->size_bytes);
}

// PositionMismatch: let go of the files and open them again.
Status Replicator::verify_database() {
  LS_RETURN_IF_ERROR(verify_files());
  if (!replaced_in_place()) return {};
  // The frames in the WAL belong to the old content: they must go first, or whoever opens the
  // database next lays them over the new one.
  const auto truncated = parts_.source->relief_truncate();
  if (!truncated.ok() || !*truncated) return {};  // somebody is in the way: at the next look
  return position_mismatch(parts_.database_path +
                           " was replaced in place, by something that is not SQLite, while it was "
                           "in use; connections that were open then must be opened again");
}

// Commits that came without a hook, though this process has connections with one and nobody else
// writes: then the application replaced it somewhere. The count is a lower bound: hooks of commits
// that were not captured yet count against it.
void Replicator::verify_hooks() {
  const uint64_t hooked = hook_commit_count_.load(std::memory_order_relaxed) - hooked_at_start_;
  const uint64_t captured = captured_commit_count_ - captured_at_start_;
  if (captured <= hooked + unhooked_told_) return;
  unhooked_told_ = captured - hooked;
  const bool has_hooks = hook_commit_count_.load(std::memory_order_relaxed) > 0;
  if (!has_hooks || (parts_.used_elsewhere && parts_.used_elsewhere())) return;
  note_warning(
      "commits came without our hook: PRAGMA wal_autocheckpoint or sqlite3_wal_hook() replaced it "
      "on "
      "a connection, or another process wrote; they are found by file events");
}

}  // namespace litestream
