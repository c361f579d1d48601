// A small SQLite connection for tests: throws on any error, so a test fails with its text.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <stdexcept>
#include <string>
#include <vector>

namespace litestream::test {

class SqliteDb {
 public:
  explicit SqliteDb(const std::string& path, int busy_timeout_ms = 10'000) {
    if (sqlite3_open(path.c_str(), &db_) != SQLITE_OK) throw_error("open " + path);
    sqlite3_busy_timeout(db_, busy_timeout_ms);
  }
  ~SqliteDb() { sqlite3_close_v2(db_); }
  SqliteDb(const SqliteDb&) = delete;
  SqliteDb& operator=(const SqliteDb&) = delete;

  sqlite3* get() const { return db_; }

  void exec(const std::string& sql) {
    if (sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) throw_error(sql);
  }
  // The error text of a statement that must fail.
  std::string error_of(const std::string& sql) {
    if (sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) == SQLITE_OK) {
      throw std::runtime_error("did not fail: " + sql);
    }
    return sqlite3_errmsg(db_);
  }
  int extended_error() const { return sqlite3_extended_errcode(db_); }

  // All rows, columns joined by '|'; NULL is empty.
  std::vector<std::string> rows(const std::string& sql) {
    sqlite3_stmt* statement = nullptr;
    if (sqlite3_prepare_v2(db_, sql.c_str(), -1, &statement, nullptr) != SQLITE_OK) {
      throw_error(sql);
    }
    std::vector<std::string> out;
    int code;
    while ((code = sqlite3_step(statement)) == SQLITE_ROW) {
      std::string row;
      for (int i = 0; i < sqlite3_column_count(statement); ++i) {
        const auto* text = reinterpret_cast<const char*>(sqlite3_column_text(statement, i));
        if (i > 0) row += '|';
        if (text != nullptr) row += text;
      }
      out.push_back(row);
    }
    if (sqlite3_finalize(statement) != SQLITE_OK || code != SQLITE_DONE) throw_error(sql);
    return out;
  }
  std::string text(const std::string& sql) {
    const auto all = rows(sql);
    return all.empty() ? std::string() : all[0];
  }
  int64_t integer(const std::string& sql) { return std::stoll(text(sql)); }

 private:
  [[noreturn]] void throw_error(const std::string& what) {
    throw std::runtime_error(what.substr(0, 200) + ": " + sqlite3_errmsg(db_));
  }
  sqlite3* db_ = nullptr;
};

}  // namespace litestream::test
