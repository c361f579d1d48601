// Who replicates: one process of many, its successor when it dies, never a forked child; and what
// is left when a process ends in one way or another.
#include <signal.h>

#include <cerrno>
#include <chrono>
#include <thread>

#include "tests/crash/crash_database.h"

namespace litestream::test {
namespace {

using Children = std::vector<std::unique_ptr<ChildProcess>>;

std::string status_of(ChildProcess& child) {
  return child.sql("SELECT status FROM litestream_status");
}

template <typename Done>
void require_eventually(Done done) {
  for (int i = 0; i < 3000; ++i) {
    if (done()) return;
    std::this_thread::sleep_for(std::chrono::milliseconds(10));
  }
  FAIL("waited half a minute in vain");
}

// Waits for an owner; then it is the only one. Its index.
size_t owner_of(Children& children) {
  size_t owner = children.size();
  require_eventually([&] {
    for (size_t i = 0; i < children.size(); ++i) {
      if (status_of(*children[i]) == "ok") owner = i;
    }
    return owner < children.size();
  });
  for (size_t i = 0; i < children.size(); ++i) {
    if (i != owner) REQUIRE(status_of(*children[i]) == "standby");
  }
  return owner;
}

// A process that a child forked: killed at the end of the test, alive until then.
class ForkedChild {
 public:
  explicit ForkedChild(const std::string& pid) : pid_(std::stoi(pid)) {}
  ~ForkedChild() { (void)::kill(pid_, SIGKILL); }
  ForkedChild(const ForkedChild&) = delete;
  ForkedChild& operator=(const ForkedChild&) = delete;
  bool alive() const { return ::kill(pid_, 0) == 0 || errno != ESRCH; }

 private:
  const pid_t pid_;
};

void require_everything(const CrashDatabase& database) {
  database.require_no_errors();
  database.require_newest_is_source();
  database.require_chain();
}

}  // namespace

TEST_CASE("E5: of many processes one owns, and a killed owner has a successor") {
  const bool leaves_forked_children = GENERATE(false, true);
  CAPTURE(leaves_forked_children);
  const CrashDatabase database(4096);
  Children children;
  std::vector<std::unique_ptr<ForkedChild>> forked;
  for (int i = 0; i < 4; ++i) {
    children.push_back(database.replicating());
    children.back()->ask("load 1 " + std::to_string(i) + " 0 1 2000 10000");
  }
  while (children.size() > 1) {
    const size_t owner = owner_of(children);
    std::this_thread::sleep_for(std::chrono::milliseconds(100));
    if (leaves_forked_children) {
      forked.push_back(std::make_unique<ForkedChild>(children[owner]->ask("fork idle")));
    }
    children[owner]->kill();
    children.erase(children.begin() + static_cast<ptrdiff_t>(owner));
  }
  owner_of(children);
  REQUIRE(children[0]->ask("stop") == "ok");
  children[0]->sql("SELECT litestream_sync()");
  for (const auto& child : forked) REQUIRE(child->alive());
  require_everything(database);
  const auto points = database.points();
  database.require_points({points[points.size() / 3], points[points.size() / 2], points.back()});
}

TEST_CASE("I3: a forked child is inert, whatever it does, and its parent goes on") {
  const std::string how = GENERATE("idle", "exec", "close", "exit");
  CAPTURE(how);
  const CrashDatabase database(4096);
  const auto owner = database.replicating();
  std::vector<std::unique_ptr<ForkedChild>> forked;
  for (int i = 0; i < 20; ++i) {
    owner->sql("UPDATE counters SET n = 0 WHERE writer = " + std::to_string(i % 8));
    forked.push_back(std::make_unique<ForkedChild>(owner->ask("fork " + how)));
    std::this_thread::sleep_for(std::chrono::milliseconds(5));
  }
  if (how == "close" || how == "exit") {
    for (const auto& child : forked) require_eventually([&] { return !child->alive(); });
  }
  // Each fork makes the replicator let go and open again.
  require_eventually([&] { return status_of(*owner) == "ok"; });
  owner->sql("INSERT INTO load VALUES(1, 'after')");
  owner->sql("SELECT litestream_sync()");
  require_everything(database);
}

// Holds only if no connection of ours is open across fork(): a child believes in the locks of the
// connections it inherited and holds none of them.
TEST_CASE("I3: a forked child with a connection of its own writes beside its parent's replicator",
          "[fork]") {
  CrashDatabase database(4096);
  database.set_options(R"({"sync-interval":"20ms","linger":"50ms"})");
  const auto owner = database.replicating();
  owner->sql("CREATE TABLE forked(n INTEGER PRIMARY KEY)");
  // As SQLite asks: the parent has no connection open while it forks. Ours may be.
  owner->ask("close");
  const ForkedChild writer(owner->ask("fork open INSERT INTO forked DEFAULT VALUES"));
  std::this_thread::sleep_for(std::chrono::milliseconds(500));
  owner->ask("open");
  for (int i = 0; i < 200; ++i) owner->sql("INSERT INTO load(data) VALUES('parent')");
  owner->sql(database.replicate_statement());
  REQUIRE(writer.alive());
  const auto seen = [&] { return SqliteDb(database.path()).integer("SELECT max(n) FROM forked"); };
  const int64_t before = seen();
  require_eventually([&] { return seen() > before; });
  owner->sql("SELECT litestream_sync()");
  require_eventually([&] { return !writer.alive(); });
  REQUIRE(seen() == 2000);
  owner->sql("SELECT litestream_sync()");
  require_everything(database);
}

TEST_CASE("I4: however a process ends, what it committed reaches the replica") {
  const std::string how = GENERATE("normal", "quick", "abort", "throw");
  CAPTURE(how);
  CrashDatabase database(4096);
  database.set_options(R"({"sync-interval":"1h"})");
  const auto owner = database.replicating();
  owner->sql("SELECT litestream_sync()");
  owner->ask("load 4 0 50 1 0 10000");
  REQUIRE(owner->ask("join") == "ok");
  owner->tell("exit " + how);
  REQUIRE(owner->wait() == (how == "abort" || how == "throw" ? -SIGABRT : 0));
  if (how != "normal") {
    const auto next = database.replicating();
    next->sql("SELECT litestream_sync()");
    require_everything(database);
  } else {
    // Nothing is left to do for the next process.
    require_everything(database);
  }
  REQUIRE(database.log_count() == 200);
}

}  // namespace litestream::test
