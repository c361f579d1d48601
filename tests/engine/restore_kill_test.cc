// H2: a restore that is killed leaves nothing under its name, and the next one clears up.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <catch2/catch.hpp>

#include "ext/base/durable_file.h"
#include "ext/store/file_store.h"
#include "tests/engine/restore_support.h"

namespace litestream {
namespace {

using test::ReplicaHistory;
using test::Target;

// Restores in a process of its own, which dies when `percent` of the plan are done.
void restore_and_die(FileStore& store, const std::string& output, uint64_t percent) {
  const pid_t child = ::fork();
  REQUIRE(child >= 0);
  if (child == 0) {
    RestoreOptions options;
    options.stream.progress = [&](uint64_t done_bytes, uint64_t total_bytes) {
      if (done_bytes * 100 >= total_bytes * percent) ::kill(::getpid(), SIGKILL);
    };
    (void)restore_database(store, posix_file_system(), Target::newest(), output, options).ok();
    ::_exit(0);
  }
  int status = 0;
  REQUIRE(::waitpid(child, &status, 0) == child);
  REQUIRE((WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL));
}

TEST_CASE("H2 a restore killed at 10, 50 and 99 percent leaves no output") {
  const test::TempDir dir(test::TempDir::Place::kMemory);
  FileStore store(test::files(), dir.file("replica"));
  ReplicaHistory history(65536);
  history.commit(36, {});
  for (Pgno i = 1; i <= 10; ++i) history.commit(36, {i * 3});
  for (uint64_t txid = 1; txid <= history.newest(); ++txid) {
    auto writer = store.create(ReplicaHistory::info(0, txid, txid));
    REQUIRE(writer.ok());
    REQUIRE((*writer)->append(as_bytes(history.file(txid, txid))).ok());
    REQUIRE((*writer)->commit().ok());
  }
  for (const uint64_t percent : {0u, 10u, 50u, 99u, 100u}) {
    CAPTURE(percent);
    const test::TempDir out(test::TempDir::Place::kMemory);
    restore_and_die(store, out.file("db"), percent);
    CHECK_FALSE(test::exists(out.file("db")));
    for (const auto& entry : std::filesystem::directory_iterator(out.path())) {
      CHECK(is_temporary_name(entry.path().filename().string()));
    }
    REQUIRE(test::restore(store, Target::newest(), out.file("db")).ok());
    CHECK(test::read_all(out.file("db")) == history.image(history.newest()));
    CHECK(std::distance(std::filesystem::directory_iterator(out.path()), {}) == 1);
  }
}

}  // namespace
}  // namespace litestream
