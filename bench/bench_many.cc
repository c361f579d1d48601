// What each of a thousand databases in one process costs beside the application's own connection,
// and what happens at the limit of open files.
#include <sys/resource.h>

#include <chrono>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "bench/bench_json.h"
#include "bench/bench_support.h"

namespace litestream::bench {
namespace {

constexpr int kSettleSeconds = 3;

using Hosts = std::vector<std::unique_ptr<Host>>;

double descriptor_count() {
  const auto entries = std::filesystem::directory_iterator("/proc/self/fd");
  return static_cast<double>(std::distance(begin(entries), end(entries)));
}

void raise_file_limit() {
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) give_up("no limit of open files");
  limit.rlim_cur = limit.rlim_max;
  (void)::setrlimit(RLIMIT_NOFILE, &limit);
}

std::string name_of(int i) { return std::to_string(i) + ".db"; }

// The first one loads; the others have the extension by themselves.
Hosts open_databases(const Folder& folder, int count) {
  Hosts hosts;
  for (int i = 0; i < count; ++i) {
    hosts.push_back(std::make_unique<Host>(folder / name_of(i)));
    if (i == 0) hosts.back()->load_extension();
    hosts.back()->exec(
        "PRAGMA synchronous=OFF; PRAGMA journal_mode=WAL; CREATE TABLE entry(body TEXT)");
  }
  return hosts;
}

// "" or why it was refused.
std::string replicate(Host& host, const std::string& replica) {
  const std::string sql = "SELECT litestream_replicate('file://" + replica + "')";
  const int code = sqlite3_exec(host.get(), sql.c_str(), nullptr, nullptr, nullptr);
  return code == SQLITE_OK ? "" : sqlite3_errmsg(host.get());
}

void wait_until_replicated(Host& host, int count) {
  constexpr int kSecondsMax = 300;
  const std::string wanted = std::to_string(count);
  for (int second = 0; second < kSecondsMax; ++second) {
    if (host.text("SELECT count(*) FROM litestream_status WHERE replica_txid = "
                  "'0000000000000002'") == wanted) {
      return;
    }
    std::this_thread::sleep_for(std::chrono::seconds(1));
  }
  give_up("some databases are not replicated");
}

std::vector<double> run_many(int count) {
  raise_file_limit();
  const Folder folder;
  const Hosts hosts = open_databases(folder, count);
  const ProcessSize before = process_size();
  const double descriptors_before = descriptor_count();
  const double seconds = seconds_of([&] {
    for (int i = 0; i < count; ++i) {
      Host& host = *hosts[static_cast<size_t>(i)];
      const std::string refusal = replicate(host, folder / ("replica-" + std::to_string(i)));
      if (!refusal.empty()) give_up(refusal);
    }
  });
  for (const auto& host : hosts) host->exec("INSERT INTO entry VALUES ('x')");
  wait_until_replicated(*hosts[0], count);
  // Idle: the marks are parked a second after the last commit.
  std::this_thread::sleep_for(std::chrono::seconds(kSettleSeconds));
  const ProcessSize after = process_size();
  return {(descriptor_count() - descriptors_before) / count,
          1024 * (after.resident_mib - before.resident_mib) / count,
          after.thread_count - before.thread_count, 1e3 * seconds / count};
}

// Databases that were started before the first refusal; those must still replicate.
std::vector<double> run_at_limit() {
  const Folder folder;
  constexpr int kCount = 100;
  const Hosts hosts = open_databases(folder, kCount);
  rlimit limit{};
  if (::getrlimit(RLIMIT_NOFILE, &limit) != 0) give_up("no limit of open files");
  limit.rlim_cur = static_cast<rlim_t>(descriptor_count()) + 200;
  if (::setrlimit(RLIMIT_NOFILE, &limit) != 0) give_up("the limit of open files stays");
  int started = 0;
  std::string refusal;
  for (; started < kCount && refusal.empty(); ++started) {
    refusal = replicate(*hosts[static_cast<size_t>(started)],
                        folder / ("replica-" + std::to_string(started)));
  }
  if (refusal.find("open files") == std::string::npos) give_up("not refused, but: " + refusal);
  --started;
  for (int i = 0; i < started; ++i) {
    hosts[static_cast<size_t>(i)]->exec("INSERT INTO entry VALUES ('x')");
    (void)hosts[static_cast<size_t>(i)]->text("SELECT litestream_sync()");
  }
  hosts[static_cast<size_t>(started)]->exec("INSERT INTO entry VALUES ('x')");
  return {static_cast<double>(started)};
}

}  // namespace
}  // namespace litestream::bench

int main() {
  using namespace litestream::bench;
  const int count = static_cast<int>(setting("LITESTREAM_BENCH_DATABASES", 1000));
  const auto numbers = in_child([&] { return run_many(count); });
  const std::vector<std::pair<std::string, double>> parameters = {
      {"databases", static_cast<double>(count)}};
  print({"many_descriptors", numbers[0], "per database", 0, parameters, {}});
  print({"many_resident", numbers[1], "KiB per database", 0, parameters, {}});
  print({"many_threads", numbers[2], "threads", 0, parameters, {}});
  print({"many_start", numbers[3], "ms per database", 0, parameters, {}});
  const auto at_limit = in_child(run_at_limit);
  print({"many_before_refusal", at_limit[0], "databases", 0, {{"free_descriptors", 200}}, {}});
  return 0;
}
