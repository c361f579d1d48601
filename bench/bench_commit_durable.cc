// What a commit costs when it waits for the replica: one-row commits with `durability: replica` to
// a folder, by one writer and by several that share files. Each run is a process of its own.
//
// The baseline is one writer in the run before; group commit shows in the ratio.
#include <algorithm>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "bench/bench_json.h"
#include "bench/bench_support.h"

namespace litestream::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kBusyTimeoutMs = 60'000;

void write_until(Clock::time_point end, const std::string& path, std::vector<double>* latencies) {
  Host host(path);
  host.exec("PRAGMA synchronous=NORMAL");
  sqlite3_busy_timeout(host.get(), kBusyTimeoutMs);
  sqlite3_stmt* insert = nullptr;
  sqlite3_prepare_v2(host.get(), "INSERT INTO entry(body) VALUES (hex(randomblob(50)))", -1,
                     &insert, nullptr);
  for (auto begin = Clock::now(); begin < end;) {
    sqlite3_step(insert);
    // A commit that was not confirmed in time would fail here.
    if (sqlite3_reset(insert) != SQLITE_OK) give_up(sqlite3_errmsg(host.get()));
    const auto now = Clock::now();
    latencies->push_back(std::chrono::duration<double, std::milli>(now - begin).count());
    begin = now;
  }
  sqlite3_finalize(insert);
}

enum Number { kThroughput, kP50, kP99, kCommitsPerFile, kNumberCount };

std::vector<double> run(size_t writer_count, double seconds) {
  const Folder folder;
  const std::string path = folder / "app.db";
  Host host(path);
  host.exec("PRAGMA journal_mode=WAL; CREATE TABLE entry(id INTEGER PRIMARY KEY, body TEXT)");
  host.load_extension();
  (void)host.text("SELECT litestream_replicate('file://" + (folder / "replica") +
                  R"(', '{"durability":"replica"}'))");
  std::vector<std::vector<double>> latencies(writer_count);
  const auto begin = Clock::now();
  const auto end =
      begin + std::chrono::duration_cast<Clock::duration>(std::chrono::duration<double>(seconds));
  std::vector<std::thread> threads;
  for (auto& own : latencies) threads.emplace_back(write_until, end, path, &own);
  for (std::thread& thread : threads) thread.join();
  const double elapsed = std::chrono::duration<double>(Clock::now() - begin).count();
  std::vector<double> all;
  for (const auto& own : latencies) all.insert(all.end(), own.begin(), own.end());
  if (all.empty()) give_up("no commit at all");
  std::sort(all.begin(), all.end());
  const auto count = static_cast<double>(all.size());
  const auto percentile = [&](double part) {
    return all[static_cast<size_t>(part * static_cast<double>(all.size() - 1))];
  };
  // Without a sync: what returned is on the replica.
  const std::string replicated =
      "SELECT local_txid = replica_txid FROM litestream_status WHERE status = 'ok'";
  if (host.text(replicated) != "1") give_up("a commit returned before the replica had it");
  const double files = std::stod(host.text("SELECT count(*) FROM litestream_ltx WHERE level = 0"));
  return {count / elapsed, percentile(0.5), percentile(0.99), count / files};
}

void measure(size_t writer_count, int runs, double seconds) {
  std::vector<std::vector<double>> alone(kNumberCount);
  std::vector<std::vector<double>> together(kNumberCount);
  for (int i = -1; i < runs; ++i) {
    for (const bool is_baseline : {true, false}) {
      const double length = i < 0 ? 0.3 : seconds;
      const auto numbers = in_child([&] { return run(is_baseline ? 1 : writer_count, length); });
      if (i < 0) continue;
      auto& kept = is_baseline ? alone : together;
      for (size_t n = 0; n < kNumberCount; ++n) kept[n].push_back(numbers[n]);
    }
  }
  print({"commit_durable_throughput",
         median(together[kThroughput]),
         "commits/s",
         median(alone[kThroughput]),
         {{"writers", static_cast<double>(writer_count)},
          {"p50_ms", median(together[kP50])},
          {"p99_ms", median(together[kP99])},
          {"commits_per_file", median(together[kCommitsPerFile])},
          {"baseline_writers", 1},
          {"baseline_p50_ms", median(alone[kP50])},
          {"runs", runs},
          {"seconds", seconds}},
         {},
         median_ratio(together[kThroughput], alone[kThroughput])});
}

}  // namespace
}  // namespace litestream::bench

int main() {
  using namespace litestream::bench;
  const int runs = static_cast<int>(setting("LITESTREAM_BENCH_DURABLE_RUNS", kRunsMin));
  for (const size_t writers : {2, 4, 8, 16}) measure(writers, runs, 1);
  return 0;
}
