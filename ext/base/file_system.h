// The only door to the operating system's files. Everything of ours that touches a path goes
// through a FileSystem, so that tests can fail the N-th call or forget what was not synced. The
// user's database is never opened through it: its pages come through SQLite's own file handle.
//
// Paths are bytes, absolute or relative to the working directory. Descriptors are close-on-exec.
// Threading: a FileSystem is thread-safe; a file object belongs to one thread at a time, but
// ReadableFile::read_at may be called by several threads at once.
// Errors: NotFound, AlreadyExists, Busy, Io, each with the path and the system's reason.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "ext/base/bytes.h"
#include "ext/base/status.h"

namespace litestream {

struct FileStat {
  uint64_t device = 0;
  uint64_t inode = 0;
  uint64_t size_bytes = 0;
  int64_t mtime_ms = 0;  // milliseconds since the Unix epoch
  int64_t mtime_ns = 0;  // nanoseconds since the Unix epoch
  int64_t ctime_ns = 0;
  bool is_directory = false;
  bool is_regular = false;
};

struct DirectoryEntry {
  std::string name;  // never "." or ".."
  bool is_directory = false;
};

struct FileEntry {
  std::string name;
  uint64_t size_bytes = 0;
  int64_t mtime_ms = 0;  // milliseconds since the Unix epoch
};

enum class FileDetails { kNamesOnly, kSizeAndTime };

class ReadableFile : public RandomReader {};

class WritableFile : public ByteSink {
 public:
  // Appends all bytes or fails; after a failure the length is unknown.
  Status append(Bytes bytes) override = 0;
  // Writes at an absolute offset, extending the file with zeros when beyond its end.
  virtual Status write_at(uint64_t offset_bytes, Bytes bytes) = 0;
  virtual Status truncate(uint64_t size_bytes) = 0;
  // The same for a new file, with its space reserved where the file system can: Io now rather than
  // in the middle of writing.
  virtual Status allocate(uint64_t size_bytes) { return truncate(size_bytes); }
  // Lets the disk begin with these bytes, so that a later sync() finds less to do. A hint; may be
  // called by several threads at once, and while another one writes.
  virtual void start_writeback(uint64_t /*offset_bytes*/, uint64_t /*size_bytes*/) {}
  // Opens a way past the page cache. False where the file system has none.
  virtual bool enable_direct_writes() { return false; }
  // write_at() within what was allocated, past the page cache if that is enabled and offset,
  // address and length are multiples of kDirectAlignBytes (aligned_buffer.h). May be called by
  // several threads at once, and while another one writes other bytes.
  virtual Status write_direct(uint64_t offset_bytes, Bytes bytes) {
    return write_at(offset_bytes, bytes);
  }
  virtual Status set_mtime_ms(int64_t wall_ms) = 0;
  virtual Status sync() = 0;   // durable content (fdatasync or better)
  virtual Status close() = 0;  // idempotent; the destructor closes and ignores errors
};

// An advisory lock held by this object; released by the destructor (and by the death of the
// process).
class FileLock {
 public:
  virtual ~FileLock() = default;
};

class FileSystem {
 public:
  virtual ~FileSystem() = default;
  virtual Result<std::unique_ptr<ReadableFile>> open_readable(const std::string& path) = 0;
  // AlreadyExists when something has that name (O_EXCL); permissions 0666 less the umask.
  virtual Result<std::unique_ptr<WritableFile>> create_new(const std::string& path) = 0;
  virtual Status rename(const std::string& from, const std::string& to) = 0;  // replaces `to`
  // Gives `from` the name `to` too, AlreadyExists if taken: the atomic create-only publish. On file
  // systems without hard links `from` is moved instead.
  virtual Status link_new(const std::string& from, const std::string& to) = 0;
  virtual Status remove(const std::string& path) = 0;
  virtual Status remove_directory(const std::string& path) = 0;
  // Complete or an error, at most kListEntriesMax entries, in no particular order.
  virtual Result<std::vector<DirectoryEntry>> list_directory(const std::string& path) = 0;
  // The regular files of a folder whose names `wanted` accepts, links to them included, likewise.
  // With kNamesOnly the rest of an entry stays 0, and no file is asked for it where the folder
  // itself tells what is a file. A name that vanishes meanwhile is left out.
  virtual Result<std::vector<FileEntry>> list_files(
      const std::string& path, const std::function<bool(const std::string& name)>& wanted,
      FileDetails details);
  virtual Status create_directories(const std::string& path) = 0;
  virtual Status sync_directory(const std::string& path) = 0;
  virtual Result<FileStat> stat(const std::string& path) = 0;
  // Opens or creates `path` and takes an OFD write lock without waiting; Busy if it is held.
  virtual Result<std::unique_ptr<FileLock>> lock_exclusive(const std::string& path) = 0;
  // Whether somebody, also this process, holds such a lock on `path` now; false without a file.
  virtual Result<bool> is_locked(const std::string& path) = 0;
  // Resolves symbolic links; the path must exist.
  virtual Result<std::string> canonical_path(const std::string& path) = 0;
};

// The real one; immortal.
FileSystem& posix_file_system();

// Asks the kernel to begin writing a file's changed pages to the disk, without waiting. A hint:
// what is not there, or on a file system that cannot, is left alone.
void start_file_writeback(const std::string& path) noexcept;

// Reads a whole small file; InvalidArgument if it is larger than `size_bytes_max`.
Result<std::string> read_small_file(FileSystem& fs, const std::string& path, size_t size_bytes_max);

std::string path_join(std::string_view directory, std::string_view name);
std::string path_directory(std::string_view path);  // "." if there is none
std::string path_basename(std::string_view path);

}  // namespace litestream
