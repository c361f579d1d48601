// One process with a great many databases, at its limit of open files, with signals of its own, and
// at its end.
//
// LITESTREAM_MANY_DATABASES sets how many.
#include <pthread.h>
#include <sys/resource.h>
#include <sys/syscall.h>

#include <atomic>
#include <chrono>
#include <csignal>
#include <filesystem>
#include <iostream>
#include <mutex>
#include <set>
#include <sstream>
#include <thread>

#include "tests/sqlite/fault_support.h"
#include "tests/support/call_gate.h"

namespace litestream::test {
namespace {

namespace fs = std::filesystem;

constexpr const char* kTable = "CREATE TABLE t(id INTEGER PRIMARY KEY, data)";

int many() {
  const char* text = std::getenv("LITESTREAM_MANY_DATABASES");
  if (text != nullptr) return std::atoi(text);
#ifdef NDEBUG
  return 1000;
#else
  return 100;
#endif
}

size_t entries_of(const char* folder) {
  return static_cast<size_t>(
      std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

uint64_t resident_kib() {
  std::ifstream file("/proc/self/status");
  for (std::string line; std::getline(file, line);) {
    if (line.starts_with("VmRSS:")) return std::stoull(line.substr(6));
  }
  return 0;
}

// The soft limit of open files; back to what it was at the end.
class FileLimit {
 public:
  FileLimit() { REQUIRE(::getrlimit(RLIMIT_NOFILE, &before_) == 0); }
  ~FileLimit() { (void)::setrlimit(RLIMIT_NOFILE, &before_); }
  FileLimit(const FileLimit&) = delete;
  FileLimit& operator=(const FileLimit&) = delete;
  void set(rlim_t count) const {
    rlimit limit = before_;
    limit.rlim_cur = std::min(count, before_.rlim_max);
    REQUIRE(::setrlimit(RLIMIT_NOFILE, &limit) == 0);
  }

 private:
  rlimit before_{};
};

// Databases by number in one folder, each with a replica of its own.
class Herd {
 public:
  Herd() : dir_(TempDir::Place::kMemory) { load_extension_statically(); }
  std::string path(int i) const { return dir_.file("app-" + std::to_string(i) + ".db"); }
  std::string url(int i) const { return "file://" + dir_.file("replica-" + std::to_string(i)); }
  std::string file(const std::string& name) const { return dir_.file(name); }
  std::string start_sql(int i) const {
    return "SELECT litestream_replicate('" + url(i) +
           R"(', '{"sync-interval":"20ms","linger":"1h"}'))";
  }
  // Runs `work` for 0..count-1 on a few threads; the first error fails the test.
  template <typename Work>
  void for_all(int count, Work work) const {
    std::atomic<int> next{0};
    std::mutex mutex;
    std::string error;
    std::vector<std::thread> threads;
    for (int n = 0; n < 4; ++n) {
      threads.emplace_back([&] {
        for (int i = next++; i < count; i = next++) {
          try {
            work(i);
          } catch (const std::exception& caught) {
            const std::lock_guard lock(mutex);
            error = caught.what();
          }
        }
      });
    }
    for (std::thread& thread : threads) thread.join();
    REQUIRE(error == "");
  }
  // A request's worth of work: a connection, one commit.
  void visit(int i) const { insert_rows(*std::make_unique<SqliteDb>(path(i)), 1); }
  uint64_t rows_on_replica(int i) const {
    const std::string output = dir_.file("out.db");
    fs::remove(output);
    SqliteDb(":memory:").exec("SELECT litestream_restore('" + url(i) + "', '" + output + "')");
    return static_cast<uint64_t>(
        SqliteDb("file:" + output + "?immutable=1").integer("SELECT count(*) FROM t"));
  }

 private:
  TempDir dir_;
};

}  // namespace

TEST_CASE("I14: a great many databases in one process") {
  const int count = many();
  const FileLimit limit;
  limit.set(static_cast<rlim_t>(count) * 12 + 300);
  const Herd herd;
  std::thread([] {}).join();  // what a sanitizer starts with the first thread is not ours
  // The first one brings what all of them share.
  SqliteDb first(herd.path(count));
  first.exec("PRAGMA journal_mode=WAL; " + std::string(kTable));
  first.exec(herd.start_sql(count));
  first.exec("SELECT litestream_sync()");
  std::vector<std::unique_ptr<SqliteDb>> connections(static_cast<size_t>(count));
  const auto connection = [&](int i) -> SqliteDb& { return *connections[static_cast<size_t>(i)]; };
  herd.for_all(count, [&](int i) {
    connections[static_cast<size_t>(i)] = std::make_unique<SqliteDb>(herd.path(i));
    connection(i).exec("PRAGMA journal_mode=WAL; " + std::string(kTable));
  });
  const size_t threads_before = entries_of("/proc/self/task");
  const size_t descriptors_before = entries_of("/proc/self/fd");
  const uint64_t resident_before_kib = resident_kib();
  herd.for_all(count, [&](int i) { connection(i).exec(herd.start_sql(i)); });
  herd.for_all(count, [&](int i) { insert_rows(connection(i), 1); });
  wait_until([&] {
    return first.integer(
               "SELECT count(*) FROM litestream_status WHERE status = 'ok' AND "
               "replica_txid = '" +
               txid_text(2) + "'") == count;
  });
  const auto per_database = [&](uint64_t now, uint64_t before) {
    return static_cast<double>(now - before) / count;
  };
  const double descriptors = per_database(entries_of("/proc/self/fd"), descriptors_before);
  const double resident = per_database(resident_kib(), resident_before_kib);
  std::cerr << "many: " << descriptors << " descriptors, " << resident << " KiB for each of "
            << count << " databases\n";
  // The pools may not have had all their threads before.
  CHECK(entries_of("/proc/self/task") <= threads_before + 8);
  CHECK(descriptors < 6.5);
#ifdef NDEBUG
  CHECK(resident <= 288);
#endif
  for (const int i : {0, count / 2, count - 1}) REQUIRE(herd.rows_on_replica(i) == 1);
}

TEST_CASE("I14: at the limit of open files a database is refused, and the others go on") {
  const FileLimit limit;
  const Herd herd;
  constexpr int kFirst = 3;
  const auto create = [&](int i) {
    auto db = std::make_unique<SqliteDb>(herd.path(i));
    db->exec("PRAGMA journal_mode=WAL; " + std::string(kTable));
    return db;
  };
  std::vector<std::unique_ptr<SqliteDb>> databases;
  for (int i = 0; i < kFirst; ++i) {
    databases.push_back(create(i));
    databases.back()->exec(herd.start_sql(i));
  }
  limit.set(entries_of("/proc/self/fd") + 70);
  std::string refusal;
  while (refusal.empty()) {
    const int i = static_cast<int>(databases.size());
    REQUIRE(i < 40);
    databases.push_back(create(i));
    try {
      databases.back()->exec(herd.start_sql(i));
    } catch (const std::exception& error) {
      refusal = error.what();
    }
  }
  REQUIRE(contains(refusal, "too many open files"));
  REQUIRE(contains(refusal, "ulimit -n"));
  REQUIRE(databases.size() > kFirst);
  // It was not half started: it is the application's alone, and whoever may can have it.
  SqliteDb& refused = *databases.back();
  insert_rows(refused, 3);
  refused.exec("PRAGMA journal_mode=DELETE; PRAGMA journal_mode=WAL");
  const int last = static_cast<int>(databases.size()) - 1;
  REQUIRE(refused.integer("SELECT count(*) FROM litestream_databases WHERE replicating = 1 AND "
                          "path = '" +
                          herd.path(last) + "'") == 0);
  // The others have what they need.
  for (int i = 0; i < last; ++i) {
    SqliteDb& db = *databases[static_cast<size_t>(i)];
    insert_rows(db, 2);
    db.exec("SELECT litestream_snapshot()");
    REQUIRE(db.text("SELECT litestream_sync()") == txid_text(3));
  }
  limit.set(entries_of("/proc/self/fd") + 200);
  refused.exec(herd.start_sql(last));
  REQUIRE(refused.text("SELECT litestream_sync()") == txid_text(1));
  REQUIRE(herd.rows_on_replica(last) == 3);
}

// Connections live at addresses where others have just been.
TEST_CASE("I15: of connections opened and closed on many threads each has our functions") {
  Place place;
  SqliteDb db(place.path());
  db.exec(Place::create_sql());
  db.exec(place.start_sql());
  const Herd herd;
  herd.for_all(4000, [&](int) {
    SqliteDb connection(place.path());
    connection.exec("SELECT litestream_version()");
  });
}

namespace {

// Which threads ran the handler of SIGUSR1.
std::atomic<int> handled_by_main{0};
std::atomic<int> handled_by_others{0};
void on_signal(int) {
  const bool is_main = ::syscall(SYS_gettid) == ::getpid();
  (is_main ? handled_by_main : handled_by_others).fetch_add(1);
}

// The mask of blocked signals of a thread, bit n-1 for signal n.
uint64_t blocked_signals(const fs::path& task) {
  std::ifstream status(task / "status");
  for (std::string line; std::getline(status, line);) {
    if (line.starts_with("SigBlk:")) return std::stoull(line.substr(7), nullptr, 16);
  }
  return 0;
}

std::set<std::string> thread_ids() {
  std::set<std::string> ids;
  for (const auto& task : fs::directory_iterator("/proc/self/task")) {
    ids.insert(task.path().filename().string());
  }
  return ids;
}

// Of the time before anything of ours ran; a sanitizer starts one of its own with the first thread.
const std::set<std::string> threads_of_others = [] {
  std::thread([] {}).join();
  return thread_ids();
}();

}  // namespace

TEST_CASE("I13: our threads take no signal of the application's") {
  struct OpenGatesAtEnd {
    ~OpenGatesAtEnd() { open_gates(); }
  } const at_end;
  // An application that masks oddly: nothing but what kills it, in the thread that starts us.
  sigset_t odd;
  sigset_t before;
  sigemptyset(&odd);
  for (const int number : {SIGTERM, SIGINT, SIGPIPE}) sigaddset(&odd, number);
  const bool mask_oddly = GENERATE(false, true);
  CAPTURE(mask_oddly);
  REQUIRE(::pthread_sigmask(SIG_BLOCK, mask_oddly ? &odd : nullptr, &before) == 0);
  sigset_t mask_before;
  REQUIRE(::pthread_sigmask(SIG_BLOCK, nullptr, &mask_before) == 0);
  Place place;
  SqliteDb db(place.path());
  db.exec(Place::create_sql());
  db.exec(place.start_sql());
  insert_rows(db, 1);
  db.exec("SELECT litestream_sync()");
  sigset_t mask_after;
  REQUIRE(::pthread_sigmask(SIG_BLOCK, nullptr, &mask_after) == 0);
  for (int number = 1; number < 32; ++number) {
    REQUIRE(sigismember(&mask_before, number) == sigismember(&mask_after, number));
  }
  // A replicator thread and one that stands in an upload: they block all that can be blocked.
  set_gate(GateCall::kLink, place.replica_path(), GateAction::kHold);
  insert_rows(db, 1);
  wait_until([&] { return held_count() >= 1; });
  int ours = 0;
  for (const std::string& id : thread_ids()) {
    if (threads_of_others.contains(id)) continue;
    ++ours;
    const uint64_t blocked = blocked_signals("/proc/self/task/" + id);
    for (int number = 1; number < 32; ++number) {
      if (number == SIGKILL || number == SIGSTOP) continue;
      INFO("signal " << number);
      REQUIRE((blocked >> (number - 1) & 1) == 1);
    }
  }
  REQUIRE(ours >= 2);
  // What is sent to the process reaches the application's thread, whatever ours are doing.
  struct sigaction action {};
  struct sigaction old {};
  action.sa_handler = on_signal;
  action.sa_flags = SA_RESTART;
  REQUIRE(::sigaction(SIGUSR1, &action, &old) == 0);
  handled_by_main = handled_by_others = 0;
  for (int i = 0; i < 200; ++i) {
    if (i == 100) open_gates();
    REQUIRE(::kill(::getpid(), SIGUSR1) == 0);
    insert_rows(db, 1);
  }
  REQUIRE(db.text("SELECT litestream_sync()") == txid_text(203));
  REQUIRE(handled_by_main > 0);
  REQUIRE(handled_by_others == 0);
  REQUIRE(::sigaction(SIGUSR1, &old, nullptr) == 0);
  REQUIRE(::pthread_sigmask(SIG_SETMASK, &before, nullptr) == 0);
}

// The thread that steps all databases may hang in one file system; waiting for each of them in turn
// would take an hour for a thousand.
TEST_CASE("A12: an exit with many databases on a disk that stands still is bounded once") {
  constexpr int kDatabases = 20;
  const Herd herd;
  std::string config = "shutdown-sync-timeout: 100ms\ndbs:\n";
  for (int i = 0; i < kDatabases; ++i) {
    SqliteDb(herd.path(i)).exec("PRAGMA journal_mode=WAL; " + std::string(kTable));
    config += "  - path: " + herd.path(i) + "\n    replica:\n      url: " + herd.url(i) + "\n";
  }
  std::ofstream(herd.file("litestream.yml")) << config;
  SqlProcess app(herd.path(0), SqlProcess::kExtension);
  app.exec("SELECT litestream_config('" + herd.file("litestream.yml") + "')");
  for (int i = 0; i < kDatabases; ++i) app.exec("SELECT litestream_start('" + herd.path(i) + "')");
  app.exec("SELECT litestream_sync()");
  app.exec("SELECT test_gate('write', '-litestream/', 'hold', 0)");
  insert_rows(app, 1);
  const auto begin = std::chrono::steady_clock::now();
  REQUIRE(app.close() == 0);
  // One timeout and its grace are a good second; twenty of them would be more than twenty.
  REQUIRE(std::chrono::steady_clock::now() - begin < std::chrono::seconds(12));
}

namespace {

int64_t monotonic_ms() {
  return std::chrono::duration_cast<std::chrono::milliseconds>(
             std::chrono::steady_clock::now().time_since_epoch())
      .count();
}

// The slow verifier looks every ten seconds, counted from the start of the clock.
constexpr int64_t kVerifyIntervalMs = 10'000;

int queued_events_max() {
  std::ifstream file("/proc/sys/fs/inotify/max_queued_events");
  int count = 0;
  file >> count;
  REQUIRE(count > 0);
  return count;
}

}  // namespace

// While the owner stands still its queue of file events runs over, and the kernel drops what comes
// then: only a mark in the queue tells. Twice in three times the commit must be found before the
// slow verifier would have found it anyway.
TEST_CASE("B6: file events that the kernel dropped") {
  const Herd herd;
  constexpr int kRounds = 3;
  constexpr int kDatabases = 2 + kRounds;
  SqlProcess owner(herd.path(kDatabases), SqlProcess::kExtension);
  std::string config = "dbs:\n";
  for (int i = 0; i < kDatabases; ++i) {
    SqliteDb(herd.path(i)).exec("PRAGMA journal_mode=WAL; " + std::string(kTable));
    config += "  - path: " + herd.path(i) + "\n    replica:\n      url: " + herd.url(i) + "\n";
  }
  std::ofstream(herd.file("litestream.yml")) << config;
  owner.exec("SELECT litestream_config('" + herd.file("litestream.yml") + "')");
  for (int i = 0; i < kDatabases; ++i)
    owner.exec("SELECT litestream_start('" + herd.path(i) + "')");
  SqliteDb first(herd.path(0));
  SqliteDb second(herd.path(1));
  const int events = queued_events_max();
  int in_time = 0;
  for (int round = 0; round < kRounds; ++round) {
    // One that has been idle since it was started: nothing else makes the owner look at it.
    const int idle = 2 + round;
    while (monotonic_ms() % kVerifyIntervalMs > 3000) {
      std::this_thread::sleep_for(std::chrono::milliseconds(50));
    }
    const int64_t next_look_ms = (monotonic_ms() / kVerifyIntervalMs + 1) * kVerifyIntervalMs;
    owner.stop();
    // Equal events that follow each other are one, so two databases write in turn.
    for (int i = 0; i < events / 2 + 100; ++i) {
      first.exec("PRAGMA user_version=" + std::to_string(i));
      second.exec("PRAGMA user_version=" + std::to_string(i));
    }
    herd.visit(idle);
    owner.resume();
    wait_until([&] { return herd.rows_on_replica(idle) == 1; });
    if (monotonic_ms() < next_look_ms) ++in_time;
  }
  REQUIRE(in_time >= 2);
}

}  // namespace litestream::test
