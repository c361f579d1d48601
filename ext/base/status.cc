#include "ext/base/status.h"

#include <cerrno>
#include <system_error>

namespace litestream {

const char* status_code_name(StatusCode code) {
  switch (code) {
    case StatusCode::kOk: return "ok";
    case StatusCode::kNotFound: return "not found";
    case StatusCode::kAlreadyExists: return "already exists";
    case StatusCode::kCorrupt: return "corrupt";
    case StatusCode::kInvalidArgument: return "invalid argument";
    case StatusCode::kIo: return "i/o error";
    case StatusCode::kBusy: return "busy";
    case StatusCode::kPositionMismatch: return "position mismatch";
    case StatusCode::kUnavailable: return "unavailable";
    case StatusCode::kUnsupported: return "unsupported";
    case StatusCode::kCancelled: return "cancelled";
    case StatusCode::kInternal: return "internal error";
  }
  return "unknown";
}

Status Status::with_context(std::string_view context) const {
  if (ok()) return {};
  std::string text(context);
  text += ": ";
  text += message_;
  return {code_, std::move(text)};
}

Status not_found(std::string message) { return {StatusCode::kNotFound, std::move(message)}; }
Status already_exists(std::string message) {
  return {StatusCode::kAlreadyExists, std::move(message)};
}
Status corrupt(std::string message) { return {StatusCode::kCorrupt, std::move(message)}; }
Status invalid_argument(std::string message) {
  return {StatusCode::kInvalidArgument, std::move(message)};
}
Status io_error(std::string message) { return {StatusCode::kIo, std::move(message)}; }
Status busy(std::string message) { return {StatusCode::kBusy, std::move(message)}; }
Status position_mismatch(std::string message) {
  return {StatusCode::kPositionMismatch, std::move(message)};
}
Status unavailable(std::string message) { return {StatusCode::kUnavailable, std::move(message)}; }
Status unsupported(std::string message) { return {StatusCode::kUnsupported, std::move(message)}; }
Status cancelled(std::string message) { return {StatusCode::kCancelled, std::move(message)}; }
Status internal_error(std::string message) { return {StatusCode::kInternal, std::move(message)}; }

Status errno_status(int error_number, std::string_view what) {
  StatusCode code = StatusCode::kIo;
  if (error_number == ENOENT || error_number == ENOTDIR) code = StatusCode::kNotFound;
  if (error_number == EEXIST) code = StatusCode::kAlreadyExists;
  if (error_number == EAGAIN || error_number == EBUSY) code = StatusCode::kBusy;
  std::string text(what);
  text += ": ";
  text += std::generic_category().message(error_number);
  return {code, std::move(text)};
}

}  // namespace litestream
