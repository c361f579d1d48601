// One SQLite connection with the extension in it, and the statements of sql/ prepared by name: the
// program's only door to the engine.
//
// Every statement is reset before a call returns, so no read transaction outlives it.
// Threading: thread-compatible (one thread at a time), except interrupt(): any thread.
// Errors: the message is SQLite's or the extension's, meant to be shown.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>
#include <vector>

#include "ext/base/status.h"
#include "mcp/cancellation.h"

struct sqlite3;
struct sqlite3_stmt;

namespace litestream {

using SqlValue = std::variant<std::nullptr_t, int64_t, double, std::string>;
// Names without the colon. Parameters of the statement that are not given are NULL; names that the
// statement does not use are ignored.
using SqlParameters = std::vector<std::pair<std::string, SqlValue>>;

struct SqlRows {
  std::vector<std::string> columns;
  std::vector<std::vector<SqlValue>> rows;
};

// NULL is "".
std::string to_text(const SqlValue& value);

// A database or URL given on the command line, made known to the tools.
struct GivenSource {
  std::string name;    // for people: no secrets
  std::string source;  // for the extension
  std::string type;    // scheme of a URL, empty for a path
};

class SqlSession {
 public:
  // ":memory:", or a database that must exist. Registers the program's helper functions:
  // program_error(text), program_file_exists(path), program_uptime_seconds(),
  // program_size_text(bytes).
  static Result<std::unique_ptr<SqlSession>> open(const std::string& path,
                                                  const std::vector<GivenSource>& given_sources);
  ~SqlSession();
  SqlSession(const SqlSession&) = delete;
  SqlSession& operator=(const SqlSession&) = delete;

  // Runs sql/<name>.sql, for example "commands/version". Internal: no such file. At most
  // kSqlRowCountMax rows. Cancelled soon after `cancellation` says so.
  Result<SqlRows> run(std::string_view name, const SqlParameters& parameters = {});
  Result<SqlRows> run(std::string_view name, const SqlParameters& parameters,
                      Cancellation& cancellation);
  // The first column of the first row; NULL if there is no row.
  Result<SqlValue> run_scalar(std::string_view name, const SqlParameters& parameters = {});

  // Makes a running statement stop soon with Cancelled.
  void interrupt();

 private:
  explicit SqlSession(sqlite3* connection) : connection_(connection) {}
  Status set_up(const std::vector<GivenSource>& given_sources);
  Result<sqlite3_stmt*> prepare(std::string_view name);
  Status error(int code) const;

  sqlite3* connection_;
  std::map<std::string, sqlite3_stmt*, std::less<>> statements_;
};

// Listings longer than this are cut off with an error rather than held in memory.
inline constexpr size_t kSqlRowCountMax = 4'000'000;

}  // namespace litestream
