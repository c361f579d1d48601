#include "bench/bench_support.h"

#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "ext/store/store_factory.h"

namespace litestream::bench {

void give_up(const std::string& why) {
  std::fprintf(stderr, "%s\n", why.c_str());
  std::exit(1);
}

Folder::Folder() {
  const char* parent = std::getenv("LITESTREAM_BENCH_DIR");
  path_ = std::filesystem::absolute(parent != nullptr ? parent : ".").string() + "/bench-XXXXXX";
  if (::mkdtemp(path_.data()) == nullptr) give_up("cannot create " + path_);
}

Folder::~Folder() {
  std::error_code ignored;
  std::filesystem::remove_all(path_, ignored);
}

int64_t setting(const char* name, int64_t otherwise) {
  const char* text = std::getenv(name);
  if (text == nullptr) return otherwise;
  const int64_t value = std::strtoll(text, nullptr, 10);
  if (value <= 0) give_up(std::string(name) + " is not a positive number");
  return value;
}

std::vector<double> in_child(const std::function<std::vector<double>()>& work) {
  int ends[2];
  if (::pipe(ends) != 0) give_up("no pipe");
  std::fflush(nullptr);
  const pid_t child = ::fork();
  if (child < 0) give_up("no child process");
  if (child == 0) {
    ::close(ends[0]);
    const std::vector<double> numbers = work();
    const size_t size = numbers.size() * sizeof(double);
    const bool sent = ::write(ends[1], numbers.data(), size) == static_cast<ssize_t>(size);
    // Through exit(): a host's exit handlers belong to what it does.
    std::exit(sent ? 0 : 1);
  }
  ::close(ends[1]);
  std::vector<double> numbers;
  double number = 0;
  while (::read(ends[0], &number, sizeof number) == sizeof number) numbers.push_back(number);
  ::close(ends[0]);
  int status = 0;
  if (::waitpid(child, &status, 0) != child || status != 0) give_up("the child process failed");
  return numbers;
}

ProcessSize process_size() {
  ProcessSize size;
  std::ifstream file("/proc/self/status");
  std::string line;
  const auto number = [&](const char* key) {
    const std::string prefix = std::string(key) + ":";
    return line.starts_with(prefix) ? std::atof(line.c_str() + prefix.size()) : 0.0;
  };
  while (std::getline(file, line)) {
    size.resident_mib += number("VmRSS") / 1024;
    size.resident_peak_mib += number("VmHWM") / 1024;
    size.thread_count += number("Threads");
  }
  return size;
}

std::string extension_file() {
  const char* other = std::getenv("LITESTREAM_BENCH_EXTENSION");
  return other != nullptr ? other : LITESTREAM_EXT_FILE;
}

uint64_t file_size_bytes(const std::string& path) { return std::filesystem::file_size(path); }

Host::Host(const std::string& path) {
  if (sqlite3_open(path.c_str(), &db_) != SQLITE_OK) give_up("open " + path);
}

Host::~Host() { sqlite3_close(db_); }

void Host::exec(const std::string& sql) {
  if (sqlite3_exec(db_, sql.c_str(), nullptr, nullptr, nullptr) != SQLITE_OK) {
    give_up(sql + ": " + sqlite3_errmsg(db_));
  }
}

std::string Host::text(const std::string& sql) {
  sqlite3_stmt* statement = nullptr;
  if (sqlite3_prepare_v2(db_, sql.c_str(), -1, &statement, nullptr) != SQLITE_OK ||
      sqlite3_step(statement) != SQLITE_ROW) {
    give_up(sql + ": " + sqlite3_errmsg(db_));
  }
  const auto* value = reinterpret_cast<const char*>(sqlite3_column_text(statement, 0));
  std::string result = value != nullptr ? value : "";
  sqlite3_finalize(statement);
  return result;
}

void Host::load_extension() {
  sqlite3_enable_load_extension(db_, 1);
  char* error = nullptr;
  if (sqlite3_load_extension(db_, extension_file().c_str(), nullptr, &error) != SQLITE_OK) {
    give_up(error != nullptr ? error : "the extension does not load");
  }
}

void Host::replicate_to(const std::string& folder) {
  (void)text("SELECT litestream_replicate('" + file_url_of_path(folder) + "')");
}

}  // namespace litestream::bench
