#include "tests/sim/sim_environment.h"

#include <cstdio>

#include "ext/base/durable_file.h"

namespace litestream::test {

bool SimJobs::submit(std::function<void()> job) noexcept {
  if (refuse && refuse()) return false;
  if (run_inline) {
    run_inline(std::move(job));
  } else {
    jobs_.push_back(std::move(job));
  }
  return true;
}

std::function<void()> SimJobs::take(size_t index) {
  auto job = std::move(jobs_[index]);
  jobs_.erase(jobs_.begin() + static_cast<ptrdiff_t>(index));
  return job;
}

std::string SimFileSystem::stable(const std::string& path) {
  const std::string name = path_basename(path);
  if (!is_temporary_name(name)) return path;
  constexpr std::string_view kOurs = "-sim";
  if (name.find(kOurs) != std::string::npos) return path;  // from a listing
  const auto [entry, is_new] = stable_names_.try_emplace(path);
  if (is_new) {
    char number[16];
    std::snprintf(number, sizeof number, "%08zu", stable_names_.size());
    const std::string mark = ".litestream-tmp-";
    entry->second = path_join(path_directory(path), name.substr(0, name.find(mark)) + mark +
                                                        std::string(kOurs.substr(1)) +
                                                        std::string(kOurs) + number);
  }
  return entry->second;
}

Result<std::unique_ptr<ReadableFile>> SimFileSystem::open_readable(const std::string& path) {
  return below_.open_readable(stable(path));
}

Result<std::unique_ptr<WritableFile>> SimFileSystem::create_new(const std::string& path) {
  if (full_) return io_error("create " + path_basename(path) + ": injected: no space left");
  return below_.create_new(stable(path));
}

Status SimFileSystem::rename(const std::string& from, const std::string& to) {
  return below_.rename(stable(from), stable(to));
}

Status SimFileSystem::link_new(const std::string& from, const std::string& to) {
  return below_.link_new(stable(from), stable(to));
}

Status SimFileSystem::remove(const std::string& path) { return below_.remove(stable(path)); }

Status SimFileSystem::remove_directory(const std::string& path) {
  return below_.remove_directory(path);
}

Result<std::vector<DirectoryEntry>> SimFileSystem::list_directory(const std::string& path) {
  return below_.list_directory(path);
}

Status SimFileSystem::create_directories(const std::string& path) {
  return below_.create_directories(path);
}

Status SimFileSystem::sync_directory(const std::string& path) {
  return below_.sync_directory(path);
}

Result<FileStat> SimFileSystem::stat(const std::string& path) {
  if (path == database_path_) return database_.stat();
  return below_.stat(stable(path));
}

Result<std::unique_ptr<FileLock>> SimFileSystem::lock_exclusive(const std::string& path) {
  return below_.lock_exclusive(path);
}

Result<std::string> SimFileSystem::canonical_path(const std::string& path) {
  return below_.canonical_path(path);
}

}  // namespace litestream::test
