// The unfinished output of a restore: a temporary file beside the final name, locked while its
// process lives, filled in large blocks and written back to the disk as it grows.
//
// The final name appears with publish(), complete and durable, and not before. Left-overs of killed
// restores to the same name are removed by remove_left_overs(). A large database goes past the page
// cache where the file system can do that: as fast as the disk, and what the host's applications
// had in the cache stays there.
// Threading: write_block() by several threads; all else by one.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "ext/base/durable_file.h"
#include "ext/base/file_system.h"
#include "ext/base/status.h"
#include "ext/engine/database_stream.h"

namespace litestream {

// Refuses what must not be written over. AlreadyExists: the output or a file that SQLite would take
// for its journal is there. NotFound: no such folder. InvalidArgument: not a file.
Status check_output(FileSystem& fs, const std::string& path, bool overwrite);
// Removes temporary files for this name whose writer is dead. Best effort.
void remove_left_overs(FileSystem& fs, const std::string& path);
// -wal, -shm and -journal beside `path`.
Status remove_sidecars(FileSystem& fs, const std::string& path);

struct RestoreOptions;
struct RestoredDatabase;
class RestoreOutput;

// Before a restore: refuses as check_output, follows a symbolic link (the file it points to is
// replaced, not the link), clears up. Returns the path to write to.
Result<std::string> prepare_output(FileSystem& fs, const std::string& output, bool overwrite);
// After it: syncs, runs options.check and, with `restored`, options.before_publish, publishes.
// Errors as restore_database.
Status publish_output(FileSystem& fs, RestoreOutput& file, const std::string& path,
                      const RestoreOptions& options, const RestoredDatabase* restored = nullptr);

class RestoreOutput final : public BlockSink {
 public:
  // `fs` must outlive the object. Databases of `direct_from_bytes` and more go past the page cache.
  static Result<std::unique_ptr<RestoreOutput>> create(FileSystem& fs, const std::string& path,
                                                       uint64_t direct_from_bytes);

  // Reserves the space where the file system can. Io: there is none.
  Status begin(const DatabaseShape& shape) override;
  Status write_block(Pgno first, Bytes pages) override;
  // Changes page 1 on its way.
  void set_editor(std::function<void(MutableBytes page)> editor) { editor_ = std::move(editor); }
  // For content that does not come in blocks; then truncate() tells its size at last.
  Status write_at(uint64_t offset_bytes, Bytes bytes);
  Status truncate(uint64_t size_bytes);
  // All bytes are durable under the temporary name.
  Status finish();
  // Busy if a second restore took the file for a left-over before it was locked.
  Status check_still_ours(FileSystem& fs) const;
  Status publish(bool overwrite);
  const std::string& path() const { return file_->temporary_path(); }
  uint64_t size_bytes() const { return size_bytes_; }

 private:
  RestoreOutput(std::unique_ptr<DurableFile> file, std::unique_ptr<FileLock> lock,
                uint64_t direct_from_bytes)
      : lock_(std::move(lock)), file_(std::move(file)), direct_from_bytes_(direct_from_bytes) {}
  Status write_through_cache(uint64_t offset_bytes, Bytes pages);
  Status edit_page_one(Bytes first_block);
  void note_written(uint64_t offset_bytes, uint64_t size_bytes);

  const std::unique_ptr<FileLock> lock_;
  const std::unique_ptr<DurableFile> file_;
  const uint64_t direct_from_bytes_;
  bool is_direct_ = false;
  DatabaseShape shape_;
  std::function<void(MutableBytes page)> editor_;
  uint64_t size_bytes_ = 0;
  std::mutex writing_;
  std::mutex counting_;
  std::vector<uint64_t> missing_bytes_;  // of each segment that is written back as a whole
};

}  // namespace litestream
