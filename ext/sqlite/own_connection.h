// Connections that we open for ourselves, and positioned reads through SQLite's own file handles:
// the database is never opened behind SQLite's back.
//
// Threading: an OwnConnection and everything reached through it belong to one thread at a time.
// Errors: sqlite_status() maps result codes; Busy for BUSY/LOCKED/PROTOCOL, NotFound for CANTOPEN,
// Cancelled for INTERRUPT, Corrupt for CORRUPT/NOTADB, else Io.
#pragma once

#include "ext/sqlite/sqlite_api.h"

#include <memory>
#include <string>

#include "ext/base/bytes.h"
#include "ext/base/status.h"

namespace litestream {

// Status of a result code, with the connection's message when there is a connection.
Status sqlite_status(int code, sqlite3* db, std::string_view what);

// True while this thread opens a connection of ours: the auto extension leaves those alone.
bool opening_own_connection();

// Whether SQLite has its mutexes: sqlite3_threadsafe() tells only how it was built, and
// SQLITE_CONFIG_SINGLETHREAD takes them away at run time.
bool sqlite_has_mutexes(sqlite3* db);

class OwnConnection {
 public:
  OwnConnection() = default;
  ~OwnConnection() { close(); }
  OwnConnection(OwnConnection&& other) noexcept : db_(std::exchange(other.db_, nullptr)) {}
  OwnConnection& operator=(OwnConnection&& other) noexcept;

  // Opens an existing file; private cache, no memory map, no automatic checkpoint, synchronous
  // NORMAL. `vfs` may be empty. NotFound if there is no such file.
  static Result<OwnConnection> open(const std::string& path, const std::string& vfs);
  // Read-only and immutable: for a finished file nobody else writes. Leaves no -wal or -shm.
  static Result<OwnConnection> open_immutable(const std::string& path);

  // Read-only, without reading anything: for its file handle alone.
  static Result<OwnConnection> open_unread(const std::string& path);

  sqlite3* get() const { return db_; }
  bool is_open() const { return db_ != nullptr; }
  void close();
  Status exec(const char* sql);
  // First column of the first row; NotFound without a row.
  Result<int64_t> query_int(const char* sql);
  Result<std::string> query_text(const char* sql);

 private:
  explicit OwnConnection(sqlite3* db) : db_(db) {}
  sqlite3* db_ = nullptr;
};

// Reads a file through SQLite's handle of it. The handle must stay open.
class SqliteFileReader final : public RandomReader {
 public:
  explicit SqliteFileReader(sqlite3_file* file = nullptr) : file_(file) {}
  Result<size_t> read_at(uint64_t offset_bytes, MutableBytes out) override;
  Result<uint64_t> size_bytes() override;
  sqlite3_file* file() const { return file_; }

 private:
  sqlite3_file* file_;
};

}  // namespace litestream
