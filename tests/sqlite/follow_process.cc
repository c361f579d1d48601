// One step of following, in a process that dies at a chosen call on the copy:
//
//   follow_process REPLICA_FOLDER COPY CALL
//
// Calls are counted from 1: shutting out readers, each write, truncating, syncing. The process
// kills itself after that call; with a number beyond the last it ends with status 0.
#include <signal.h>
#include <unistd.h>

#include <cstdlib>

#include "ext/engine/follow.h"
#include "ext/sqlite/sqlite_follow_copy.h"
#include "ext/store/file_store.h"

namespace litestream::test {
namespace {

class DyingCopy final : public FollowCopy {
 public:
  DyingCopy(std::string path, int64_t calls) : copy_(std::move(path)), calls_(calls) {}
  Status begin() override { return copy_.begin(); }
  uint32_t page_size_bytes() const override { return copy_.page_size_bytes(); }
  RandomReader& database() override { return copy_.database(); }
  Result<bool> shut_out_readers(int64_t wait_ms) override {
    auto result = copy_.shut_out_readers(wait_ms);
    count();
    return result;
  }
  Status write_at(uint64_t offset_bytes, Bytes bytes) override {
    // Of the last write only half arrives.
    if (calls_ == 1) bytes = bytes.first(bytes.size() / 2);
    const Status status = copy_.write_at(offset_bytes, bytes);
    count();
    return status;
  }
  Status truncate(uint64_t size_bytes) override {
    const Status status = copy_.truncate(size_bytes);
    count();
    return status;
  }
  Status sync() override {
    const Status status = copy_.sync();
    count();
    return status;
  }
  void end() override { copy_.end(); }

 private:
  void count() {
    if (--calls_ == 0) ::kill(::getpid(), SIGKILL);
  }
  SqliteFollowCopy copy_;
  int64_t calls_;
};

int run(const std::string& replica, const std::string& path, int64_t calls) {
  FileStore store(posix_file_system(), replica);
  DyingCopy copy(path, calls);
  const auto result = follow_step(store, posix_file_system(), copy, path, {});
  return result.ok() ? 0 : 1;
}

}  // namespace
}  // namespace litestream::test

int main(int argument_count, char** arguments) {
  if (argument_count != 4) return 2;
  return litestream::test::run(arguments[1], arguments[2], std::atoll(arguments[3]));
}
