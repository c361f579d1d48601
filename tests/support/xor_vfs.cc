#include "tests/support/xor_vfs.h"

#include <sqlite3.h>

#include <algorithm>
#include <cstdint>
#include <vector>

namespace litestream::test {
namespace {

constexpr uint8_t kMask = 0x5a;

struct File {
  sqlite3_file base;  // must be first
  sqlite3_file* real;
};

sqlite3_vfs* real_vfs() { return sqlite3_vfs_find(nullptr); }
sqlite3_file* real(sqlite3_file* file) { return reinterpret_cast<File*>(file)->real; }

void turn_over(uint8_t* bytes, size_t count) {
  for (size_t i = 0; i < count; ++i) bytes[i] = static_cast<uint8_t>(bytes[i] ^ kMask);
}

int file_close(sqlite3_file* file) { return real(file)->pMethods->xClose(real(file)); }

int file_read(sqlite3_file* file, void* out, int count, sqlite3_int64 offset) {
  const int code = real(file)->pMethods->xRead(real(file), out, count, offset);
  sqlite3_int64 valid = count;
  if (code == SQLITE_IOERR_SHORT_READ) {
    // The rest is zeros for SQLite, which never stood in the file.
    sqlite3_int64 size = 0;
    if (real(file)->pMethods->xFileSize(real(file), &size) != SQLITE_OK) return SQLITE_IOERR;
    valid = std::clamp<sqlite3_int64>(size - offset, 0, count);
  } else if (code != SQLITE_OK) {
    return code;
  }
  turn_over(static_cast<uint8_t*>(out), static_cast<size_t>(valid));
  return code;
}

int file_write(sqlite3_file* file, const void* bytes, int count, sqlite3_int64 offset) {
  const auto* first = static_cast<const uint8_t*>(bytes);
  std::vector<uint8_t> turned(first, first + count);
  turn_over(turned.data(), turned.size());
  return real(file)->pMethods->xWrite(real(file), turned.data(), count, offset);
}

int file_truncate(sqlite3_file* file, sqlite3_int64 size) {
  return real(file)->pMethods->xTruncate(real(file), size);
}
int file_sync(sqlite3_file* file, int flags) {
  return real(file)->pMethods->xSync(real(file), flags);
}
int file_size(sqlite3_file* file, sqlite3_int64* size) {
  return real(file)->pMethods->xFileSize(real(file), size);
}
int file_lock(sqlite3_file* file, int level) {
  return real(file)->pMethods->xLock(real(file), level);
}
int file_unlock(sqlite3_file* file, int level) {
  return real(file)->pMethods->xUnlock(real(file), level);
}
int file_check(sqlite3_file* file, int* reserved) {
  return real(file)->pMethods->xCheckReservedLock(real(file), reserved);
}
int file_control(sqlite3_file* file, int operation, void* argument) {
  return real(file)->pMethods->xFileControl(real(file), operation, argument);
}
int file_sector_size(sqlite3_file* file) { return real(file)->pMethods->xSectorSize(real(file)); }
int file_traits(sqlite3_file* file) {
  return real(file)->pMethods->xDeviceCharacteristics(real(file));
}
int shm_map(sqlite3_file* file, int region, int size, int extend, void volatile** out) {
  return real(file)->pMethods->xShmMap(real(file), region, size, extend, out);
}
int shm_lock(sqlite3_file* file, int offset, int count, int flags) {
  return real(file)->pMethods->xShmLock(real(file), offset, count, flags);
}
void shm_barrier(sqlite3_file* file) { real(file)->pMethods->xShmBarrier(real(file)); }
int shm_unmap(sqlite3_file* file, int erase) {
  return real(file)->pMethods->xShmUnmap(real(file), erase);
}

constexpr sqlite3_io_methods methods_of_version(int version) {
  return {version,      file_close,       file_read,   file_write,  file_truncate,
          file_sync,    file_size,        file_lock,   file_unlock, file_check,
          file_control, file_sector_size, file_traits, shm_map,     shm_lock,
          shm_barrier,  shm_unmap,        nullptr,     nullptr};
}
constexpr sqlite3_io_methods kWithShm = methods_of_version(2);
constexpr sqlite3_io_methods kWithoutShm = methods_of_version(1);

int vfs_open(sqlite3_vfs* vfs, sqlite3_filename name, sqlite3_file* out, int flags, int* told) {
  auto* file = reinterpret_cast<File*>(out);
  file->real = reinterpret_cast<sqlite3_file*>(file + 1);
  file->base.pMethods = nullptr;
  const int code = real_vfs()->xOpen(real_vfs(), name, file->real, flags, told);
  if (file->real->pMethods == nullptr) return code;
  file->base.pMethods = static_cast<const sqlite3_io_methods*>(vfs->pAppData);
  return code;
}

}  // namespace

void register_xor_vfs(const char* name, XorShm shm) {
  if (sqlite3_vfs_find(name) != nullptr) return;
  auto* vfs = new sqlite3_vfs(*real_vfs());  // immortal, as SQLite wants it
  vfs->pNext = nullptr;
  vfs->zName = name;
  vfs->szOsFile += static_cast<int>(sizeof(File));
  vfs->pAppData =
      const_cast<sqlite3_io_methods*>(shm == XorShm::kForwarded ? &kWithShm : &kWithoutShm);
  vfs->xOpen = vfs_open;
  sqlite3_vfs_register(vfs, 0);
}

std::string xor_decoded(std::string bytes) {
  turn_over(reinterpret_cast<uint8_t*>(bytes.data()), bytes.size());
  return bytes;
}

}  // namespace litestream::test
