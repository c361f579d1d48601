#include "ext/base/durable_file.h"

#include <unistd.h>

#include <atomic>

namespace litestream {
namespace {

constexpr std::string_view kTemporaryMark = ".litestream-tmp-";

// Unique among the live processes of a host and the files of this process; a left-over of a dead
// process with the same number is met by create_new's AlreadyExists and stepped over.
std::string temporary_name(const std::string& final_path, uint64_t number) {
  return path_join(path_directory(final_path), "." + path_basename(final_path)) +
         std::string(kTemporaryMark) + std::to_string(::getpid()) + "-" + std::to_string(number);
}

}  // namespace

DurableFile::DurableFile(FileSystem& fs, std::string final_path, std::string temporary_path,
                         std::unique_ptr<WritableFile> file)
    : fs_(fs),
      final_path_(std::move(final_path)),
      temporary_path_(std::move(temporary_path)),
      file_(std::move(file)) {}

Result<std::unique_ptr<DurableFile>> DurableFile::create(FileSystem& fs, std::string final_path) {
  static std::atomic<uint64_t> next_number{0};
  constexpr int kAttemptsMax = 1000;
  for (int attempt = 0; attempt < kAttemptsMax; ++attempt) {
    std::string temporary = temporary_name(final_path, next_number++);
    auto file = fs.create_new(temporary);
    if (!file.ok() && file.status().code() == StatusCode::kAlreadyExists) continue;
    if (!file.ok()) return std::move(file).status();
    return std::unique_ptr<DurableFile>(
        new DurableFile(fs, std::move(final_path), std::move(temporary), std::move(file).value()));
  }
  return already_exists("no free temporary name beside " + final_path);
}

DurableFile::~DurableFile() {
  if (published_) return;
  file_.reset();
  (void)fs_.remove(temporary_path_).ok();
}

Status DurableFile::append(Bytes bytes) { return file_->append(bytes); }

Status DurableFile::write_at(uint64_t offset_bytes, Bytes bytes) {
  return file_->write_at(offset_bytes, bytes);
}

Status DurableFile::truncate(uint64_t size_bytes) { return file_->truncate(size_bytes); }

Status DurableFile::allocate(uint64_t size_bytes) { return file_->allocate(size_bytes); }

void DurableFile::start_writeback(uint64_t offset_bytes, uint64_t size_bytes) {
  file_->start_writeback(offset_bytes, size_bytes);
}

bool DurableFile::enable_direct_writes() { return file_->enable_direct_writes(); }

Status DurableFile::write_direct(uint64_t offset_bytes, Bytes bytes) {
  return file_->write_direct(offset_bytes, bytes);
}

Status DurableFile::sync() { return file_->sync(); }

Status DurableFile::commit(Publish publish, Sync sync, int64_t mtime_ms) {
  if (mtime_ms != 0) LS_RETURN_IF_ERROR(file_->set_mtime_ms(mtime_ms));
  if (sync == Sync::kDurable) LS_RETURN_IF_ERROR(file_->sync());
  LS_RETURN_IF_ERROR(file_->close());
  if (publish == Publish::kReplace) {
    LS_RETURN_IF_ERROR(fs_.rename(temporary_path_, final_path_));
    published_ = true;
  } else {
    LS_RETURN_IF_ERROR(fs_.link_new(temporary_path_, final_path_));
    published_ = true;
    // The file is there under its final name; a second name that stays is one more left-over.
    (void)fs_.remove(temporary_path_).ok();
  }
  if (sync == Sync::kDurable) LS_RETURN_IF_ERROR(fs_.sync_directory(path_directory(final_path_)));
  return {};
}

Status write_small_file(FileSystem& fs, const std::string& path, Bytes content,
                        DurableFile::Sync sync) {
  LS_ASSIGN_OR_RETURN(auto file, DurableFile::create(fs, path));
  LS_RETURN_IF_ERROR(file->append(content));
  return file->commit(DurableFile::Publish::kReplace, sync);
}

bool is_temporary_name(std::string_view name) {
  return name.starts_with('.') && name.find(kTemporaryMark) != std::string_view::npos;
}

Status remove_temporary_files(FileSystem& fs, const std::string& directory) {
  auto entries = fs.list_directory(directory);
  if (!entries.ok() && entries.status().code() == StatusCode::kNotFound) return {};
  if (!entries.ok()) return entries.status();
  for (const DirectoryEntry& entry : *entries) {
    if (entry.is_directory || !is_temporary_name(entry.name)) continue;
    const Status removed = fs.remove(path_join(directory, entry.name));
    if (!removed.ok() && removed.code() != StatusCode::kNotFound) return removed;
  }
  return {};
}

}  // namespace litestream
