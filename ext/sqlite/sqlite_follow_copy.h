// FollowCopy on a real SQLite connection: its write lock by BEGIN IMMEDIATE, its exclusive lock and
// the bytes through its own file handle, so that in this process, too, no lock is ever lost.
// Threading: one thread at a time.
#pragma once

#include "ext/sqlite/own_connection.h"

#include <string>

#include "ext/engine/follow_copy.h"

namespace litestream {

class SqliteFollowCopy final : public FollowCopy {
 public:
  explicit SqliteFollowCopy(std::string path) : path_(std::move(path)) {}
  ~SqliteFollowCopy() override { end(); }

  Status begin() override;
  uint32_t page_size_bytes() const override { return page_size_bytes_; }
  RandomReader& database() override { return file_; }
  Result<bool> shut_out_readers(int64_t wait_ms) override;
  Status write_at(uint64_t offset_bytes, Bytes bytes) override;
  Status truncate(uint64_t size_bytes) override;
  Status sync() override;
  void end() override;

 private:
  const std::string path_;
  uint32_t page_size_bytes_ = 0;
  OwnConnection connection_;
  SqliteFileReader file_;
};

}  // namespace litestream
