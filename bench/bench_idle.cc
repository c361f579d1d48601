// What a hundred replicated databases cost while nobody writes: wake-ups and processor time of our
// threads, and what happens on the replica.
#include <unistd.h>

#include <chrono>
#include <ctime>
#include <filesystem>
#include <fstream>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bench/bench_json.h"
#include "bench/bench_support.h"

namespace litestream::bench {
namespace {

constexpr int kSettleSecondsMax = 60;
constexpr int kQuietSeconds = 3;
constexpr std::time_t kLevel1Seconds = 30, kLevel1LateSeconds = 3;
constexpr int kLevelCount = 3;  // of the defaults

struct Activity {
  double wakeups = 0;
  double processor_seconds = 0;
};

// Of all threads of this process but the main one, which only sleeps.
Activity activity_of_threads() {
  Activity sum;
  for (const auto& task : std::filesystem::directory_iterator("/proc/self/task")) {
    if (task.path().filename() == std::to_string(::getpid())) continue;
    std::ifstream status(task.path() / "status");
    for (std::string line; std::getline(status, line);) {
      if (line.starts_with("voluntary_ctxt_switches:")) sum.wakeups += std::stod(line.substr(24));
    }
    // Nanoseconds on a processor, then two numbers that do not matter here.
    std::ifstream schedule(task.path() / "schedstat");
    double nanoseconds = 0;
    if (schedule >> nanoseconds) sum.processor_seconds += nanoseconds / 1e9;
  }
  return sum;
}

// Name, size and time of every file of the replicas: any request that changes something shows.
std::map<std::string, std::string> files_below(const std::string& folder) {
  std::map<std::string, std::string> files;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    files[entry.path().string()] =
        std::to_string(entry.file_size()) + " " +
        std::to_string(entry.last_write_time().time_since_epoch().count());
  }
  return files;
}

// Until some seconds pass in which nothing wakes: parked, uploaded, nothing left to look at. One is
// not enough: that is how long an idle database waits before it parks its mark. And the first half
// minute of the clock after a commit is when each database looks for files that level 1 lacks.
void settle() {
  int quiet_seconds = 0;
  const auto half_minute = [] {
    return (std::time(nullptr) - kLevel1LateSeconds) / kLevel1Seconds;
  };
  const auto begun_in = half_minute();
  for (int second = 0; second < kSettleSecondsMax; ++second) {
    const double before = activity_of_threads().wakeups;
    std::this_thread::sleep_for(std::chrono::seconds(1));
    quiet_seconds = activity_of_threads().wakeups <= before + 1 ? quiet_seconds + 1 : 0;
    if (quiet_seconds >= kQuietSeconds && half_minute() > begun_in) return;
  }
  give_up("it does not become idle");
}

std::vector<double> run(int database_count, int64_t seconds) {
  const Folder folder;
  std::vector<std::unique_ptr<Host>> hosts;
  for (int i = 0; i < database_count; ++i) {
    const std::string name = std::to_string(i);
    hosts.push_back(std::make_unique<Host>(folder / (name + ".db")));
    Host& host = *hosts.back();
    host.exec("PRAGMA journal_mode=WAL; CREATE TABLE entry(id INTEGER PRIMARY KEY, body TEXT)");
    if (i == 0) host.load_extension();
    std::filesystem::create_directory(folder / "replicas");
    host.replicate_to(folder / "replicas" + "/" + name);
    host.exec("INSERT INTO entry(body) VALUES ('x')");
    (void)host.text("SELECT litestream_sync()");
    // What the last commit leaves for the levels would be due at the clock's next half minute, five
    // minutes and hour.
    for (int level = 1; level <= kLevelCount; ++level) {
      (void)host.text("SELECT litestream_compact('" + (folder / (name + ".db")) + "', " +
                      std::to_string(level) + ")");
    }
  }
  settle();
  const auto files_before = files_below(folder / "replicas");
  const Activity before = activity_of_threads();
  std::this_thread::sleep_for(std::chrono::seconds(seconds));
  const Activity after = activity_of_threads();
  const auto files_after = files_below(folder / "replicas");
  double changes = files_before.size() == files_after.size() ? 0 : 1;
  for (const auto& [path, facts] : files_after) {
    const auto it = files_before.find(path);
    if (it == files_before.end() || it->second != facts) ++changes;
  }
  const auto length = static_cast<double>(seconds);
  return {(after.wakeups - before.wakeups) / length,
          100 * (after.processor_seconds - before.processor_seconds) / length, changes};
}

}  // namespace
}  // namespace litestream::bench

int main() {
  using namespace litestream::bench;
  const int database_count = 100;
  const int64_t seconds = setting("LITESTREAM_BENCH_IDLE_SECONDS", 15);
  const auto numbers = in_child([&] { return run(database_count, seconds); });
  const std::vector<std::pair<std::string, double>> parameters = {
      {"databases", database_count}, {"seconds", static_cast<double>(seconds)}};
  print({"idle_wakeups", numbers[0], "1/s", 0, parameters, {}});
  print({"idle_processor", numbers[1], "%", 0, parameters, {}});
  print({"idle_requests", numbers[2], "files changed", 0, parameters, {}});
  return 0;
}
