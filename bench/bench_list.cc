// Counting the files of a large replica in SQL, against readdir and stat of the same folder.
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <string>

#include "bench/bench_json.h"
#include "bench/bench_support.h"
#include "ext/ltx/file_name.h"
#include "ext/store/store_factory.h"

namespace litestream::bench {
namespace {

void make_files(const std::string& directory, int64_t count) {
  std::filesystem::create_directories(directory);
  for (int64_t i = 0; i < count; ++i) {
    const Txid txid{static_cast<uint64_t>(i) + 2};
    const std::string path = directory + "/" + format_ltx_file_name({txid, txid});
    const int file = ::open(path.c_str(), O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (file < 0) give_up("cannot create " + path);
    ::close(file);
  }
}

int64_t read_and_stat(const std::string& directory) {
  DIR* stream = ::opendir(directory.c_str());
  if (stream == nullptr) give_up("cannot read " + directory);
  int64_t count = 0;
  while (const dirent* entry = ::readdir(stream)) {
    struct stat info {};
    if (::fstatat(::dirfd(stream), entry->d_name, &info, 0) != 0) give_up("stat");
    if (S_ISREG(info.st_mode)) ++count;
  }
  ::closedir(stream);
  return count;
}

void measure(int64_t file_count) {
  const Folder folder;
  const std::string directory = folder / "ltx/0";
  make_files(directory, file_count);
  Host host(":memory:");
  host.load_extension();
  const std::string sql = "SELECT count(*) FROM litestream_ltx WHERE database = '" +
                          file_url_of_path(folder.path()) + "'";
  const auto query = [&] {
    if (std::stoll(host.text(sql)) != file_count) give_up("litestream_ltx shows another number");
  };
  const auto plain = [&] {
    if (read_and_stat(directory) != file_count) give_up("the folder has another number of files");
  };
  const Medians medians = alternate(query, plain, 7);
  print({"list",
         medians.subject_seconds * 1e3,
         "ms",
         medians.baseline_seconds * 1e3,
         {{"files", static_cast<double>(file_count)}},
         {}});
}

}  // namespace
}  // namespace litestream::bench

int main() {
  litestream::bench::measure(litestream::bench::setting("LITESTREAM_BENCH_FILES", 100'000));
  return 0;
}
