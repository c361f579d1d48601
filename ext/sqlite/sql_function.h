// What every SQL function of ours needs: its arguments checked, its result or error set.
//
// Errors start with the function's name. Threading: the connection's own thread.
#pragma once

#include "ext/sqlite/sqlite_api.h"

#include <optional>
#include <string>

#include "ext/engine/snapshot_pages.h"
#include "ext/ltx/types.h"
#include "ext/sqlite/registry.h"

namespace litestream {

// One call of one function.
class SqlCall {
 public:
  SqlCall(sqlite3_context* context, int argument_count, sqlite3_value** arguments);

  sqlite3* db() const { return sqlite3_context_db_handle(context_); }
  int argument_count() const { return argument_count_; }
  const char* name() const { return name_; }
  ConnectionState& connection() const { return *connection_; }
  const std::shared_ptr<ConnectionState>& shared_connection() const { return connection_; }

  // InvalidArgument if it is absent, NULL, not text, empty, or holds a zero byte.
  Result<std::string> text(int index, const char* what) const;
  // nullopt if absent or NULL.
  Result<std::optional<std::string>> optional_text(int index, const char* what) const;
  Result<std::optional<int64_t>> optional_integer(int index, const char* what, int64_t min,
                                                  int64_t max) const;
  // True within 200 ms of sqlite3_interrupt().
  CancelCheck cancel_check() const;

  void result_text(const std::string& text);
  void result_integer(int64_t value);
  void result_txid(Txid txid);  // NULL for none
  void fail(const Status& status);
  // What may be tried again fails with SQLITE_BUSY, for callers that come back by themselves.
  void report_busy() { reports_busy_ = true; }

 private:
  sqlite3_context* context_;
  const int argument_count_;
  bool reports_busy_ = false;
  sqlite3_value** arguments_;
  const char* name_;
  std::shared_ptr<ConnectionState> connection_;
};

// A function of the table in register.cc.
struct SqlFunction {
  const char* name;
  int argument_count_min;
  int argument_count_max;
  int flags;  // SQLITE_DIRECTONLY, SQLITE_INNOCUOUS, SQLITE_DETERMINISTIC
  Status (*run)(SqlCall& call);
};

// What a registration hands to its callbacks; freed by the registration's destructor.
struct FunctionContext {
  const SqlFunction* function;
  std::shared_ptr<ConnectionState> connection;
};

}  // namespace litestream
