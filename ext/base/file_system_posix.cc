#include <dirent.h>
#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstdlib>
#include <optional>

#include "ext/base/aligned_buffer.h"
#include "ext/base/file_system.h"
#include "ext/base/limits.h"

#if !defined(__linux__) || !defined(F_OFD_SETLK)
#error "litestream_ext needs Linux with glibc: OFD locks, inotify, /proc"
#endif

namespace litestream {
namespace {

// Owns a descriptor. close() is not retried after EINTR: on Linux the descriptor is gone.
class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  Descriptor(Descriptor&& other) noexcept : fd_(std::exchange(other.fd_, -1)) {}
  Descriptor& operator=(Descriptor&&) = delete;
  ~Descriptor() {
    if (fd_ >= 0) ::close(fd_);
  }
  int get() const { return fd_; }
  int release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

Result<Descriptor> open_descriptor(const std::string& path, int flags) {
  int fd;
  do {
    fd = ::open(path.c_str(), flags | O_CLOEXEC, 0666);
  } while (fd < 0 && errno == EINTR);
  if (fd < 0) return errno_status(errno, "open " + path);
  return Descriptor(fd);
}

class PosixReadableFile final : public ReadableFile {
 public:
  PosixReadableFile(Descriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  Result<size_t> read_at(uint64_t offset_bytes, MutableBytes out) override {
    if (offset_bytes > static_cast<uint64_t>(INT64_MAX)) return size_t{0};
    size_t done = 0;
    while (done < out.size()) {
      const ssize_t n = ::pread(fd_.get(), out.data() + done, out.size() - done,
                                static_cast<off_t>(offset_bytes + done));
      if (n < 0 && errno == EINTR) continue;
      if (n < 0) return errno_status(errno, "read " + path_);
      if (n == 0) break;
      done += static_cast<size_t>(n);
    }
    return done;
  }
  Result<uint64_t> size_bytes() override {
    struct stat st {};
    if (::fstat(fd_.get(), &st) != 0) return errno_status(errno, "stat " + path_);
    return static_cast<uint64_t>(st.st_size);
  }

 private:
  const Descriptor fd_;
  const std::string path_;
};

// What is left of both after an error was not written.
bool write_all(int fd, uint64_t* offset_bytes, Bytes* bytes) {
  while (!bytes->empty()) {
    const ssize_t n = ::pwrite(fd, bytes->data(), bytes->size(), static_cast<off_t>(*offset_bytes));
    if (n < 0 && errno == EINTR) continue;
    if (n < 0) return false;
    *offset_bytes += static_cast<uint64_t>(n);
    *bytes = bytes->subspan(static_cast<size_t>(n));
  }
  return true;
}

class PosixWritableFile final : public WritableFile {
 public:
  PosixWritableFile(Descriptor fd, std::string path) : fd_(std::move(fd)), path_(std::move(path)) {}
  Status append(Bytes bytes) override {
    LS_RETURN_IF_ERROR(write_at(size_bytes_, bytes));
    return {};
  }
  Status write_at(uint64_t offset_bytes, Bytes bytes) override {
    const uint64_t end_bytes = offset_bytes + bytes.size();
    if (!write_all(fd_.get(), &offset_bytes, &bytes)) {
      return errno_status(errno, "write " + path_);
    }
    size_bytes_ = std::max(size_bytes_, end_bytes);
    return {};
  }
  bool enable_direct_writes() override {
    const std::string self = "/proc/self/fd/" + std::to_string(fd_.get());
    auto fd = open_descriptor(self, O_WRONLY | O_DIRECT);
    if (fd.ok()) direct_.emplace(std::move(*fd));
    return direct_.has_value();
  }
  Status write_direct(uint64_t offset_bytes, Bytes bytes) override {
    const uint64_t bits = offset_bytes | bytes.size() | reinterpret_cast<uintptr_t>(bytes.data());
    const bool fits = direct_ && bits % kDirectAlignBytes == 0;
    if (fits && !write_all(direct_->get(), &offset_bytes, &bytes) && errno != EINVAL) {
      return errno_status(errno, "write " + path_);
    }
    // EINVAL: the device wants it aligned in another way.
    if (write_all(fd_.get(), &offset_bytes, &bytes)) return {};
    return errno_status(errno, "write " + path_);
  }
  Status truncate(uint64_t size_bytes) override {
    if (::ftruncate(fd_.get(), static_cast<off_t>(size_bytes)) != 0) {
      return errno_status(errno, "truncate " + path_);
    }
    size_bytes_ = size_bytes;
    return {};
  }
  Status allocate(uint64_t size_bytes) override {
    if (size_bytes == 0) return truncate(0);
    int result;
    do {
      result = ::fallocate(fd_.get(), 0, 0, static_cast<off_t>(size_bytes));
    } while (result != 0 && errno == EINTR);
    const bool is_unsupported = errno == EOPNOTSUPP || errno == ENOSYS || errno == EINVAL;
    if (result != 0 && is_unsupported) return truncate(size_bytes);
    if (result != 0) return errno_status(errno, "reserve space for " + path_);
    size_bytes_ = size_bytes;
    return {};
  }
  void start_writeback(uint64_t offset_bytes, uint64_t size_bytes) override {
    (void)::sync_file_range(fd_.get(), static_cast<off_t>(offset_bytes),
                            static_cast<off_t>(size_bytes), SYNC_FILE_RANGE_WRITE);
  }
  Status set_mtime_ms(int64_t wall_ms) override {
    const int64_t seconds = wall_ms >= 0 ? wall_ms / 1000 : -((999 - wall_ms) / 1000);
    timespec times[2]{};
    times[0].tv_nsec = UTIME_OMIT;
    times[1].tv_sec = seconds;
    times[1].tv_nsec = (wall_ms - seconds * 1000) * 1'000'000;
    if (::futimens(fd_.get(), times) != 0) return errno_status(errno, "set time of " + path_);
    return {};
  }
  Status sync() override {
    if (::fsync(fd_.get()) != 0) return errno_status(errno, "sync " + path_);
    return {};
  }
  Status close() override {
    direct_.reset();
    const int fd = fd_.release();
    if (fd >= 0 && ::close(fd) != 0) return errno_status(errno, "close " + path_);
    return {};
  }

 private:
  Descriptor fd_;
  std::optional<Descriptor> direct_;  // the same file, past the page cache
  const std::string path_;
  uint64_t size_bytes_ = 0;
};

class OfdLock final : public FileLock {
 public:
  explicit OfdLock(Descriptor fd) : fd_(std::move(fd)) {}

 private:
  const Descriptor fd_;
};

class PosixFileSystem final : public FileSystem {
 public:
  Result<std::unique_ptr<ReadableFile>> open_readable(const std::string& path) override {
    LS_ASSIGN_OR_RETURN(auto fd, open_descriptor(path, O_RDONLY));
    std::unique_ptr<ReadableFile> file = std::make_unique<PosixReadableFile>(std::move(fd), path);
    return file;
  }
  Result<std::unique_ptr<WritableFile>> create_new(const std::string& path) override {
    LS_ASSIGN_OR_RETURN(auto fd, open_descriptor(path, O_RDWR | O_CREAT | O_EXCL));
    std::unique_ptr<WritableFile> file = std::make_unique<PosixWritableFile>(std::move(fd), path);
    return file;
  }
  Status rename(const std::string& from, const std::string& to) override {
    if (::rename(from.c_str(), to.c_str()) == 0) return {};
    return errno_status(errno, "rename " + from + " to " + to);
  }
  Status link_new(const std::string& from, const std::string& to) override {
    if (::link(from.c_str(), to.c_str()) == 0) return {};
    const bool unsupported_link = errno == EPERM || errno == EOPNOTSUPP || errno == ENOSYS;
    if (unsupported_link &&
        ::renameat2(AT_FDCWD, from.c_str(), AT_FDCWD, to.c_str(), RENAME_NOREPLACE) == 0) {
      return {};
    }
    return errno_status(errno, "link " + from + " to " + to);
  }
  Status remove(const std::string& path) override {
    if (::unlink(path.c_str()) == 0) return {};
    return errno_status(errno, "remove " + path);
  }
  Status remove_directory(const std::string& path) override {
    if (::rmdir(path.c_str()) == 0) return {};
    return errno_status(errno, "remove folder " + path);
  }
  Result<std::vector<DirectoryEntry>> list_directory(const std::string& path) override;
  Result<std::vector<FileEntry>> list_files(
      const std::string& path, const std::function<bool(const std::string& name)>& wanted,
      FileDetails details) override;
  Status create_directories(const std::string& path) override;
  Status sync_directory(const std::string& path) override {
    LS_ASSIGN_OR_RETURN(auto fd, open_descriptor(path, O_RDONLY | O_DIRECTORY));
    if (::fsync(fd.get()) != 0) return errno_status(errno, "sync folder " + path);
    return {};
  }
  Result<FileStat> stat(const std::string& path) override;
  Result<std::unique_ptr<FileLock>> lock_exclusive(const std::string& path) override;
  Result<bool> is_locked(const std::string& path) override;
  Result<std::string> canonical_path(const std::string& path) override {
    char buffer[PATH_MAX];
    if (::realpath(path.c_str(), buffer) == nullptr) return errno_status(errno, "resolve " + path);
    return std::string(buffer);
  }
};

bool entry_is_directory(DIR* directory, const dirent& entry) {
  if (entry.d_type != DT_UNKNOWN && entry.d_type != DT_LNK) return entry.d_type == DT_DIR;
  struct stat st {};
  return ::fstatat(::dirfd(directory), entry.d_name, &st, 0) == 0 && S_ISDIR(st.st_mode);
}

// Calls `take(directory, entry)` for each entry but "." and "..".
template <typename Take>
Status visit_directory(const std::string& path, Take take) {
  LS_ASSIGN_OR_RETURN(auto fd, open_descriptor(path, O_RDONLY | O_DIRECTORY));
  const std::unique_ptr<DIR, int (*)(DIR*)> directory(::fdopendir(fd.get()), ::closedir);
  if (directory == nullptr) return errno_status(errno, "list " + path);
  fd.release();
  for (size_t count = 0;;) {
    errno = 0;
    const dirent* entry = ::readdir(directory.get());
    if (entry == nullptr) return errno == 0 ? Status() : errno_status(errno, "list " + path);
    const std::string_view name = entry->d_name;
    if (name == "." || name == "..") continue;
    if (++count > kListEntriesMax) {
      return unsupported("list " + path + ": more than " + std::to_string(kListEntriesMax) +
                         " entries");
    }
    LS_RETURN_IF_ERROR(take(directory.get(), *entry));
  }
}

Result<std::vector<DirectoryEntry>> PosixFileSystem::list_directory(const std::string& path) {
  std::vector<DirectoryEntry> entries;
  LS_RETURN_IF_ERROR(visit_directory(path, [&](DIR* directory, const dirent& entry) {
    entries.push_back({entry.d_name, entry_is_directory(directory, entry)});
    return Status();
  }));
  return entries;
}

Result<std::vector<FileEntry>> PosixFileSystem::list_files(
    const std::string& path, const std::function<bool(const std::string& name)>& wanted,
    FileDetails details) {
  std::vector<FileEntry> files;
  FileEntry file;
  LS_RETURN_IF_ERROR(visit_directory(path, [&](DIR* directory, const dirent& entry) -> Status {
    const bool may_be_file =
        entry.d_type == DT_REG || entry.d_type == DT_LNK || entry.d_type == DT_UNKNOWN;
    if (!may_be_file || !wanted(file.name = entry.d_name)) return {};
    if (entry.d_type != DT_REG || details != FileDetails::kNamesOnly) {
      struct stat st {};
      // By the open folder: a path would be looked up from the root for each file.
      if (::fstatat(::dirfd(directory), entry.d_name, &st, 0) != 0) {
        if (errno == ENOENT) return {};
        return errno_status(errno, "stat " + path_join(path, file.name));
      }
      if (!S_ISREG(st.st_mode)) return {};
      file.size_bytes = static_cast<uint64_t>(st.st_size);
      file.mtime_ms = st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1'000'000;
    }
    files.push_back(file);
    return {};
  }));
  return files;
}

Status PosixFileSystem::create_directories(const std::string& path) {
  if (::mkdir(path.c_str(), 0777) == 0) return {};
  int error = errno;
  if (error == ENOENT) {
    const std::string parent = path_directory(path);
    if (parent != path) {
      LS_RETURN_IF_ERROR(create_directories(parent));
      if (::mkdir(path.c_str(), 0777) == 0) return {};
      error = errno;
    }
  }
  struct stat st {};
  if (error == EEXIST && ::stat(path.c_str(), &st) == 0 && S_ISDIR(st.st_mode)) return {};
  return errno_status(error, "create folder " + path);
}

Result<FileStat> PosixFileSystem::stat(const std::string& path) {
  struct stat st {};
  if (::stat(path.c_str(), &st) != 0) return errno_status(errno, "stat " + path);
  FileStat out;
  out.device = st.st_dev;
  out.inode = st.st_ino;
  out.size_bytes = static_cast<uint64_t>(st.st_size);
  out.mtime_ns = st.st_mtim.tv_sec * 1'000'000'000 + st.st_mtim.tv_nsec;
  out.mtime_ms = st.st_mtim.tv_sec * 1000 + st.st_mtim.tv_nsec / 1'000'000;
  out.ctime_ns = st.st_ctim.tv_sec * 1'000'000'000 + st.st_ctim.tv_nsec;
  out.is_directory = S_ISDIR(st.st_mode);
  out.is_regular = S_ISREG(st.st_mode);
  return out;
}

Result<std::unique_ptr<FileLock>> PosixFileSystem::lock_exclusive(const std::string& path) {
  LS_ASSIGN_OR_RETURN(auto fd, open_descriptor(path, O_RDWR | O_CREAT));
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (::fcntl(fd.get(), F_OFD_SETLK, &lock) != 0) {
    if (errno == EAGAIN || errno == EACCES) return busy(path + " is locked by another process");
    return errno_status(errno, "lock " + path);
  }
  std::unique_ptr<FileLock> held = std::make_unique<OfdLock>(std::move(fd));
  return held;
}

Result<bool> PosixFileSystem::is_locked(const std::string& path) {
  auto fd = open_descriptor(path, O_RDWR);
  if (!fd.ok() && fd.status().code() == StatusCode::kNotFound) return false;
  if (!fd.ok()) return fd.status();
  struct flock lock {};
  lock.l_type = F_WRLCK;
  lock.l_whence = SEEK_SET;
  if (::fcntl(fd->get(), F_OFD_GETLK, &lock) != 0) return errno_status(errno, "ask lock " + path);
  return lock.l_type != F_UNLCK;
}

}  // namespace

FileSystem& posix_file_system() {
  static PosixFileSystem* const fs = new PosixFileSystem;
  return *fs;
}

void start_file_writeback(const std::string& path) noexcept {
  const Descriptor fd(::open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (fd.get() >= 0) (void)::sync_file_range(fd.get(), 0, 0, SYNC_FILE_RANGE_WRITE);
}

Result<std::vector<FileEntry>> FileSystem::list_files(
    const std::string& path, const std::function<bool(const std::string& name)>& wanted,
    FileDetails) {
  LS_ASSIGN_OR_RETURN(const auto entries, list_directory(path));
  std::vector<FileEntry> files;
  for (const DirectoryEntry& entry : entries) {
    if (entry.is_directory || !wanted(entry.name)) continue;
    const auto info = stat(path_join(path, entry.name));
    if (!info.ok() && info.status().code() == StatusCode::kNotFound) continue;
    if (!info.ok()) return info.status();
    if (info->is_regular) files.push_back({entry.name, info->size_bytes, info->mtime_ms});
  }
  return files;
}

Result<std::string> read_small_file(FileSystem& fs, const std::string& path,
                                    size_t size_bytes_max) {
  LS_ASSIGN_OR_RETURN(auto file, fs.open_readable(path));
  LS_ASSIGN_OR_RETURN(const uint64_t size, file->size_bytes());
  if (size > size_bytes_max) {
    return invalid_argument(path + " has " + std::to_string(size) + " bytes; at most " +
                            std::to_string(size_bytes_max) + " are read");
  }
  // Files of /proc say 0; read until the limit whatever the size was.
  std::string text(size == 0 ? size_bytes_max : size, '\0');
  LS_ASSIGN_OR_RETURN(const size_t got,
                      file->read_at(0, {reinterpret_cast<uint8_t*>(text.data()), text.size()}));
  text.resize(got);
  return text;
}

std::string path_join(std::string_view directory, std::string_view name) {
  std::string out(directory);
  if (!out.empty() && out.back() != '/') out += '/';
  out += name;
  return out;
}

std::string path_directory(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const size_t slash = path.rfind('/');
  if (slash == std::string_view::npos) return ".";
  return std::string(slash == 0 ? "/" : path.substr(0, slash));
}

std::string path_basename(std::string_view path) {
  while (path.size() > 1 && path.back() == '/') path.remove_suffix(1);
  const size_t slash = path.rfind('/');
  return std::string(slash == std::string_view::npos ? path : path.substr(slash + 1));
}

}  // namespace litestream
