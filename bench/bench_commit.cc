// What replication costs the application: one-row commits with synchronous=NORMAL, on plain WAL and
// with the extension replicating to a folder. Each run is a process of its own.
//
// A busy database is written to without a pause, an idle one every few milliseconds by each writer.
// One writer has no busy timeout, so that a commit refused on our account is counted; four writers
// have one, or they would refuse each other.
#include <algorithm>
#include <atomic>
#include <chrono>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "bench/bench_json.h"
#include "bench/bench_support.h"

namespace litestream::bench {
namespace {

using Clock = std::chrono::steady_clock;

constexpr int kBusyTimeoutMs = 10'000;
constexpr int kIdlePauseMs = 5;
constexpr int kIdleRunsMax = 5;

struct Load {
  size_t writer_count;
  int pause_ms;  // between two commits of a writer
};

struct Writer {
  std::vector<uint32_t> latencies_ns;
  uint64_t busy_count = 0;
};

void write_until(Clock::time_point end, const std::string& path, const Load& load, Writer* writer) {
  Host host(path);
  host.exec("PRAGMA synchronous=NORMAL");
  if (load.writer_count > 1) sqlite3_busy_timeout(host.get(), kBusyTimeoutMs);
  sqlite3_stmt* insert = nullptr;
  sqlite3_prepare_v2(host.get(), "INSERT INTO entry(body) VALUES (hex(randomblob(50)))", -1,
                     &insert, nullptr);
  auto begin = Clock::now();
  while (begin < end) {
    sqlite3_step(insert);
    const int code = sqlite3_reset(insert);
    const auto now = Clock::now();
    if (code == SQLITE_BUSY) {
      ++writer->busy_count;
    } else if (code != SQLITE_OK) {
      give_up(sqlite3_errmsg(host.get()));
    } else {
      const auto ns = std::chrono::duration_cast<std::chrono::nanoseconds>(now - begin).count();
      writer->latencies_ns.push_back(static_cast<uint32_t>(std::min<int64_t>(ns, UINT32_MAX)));
    }
    begin = now;
    if (load.pause_ms == 0) continue;
    std::this_thread::sleep_for(std::chrono::milliseconds(load.pause_ms));
    begin = Clock::now();
  }
  sqlite3_finalize(insert);
}

enum Number { kThroughput, kP50, kP99, kP999, kWorst, kBusy, kDrainMs, kFiles, kNumberCount };

double percentile_ms(const std::vector<uint32_t>& sorted_ns, double part) {
  const size_t last = sorted_ns.size() - 1;
  return sorted_ns[static_cast<size_t>(part * static_cast<double>(last))] / 1e6;
}

std::vector<double> summary(const std::vector<Writer>& writers, double seconds) {
  std::vector<uint32_t> all_ns;
  double busy_count = 0;
  for (const Writer& writer : writers) {
    all_ns.insert(all_ns.end(), writer.latencies_ns.begin(), writer.latencies_ns.end());
    busy_count += static_cast<double>(writer.busy_count);
  }
  if (all_ns.empty()) give_up("no commit at all");
  std::sort(all_ns.begin(), all_ns.end());
  return {static_cast<double>(all_ns.size()) / seconds,
          percentile_ms(all_ns, 0.5),
          percentile_ms(all_ns, 0.99),
          percentile_ms(all_ns, 0.999),
          percentile_ms(all_ns, 1),
          busy_count,
          0,
          0};
}

std::vector<double> run(bool replicated, const Load& load, double seconds) {
  const Folder folder;
  const std::string path = folder / "app.db";
  const std::string replica = folder / "replica";
  Host host(path);
  host.exec("PRAGMA journal_mode=WAL; CREATE TABLE entry(id INTEGER PRIMARY KEY, body TEXT)");
  if (replicated) {
    host.load_extension();
    host.replicate_to(replica);
  }
  std::vector<Writer> writers(load.writer_count);
  const auto end = Clock::now() + std::chrono::duration_cast<Clock::duration>(
                                      std::chrono::duration<double>(seconds));
  std::vector<std::thread> threads;
  for (Writer& writer : writers) {
    threads.emplace_back(write_until, end, path, load, &writer);
  }
  for (std::thread& thread : threads) thread.join();
  std::vector<double> numbers = summary(writers, seconds);
  if (!replicated) return numbers;
  // Commits that were not replicated would make the numbers above worthless.
  numbers[kDrainMs] = 1e3 * seconds_of([&] { (void)host.text("SELECT litestream_sync()"); });
  numbers[kFiles] = std::stod(host.text("SELECT count(*) FROM litestream_ltx"));
  const std::string lag = host.text("SELECT local_txid = replica_txid FROM litestream_status");
  if (lag != "1") give_up("the replica is behind after litestream_sync()");
  return numbers;
}

void measure(const Load& load, int runs, double seconds) {
  std::vector<std::vector<double>> plain(kNumberCount);
  std::vector<std::vector<double>> replicated(kNumberCount);
  for (int i = -1; i < runs; ++i) {
    for (const bool with_extension : {false, true}) {
      const double length = i < 0 ? 0.5 : seconds;
      const auto numbers = in_child([&] { return run(with_extension, load, length); });
      if (i < 0) continue;
      auto& kept = with_extension ? replicated : plain;
      for (size_t n = 0; n < kNumberCount; ++n) kept[n].push_back(numbers[n]);
    }
  }
  const auto report = [&](const char* name, Number number, const char* unit) {
    print({name,
           median(replicated[number]),
           unit,
           median(plain[number]),
           {{"writers", static_cast<double>(load.writer_count)},
            {"pause_ms", load.pause_ms},
            {"runs", runs},
            {"seconds", seconds}},
           {},
           median_ratio(replicated[number], plain[number])});
  };
  if (load.pause_ms == 0) report("commit_throughput", kThroughput, "commits/s");
  report("commit_p50", kP50, "ms");
  report("commit_p99", kP99, "ms");
  report("commit_p99.9", kP999, "ms");
  report("commit_worst", kWorst, "ms");
  double busy_count = 0;
  for (const double count : replicated[kBusy]) busy_count += count;
  print({"commit_busy",
         busy_count,
         "commits refused",
         0,
         {{"writers", static_cast<double>(load.writer_count)},
          {"pause_ms", load.pause_ms},
          {"busy_timeout_ms", load.writer_count == 1 ? 0 : kBusyTimeoutMs},
          {"drain_ms", median(replicated[kDrainMs])},
          {"files", median(replicated[kFiles])}},
         {}});
}

}  // namespace
}  // namespace litestream::bench

int main() {
  using namespace litestream::bench;
  const int runs = static_cast<int>(setting("LITESTREAM_BENCH_RUNS", 15));
  const double seconds = static_cast<double>(setting("LITESTREAM_BENCH_SECONDS", 2));
  constexpr Load kCases[] = {{1, 0}, {4, 0}, {1, kIdlePauseMs}, {4, kIdlePauseMs}};
  const int64_t only = setting("LITESTREAM_BENCH_COMMIT_CASE", 0);
  for (const Load& load : kCases) {
    if (only > 0 && &load != kCases + only - 1) continue;
    measure(load, load.pause_ms == 0 ? runs : std::min(runs, kIdleRunsMax), seconds);
  }
  return 0;
}
