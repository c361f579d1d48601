#include "ext/sqlite/own_connection.h"

#include <algorithm>
#include <cstdio>

namespace litestream {
namespace {

thread_local bool opening = false;

class OpeningScope {
 public:
  OpeningScope() { opening = true; }
  ~OpeningScope() { opening = false; }
  OpeningScope(const OpeningScope&) = delete;
  OpeningScope& operator=(const OpeningScope&) = delete;
};

constexpr int kBusyTimeoutMs = 1000;

std::string immutable_uri(const std::string& path) {
  std::string uri = "file:";
  for (const char c : path) {
    if (std::string_view("%?#").find(c) == std::string_view::npos) {
      uri += c;
      continue;
    }
    char escaped[4];
    std::snprintf(escaped, sizeof escaped, "%%%02X", static_cast<unsigned char>(c));
    uri += escaped;
  }
  return uri + "?immutable=1";
}

Result<sqlite3*> open_handle(const std::string& path, int flags, const char* vfs) {
  const OpeningScope scope;
  sqlite3* db = nullptr;
  const int code = sqlite3_open_v2(path.c_str(), &db, flags, vfs);
  if (code == SQLITE_OK) return db;
  Status status = sqlite_status(code, db, "open " + path);
  sqlite3_close(db);
  return status;
}

// The first column through `read`, a member of the sqlite3_column family.
template <typename Read>
Status query_first(sqlite3* db, const char* sql, Read read) {
  sqlite3_stmt* statement = nullptr;
  int code = sqlite3_prepare_v2(db, sql, -1, &statement, nullptr);
  if (code == SQLITE_OK) code = sqlite3_step(statement);
  if (code == SQLITE_ROW) read(statement);
  const int finalized = sqlite3_finalize(statement);
  if (code == SQLITE_ROW) return {};
  if (code == SQLITE_DONE) return not_found(std::string(sql) + ": no row");
  return sqlite_status(finalized == SQLITE_OK ? code : finalized, db, sql);
}

}  // namespace

bool opening_own_connection() { return opening; }

bool sqlite_has_mutexes(sqlite3* db) {
  if (sqlite3_db_mutex(db) != nullptr) return true;
  // The application opened it without one, or there are none: one that asks for it knows.
  static const bool probed = [] {
    constexpr int kFlags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_FULLMUTEX;
    const auto probe = open_handle(":memory:", kFlags, nullptr);
    if (!probe.ok()) return true;
    const bool has_mutex = sqlite3_db_mutex(*probe) != nullptr;
    sqlite3_close(*probe);
    return has_mutex;
  }();
  return probed;
}

Status sqlite_status(int code, sqlite3* db, std::string_view what) {
  StatusCode mapped = StatusCode::kIo;
  switch (code & 0xff) {
    case SQLITE_OK:
    case SQLITE_ROW:
    case SQLITE_DONE: return {};
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL: mapped = StatusCode::kBusy; break;
    case SQLITE_CANTOPEN: mapped = StatusCode::kNotFound; break;
    case SQLITE_INTERRUPT: mapped = StatusCode::kCancelled; break;
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB: mapped = StatusCode::kCorrupt; break;
    default: break;
  }
  std::string text(what);
  text += ": ";
  text += db != nullptr ? sqlite3_errmsg(db) : sqlite3_errstr(code);
  return {mapped, std::move(text)};
}

OwnConnection& OwnConnection::operator=(OwnConnection&& other) noexcept {
  std::swap(db_, other.db_);
  return *this;
}

Result<OwnConnection> OwnConnection::open(const std::string& path, const std::string& vfs) {
  LS_ASSIGN_OR_RETURN(
      sqlite3 * db,
      open_handle(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_NOMUTEX,
                  vfs.empty() ? nullptr : vfs.c_str()));
  OwnConnection connection(db);
  sqlite3_busy_timeout(db, kBusyTimeoutMs);
  LS_RETURN_IF_ERROR(connection.exec(
      "PRAGMA mmap_size=0; PRAGMA wal_autocheckpoint=0; PRAGMA synchronous=NORMAL"));
  return connection;
}

Result<OwnConnection> OwnConnection::open_immutable(const std::string& path) {
  LS_ASSIGN_OR_RETURN(sqlite3 * db, open_handle(immutable_uri(path),
                                                SQLITE_OPEN_READONLY | SQLITE_OPEN_URI |
                                                    SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_NOMUTEX,
                                                nullptr));
  return OwnConnection(db);
}

Result<OwnConnection> OwnConnection::open_unread(const std::string& path) {
  LS_ASSIGN_OR_RETURN(
      sqlite3 * db,
      open_handle(path, SQLITE_OPEN_READONLY | SQLITE_OPEN_PRIVATECACHE | SQLITE_OPEN_NOMUTEX,
                  nullptr));
  return OwnConnection(db);
}

void OwnConnection::close() {
  if (db_ != nullptr) sqlite3_close_v2(std::exchange(db_, nullptr));
}

Status OwnConnection::exec(const char* sql) {
  return sqlite_status(sqlite3_exec(db_, sql, nullptr, nullptr, nullptr), db_, sql);
}

Result<int64_t> OwnConnection::query_int(const char* sql) {
  int64_t value = 0;
  LS_RETURN_IF_ERROR(
      query_first(db_, sql, [&](sqlite3_stmt* s) { value = sqlite3_column_int64(s, 0); }));
  return value;
}

Result<std::string> OwnConnection::query_text(const char* sql) {
  std::string value;
  LS_RETURN_IF_ERROR(query_first(db_, sql, [&](sqlite3_stmt* s) {
    const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(s, 0));
    if (text != nullptr) value = text;
  }));
  return value;
}

Result<size_t> SqliteFileReader::read_at(uint64_t offset_bytes, MutableBytes out) {
  if (out.empty()) return size_t{0};
  const int code = file_->pMethods->xRead(file_, out.data(), static_cast<int>(out.size()),
                                          static_cast<sqlite3_int64>(offset_bytes));
  if (code == SQLITE_OK) return out.size();
  if (code != SQLITE_IOERR_SHORT_READ) return sqlite_status(code, nullptr, "read");
  LS_ASSIGN_OR_RETURN(const uint64_t size, size_bytes());
  if (size <= offset_bytes) return size_t{0};
  return static_cast<size_t>(std::min<uint64_t>(out.size(), size - offset_bytes));
}

Result<uint64_t> SqliteFileReader::size_bytes() {
  sqlite3_int64 size = 0;
  const int code = file_->pMethods->xFileSize(file_, &size);
  if (code != SQLITE_OK) return sqlite_status(code, nullptr, "file size");
  return static_cast<uint64_t>(size);
}

}  // namespace litestream
