#include "ext/engine/restore.h"

#include <algorithm>
#include <array>
#include <memory>
#include <optional>
#include <set>
#include <string_view>
#include <tuple>
#include <vector>

#include "ext/base/durable_file.h"
#include "ext/base/limits.h"

namespace litestream {
namespace {

// Ways to one point that are tried before the first error is reported.
constexpr int kPlansMax = 16;
constexpr std::array<std::string_view, 3> kSidecarSuffixes = {"-wal", "-shm", "-journal"};

Result<bool> exists(FileSystem& fs, const std::string& path) {
  const auto stat = fs.stat(path);
  if (stat.ok()) return true;
  if (stat.status().code() == StatusCode::kNotFound) return false;
  return stat.status();
}

// Refuses what must not be written over.
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

// Removes temporary files for this name whose writer is dead: a live one holds a lock on its file.
// Best effort: a left-over does no harm but cost space.
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

// The unfinished output. Pages that follow each other are written together.
class OutputFile final : public PageSink {
 public:
  static Result<std::unique_ptr<OutputFile>> create(FileSystem& fs, const std::string& path) {
    LS_ASSIGN_OR_RETURN(auto file, DurableFile::create(fs, path));
    LS_ASSIGN_OR_RETURN(auto lock, fs.lock_exclusive(file->temporary_path()));
    return std::unique_ptr<OutputFile>(new OutputFile(std::move(file), std::move(lock)));
  }

  Status begin(const DatabaseShape& shape) override {
    shape_ = shape;
    return file_->truncate(shape.size_bytes());
  }
  Status add_page(Pgno pgno, Bytes page, Checksum) override {
    const uint64_t offset = uint64_t{pgno - 1} * shape_.page_size;
    const bool follows = offset == offset_bytes_ + buffer_.size();
    if (!follows || buffer_.size() + page.size() > kCopyChunkBytes) LS_RETURN_IF_ERROR(flush());
    if (buffer_.empty()) offset_bytes_ = offset;
    buffer_.insert(buffer_.end(), page.begin(), page.end());
    return {};
  }
  Status finish() {
    LS_RETURN_IF_ERROR(flush());
    return file_->sync();
  }
  // A second restore may have taken the file for a left-over before it was locked.
  Status check_still_ours(FileSystem& fs) const {
    const auto stat = fs.stat(file_->temporary_path());
    if (stat.ok() && stat->size_bytes == shape_.size_bytes()) return {};
    return busy("another restore to the same file runs");
  }
  Status publish(bool overwrite) {
    return file_->commit(
        overwrite ? DurableFile::Publish::kReplace : DurableFile::Publish::kCreateOnly,
        DurableFile::Sync::kDurable);
  }
  const std::string& path() const { return file_->temporary_path(); }
  uint64_t size_bytes() const { return shape_.size_bytes(); }

 private:
  OutputFile(std::unique_ptr<DurableFile> file, std::unique_ptr<FileLock> lock)
      : lock_(std::move(lock)), file_(std::move(file)) {}

  Status flush() {
    if (buffer_.empty()) return {};
    LS_RETURN_IF_ERROR(file_->write_at(offset_bytes_, buffer_));
    buffer_.clear();
    return {};
  }

  const std::unique_ptr<FileLock> lock_;
  const std::unique_ptr<DurableFile> file_;
  DatabaseShape shape_;
  uint64_t offset_bytes_ = 0;  // of buffer_ in the file
  std::vector<uint8_t> buffer_;
};

// One restore: tries plans until one works.
class Restore {
 public:
  Restore(LtxStore& store, FileSystem& fs, const RestoreOptions& options)
      : store_(store), fs_(fs), options_(options) {}

  Result<RestoreResult> run(const RestoreTarget& target, const std::string& output);

 private:
  using FileKey = std::tuple<int, Txid, Txid>;
  static FileKey key_of(const LtxFileInfo& f) { return {f.level, f.min_txid, f.max_txid}; }
  Status list_files();
  Result<std::unique_ptr<OutputFile>> write_output(const RestoreTarget& target,
                                                   const std::string& path, RestorePlan* plan);
  Status publish(OutputFile& file, const std::string& path);

  LtxStore& store_;
  FileSystem& fs_;
  const RestoreOptions& options_;
  std::vector<LtxFileInfo> files_;
  std::set<FileKey> unusable_;
};

Status Restore::list_files() {
  LS_ASSIGN_OR_RETURN(files_, list_all_levels(store_));
  std::erase_if(files_, [&](const LtxFileInfo& f) { return unusable_.contains(key_of(f)); });
  return {};
}

bool has_alternative(const Status& status) {
  return status.code() == StatusCode::kCorrupt || status.code() == StatusCode::kNotFound ||
         status.code() == StatusCode::kPositionMismatch;
}

Result<std::unique_ptr<OutputFile>> Restore::write_output(const RestoreTarget& target,
                                                          const std::string& path,
                                                          RestorePlan* plan) {
  LS_RETURN_IF_ERROR(list_files());
  LS_ASSIGN_OR_RETURN(*plan, plan_restore(files_, target));
  const RestoreTarget same_point = RestoreTarget::at_txid(plan->txid);
  const int64_t created_at_ms = plan->created_at_ms;
  Status first;
  for (int attempt = 0; attempt < kPlansMax; ++attempt) {
    LS_ASSIGN_OR_RETURN(auto output, OutputFile::create(fs_, path));
    StreamFailure failure;
    const auto streamed = stream_database(store_, *plan, *output, options_.stream, &failure);
    if (streamed.ok()) {
      plan->created_at_ms = created_at_ms;
      return output;
    }
    if (!has_alternative(failure.status)) return failure.status;
    if (first.ok()) first = failure.status;
    if (!failure.file_index) return first;
    unusable_.insert(key_of(plan->files[*failure.file_index]));
    // Retention or compaction may have moved on since the listing.
    LS_RETURN_IF_ERROR(list_files());
    auto other = plan_restore(files_, same_point);
    if (!other.ok()) return first;
    *plan = std::move(other).value();
  }
  return first;
}

Status Restore::publish(OutputFile& file, const std::string& path) {
  LS_RETURN_IF_ERROR(file.finish());
  if (options_.check) LS_RETURN_IF_ERROR(options_.check(file.path()));
  LS_RETURN_IF_ERROR(file.check_still_ours(fs_));
  if (options_.stream.cancelled && options_.stream.cancelled()) return cancelled("interrupted");
  LS_RETURN_IF_ERROR(check_output(fs_, path, options_.overwrite));
  if (options_.overwrite) LS_RETURN_IF_ERROR(remove_sidecars(fs_, path));
  return file.publish(options_.overwrite);
}

Result<RestoreResult> Restore::run(const RestoreTarget& target, const std::string& output) {
  if (output.empty()) return invalid_argument("the output path is empty");
  LS_RETURN_IF_ERROR(check_output(fs_, output, options_.overwrite));
  // Through a symbolic link the file it points to is replaced, not the link.
  const auto canonical = fs_.canonical_path(output);
  const std::string path = canonical.ok() ? *canonical : output;
  LS_RETURN_IF_ERROR(check_output(fs_, path, options_.overwrite));
  remove_left_overs(fs_, path);
  RestorePlan plan;
  LS_ASSIGN_OR_RETURN(const auto file, write_output(target, path, &plan));
  LS_RETURN_IF_ERROR(publish(*file, path));
  return RestoreResult{output, plan.txid, plan.created_at_ms, file->size_bytes()};
}

}  // namespace

Result<RestoreResult> restore_database(LtxStore& store, FileSystem& fs, const RestoreTarget& target,
                                       const std::string& output, const RestoreOptions& options) {
  Restore restore(store, fs, options);
  return restore.run(target, output);
}

}  // namespace litestream
