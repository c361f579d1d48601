// What benchmarks with files, processes or SQLite share.
//
// A failure of any kind ends the benchmark with a message on stderr and exit status 1: a number
// that was not measured must not look like one.
// Threading: free functions, no state; a Host belongs to one thread.
#pragma once

#include <sqlite3.h>

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "ext/base/status.h"

namespace litestream::bench {

[[noreturn]] void give_up(const std::string& why);

inline void require(const Status& status) {
  if (!status.ok()) give_up(status.message());
}

template <typename T>
T require(Result<T> result) {
  require(result.status());
  return std::move(result).value();
}

// A new folder in $LITESTREAM_BENCH_DIR, else in the working directory; removed with everything in
// it at the end.
class Folder {
 public:
  Folder();
  ~Folder();
  Folder(const Folder&) = delete;
  Folder& operator=(const Folder&) = delete;
  const std::string& path() const { return path_; }
  std::string operator/(const std::string& name) const { return path_ + "/" + name; }

 private:
  std::string path_;
};

// A positive whole number from the environment.
int64_t setting(const char* name, int64_t otherwise);

// Runs `work` in a child process and returns the numbers it returned: a fresh SQLite, a fresh
// extension, and memory that is its own. To be called before this process has threads.
std::vector<double> in_child(const std::function<std::vector<double>()>& work);

struct ProcessSize {
  double resident_mib = 0;
  double resident_peak_mib = 0;  // since the process began
  double thread_count = 0;
};
ProcessSize process_size();

// The litestream_ext.so that is measured: this build's, or $LITESTREAM_BENCH_EXTENSION to compare
// two builds.
std::string extension_file();

uint64_t file_size_bytes(const std::string& path);

// One SQLite connection of an application.
class Host {
 public:
  // Creates the file when missing. No busy timeout.
  explicit Host(const std::string& path);
  ~Host();
  Host(const Host&) = delete;
  Host& operator=(const Host&) = delete;

  sqlite3* get() const { return db_; }
  void exec(const std::string& sql);
  // First column of the first row.
  std::string text(const std::string& sql);
  // Loads litestream_ext.so the way an application does.
  void load_extension();
  // Replicates the main database to a folder with default options.
  void replicate_to(const std::string& folder);

 private:
  sqlite3* db_ = nullptr;
};

}  // namespace litestream::bench
