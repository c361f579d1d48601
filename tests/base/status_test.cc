#include "ext/base/status.h"

#include <catch2/catch.hpp>
#include <cerrno>
#include <memory>

namespace litestream {
namespace {

TEST_CASE("a default status is ok and stays ok with context") {
  const Status status;
  CHECK(status.ok());
  CHECK(status.message().empty());
  CHECK(status.with_context("restore").ok());
  CHECK(status.with_context("restore").message().empty());
}

TEST_CASE("context is put before the message and keeps the code") {
  const Status status = corrupt("page 7: bad checksum").with_context("open x.ltx");
  CHECK(status.code() == StatusCode::kCorrupt);
  CHECK(status.with_context("restore").message() == "restore: open x.ltx: page 7: bad checksum");
}

TEST_CASE("only busy and unavailable are worth another try") {
  CHECK(busy("x").retryable());
  CHECK(unavailable("x").retryable());
  for (const Status& status :
       {not_found("x"), already_exists("x"), corrupt("x"), invalid_argument("x"), io_error("x"),
        position_mismatch("x"), unsupported("x"), cancelled("x"), internal_error("x"), Status()}) {
    CAPTURE(status_code_name(status.code()));
    CHECK_FALSE(status.retryable());
  }
}

TEST_CASE("system errors become the code that callers branch on") {
  CHECK(errno_status(ENOENT, "open a").code() == StatusCode::kNotFound);
  CHECK(errno_status(ENOTDIR, "open a").code() == StatusCode::kNotFound);
  CHECK(errno_status(EEXIST, "open a").code() == StatusCode::kAlreadyExists);
  CHECK(errno_status(EAGAIN, "lock a").code() == StatusCode::kBusy);
  CHECK(errno_status(EACCES, "open a").code() == StatusCode::kIo);
  CHECK(errno_status(EACCES, "open a").message() == "open a: Permission denied");
}

Result<int> half(int value) {
  if (value % 2 != 0) return invalid_argument("odd");
  return value / 2;
}

Status quarter(int value, int* out) {
  LS_ASSIGN_OR_RETURN(const int once, half(value));
  LS_ASSIGN_OR_RETURN(*out, half(once));
  return {};
}

TEST_CASE("the macros hand values on and stop at the first error") {
  int out = 0;
  CHECK(quarter(12, &out).ok());
  CHECK(out == 3);
  CHECK(quarter(6, &out).message() == "odd");
  CHECK(out == 3);
}

TEST_CASE("a result holds values that can only be moved") {
  Result<std::unique_ptr<int>> result = std::make_unique<int>(5);
  REQUIRE(result.ok());
  const std::unique_ptr<int> value = std::move(result).value();
  CHECK(*value == 5);
}

}  // namespace
}  // namespace litestream
