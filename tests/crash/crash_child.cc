// The process that crash tests kill. It has one connection of its own and any number of threads
// with theirs; it reads commands from standard input and answers each with one line.
//
//   crash_child extended|plain DATABASE      with the extension linked in, or SQLite alone
//
//   open, close                the connection (open at first)
//   sql STATEMENT              first row of the result, "error: CODE TEXT" if it fails
//   load WRITERS FIRST TARGET SEED PAUSE_US BUSY_MS
//                              starts writer threads FIRST.. (see load.h); answers at once
//   checkpoints SEED           starts a thread that runs wal_checkpoint in all modes
//   stop, join                 ends the threads (join: waits for their targets); first error, or ok
//   arm kill|fail              the next sync of a -wal kills this process or fails with EIO
//   fork idle|open SQL|close|exec
//                              forks; the answer is the child's pid. idle sleeps; open runs SQL on
//                              a new connection 2000 times; close closes what it inherited
//   exit normal|quick|abort|throw
#include <signal.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <unistd.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <iostream>
#include <memory>
#include <mutex>
#include <sstream>
#include <thread>
#include <vector>

#include "tests/crash/load.h"
#include "tests/crash/wal_sync_fault.h"
#include "tests/support/prng.h"
#include "tests/support/sqlite_db.h"

extern "C" int sqlite3_litestreamext_init(sqlite3*, char**, const sqlite3_api_routines*);

namespace litestream::test {
namespace {

class Session {
 public:
  explicit Session(std::string path) : path_(std::move(path)) { open(); }
  // Answers one command; false at the end of the session.
  std::string answer(const std::string& line);

 private:
  void open() { db_ = std::make_unique<SqliteDb>(path_); }
  std::string run_sql(const std::string& statement);
  void start_load(std::istringstream& words);
  void start_checkpoints(uint64_t seed);
  std::string end_threads();
  std::string fork_child(std::istringstream& words);
  [[noreturn]] void live_as_fork(const std::string& how, const std::string& statement);
  [[noreturn]] void leave(const std::string& how);
  void note_error(const std::string& error);

  const std::string path_;
  std::unique_ptr<SqliteDb> db_;
  std::vector<std::thread> threads_;
  std::atomic<bool> stop_{false};
  std::mutex mutex_;
  std::string first_error_;
};

std::string Session::run_sql(const std::string& statement) {
  try {
    return db_->text(statement);
  } catch (const std::exception& error) {
    return "error: " + std::to_string(db_->extended_error()) + " " + error.what();
  }
}

void Session::note_error(const std::string& error) {
  if (error.empty()) return;
  const std::lock_guard lock(mutex_);
  // For a test that kills this process before it asks.
  std::ofstream(path_ + ".errors", std::ios::app) << error << std::endl;
  if (first_error_.empty()) first_error_ = error;
}

void Session::start_load(std::istringstream& words) {
  int writer_count = 0;
  LoadOptions options;
  options.path = path_;
  words >> writer_count >> options.writer >> options.target >> options.seed >> options.pause_us >>
      options.busy_timeout_ms;
  for (int i = 0; i < writer_count; ++i, ++options.writer) {
    threads_.emplace_back([this, options] { note_error(run_load(options, &stop_)); });
  }
}

void Session::start_checkpoints(uint64_t seed) {
  threads_.emplace_back([this, seed] {
    try {
      Prng random(seed);
      SqliteDb db(path_, static_cast<int>(random.below(60)));
      const char* modes[] = {"PASSIVE", "FULL", "RESTART", "TRUNCATE"};
      while (!stop_) {
        sqlite3_exec(db.get(),
                     (std::string("PRAGMA wal_checkpoint(") + modes[random.below(4)] + ")").c_str(),
                     nullptr, nullptr, nullptr);
        ::usleep(static_cast<useconds_t>(random.between(500, 20'000)));
      }
    } catch (const std::exception& error) {
      note_error(error.what());
    }
  });
}

std::string Session::end_threads() {
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
  stop_ = false;
  const std::lock_guard lock(mutex_);
  return first_error_.empty() ? "ok" : "error: " + first_error_;
}

void Session::live_as_fork(const std::string& how, const std::string& statement) {
  // The test's socket is its parent's.
  ::close(0);
  ::close(1);
  if (how == "exec") ::execl("/bin/sleep", "sleep", "60", nullptr);
  if (how == "close") {
    db_.reset();
    std::exit(0);
  }
  if (how == "exit") std::exit(0);
  if (how == "open") {
    try {
      SqliteDb own(path_);
      for (int i = 0; i < 2000; ++i) {
        own.exec(statement);
        ::usleep(1000);
      }
      ::_exit(0);
    } catch (const std::exception& error) {
      note_error(std::string("forked child: ") + error.what());
      ::_exit(1);
    }
  }
  ::sleep(60);
  ::_exit(0);
}

std::string Session::fork_child(std::istringstream& words) {
  std::string how;
  std::string statement;
  words >> how;
  std::getline(words, statement);
  const pid_t pid = ::fork();
  if (pid == 0) live_as_fork(how, statement);
  return std::to_string(pid);
}

void Session::leave(const std::string& how) {
  if (how == "quick") ::_exit(0);
  if (how == "abort") std::abort();
  if (how == "throw") {
    std::thread([] { throw std::runtime_error("nobody catches this"); }).join();
  }
  std::exit(0);
}

std::string Session::answer(const std::string& line) {
  std::istringstream words(line);
  std::string command;
  words >> command;
  std::string rest;
  if (command == "load") {
    start_load(words);
    return "ok";
  }
  if (command == "fork") return fork_child(words);
  std::getline(words >> std::ws, rest);
  if (command == "sql") return run_sql(rest);
  if (command == "open") open();
  if (command == "close") db_.reset();
  if (command == "checkpoints") start_checkpoints(std::stoull(rest));
  if (command == "stop") stop_ = true;
  if (command == "stop" || command == "join") return end_threads();
  if (command == "arm") {
    arm_wal_sync_fault(rest == "kill" ? WalSyncFault::kKill : WalSyncFault::kFail);
  }
  if (command == "exit") leave(rest);
  return "ok";
}

int run(int argument_count, char** arguments) {
  if (argument_count != 3) return 2;
  // A test that is killed takes its children along.
  (void)::prctl(PR_SET_PDEATHSIG, SIGKILL);
  // Forked children are reaped by the kernel, and nobody wants their core files.
  (void)::signal(SIGCHLD, SIG_IGN);
  const rlimit no_core{0, 0};
  (void)::setrlimit(RLIMIT_CORE, &no_core);
  if (std::string(arguments[1]) == "extended") {
    sqlite3_auto_extension(reinterpret_cast<void (*)(void)>(sqlite3_litestreamext_init));
  }
  Session session(arguments[2]);
  for (std::string line; std::getline(std::cin, line);) {
    std::cout << session.answer(line) << std::endl;
  }
  ::_exit(0);
}

}  // namespace
}  // namespace litestream::test

int main(int argument_count, char** arguments) {
  try {
    return litestream::test::run(argument_count, arguments);
  } catch (const std::exception& error) {
    std::cerr << "crash_child: " << error.what() << std::endl;
    return 3;
  }
}
