// How costs grow: a commit, the capture of a fixed change and a restore as the database grows, and
// listing and planning as the files of a replica grow. The first two must not depend on the size of
// the database, the others may grow with it in proportion. bench/plot draws the lines.
#include <fcntl.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "bench/bench_json.h"
#include "bench/bench_pages.h"
#include "bench/bench_support.h"
#include "ext/engine/restore.h"
#include "ext/engine/restore_plan.h"
#include "ext/ltx/file_name.h"
#include "ext/store/file_store.h"

namespace litestream::bench {
namespace {

constexpr int kRowsPerMebibyte = 900;
constexpr int kChangedRows = 1000;
constexpr int kCommitRounds = 5;
constexpr int kCommitsPerRound = 2000;
constexpr int64_t kTimeMs = 1'700'000'000'000;

enum Number { kPlainUs, kReplicatedUs, kCaptureMs, kRestoreMs, kCopyMs, kMebibytes };

void fill(const std::string& path, int64_t mebibytes) {
  Host host(path);
  host.exec(
      "PRAGMA journal_mode=WAL; PRAGMA synchronous=OFF; PRAGMA wal_autocheckpoint=10000;"
      "CREATE TABLE entry(id INTEGER PRIMARY KEY, body)");
  host.exec("WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < " +
            std::to_string(mebibytes * kRowsPerMebibyte) +
            ") INSERT INTO entry(body) SELECT CASE i % 2 WHEN 0 THEN randomblob(1000)"
            " ELSE replace(hex(randomblob(500)), '7', ' name = ') END FROM n");
  host.exec("PRAGMA wal_checkpoint(TRUNCATE)");
}

// Of one-row updates all over the database.
double commit_us(Host& host, uint64_t* random, int64_t rows) {
  const double seconds = seconds_of([&] {
    for (int i = 0; i < kCommitsPerRound; ++i) {
      const auto id = static_cast<int64_t>(next_random(*random)) % rows + 1;
      host.exec("UPDATE entry SET body = randomblob(900) WHERE id = " + std::to_string(id));
    }
  });
  return seconds * 1e6 / kCommitsPerRound;
}

// The median of what commits cost, in a process of its own.
std::vector<double> commits(const std::string& path, int64_t rows, const std::string& replica) {
  Host host(path);
  if (!replica.empty()) {
    host.load_extension();
    host.replicate_to(replica);
    (void)host.text("SELECT litestream_sync()");
  }
  host.exec("PRAGMA synchronous=NORMAL");
  uint64_t random = 11;
  std::vector<double> rounds;
  for (int i = 0; i < kCommitRounds; ++i) rounds.push_back(commit_us(host, &random, rows));
  if (replica.empty()) return {median(rounds)};
  std::vector<double> captures;
  for (int i = 0; i < kRunsMin; ++i) {
    (void)host.text("SELECT litestream_sync()");
    host.exec("UPDATE entry SET body = randomblob(900) WHERE id % " +
              std::to_string(rows / kChangedRows) + " = " + std::to_string(i));
    captures.push_back(1e3 * seconds_of([&] { (void)host.text("SELECT litestream_sync()"); }));
  }
  return {median(rounds), median(captures)};
}

void copy_and_sync(const std::string& from, const std::string& to) {
  std::filesystem::copy_file(from, to);
  const int file = ::open(to.c_str(), O_RDONLY | O_CLOEXEC);
  if (file < 0 || ::fsync(file) != 0) give_up("fsync");
  ::close(file);
}

std::vector<double> restores(const std::string& replica, const std::string& path,
                             const std::string& to) {
  FileStore store(posix_file_system(), replica);
  RestoreOptions options;
  options.stream.parallelism = kParallelismDefault;
  std::vector<double> subjects, baselines;
  for (int i = -1; i < 3; ++i) {
    const double copy = seconds_of([&] { copy_and_sync(path, to); });
    std::filesystem::remove(to);
    const double restore = seconds_of([&] {
      (void)require(
          restore_database(store, posix_file_system(), RestoreTarget::newest(), to, options));
    });
    std::filesystem::remove(to);
    if (i < 0) continue;
    subjects.push_back(restore * 1e3);
    baselines.push_back(copy * 1e3);
  }
  return {median(subjects), median(baselines)};
}

void print_line(const std::string& series, double value, const std::string& unit, double baseline,
                const std::string& parameter, double x) {
  print({"scaling", value, unit, baseline, {{parameter, x}}, {{"series", series}}});
}

void measure_database(int64_t mebibytes) {
  const Folder folder;
  const std::string path = folder / "app.db";
  const int64_t rows = mebibytes * kRowsPerMebibyte;
  (void)in_child([&] {
    fill(path, mebibytes);
    return std::vector<double>{};
  });
  const double plain_us = in_child([&] { return commits(path, rows, ""); })[0];
  const auto ours = in_child([&] { return commits(path, rows, folder / "replica"); });
  const auto restored =
      in_child([&] { return restores(folder / "replica", path, folder / "copy.db"); });
  const auto x = static_cast<double>(mebibytes);
  print_line("commit", ours[0], "us", plain_us, "mebibytes", x);
  print_line("capture of 1000 rows", ours[1], "ms", 0, "mebibytes", x);
  print_line("restore", restored[0], "ms", restored[1], "mebibytes", x);
}

// The names only: what listing and planning look at.
void measure_files(int64_t file_count) {
  const Folder folder;
  FileStore store(posix_file_system(), folder.path());
  for (int64_t i = 0; i < file_count; ++i) {
    const Txid txid{static_cast<uint64_t>(i) + 1};
    const LtxFileInfo info{i == 0 ? kSnapshotLevel : 0, txid, txid, 0, kTimeMs};
    const std::string path = store.path_of(info);
    if (i <= 1) std::filesystem::create_directories(path_directory(path));
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (file < 0) give_up("cannot create " + path);
    ::close(file);
  }
  std::vector<double> lists, plans;
  for (int i = 0; i < kRunsMin; ++i) {
    std::vector<LtxFileInfo> files;
    lists.push_back(1e3 * seconds_of([&] { files = require(list_all_levels(store)); }));
    plans.push_back(1e3 * seconds_of([&] {
                      const auto plan = require(plan_restore(files, RestoreTarget::newest()));
                      if (plan.files.size() != static_cast<size_t>(file_count)) {
                        give_up("the plan leaves files out");
                      }
                    }));
  }
  const auto x = static_cast<double>(file_count);
  print_line("list", median(lists), "ms", 0, "files", x);
  print_line("plan", median(plans), "ms", 0, "files", x);
}

}  // namespace
}  // namespace litestream::bench

int main() {
  using namespace litestream::bench;
  const int64_t mebibytes_max = setting("LITESTREAM_BENCH_SCALING_MIB", 64);
  for (int64_t mebibytes = 16; mebibytes <= mebibytes_max; mebibytes *= 4) {
    measure_database(mebibytes);
  }
  const int64_t files_max = setting("LITESTREAM_BENCH_SCALING_FILES", 10'000);
  for (int64_t files = 100; files <= files_max; files *= 10) measure_files(files);
  return 0;
}
