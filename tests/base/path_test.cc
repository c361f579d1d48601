#include <catch2/catch.hpp>

#include "ext/base/file_system.h"
#include "ext/base/limits.h"

namespace litestream {
namespace {

TEST_CASE("path_join puts exactly one slash between") {
  CHECK(path_join("/a", "b") == "/a/b");
  CHECK(path_join("/a/", "b") == "/a/b");
  CHECK(path_join("/", "b") == "/b");
  CHECK(path_join("", "b") == "b");
}

TEST_CASE("path_directory and path_basename take a path apart") {
  CHECK(path_directory("/a/b") == "/a");
  CHECK(path_directory("/a/b/") == "/a");
  CHECK(path_directory("/a") == "/");
  CHECK(path_directory("/") == "/");
  CHECK(path_directory("a") == ".");
  CHECK(path_directory("a/b") == "a");
  CHECK(path_directory("") == ".");
  CHECK(path_basename("/a/b") == "b");
  CHECK(path_basename("/a/b/") == "b");
  CHECK(path_basename("a") == "a");
  CHECK(path_basename("/").empty());
  CHECK(path_basename("") == "");
}

TEST_CASE("page sizes and lock pages") {
  for (uint64_t size = 0; size <= 131072; ++size) {
    const bool expected = size == 512 || size == 1024 || size == 2048 || size == 4096 ||
                          size == 8192 || size == 16384 || size == 32768 || size == 65536;
    if (is_page_size(size) != expected) FAIL("page size " << size);
  }
  CHECK(lock_page(512) == 2097153);
  CHECK(lock_page(4096) == 262145);
  CHECK(lock_page(65536) == 16385);
}

}  // namespace
}  // namespace litestream
