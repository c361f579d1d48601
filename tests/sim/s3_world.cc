#include "tests/sim/s3_world.h"

#include <algorithm>

#include "ext/ltx/file_name.h"
#include "ext/store/file_store.h"

namespace litestream::test {
namespace {

constexpr int64_t kCommitEveryMs = 1000;
constexpr uint32_t kPageCount = 40;

}  // namespace

S3World::S3World(S3Server& server, const DatabaseOptions& options)
    : server_(server),
      database_({4096, false, false, kPageCount}, random_, file_times_),
      disk_(posix_file_system()),
      fs_(disk_, dir_.file("app.db"), database_) {
  database_.connect();
  advance(0);
  S3ClientParts store = s3_parts(server_, {});
  store.world = {&time_, &sleeper_, 1};
  ReplicatorParts parts;
  parts.fs = &fs_;
  parts.clock = &time_;
  parts.jobs = &jobs_;
  parts.sync_turn_wait_max_ms = 0;
  parts.wake = [this] { woken_ = true; };
  parts.options = options;
  parts.keep_trying = true;
  parts.database_path = dir_.file("app.db");
  parts.meta_path = dir_.file("meta");
  parts.source =
      std::make_unique<FakeSource>(database_, static_cast<SimHost&>(*this), SourceDefect::kNone);
  parts.replicas.push_back({"s3", std::make_unique<S3Store>(std::move(store))});
  parts.spool = std::make_unique<FileStore>(fs_, dir_.file("meta"));
  replicator_ = std::make_shared<Replicator>(std::move(parts));
  commit_due_ms_ = time_.monotonic_ms() + kCommitEveryMs;
}

S3World::~S3World() {
  while (!jobs_.empty()) (void)jobs_.take(0);
  replicator_.reset();
}

void S3World::WorldSleeper::sleep_ms(int64_t ms, const std::function<bool()>& stop) {
  constexpr int64_t kAskEveryMs = 50;
  if (std::this_thread::get_id() != world_.thread_) {
    if (!stop || !stop()) world_.time_.advance_ms(ms);
    return;
  }
  for (int64_t left = ms; left > 0; left -= kAskEveryMs) {
    if (stop && stop()) return;
    world_.pass(std::min(left, kAskEveryMs));
  }
}

void S3World::advance(int64_t ms) {
  time_.advance_ms(ms);
  // The server lives in the same time, give or take what a request takes.
  server_.set_clock_offset_s((time_.wall_ms() - system_clock().wall_ms()) / 1000);
}

void S3World::pass(int64_t ms) {
  advance(ms);
  act();
}

// What is due now, but for jobs.
void S3World::act() {
  const int64_t now_ms = time_.monotonic_ms();
  if (with_commits_ && now_ms >= commit_due_ms_) {
    commit_due_ms_ += kCommitEveryMs;
    file_times_.advance(kCommitEveryMs);
    const auto pgno = static_cast<uint32_t>(random_.between(2, kPageCount));
    database_.commit({{pgno}, kPageCount, false});
    ++commit_count_;
    if (in_job_) ++commits_beside_a_wait_;
    replicator_->note_commit();
    woken_ = true;
  }
  if (in_step_ || (!woken_ && now_ms < due_ms_)) return;
  in_step_ = true;
  woken_ = false;
  due_ms_ = replicator_->step();
  in_step_ = false;
}

void S3World::run(int64_t ms, bool with_commits) {
  with_commits_ = with_commits;
  commit_due_ms_ = std::max(commit_due_ms_, time_.monotonic_ms());
  const int64_t end_ms = time_.monotonic_ms() + ms;
  while (time_.monotonic_ms() < end_ms) {
    act();
    while (!jobs_.empty()) {
      in_job_ = true;
      jobs_.take(0)();
      in_job_ = false;
    }
    if (woken_) continue;
    const int64_t next_ms = std::min({due_ms_, end_ms, with_commits ? commit_due_ms_ : end_ms});
    advance(std::max<int64_t>(1, next_ms - time_.monotonic_ms()));
  }
}

void S3World::copy_replica(MemoryStore* target) const {
  for (const std::string& key : server_.keys()) {
    const size_t name_at = key.rfind('/') + 1;
    const auto range = parse_ltx_file_name(key.substr(name_at));
    if (!range.ok()) continue;
    const std::string level = key.substr(name_at - 5, 4);
    const std::string bytes = server_.object(key)->bytes();
    target->put({std::stoi(level, nullptr, 16), range->min_txid, range->max_txid, bytes.size(), 0},
                bytes);
  }
}

}  // namespace litestream::test
