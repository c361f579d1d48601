#include "ext/store/tree_store.h"

#include <algorithm>
#include <array>
#include <mutex>
#include <tuple>

#include "ext/base/clock.h"
#include "ext/base/limits.h"
#include "ext/ltx/file_name.h"
#include "ext/ltx/header.h"
#include "ext/store/digest.h"
#include "ext/store/lease_object.h"
#include "ext/store/parallel.h"
#include "ext/store/read_ahead.h"
#include "ext/store/temporary_name.h"
#include "ext/store/v3_layout.h"

namespace litestream {
namespace {

constexpr size_t kRemoveFilesMax = 1000;
constexpr int kRemovesAtOnce = 4;
constexpr int64_t kTemporaryAgeMsMax = 24LL * 3600 * 1000;
constexpr size_t kCompareChunkBytes = 256 << 10;

Status check_level(int level) {
  if (level >= 0 && level <= kLevelMax) return {};
  return invalid_argument("level " + std::to_string(level) + " is not 0..9");
}

Status check_file(const LtxFileInfo& file) {
  LS_RETURN_IF_ERROR(check_level(file.level));
  if (file.min_txid.value == 0 || file.max_txid < file.min_txid) {
    return invalid_argument("TXIDs " + format_txid(file.min_txid) + ".." +
                            format_txid(file.max_txid) + " are not a range");
  }
  return {};
}

std::string level_folder(int level) { return "ltx/" + std::to_string(level); }

std::string relative_path(const LtxFileInfo& file) {
  return level_folder(file.level) + "/" + format_ltx_file_name({file.min_txid, file.max_txid});
}

Status check_generation(const std::string& generation) {
  if (is_v3_generation(generation)) return {};
  return invalid_argument("a v0.3 generation is 16 lower-case hex digits");
}

// Where a file is, for people: the URL without parameters, and the path.
std::string place_of(const RemoteTree& tree, const std::string& path) {
  const std::string& url = tree.url();
  return url.substr(0, url.find('?')) + "/" + path;
}

class TreeReader final : public RandomReader {
 public:
  TreeReader(RemoteTree& tree, std::string path) : ahead_(tree, std::move(path)) {}
  Result<size_t> read_at(uint64_t offset_bytes, MutableBytes out) override {
    return ahead_.read_at(offset_bytes, out);
  }
  Result<uint64_t> size_bytes() override { return ahead_.size_bytes(); }

 private:
  ReadAhead ahead_;
};

// Remembers what it uploaded by size and digest, so that a name that turns out to be taken can be
// compared without keeping the bytes.
class TreeWriter final : public LtxWriter {
 public:
  TreeWriter(RemoteTree& tree, std::string path, std::unique_ptr<RemoteUpload> upload)
      : tree_(tree), path_(std::move(path)), upload_(std::move(upload)) {}

  Status append(Bytes bytes) override {
    digest_.update(bytes);
    byte_count_ += bytes.size();
    if (is_taken_) return {};
    const Status status = upload_->append(bytes);
    is_taken_ = status.code() == StatusCode::kAlreadyExists;
    // Perhaps by these very bytes: only commit() can tell.
    return is_taken_ ? Status() : status;
  }
  Status commit() override {
    if (!is_taken_) {
      const Status finished = upload_->finish();
      if (finished.code() != StatusCode::kAlreadyExists) return finished;
    }
    const auto is_same = has_same_bytes();
    if (is_same.status().code() == StatusCode::kNotFound) {
      return unavailable(place_of(tree_, path_) + " was there and is gone; try again");
    }
    if (!is_same.ok()) return is_same.status();
    if (*is_same) return {};
    return already_exists(place_of(tree_, path_) + " exists with other content");
  }

 private:
  Result<bool> has_same_bytes() {
    ReadAhead there(tree_, path_);
    LS_ASSIGN_OR_RETURN(const uint64_t size_bytes, there.size_bytes());
    if (size_bytes != byte_count_) return false;
    Sha256 digest;
    std::vector<uint8_t> chunk(kCompareChunkBytes);
    for (uint64_t at = 0; at < size_bytes;) {
      LS_ASSIGN_OR_RETURN(const size_t got, there.read_at(at, chunk));
      if (got == 0) return corrupt(place_of(tree_, path_) + " is shorter than it says");
      digest.update(Bytes(chunk).first(got));
      at += got;
    }
    return digest.finish() == digest_.finish();
  }

  RemoteTree& tree_;
  const std::string path_;
  const std::unique_ptr<RemoteUpload> upload_;
  Sha256 digest_;
  uint64_t byte_count_ = 0;
  bool is_taken_ = false;
};

}  // namespace

TreeStore::TreeStore(std::unique_ptr<RemoteTree> tree) : tree_(std::move(tree)) {}

std::string TreeStore::path_of(const LtxFileInfo& file) const {
  return place_of(*tree_, relative_path(file));
}

Status TreeStore::check_writable() {
  const std::string what = "the replica " + tree_->url() + " cannot be written";
  // A name that no other process and no LTX file has.
  const std::string name = "probe-" + std::to_string(system_clock().wall_ms()) + "-" +
                           std::to_string(reinterpret_cast<uintptr_t>(this));
  auto upload = tree_->start_upload(name, system_clock().wall_ms());
  if (!upload.ok()) return upload.status().with_context(what);
  LS_RETURN_IF_ERROR((*upload)->append(as_bytes("probe")).with_context(what));
  LS_RETURN_IF_ERROR((*upload)->finish().with_context(what));
  LS_RETURN_IF_ERROR(tree_->remove(name).with_context(what));
  if (tree_->leaves_temporary_files()) remove_old_temporary_files();
  return {};
}

// Best effort: a left-over costs space and nothing else. Another process may be writing a young
// one.
void TreeStore::remove_old_temporary_files() {
  const int64_t now_ms = system_clock().wall_ms();
  for (int level = 0; level <= kLevelMax; ++level) {
    const auto entries = tree_->list(level_folder(level));
    if (!entries.ok()) return;
    for (const RemoteEntry& entry : *entries) {
      const auto made_ms = time_of_temporary_name(entry.name);
      const bool is_old = made_ms.has_value() && *made_ms < now_ms - kTemporaryAgeMsMax;
      if (entry.is_folder || !is_old) continue;
      if (!tree_->remove(level_folder(level) + "/" + entry.name).ok()) return;
    }
  }
}

Result<std::vector<LtxFileInfo>> TreeStore::list(int level) {
  LS_RETURN_IF_ERROR(check_level(level));
  LS_ASSIGN_OR_RETURN(const auto entries, tree_->list(level_folder(level)));
  std::vector<LtxFileInfo> files;
  files.reserve(entries.size());
  for (const RemoteEntry& entry : entries) {
    const auto name = parse_ltx_file_name(entry.name);
    if (entry.is_folder || !name.has_value()) continue;
    files.push_back({level, name->min_txid, name->max_txid, entry.size_bytes,
                     entry.commit_ms.value_or(entry.modified_ms)});
  }
  const auto key = [](const LtxFileInfo& file) { return std::tie(file.min_txid, file.max_txid); };
  std::sort(files.begin(), files.end(),
            [&](const auto& a, const auto& b) { return key(a) < key(b); });
  // A folder that changes while it is read may tell of a file twice.
  files.erase(std::unique(files.begin(), files.end(),
                          [&](const auto& a, const auto& b) { return key(a) == key(b); }),
              files.end());
  return files;
}

Result<int64_t> TreeStore::time_in_header(const std::string& path) {
  std::array<uint8_t, kLtxHeaderBytes> bytes{};
  std::string version;
  LS_ASSIGN_OR_RETURN(const RemoteRange range, tree_->read(path, 0, bytes, &version));
  const auto header = decode_header(Bytes(bytes).first(range.byte_count));
  if (!header.ok()) return header.status().with_context(place_of(*tree_, path));
  return header->timestamp;
}

Status TreeStore::fill_times(std::span<LtxFileInfo> files) {
  if (tree_->lists_commit_times()) return {};
  for (LtxFileInfo& file : files) {
    LS_RETURN_IF_ERROR(check_file(file));
    const std::string path = relative_path(file);
    LS_ASSIGN_OR_RETURN(const auto kept_ms, tree_->commit_time_ms(path));
    if (kept_ms.has_value()) {
      file.created_at_ms = *kept_ms;
    } else {
      LS_ASSIGN_OR_RETURN(file.created_at_ms, time_in_header(path));
    }
  }
  return {};
}

Result<std::unique_ptr<RandomReader>> TreeStore::open(const LtxFileInfo& file) {
  LS_RETURN_IF_ERROR(check_file(file));
  std::unique_ptr<RandomReader> reader = std::make_unique<TreeReader>(*tree_, relative_path(file));
  return reader;
}

Result<std::unique_ptr<LtxWriter>> TreeStore::create(const LtxFileInfo& file) {
  LS_RETURN_IF_ERROR(check_file(file));
  const std::string path = relative_path(file);
  LS_ASSIGN_OR_RETURN(auto upload, tree_->start_upload(path, file.created_at_ms));
  std::unique_ptr<LtxWriter> writer = std::make_unique<TreeWriter>(*tree_, path, std::move(upload));
  return writer;
}

Result<std::vector<LtxFileInfo>> TreeStore::remove(std::span<const LtxFileInfo> files,
                                                   Status* why) {
  if (files.size() > kRemoveFilesMax) return invalid_argument("at most 1000 files per removal");
  std::vector<Status> outcomes(files.size());
  // Once the place no longer answers, each further request would wait as long for the same.
  std::mutex mutex;
  Status gave_up;
  (void)for_each_in_parallel(files.size(), kRemovesAtOnce, [&](size_t index) -> Status {
    {
      const std::lock_guard lock(mutex);
      outcomes[index] = gave_up;
      if (!gave_up.ok()) return {};
    }
    Status removed = check_file(files[index]);
    if (removed.ok()) removed = tree_->remove(relative_path(files[index]));
    if (removed.code() == StatusCode::kNotFound) removed = Status();
    const bool is_pointless = removed.retryable() || removed.code() == StatusCode::kCancelled;
    const std::lock_guard lock(mutex);
    if (is_pointless) gave_up = removed;
    outcomes[index] = std::move(removed);
    return {};
  }).ok();
  std::vector<LtxFileInfo> remaining;
  Status first;
  for (size_t i = 0; i < files.size(); ++i) {
    if (outcomes[i].ok()) continue;
    if (first.ok()) first = outcomes[i];
    remaining.push_back(files[i]);
  }
  if (why != nullptr) *why = first;
  return remaining;
}

Status TreeStore::list_v3_folder(const std::string& generation, bool is_snapshot,
                                 std::vector<V3File>* files) {
  LS_ASSIGN_OR_RETURN(const auto entries, tree_->list(v3_folder(generation, is_snapshot)));
  for (const RemoteEntry& entry : entries) {
    auto file = parse_v3_name(generation, is_snapshot, entry.name);
    if (entry.is_folder || !file.has_value()) continue;
    file->size_bytes = entry.size_bytes;
    file->created_at_ms = entry.modified_ms;
    files->push_back(*std::move(file));
  }
  return {};
}

Result<std::vector<V3File>> TreeStore::list_v3(const std::string& generation) {
  LS_RETURN_IF_ERROR(check_generation(generation));
  std::vector<V3File> files;
  LS_RETURN_IF_ERROR(list_v3_folder(generation, true, &files));
  LS_RETURN_IF_ERROR(list_v3_folder(generation, false, &files));
  sort_v3_files(&files);
  return files;
}

Result<std::unique_ptr<RandomReader>> TreeStore::open_v3(const V3File& file) {
  LS_RETURN_IF_ERROR(check_generation(file.generation));
  if (!parse_v3_name(file.generation, file.is_snapshot, file.name).has_value()) {
    return invalid_argument("not a file of a v0.3 backup");
  }
  std::unique_ptr<RandomReader> reader = std::make_unique<TreeReader>(
      *tree_, v3_folder(file.generation, file.is_snapshot) + "/" + file.name);
  return reader;
}

Result<std::vector<GenerationInfo>> TreeStore::list_generations() {
  LS_ASSIGN_OR_RETURN(const auto entries, tree_->list("generations"));
  std::vector<GenerationInfo> generations;
  for (const RemoteEntry& entry : entries) {
    if (!entry.is_folder || !is_v3_generation(entry.name)) continue;
    LS_ASSIGN_OR_RETURN(const auto files, list_v3(entry.name));
    generations.push_back(summarize_generation(entry.name, files));
  }
  std::sort(generations.begin(), generations.end(),
            [](const auto& a, const auto& b) { return a.generation < b.generation; });
  return generations;
}

Result<std::optional<Lease>> TreeStore::read_lease() {
  auto file = tree_->get_small(kLeaseObjectName);
  if (!file.ok()) {
    if (file.status().code() == StatusCode::kNotFound) return std::optional<Lease>();
    return file.status();
  }
  LS_ASSIGN_OR_RETURN(Lease lease, parse_lease(file->bytes));
  lease.etag = file->version;
  return std::optional<Lease>(std::move(lease));
}

Result<Lease> TreeStore::write_lease(const Lease& next, const std::string& expected_etag) {
  const std::string bytes = format_lease(next);
  auto version = tree_->put_small(kLeaseObjectName, bytes, expected_etag);
  Lease written = next;
  if (version.ok()) {
    written.etag = *version;
    return written;
  }
  if (version.status().code() != StatusCode::kPositionMismatch) return version.status();
  // A reply that was lost: what is there may be what we wrote.
  const auto there = tree_->get_small(kLeaseObjectName);
  if (!there.ok() || there->bytes != bytes) return version.status();
  written.etag = there->version;
  return written;
}

}  // namespace litestream
