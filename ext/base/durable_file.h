// The one way a file of ours comes into being: temporary name in the target's folder, write, sync,
// publish under the final name, sync the folder. A crash at any instant leaves either nothing or
// the whole file under the final name, plus perhaps a temporary file that remove_temporary_files
// finds.
//
// Threading: thread-compatible. Errors: those of FileSystem, with the final path.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "ext/base/file_system.h"

namespace litestream {

class DurableFile final : public ByteSink {
 public:
  enum class Publish {
    kCreateOnly,  // AlreadyExists if the final name is taken; never overwrites
    kReplace,     // rename over what is there
  };
  enum class Sync {
    kDurable,  // survives power loss once commit() returned
    kNone,     // survives the death of the process only; for records that can be rebuilt
  };
  // `fs` must outlive the object. The folder must exist.
  static Result<std::unique_ptr<DurableFile>> create(FileSystem& fs, std::string final_path);
  ~DurableFile() override;  // without a commit: removes the temporary file
  DurableFile(const DurableFile&) = delete;
  DurableFile& operator=(const DurableFile&) = delete;

  Status append(Bytes bytes) override;
  Status write_at(uint64_t offset_bytes, Bytes bytes);
  Status truncate(uint64_t size_bytes);
  Status allocate(uint64_t size_bytes);
  void start_writeback(uint64_t offset_bytes, uint64_t size_bytes);
  bool enable_direct_writes();
  Status write_direct(uint64_t offset_bytes, Bytes bytes);
  // Content durable under the temporary name; for checks between writing and publishing.
  Status sync();
  // Publishes. `mtime_ms` 0 leaves the time alone. Nothing may be called after it.
  Status commit(Publish publish, Sync sync, int64_t mtime_ms = 0);
  const std::string& temporary_path() const { return temporary_path_; }

 private:
  DurableFile(FileSystem& fs, std::string final_path, std::string temporary_path,
              std::unique_ptr<WritableFile> file);
  FileSystem& fs_;
  const std::string final_path_;
  const std::string temporary_path_;
  std::unique_ptr<WritableFile> file_;
  bool published_ = false;
};

// Writes a whole small record over whatever is at `path`.
Status write_small_file(FileSystem& fs, const std::string& path, Bytes content,
                        DurableFile::Sync sync);

// True for the names DurableFile gives to unfinished files.
bool is_temporary_name(std::string_view name);
// Removes unfinished files of earlier crashes in one folder; the caller owns the folder. A missing
// folder is fine.
Status remove_temporary_files(FileSystem& fs, const std::string& directory);

}  // namespace litestream
