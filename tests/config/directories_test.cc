// `dir` entries: what they find, what they leave alone, and the options of what they found.
#include "ext/config/directories.h"

#include <filesystem>
#include <fstream>

#include "ext/config/url.h"
#include "tests/config/config_text.h"
#include "tests/support/temp_dir.h"

using namespace litestream;
using namespace litestream::test;

namespace {

namespace fs = std::filesystem;

void touch(const std::string& path) {
  fs::create_directories(fs::path(path).parent_path());
  std::ofstream(path) << "x";
}

DirectoryOptions directory_of(const std::string& dir, const std::string& more) {
  const Config config = parsed("dbs:\n  - dir: " + dir + "\n    pattern: '*.db'\n" + more +
                               "    replica: {url: 'file:///backup/'}\n");
  REQUIRE(config.databases.empty());
  REQUIRE(config.directories.size() == 1);
  return config.directories[0];
}

std::vector<std::string> found(const DirectoryOptions& directory) {
  const auto files = matching_files(posix_file_system(), directory);
  INFO(files.status().message());
  REQUIRE(files.ok());
  return *files;
}

using Names = std::vector<std::string>;

}  // namespace

TEST_CASE("directories: names that match, in order, without what belongs to a database") {
  const TempDir dir;
  for (const char* name : {"b.db", "a.db", "a.db-wal", "a.db-shm", "a.db-journal", "c.sqlite",
                           "sub/d.db", "sub/deep/e.db", ".a.db-litestream/f.db"}) {
    touch(dir.file(name));
  }
  fs::create_directories(dir.file("folder.db"));
  REQUIRE(found(directory_of(dir.path(), "")) == Names{"a.db", "b.db"});
  REQUIRE(found(directory_of(dir.path(), "    recursive: true\n")) ==
          Names{"a.db", "b.db", "sub/d.db", "sub/deep/e.db"});
}

TEST_CASE("directories: links to files count, links to folders do not") {
  const TempDir dir;
  touch(dir.file("sub/a.db"));
  fs::create_directory_symlink(dir.path(), dir.file("sub/loop"));
  fs::create_symlink(dir.file("sub/a.db"), dir.file("link.db"));
  REQUIRE(found(directory_of(dir.path(), "    recursive: true\n")) == Names{"link.db", "sub/a.db"});
}

TEST_CASE("directories: a folder that is not there") {
  const TempDir dir;
  REQUIRE(matching_files(posix_file_system(), directory_of(dir.file("none"), "")).status().code() ==
          StatusCode::kNotFound);
}

TEST_CASE("directories: options of a database in it") {
  const TempDir dir;
  const DirectoryOptions directory =
      directory_of(dir.path(), "    recursive: true\n    meta-dir: /meta\n    linger: 7s\n");
  const auto options = options_in_directory(directory, "sub/d x.db");
  REQUIRE(options.ok());
  REQUIRE(options->path == dir.file("sub/d x.db"));
  REQUIRE(options->meta_path == "/meta/sub/.d x.db-litestream");
  REQUIRE(options->replicas[0].url == "file:///backup/sub/d%20x.db");
  REQUIRE(options->linger_ms == 7000);
  REQUIRE(options_in_directory(directory_of(dir.path(), ""), "a.db")->meta_path.empty());
}

TEST_CASE("directories: a replica's URL keeps its secrets for opening, and shows none") {
  DirectoryOptions directory = directory_of("/data", "");
  directory.options.replicas[0].url =
      "s3://b/all?sse-customer-algorithm=AES256&sse-customer-key=a2V5";
  const auto options = options_in_directory(directory, "shop/app 1.db");
  REQUIRE(options.ok());
  const std::string& url = options->replicas[0].url;
  REQUIRE(url == "s3://b/all/shop/app%201.db?sse-customer-algorithm=AES256&sse-customer-key=a2V5");
  REQUIRE(*canonical_replica_url(url) ==
          "s3://b/all/shop/app%201.db?sse-customer-algorithm=AES256");
}

TEST_CASE("directories: which paths they would take up") {
  const TempDir dir;
  const DirectoryOptions flat = directory_of(dir.path(), "");
  const DirectoryOptions deep = directory_of(dir.path(), "    recursive: true\n");
  std::string relative;
  REQUIRE(directory_covers(flat, dir.file("a.db"), &relative));
  REQUIRE(relative == "a.db");
  REQUIRE_FALSE(directory_covers(flat, dir.file("sub/a.db"), &relative));
  REQUIRE(directory_covers(deep, dir.file("sub/a.db"), &relative));
  REQUIRE(relative == "sub/a.db");
  for (const char* name : {"a.txt", "a.db-wal", ".a.db-litestream/x.db"}) {
    REQUIRE_FALSE(directory_covers(deep, dir.file(name), &relative));
  }
  REQUIRE_FALSE(directory_covers(deep, dir.path() + "2/a.db", &relative));
}

TEST_CASE("directories: wrong entries") {
  const auto entry = [](const std::string& lines) {
    return "dbs:\n  - dir: /d\n" + lines + "    replica: {path: /r}\n";
  };
  REQUIRE(error_of(entry("")) == "2: a 'dir' needs a 'pattern', for example \"*.db\"");
  REQUIRE(error_of(entry("    pattern: a/*.db\n")) ==
          "3: key 'pattern' is for file names: it may not hold a '/'");
  REQUIRE(error_of(entry("    pattern: '*'\n    path: /x\n")) ==
          "2: key 'dir' and 'path' cannot both be given");
  REQUIRE(error_of(entry("    pattern: '*'\n    meta-path: /x\n")) ==
          "4: key 'meta-path' belongs to a 'path'; write 'meta-dir'");
  REQUIRE(error_of(one_database("pattern: '*'")) == "5: key 'pattern' belongs to a 'dir'");
  REQUIRE(error_of(one_database("watch: true")) == "5: key 'watch' belongs to a 'dir'");
  REQUIRE(error_of("dbs:\n  - dir: /d\n    pattern: '*'\n") == "2: a database needs a 'replica'");
}
