// What loading costs a process, and what one replicated database adds to it. Every run is a new
// process, so loading includes the libraries the extension needs.
#include <string>
#include <vector>

#include "bench/bench_json.h"
#include "bench/bench_support.h"

namespace litestream::bench {
namespace {

enum Number { kLoadMs, kLoadMib, kReplicateMib, kThreads, kNumberCount };

std::vector<double> run() {
  const Folder folder;
  Host host(folder / "app.db");
  host.exec("PRAGMA journal_mode=WAL; CREATE TABLE entry(id INTEGER PRIMARY KEY, body TEXT)");
  const ProcessSize before = process_size();
  const double load_seconds = seconds_of([&] { host.load_extension(); });
  const ProcessSize loaded = process_size();
  host.replicate_to(folder / "replica");
  for (int i = 0; i < 100; ++i) host.exec("INSERT INTO entry(body) VALUES (hex(randomblob(50)))");
  (void)host.text("SELECT litestream_sync()");
  const ProcessSize replicating = process_size();
  return {load_seconds * 1e3, loaded.resident_mib - before.resident_mib,
          replicating.resident_mib - before.resident_mib,
          replicating.thread_count - before.thread_count};
}

}  // namespace
}  // namespace litestream::bench

int main() {
  using namespace litestream::bench;
  std::vector<std::vector<double>> numbers(kNumberCount);
  constexpr int kRuns = 11;
  for (int i = -1; i < kRuns; ++i) {
    const std::vector<double> run_numbers = in_child(run);
    if (i < 0) continue;
    for (size_t n = 0; n < kNumberCount; ++n) numbers[n].push_back(run_numbers[n]);
  }
  print({"load_time", median(numbers[kLoadMs]), "ms", 0, {{"runs", kRuns}}, {}});
  print({"load_file",
         static_cast<double>(file_size_bytes(LITESTREAM_EXT_STRIPPED)) / 1048576,
         "MiB",
         0,
         {},
         {{"file", "stripped"}}});
  print({"load_resident", median(numbers[kLoadMib]), "MiB", 0, {{"runs", kRuns}}, {}});
  print({"replicating_resident", median(numbers[kReplicateMib]), "MiB", 0, {{"runs", kRuns}}, {}});
  print({"replicating_threads", median(numbers[kThreads]), "threads", 0, {{"runs", kRuns}}, {}});
  return 0;
}
