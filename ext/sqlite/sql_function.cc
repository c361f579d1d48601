#include "ext/sqlite/sql_function.h"

#include <cstring>

#include "ext/base/clock.h"
#include "ext/sqlite/remote_call.h"

namespace litestream {
namespace {

constexpr int64_t kCancelProbeMs = 20;
constexpr int kTextBytesMax = 1 << 20;

}  // namespace

SqlCall::SqlCall(sqlite3_context* context, int argument_count, sqlite3_value** arguments)
    : context_(context), argument_count_(argument_count), arguments_(arguments) {
  const auto* data = static_cast<const FunctionContext*>(sqlite3_user_data(context));
  name_ = data->function->name;
  connection_ = data->connection;
}

Result<std::optional<std::string>> SqlCall::optional_text(int index, const char* what) const {
  if (index >= argument_count_) return std::optional<std::string>();
  sqlite3_value* value = arguments_[index];
  if (sqlite3_value_type(value) == SQLITE_NULL) return std::optional<std::string>();
  if (sqlite3_value_type(value) != SQLITE_TEXT) {
    return invalid_argument(std::string(what) + " must be text");
  }
  const auto* bytes = reinterpret_cast<const char*>(sqlite3_value_text(value));
  const int size = sqlite3_value_bytes(value);
  if (bytes == nullptr) return internal_error("out of memory");
  if (size > kTextBytesMax || std::memchr(bytes, 0, static_cast<size_t>(size)) != nullptr) {
    return invalid_argument(std::string(what) + " is too long or holds a zero byte");
  }
  if (size == 0) return invalid_argument(std::string(what) + " must not be empty");
  return std::optional<std::string>(std::string(bytes, static_cast<size_t>(size)));
}

Result<std::string> SqlCall::text(int index, const char* what) const {
  LS_ASSIGN_OR_RETURN(auto value, optional_text(index, what));
  if (value) return std::move(*value);
  return invalid_argument(std::string(what) + " must not be NULL");
}

Result<std::optional<int64_t>> SqlCall::optional_integer(int index, const char* what, int64_t min,
                                                         int64_t max) const {
  if (index >= argument_count_) return std::optional<int64_t>();
  sqlite3_value* value = arguments_[index];
  if (sqlite3_value_type(value) == SQLITE_NULL) return std::optional<int64_t>();
  const int64_t number = sqlite3_value_int64(value);
  if (sqlite3_value_numeric_type(value) != SQLITE_INTEGER || number < min || number > max) {
    return invalid_argument(std::string(what) + " must be an integer from " + std::to_string(min) +
                            " to " + std::to_string(max));
  }
  return std::optional<int64_t>(number);
}

CancelCheck SqlCall::cancel_check() const {
  return [db = db(), probed_ms = int64_t{0}]() mutable {
    const int64_t now_ms = system_clock().monotonic_ms();
    if (now_ms - probed_ms < kCancelProbeMs) return false;
    probed_ms = now_ms;
    return is_interrupted(db);
  };
}

void SqlCall::result_text(const std::string& text) {
  sqlite3_result_text64(context_, text.data(), text.size(), SQLITE_TRANSIENT, SQLITE_UTF8);
}

void SqlCall::result_integer(int64_t value) { sqlite3_result_int64(context_, value); }

void SqlCall::result_txid(Txid txid) {
  if (txid == Txid{}) {
    sqlite3_result_null(context_);
  } else {
    result_text(format_txid(txid));
  }
}

void SqlCall::fail(const Status& status) {
  const std::string text = std::string(name_) + ": " + status.message();
  sqlite3_result_error(context_, text.c_str(), static_cast<int>(text.size()));
  if (status.code() == StatusCode::kCancelled) {
    sqlite3_result_error_code(context_, SQLITE_INTERRUPT);
  } else if (reports_busy_ && status.retryable()) {
    sqlite3_result_error_code(context_, SQLITE_BUSY);
  }
}

}  // namespace litestream
