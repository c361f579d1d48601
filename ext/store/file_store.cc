#include "ext/store/file_store.h"

#include <algorithm>
#include <tuple>

#include "ext/base/durable_file.h"
#include "ext/base/limits.h"
#include "ext/ltx/file_name.h"
#include "ext/store/store_factory.h"
#include "ext/store/v3_layout.h"

namespace litestream {
namespace {

constexpr size_t kRemoveFilesMax = 1000;
constexpr uint64_t kWritebackBytes = 1 << 20;
constexpr int64_t kTemporaryAgeNsMax = 24LL * 3600 * 1'000'000'000;

std::string without_trailing_slashes(std::string path) {
  while (path.size() > 1 && path.back() == '/') path.pop_back();
  return path;
}

Status check_file(const LtxFileInfo& file) {
  if (file.level < 0 || file.level > kLevelMax) {
    return invalid_argument("level " + std::to_string(file.level) + " is not 0..9");
  }
  if (file.min_txid.value == 0 || file.max_txid < file.min_txid) {
    return invalid_argument("TXIDs " + format_txid(file.min_txid) + ".." +
                            format_txid(file.max_txid) + " are not a range");
  }
  return {};
}

// Opens the file at the first read. A descriptor held from then on keeps the bytes readable even
// if retention removes the name.
class LazyReader final : public RandomReader {
 public:
  LazyReader(FileSystem& fs, std::string path) : fs_(fs), path_(std::move(path)) {}
  Result<size_t> read_at(uint64_t offset_bytes, MutableBytes out) override {
    LS_RETURN_IF_ERROR(open());
    return file_->read_at(offset_bytes, out);
  }
  Result<uint64_t> size_bytes() override {
    LS_RETURN_IF_ERROR(open());
    return file_->size_bytes();
  }

 private:
  Status open() {
    if (file_ != nullptr) return {};
    LS_ASSIGN_OR_RETURN(file_, fs_.open_readable(path_));
    return {};
  }

  FileSystem& fs_;
  const std::string path_;
  std::unique_ptr<ReadableFile> file_;
};

Result<bool> same_bytes(FileSystem& fs, const std::string& a_path, const std::string& b_path) {
  LS_ASSIGN_OR_RETURN(auto a, fs.open_readable(a_path));
  LS_ASSIGN_OR_RETURN(auto b, fs.open_readable(b_path));
  LS_ASSIGN_OR_RETURN(const uint64_t a_size, a->size_bytes());
  LS_ASSIGN_OR_RETURN(const uint64_t b_size, b->size_bytes());
  if (a_size != b_size) return false;
  constexpr size_t kChunkBytes = 64 << 10;
  std::vector<uint8_t> a_chunk(kChunkBytes);
  std::vector<uint8_t> b_chunk(kChunkBytes);
  for (uint64_t at = 0; at < a_size; at += kChunkBytes) {
    const size_t count = static_cast<size_t>(std::min<uint64_t>(kChunkBytes, a_size - at));
    LS_RETURN_IF_ERROR(read_exactly(*a, at, MutableBytes(a_chunk).first(count)));
    LS_RETURN_IF_ERROR(read_exactly(*b, at, MutableBytes(b_chunk).first(count)));
    if (!std::equal(a_chunk.begin(), a_chunk.begin() + static_cast<ptrdiff_t>(count),
                    b_chunk.begin())) {
      return false;
    }
  }
  return true;
}

class FileWriter final : public LtxWriter {
 public:
  FileWriter(FileSystem& fs, std::string path, int64_t created_at_ms,
             std::unique_ptr<DurableFile> file)
      : fs_(fs), path_(std::move(path)), created_at_ms_(created_at_ms), file_(std::move(file)) {}

  // Of a large file the disk has most by the time of its fsync.
  Status append(Bytes bytes) override {
    LS_RETURN_IF_ERROR(file_->append(bytes));
    size_bytes_ += bytes.size();
    if (size_bytes_ - begun_bytes_ < kWritebackBytes) return {};
    file_->start_writeback(begun_bytes_, size_bytes_ - begun_bytes_);
    begun_bytes_ = size_bytes_;
    return {};
  }

  Status commit() override {
    const Status status = file_->commit(DurableFile::Publish::kCreateOnly,
                                        DurableFile::Sync::kDurable, created_at_ms_);
    if (status.code() != StatusCode::kAlreadyExists) return status;
    LS_ASSIGN_OR_RETURN(const bool same, same_bytes(fs_, file_->temporary_path(), path_));
    if (!same) return already_exists(path_ + " exists with other content");
    // The earlier attempt may have failed just before its name was durable.
    return fs_.sync_directory(path_directory(path_));
  }

 private:
  FileSystem& fs_;
  const std::string path_;
  const int64_t created_at_ms_;
  const std::unique_ptr<DurableFile> file_;
  uint64_t size_bytes_ = 0, begun_bytes_ = 0;  // appended; given to the disk
};

Result<std::vector<DirectoryEntry>> list_if_present(FileSystem& fs, const std::string& path) {
  auto entries = fs.list_directory(path);
  if (!entries.ok() && entries.status().code() == StatusCode::kNotFound) {
    return std::vector<DirectoryEntry>{};
  }
  return entries;
}

}  // namespace

FileStore::FileStore(FileSystem& fs, std::string root)
    : fs_(fs), root_(without_trailing_slashes(std::move(root))), url_(file_url_of_path(root_)) {}

const std::string& FileStore::type() const {
  static const std::string* const type = new std::string("file");
  return *type;
}

std::string FileStore::level_directory(int level) const {
  return root_ + "/ltx/" + std::to_string(level);
}

std::string FileStore::path_of(const LtxFileInfo& file) const {
  return level_directory(file.level) + "/" + format_ltx_file_name({file.min_txid, file.max_txid});
}

Result<std::unique_ptr<FileLock>> FileStore::lock_for_writing() {
  LS_RETURN_IF_ERROR(fs_.create_directories(root_));
  auto lock = fs_.lock_exclusive(path_join(root_, ".writer.lock"));
  if (lock.ok() || lock.status().code() != StatusCode::kBusy) return lock;
  return invalid_argument("another writer uses " + url_ +
                          "; give each database a replica folder of its own");
}

Status FileStore::check_writable() {
  const std::string what = "the replica folder " + root_ + " cannot be written";
  LS_RETURN_IF_ERROR(fs_.create_directories(root_).with_context(what));
  auto probe = DurableFile::create(fs_, path_join(root_, "probe"));
  if (!probe.ok()) return probe.status().with_context(what);
  LS_RETURN_IF_ERROR((*probe)->append(as_bytes("probe")).with_context(what));
  // The time of the probe, not this machine's clock, says what is old in that file system.
  const auto stat = fs_.stat((*probe)->temporary_path());
  if (!stat.ok()) return stat.status().with_context(what);
  remove_old_temporary_files(stat->ctime_ns);
  return {};
}

// Best effort: a left-over costs space and nothing else. Another process may be writing a young
// one.
void FileStore::remove_old_temporary_files(int64_t now_ns) {
  for (int level = -1; level <= kLevelMax; ++level) {
    const std::string directory = level < 0 ? root_ : level_directory(level);
    const auto entries = list_if_present(fs_, directory);
    if (!entries.ok()) continue;
    for (const DirectoryEntry& entry : *entries) {
      if (entry.is_directory || !is_temporary_name(entry.name)) continue;
      const std::string path = path_join(directory, entry.name);
      const auto stat = fs_.stat(path);
      if (stat.ok() && stat->ctime_ns < now_ns - kTemporaryAgeNsMax) (void)fs_.remove(path).ok();
    }
  }
}

Result<std::vector<LtxFileInfo>> FileStore::list(int level) {
  return list_with(level, FileDetails::kSizeAndTime);
}

Result<std::vector<LtxFileInfo>> FileStore::list_names(int level) {
  return list_with(level, FileDetails::kNamesOnly);
}

Result<std::vector<LtxFileInfo>> FileStore::list_with(int level, FileDetails details) {
  if (level < 0 || level > kLevelMax) {
    return invalid_argument("level " + std::to_string(level) + " is not 0..9");
  }
  const auto entries = fs_.list_files(
      level_directory(level),
      [](const std::string& name) { return parse_ltx_file_name(name).has_value(); }, details);
  std::vector<LtxFileInfo> files;
  if (entries.status().code() == StatusCode::kNotFound) return files;
  if (!entries.ok()) return entries.status();
  files.reserve(entries->size());
  for (const FileEntry& entry : *entries) {
    const auto range = parse_ltx_file_name(entry.name);
    files.push_back({level, range->min_txid, range->max_txid, entry.size_bytes, entry.mtime_ms});
  }
  std::sort(files.begin(), files.end(), [](const LtxFileInfo& a, const LtxFileInfo& b) {
    return std::tie(a.min_txid, a.max_txid) < std::tie(b.min_txid, b.max_txid);
  });
  return files;
}

Result<std::unique_ptr<RandomReader>> FileStore::open(const LtxFileInfo& file) {
  LS_RETURN_IF_ERROR(check_file(file));
  std::unique_ptr<RandomReader> reader = std::make_unique<LazyReader>(fs_, path_of(file));
  return reader;
}

// Each folder made here is entered durably into its parent, or power loss could take the whole
// level away together with files that were reported as committed.
Status FileStore::create_level_directory(int level) {
  std::vector<std::string> missing;
  for (std::string at = level_directory(level); at != path_directory(at); at = path_directory(at)) {
    const auto stat = fs_.stat(at);
    if (stat.ok()) break;
    if (stat.status().code() != StatusCode::kNotFound) return stat.status();
    missing.push_back(at);
  }
  for (auto at = missing.rbegin(); at != missing.rend(); ++at) {
    LS_RETURN_IF_ERROR(fs_.create_directories(*at));
    LS_RETURN_IF_ERROR(fs_.sync_directory(path_directory(*at)));
  }
  // A folder that is already there may be what a crashed or failed attempt did not get to sync.
  const uint32_t bit = 1u << level;
  if ((synced_levels_.load() & bit) != 0) return {};
  LS_RETURN_IF_ERROR(fs_.sync_directory(root_ + "/ltx"));
  LS_RETURN_IF_ERROR(fs_.sync_directory(root_));
  // The folder above may be one we are not allowed to open; then its owner made the root.
  (void)fs_.sync_directory(path_directory(root_)).ok();
  synced_levels_.fetch_or(bit);
  return {};
}

Result<std::unique_ptr<LtxWriter>> FileStore::create(const LtxFileInfo& file) {
  LS_RETURN_IF_ERROR(check_file(file));
  const std::string path = path_of(file);
  LS_RETURN_IF_ERROR(create_level_directory(file.level));
  LS_ASSIGN_OR_RETURN(auto durable, DurableFile::create(fs_, path));
  std::unique_ptr<LtxWriter> writer =
      std::make_unique<FileWriter>(fs_, path, file.created_at_ms, std::move(durable));
  return writer;
}

Result<std::vector<LtxFileInfo>> FileStore::remove(std::span<const LtxFileInfo> files,
                                                   Status* why) {
  if (files.size() > kRemoveFilesMax) return invalid_argument("at most 1000 files per removal");
  std::vector<LtxFileInfo> remaining;
  Status first;
  for (const LtxFileInfo& file : files) {
    Status removed = check_file(file);
    if (removed.ok()) removed = fs_.remove(path_of(file));
    if (removed.ok() || removed.code() == StatusCode::kNotFound) continue;
    if (first.ok()) first = removed;
    remaining.push_back(file);
  }
  if (why != nullptr) *why = first;
  return remaining;
}

Status FileStore::list_v3_folder(const std::string& generation, bool is_snapshot,
                                 std::vector<V3File>* files) {
  const std::string directory = path_join(root_, v3_folder(generation, is_snapshot));
  LS_ASSIGN_OR_RETURN(const auto entries, list_if_present(fs_, directory));
  for (const DirectoryEntry& entry : entries) {
    auto file = parse_v3_name(generation, is_snapshot, entry.name);
    if (entry.is_directory || !file.has_value()) continue;
    const auto stat = fs_.stat(path_join(directory, entry.name));
    // Removed by the old program's retention since the folder was read.
    if (!stat.ok() && stat.status().code() == StatusCode::kNotFound) continue;
    if (!stat.ok()) return stat.status();
    if (!stat->is_regular) continue;
    file->size_bytes = stat->size_bytes;
    file->created_at_ms = stat->mtime_ms;
    files->push_back(std::move(*file));
  }
  return {};
}

Result<std::vector<V3File>> FileStore::list_v3(const std::string& generation) {
  if (!is_v3_generation(generation)) {
    return invalid_argument("a v0.3 generation is 16 lower-case hex digits");
  }
  std::vector<V3File> files;
  LS_RETURN_IF_ERROR(list_v3_folder(generation, true, &files));
  LS_RETURN_IF_ERROR(list_v3_folder(generation, false, &files));
  sort_v3_files(&files);
  return files;
}

Result<std::unique_ptr<RandomReader>> FileStore::open_v3(const V3File& file) {
  if (!is_v3_generation(file.generation) ||
      !parse_v3_name(file.generation, file.is_snapshot, file.name).has_value()) {
    return invalid_argument("not a file of a v0.3 backup");
  }
  const std::string directory = path_join(root_, v3_folder(file.generation, file.is_snapshot));
  std::unique_ptr<RandomReader> reader =
      std::make_unique<LazyReader>(fs_, path_join(directory, file.name));
  return reader;
}

Result<std::vector<GenerationInfo>> FileStore::list_generations() {
  LS_ASSIGN_OR_RETURN(const auto entries, list_if_present(fs_, root_ + "/generations"));
  std::vector<GenerationInfo> generations;
  for (const DirectoryEntry& entry : entries) {
    if (!entry.is_directory || !is_v3_generation(entry.name)) continue;
    LS_ASSIGN_OR_RETURN(const auto files, list_v3(entry.name));
    generations.push_back(summarize_generation(entry.name, files));
  }
  std::sort(generations.begin(), generations.end(),
            [](const auto& a, const auto& b) { return a.generation < b.generation; });
  return generations;
}

}  // namespace litestream
