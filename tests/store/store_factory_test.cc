#include "ext/store/store_factory.h"

#include <catch2/catch.hpp>

#include "ext/store/file_store.h"

namespace litestream {
namespace {

TEST_CASE("file URLs become folders and back") {
  const auto check = [](const char* url, const char* path, const char* canonical) {
    CAPTURE(url);
    const auto parsed = path_of_file_url(url);
    REQUIRE(parsed.ok());
    CHECK(*parsed == path);
    CHECK(file_url_of_path(*parsed) == canonical);
    const auto store = open_store(posix_file_system(), url);
    REQUIRE(store.ok());
    CHECK((*store)->type() == "file");
    CHECK((*store)->url() == canonical);
  };
  check("file:///var/backup/app", "/var/backup/app", "file:///var/backup/app");
  check("file:///var/backup/app//", "/var/backup/app", "file:///var/backup/app");
  check("FILE:///a", "/a", "file:///a");
  check("file://localhost/a", "/a", "file:///a");
  check("file:///", "/", "file:///");
  check("file:///a%20b%3Fc%23d%25e", "/a b?c#d%e", "file:///a%20b%3Fc%23d%25e");
  check("file:///gr%C3%BC%c3%9fe",
        "/gr\xC3\xBC\xC3\x9F"
        "e",
        "file:///gr\xC3\xBC\xC3\x9F"
        "e");
}

TEST_CASE("URLs that name no folder are refused with an example") {
  for (const char* url :
       {"file://", "file://relative", "file://relative/path", "file://host/path", "file:///a?x=1",
        "file:///a#b", "file:///a%2", "file:///a%", "file:///%zz", "file:///a%00b"}) {
    CAPTURE(url);
    const auto store = open_store(posix_file_system(), url);
    REQUIRE_FALSE(store.ok());
    CHECK(store.status().code() == StatusCode::kInvalidArgument);
    CHECK(store.status().message().find("file:///var/backup/app") != std::string::npos);
  }
}

TEST_CASE("other schemes say whether they are known") {
  for (const char* url : {"nats://u:secret@h", "NATS://h"}) {
    CAPTURE(url);
    const auto store = open_store(posix_file_system(), url);
    CHECK(store.status().code() == StatusCode::kUnsupported);
    CHECK(store.status().message().find("not supported yet") != std::string::npos);
    CHECK(store.status().message().find("secret") == std::string::npos);
  }
  for (const char* url : {"", "/var/backup", "backup", "ftp://u:secret@h", "://x", "file:/a",
                          "fi le:///a", "a?b://c"}) {
    CAPTURE(url);
    const auto store = open_store(posix_file_system(), url);
    CHECK(store.status().code() == StatusCode::kInvalidArgument);
    CHECK(store.status().message().find("secret") == std::string::npos);
  }
}

}  // namespace
}  // namespace litestream
