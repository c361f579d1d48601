#include "ext/engine/restore_output.h"

#include <algorithm>
#include <array>
#include <string_view>

#include "ext/engine/restore.h"

namespace litestream {
namespace {

constexpr std::array<std::string_view, 3> kSidecarSuffixes = {"-wal", "-shm", "-journal"};
// Written back together: large enough to keep a disk busy, small enough to begin early.
constexpr uint64_t kSegmentBytes = 8 << 20;

Result<bool> exists(FileSystem& fs, const std::string& path) {
  const auto stat = fs.stat(path);
  if (stat.ok()) return true;
  if (stat.status().code() == StatusCode::kNotFound) return false;
  return stat.status();
}

}  // namespace

Status check_output(FileSystem& fs, const std::string& path, bool overwrite) {
  const auto folder = fs.stat(path_directory(path));
  if (!folder.ok() && folder.status().code() != StatusCode::kNotFound) return folder.status();
  if (!folder.ok() || !folder->is_directory) {
    return not_found("the folder " + path_directory(path) + " does not exist; create it first");
  }
  const auto stat = fs.stat(path);
  if (stat.ok() && !stat->is_regular) return invalid_argument(path + " is not a file");
  if (overwrite) return {};
  LS_ASSIGN_OR_RETURN(const bool output_exists, exists(fs, path));
  if (output_exists) {
    return already_exists(path + " exists; choose another path or pass overwrite");
  }
  for (const std::string_view suffix : kSidecarSuffixes) {
    const std::string sidecar = path + std::string(suffix);
    LS_ASSIGN_OR_RETURN(const bool sidecar_exists, exists(fs, sidecar));
    if (!sidecar_exists) continue;
    return already_exists(sidecar + " exists and SQLite would apply it to the restored database; " +
                          "choose another path or pass overwrite");
  }
  return {};
}

Status remove_sidecars(FileSystem& fs, const std::string& path) {
  for (const std::string_view suffix : kSidecarSuffixes) {
    const Status removed = fs.remove(path + std::string(suffix));
    if (!removed.ok() && removed.code() != StatusCode::kNotFound) return removed;
  }
  return {};
}

// A live writer holds a lock on its file. A left-over does no harm but cost space.
void remove_left_overs(FileSystem& fs, const std::string& path) {
  const std::string prefix = "." + path_basename(path) + ".";
  const auto entries = fs.list_directory(path_directory(path));
  if (!entries.ok()) return;
  for (const DirectoryEntry& entry : *entries) {
    if (!entry.name.starts_with(prefix) || !is_temporary_name(entry.name)) continue;
    const std::string left_over = path_join(path_directory(path), entry.name);
    const auto lock = fs.lock_exclusive(left_over);
    if (lock.ok()) (void)fs.remove(left_over).ok();
  }
}

Result<std::string> prepare_output(FileSystem& fs, const std::string& output, bool overwrite) {
  if (output.empty()) return invalid_argument("the output path is empty");
  LS_RETURN_IF_ERROR(check_output(fs, output, overwrite));
  const auto canonical = fs.canonical_path(output);
  std::string path = canonical.ok() ? *canonical : output;
  LS_RETURN_IF_ERROR(check_output(fs, path, overwrite));
  remove_left_overs(fs, path);
  return path;
}

Status publish_output(FileSystem& fs, RestoreOutput& file, const std::string& path,
                      const RestoreOptions& options, const RestoredDatabase* restored) {
  LS_RETURN_IF_ERROR(file.finish());
  if (options.check) LS_RETURN_IF_ERROR(options.check(file.path()));
  LS_RETURN_IF_ERROR(file.check_still_ours(fs));
  if (options.stream.cancelled && options.stream.cancelled()) return cancelled("interrupted");
  LS_RETURN_IF_ERROR(check_output(fs, path, options.overwrite));
  if (options.before_publish && restored != nullptr) {
    LS_RETURN_IF_ERROR(options.before_publish(*restored));
  }
  if (options.overwrite) LS_RETURN_IF_ERROR(remove_sidecars(fs, path));
  return file.publish(options.overwrite);
}

Result<std::unique_ptr<RestoreOutput>> RestoreOutput::create(FileSystem& fs,
                                                             const std::string& path,
                                                             uint64_t direct_from_bytes) {
  LS_ASSIGN_OR_RETURN(auto file, DurableFile::create(fs, path));
  LS_ASSIGN_OR_RETURN(auto lock, fs.lock_exclusive(file->temporary_path()));
  return std::unique_ptr<RestoreOutput>(
      new RestoreOutput(std::move(file), std::move(lock), direct_from_bytes));
}

Status RestoreOutput::begin(const DatabaseShape& shape) {
  shape_ = shape;
  const uint64_t size = shape.size_bytes();
  size_bytes_ = size;
  missing_bytes_.assign(static_cast<size_t>(size / kSegmentBytes), kSegmentBytes);
  if (size % kSegmentBytes != 0) missing_bytes_.push_back(size % kSegmentBytes);
  LS_RETURN_IF_ERROR(file_->allocate(size));
  is_direct_ = size >= direct_from_bytes_ && file_->enable_direct_writes();
  return {};
}

void RestoreOutput::note_written(uint64_t offset_bytes, uint64_t size_bytes) {
  const size_t segment = static_cast<size_t>(offset_bytes / kSegmentBytes);
  {
    const std::lock_guard lock(counting_);
    missing_bytes_[segment] -= size_bytes;
    if (missing_bytes_[segment] != 0) return;
  }
  file_->start_writeback(segment * kSegmentBytes, kSegmentBytes);
}

Status RestoreOutput::write_through_cache(uint64_t offset_bytes, Bytes pages) {
  {
    // The kernel takes one writer of a file at a time; so does a WritableFile.
    const std::lock_guard lock(writing_);
    LS_RETURN_IF_ERROR(file_->write_at(offset_bytes, pages));
  }
  note_written(offset_bytes, pages.size());
  return {};
}

Status RestoreOutput::edit_page_one(Bytes first_block) {
  std::vector<uint8_t> page(first_block.begin(), first_block.begin() + shape_.page_size);
  editor_(page);
  const std::lock_guard lock(writing_);
  return file_->write_at(0, page);
}

Status RestoreOutput::write_block(Pgno first, Bytes pages) {
  const uint64_t offset = uint64_t{first - 1} * shape_.page_size;
  LS_RETURN_IF_ERROR(is_direct_ ? file_->write_direct(offset, pages)
                                : write_through_cache(offset, pages));
  return first == 1 && editor_ ? edit_page_one(pages) : Status();
}

Status RestoreOutput::write_at(uint64_t offset_bytes, Bytes bytes) {
  return file_->write_at(offset_bytes, bytes);
}

Status RestoreOutput::truncate(uint64_t size_bytes) {
  size_bytes_ = size_bytes;
  return file_->truncate(size_bytes);
}

Status RestoreOutput::finish() { return file_->sync(); }

Status RestoreOutput::check_still_ours(FileSystem& fs) const {
  const auto stat = fs.stat(file_->temporary_path());
  if (stat.ok() && stat->size_bytes == size_bytes_) return {};
  return busy("another restore to the same file runs");
}

Status RestoreOutput::publish(bool overwrite) {
  return file_->commit(
      overwrite ? DurableFile::Publish::kReplace : DurableFile::Publish::kCreateOnly,
      DurableFile::Sync::kDurable);
}

}  // namespace litestream
