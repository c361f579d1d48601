// Processes that die at any instant: the owner of replication with its writer threads, writers and
// checkpointers that know nothing of it. After each round of killing an owner starts again, and the
// replica must hold exactly the source, every point a prefix of it, without a second snapshot.
//
// LITESTREAM_CRASH_ROUNDS sets the number of rounds, LITESTREAM_TEST_SEED the seed, which fixes
// every choice but not the timing.
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <iostream>
#include <thread>

#include "tests/crash/crash_database.h"
#include "tests/support/prng.h"

namespace litestream::test {
namespace {

constexpr int kRoundsPerDatabase = 15;

int round_count() {
  const char* text = std::getenv("LITESTREAM_CRASH_ROUNDS");
  if (text != nullptr) return std::atoi(text);
#ifdef NDEBUG
  return 500;
#else
  return 100;
#endif
}

void sleep_us(uint64_t us) { std::this_thread::sleep_for(std::chrono::microseconds(us)); }

class Storm {
 public:
  Storm(CrashDatabase& database, uint64_t seed) : database_(database), random_(seed) {}

  void round() {
    start_quiet_owner();
    database_.require_newest_is_source();
    auto points = database_.points();
    const std::string one = points[random_.below(points.size())];
    const std::string other = points[random_.below(points.size())];
    database_.require_points({std::min(one, other), std::max(one, other)});
    start_load();
    for (uint64_t moves = random_.between(1, 6); moves > 0; --moves) {
      sleep_us(random_.between(500, 30'000));
      move();
    }
    end_load();
    database_.require_no_errors();
    between_rounds();
  }
  void finish() {
    start_quiet_owner();
    database_.require_newest_is_source();
    database_.require_chain();
    owner_->kill();
  }

 private:
  void start_quiet_owner() {
    owner_ = database_.replicating();
    owner_->sql("SELECT litestream_sync()");
  }
  std::string load_command(int writer_count, int first) {
    const int64_t pauses_us[] = {0, 300, 2000};
    return "load " + std::to_string(writer_count) + " " + std::to_string(first) + " 0 " +
           std::to_string(random_.below(1000)) + " " + std::to_string(pauses_us[random_.below(3)]) +
           " 10000";
  }
  void load_owner() { owner_->tell(load_command(static_cast<int>(random_.between(1, 4)), 0)); }
  void start_writer() {
    writer_ = database_.plain();
    writer_->tell(load_command(static_cast<int>(random_.between(1, 2)), 4));
  }
  void start_checkpointer() {
    checkpointer_ = database_.plain();
    checkpointer_->tell("checkpoints " + std::to_string(random_.next()));
  }
  void start_load() {
    if (!random_.chance(6)) load_owner();
    if (random_.chance(2)) start_writer();
    if (random_.chance(2)) start_checkpointer();
  }

  // Kills it; some of the time it had been standing still for a while.
  void kill(ChildProcess& child) {
    if (random_.chance(6)) {
      child.send_signal(SIGSTOP);
      sleep_us(random_.between(1000, 20'000));
    }
    child.kill();
  }
  void move() {
    switch (random_.below(6)) {
      case 0:
        kill(*owner_);
        if (random_.chance(2)) sleep_us(random_.below(30'000));
        owner_ = database_.extended();
        owner_->tell("sql " + database_.replicate_statement());
        load_owner();
        break;
      case 1:
        if (writer_) kill(*writer_);
        start_writer();
        break;
      case 2:
        if (checkpointer_) kill(*checkpointer_);
        start_checkpointer();
        break;
      case 3: pause(*owner_); break;
      case 4:
        if (writer_) pause(*writer_);
        break;
      default:
        if (checkpointer_) pause(*checkpointer_);
    }
  }
  void pause(ChildProcess& child) {
    child.send_signal(SIGSTOP);
    sleep_us(random_.between(500, 30'000));
    child.send_signal(SIGCONT);
  }
  void end_load() {
    if (random_.chance(2)) kill(*owner_);
    if (writer_) kill(*writer_);
    if (checkpointer_) kill(*checkpointer_);
    if (owner_->alive()) kill(*owner_);
    writer_.reset();
    checkpointer_.reset();
  }
  void between_rounds() {
    const std::string meta = database_.meta_path();
    switch (random_.below(12)) {
      case 0:
      case 1: database_.open_and_close(); break;
      case 2: std::filesystem::remove(meta + "/pages"); break;
      case 3: std::filesystem::remove(meta + "/state"); break;
      case 4: std::filesystem::remove_all(meta); break;
      default: break;
    }
  }

  CrashDatabase& database_;
  Prng random_;
  std::unique_ptr<ChildProcess> owner_;
  std::unique_ptr<ChildProcess> writer_;
  std::unique_ptr<ChildProcess> checkpointer_;
};

std::string random_options(Prng& random) {
  const char* frames[] = {"20", "200", "1000"};
  return std::string(R"({"sync-interval":"20ms","min-checkpoint-page-count":)") +
         frames[random.below(3)] + "}";
}

}  // namespace

TEST_CASE("killed owners, writers and checkpointers lose nothing that SQLite kept") {
  Prng random = Prng::announced("crash storm", 1);
  const int page_sizes[] = {512, 1024, 4096, 4096, 16384};
  int64_t transaction_count = 0;
  for (int done = 0; done < round_count();) {
    CrashDatabase database(page_sizes[random.below(5)]);
    database.set_options(random_options(random));
    Storm storm(database, random.next());
    for (int i = 0; i < kRoundsPerDatabase && done < round_count(); ++i, ++done) {
      INFO("seed " << random.seed() << ", round " << done);
      storm.round();
    }
    INFO("seed " << random.seed() << ", after round " << done);
    storm.finish();
    transaction_count += database.log_count();
  }
  std::cerr << "crash storm: " << transaction_count << " transactions\n";
  REQUIRE(transaction_count > round_count());
}

}  // namespace litestream::test
