// Status and Result<T>: how every function of this project reports failure.
//
// No exceptions cross our functions. A Status is a code plus one English sentence fragment that
// says what was being done and what went wrong ("restore: open L0 ...ltx: page 7: bad checksum");
// each layer prefixes its own step with with_context(). Errors are returned, not logged.
// Threading: values, thread-compatible.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <utility>

namespace litestream {

enum class StatusCode : uint8_t {
  kOk = 0,
  kNotFound,          // the named thing does not exist
  kAlreadyExists,     // a create-only write met an existing, different thing
  kCorrupt,           // bytes read do not follow their format, or a checksum is wrong
  kInvalidArgument,   // the caller's input is wrong; the message says what to do
  kIo,                // the operating system refused
  kBusy,              // somebody else holds a lock; try again
  kPositionMismatch,  // a file does not continue what is there
  kUnavailable,       // a store or process did not answer; try again
  kUnsupported,       // legal, but this build or backend cannot do it
  kCancelled,         // interrupted on request
  kInternal,          // a bug of ours
};

const char* status_code_name(StatusCode code);

class [[nodiscard]] Status {
 public:
  Status() = default;
  Status(StatusCode code, std::string message) : code_(code), message_(std::move(message)) {}
  static Status ok_status() { return {}; }

  bool ok() const { return code_ == StatusCode::kOk; }
  StatusCode code() const { return code_; }
  const std::string& message() const { return message_; }
  // Busy and Unavailable may succeed when tried again; nothing else does by itself.
  bool retryable() const { return code_ == StatusCode::kBusy || code_ == StatusCode::kUnavailable; }
  // "<context>: <message>" with the same code; ok stays ok.
  Status with_context(std::string_view context) const;

 private:
  StatusCode code_ = StatusCode::kOk;
  std::string message_;
};

Status not_found(std::string message);
Status already_exists(std::string message);
Status corrupt(std::string message);
Status invalid_argument(std::string message);
Status io_error(std::string message);
Status busy(std::string message);
Status position_mismatch(std::string message);
Status unavailable(std::string message);
Status unsupported(std::string message);
Status cancelled(std::string message);
Status internal_error(std::string message);

// Io (or NotFound, AlreadyExists, Busy where errno says so): "<what>: <strerror>".
Status errno_status(int error_number, std::string_view what);

// A value or the Status that says why there is none. value() of an error is undefined: test first.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : value_(std::move(value)) {}          // NOLINT(google-explicit-constructor)
  Result(Status status) : status_(std::move(status)) {}  // NOLINT(google-explicit-constructor)

  bool ok() const { return value_.has_value(); }
  bool has_value() const { return value_.has_value(); }
  const Status& status() const& { return status_; }
  Status status() && { return std::move(status_); }
  const T& value() const& { return *value_; }
  T& value() & { return *value_; }
  T&& value() && { return std::move(*value_); }
  const T& operator*() const& { return *value_; }
  T& operator*() & { return *value_; }
  T&& operator*() && { return std::move(*value_); }
  const T* operator->() const { return &*value_; }
  T* operator->() { return &*value_; }

 private:
  std::optional<T> value_;
  Status status_;
};

}  // namespace litestream

#define LS_CONCAT_INNER_(a, b) a##b
#define LS_CONCAT_(a, b) LS_CONCAT_INNER_(a, b)

#define LS_RETURN_IF_ERROR(expression)              \
  do {                                              \
    ::litestream::Status ls_status_ = (expression); \
    if (!ls_status_.ok()) return ls_status_;        \
  } while (false)

// LS_ASSIGN_OR_RETURN(auto x, f()); `lhs` may declare or assign.
#define LS_ASSIGN_OR_RETURN(lhs, expression) \
  LS_ASSIGN_OR_RETURN_IMPL_(LS_CONCAT_(ls_result_, __LINE__), lhs, expression)
#define LS_ASSIGN_OR_RETURN_IMPL_(result, lhs, expression) \
  auto result = (expression);                              \
  if (!result.ok()) return std::move(result).status();     \
  lhs = std::move(result).value()
