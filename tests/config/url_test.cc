#include "ext/config/url.h"

#include <unistd.h>

#include <catch2/catch.hpp>
#include <string>

#include "ext/base/limits.h"
#include "ext/config/store_urls.h"
#include "ext/store/store_factory.h"

using namespace litestream;

namespace {

std::string working_directory() {
  char buffer[kPathBytesMax];
  REQUIRE(::getcwd(buffer, sizeof buffer) != nullptr);
  return buffer;
}

}  // namespace

TEST_CASE("url: parts, decoded") {
  const auto url =
      parse_replica_url("S3://bucket.x:90/a%20b/c+d?region=eu%2D1&x&=y&&part-size=5+MiB");
  REQUIRE(url.ok());
  REQUIRE(url->scheme == "s3");
  REQUIRE(url->authority == "bucket.x:90");
  REQUIRE(url->path == "/a b/c+d");
  REQUIRE(url->query == std::vector<std::pair<std::string, std::string>>{
                            {"region", "eu-1"}, {"x", ""}, {"", "y"}, {"part-size", "5 MiB"}});
  REQUIRE(parse_replica_url("s3://b?x=1")->path.empty());
  REQUIRE(parse_replica_url("file:///%41")->path == "/A");
}

TEST_CASE("url: what is none, without repeating it") {
  for (const char* text : {"", "/a/b", "a:b", "://x", "1s://x", "s 3://x", "file:/a",
                           "s3://secret/%", "s3://secret/%4", "s3://secret/%zz", "s3://secret/%00",
                           "s3://secret/#x", "s3://b/?secret=%"}) {
    CAPTURE(text);
    const Status status = parse_replica_url(text).status();
    REQUIRE(status.code() == StatusCode::kInvalidArgument);
    REQUIRE(status.message().find("secret") == std::string::npos);
  }
  const std::string long_url = "file:///" + std::string(kUrlBytesMax, 'x');
  REQUIRE(parse_replica_url(long_url).status().code() == StatusCode::kInvalidArgument);
  REQUIRE(is_replica_url("file:///a"));
  REQUIRE_FALSE(is_replica_url("/a://b"));
}

TEST_CASE("url: schemes we have, will have, and never heard of") {
  for (const char* scheme : {"file", "s3", "oss"}) REQUIRE(check_scheme(scheme).ok());
  const Status status = check_scheme("nats");
  REQUIRE(status.code() == StatusCode::kUnsupported);
  REQUIRE(status.message().find("replica URL scheme 'nats' is not supported yet; supported: file, "
                                "s3, oss") == 0);
  REQUIRE(check_scheme("x").code() == StatusCode::kInvalidArgument);
  REQUIRE(check_scheme("x").message().find("unknown replica URL scheme 'x'; supported: file") == 0);
}

TEST_CASE("url: one spelling for an s3 replica, with and without secrets") {
  REQUIRE(*canonical_replica_url("S3://bucket//a/../b/?partSize=5MiB&region=eu") ==
          "s3://bucket/b?part-size=5MiB&region=eu");
  const std::string with_key = "s3://bucket/b?sse-customer-key=a2V5&region=eu";
  REQUIRE(*canonical_replica_url(with_key) == "s3://bucket/b?region=eu");
  REQUIRE(*full_replica_url(with_key) == "s3://bucket/b?region=eu&sse-customer-key=a2V5");
  REQUIRE(*full_replica_url("file:///a//b/") == "file:///a/b");
  const auto refused = canonical_replica_url("s3://key:hunter2@bucket/b");
  REQUIRE(refused.status().code() == StatusCode::kInvalidArgument);
  REQUIRE(refused.status().message().find("hunter2") == std::string::npos);
  REQUIRE(redact_url("s3://key:hunter2@bucket/b?sseCustomerKey=hunter2&endpoint=http://h:1") ==
          "s3://***@bucket/b?sseCustomerKey=***&endpoint=http://h:1");
}

TEST_CASE("url: one spelling for a file replica") {
  const std::string here = working_directory();
  for (const char* text : {"file:///a/b", "FILE:///a/b/", "file:///a//b///", "file:///a/./b",
                           "file:///x/../a/b", "file://localhost/a/b", "file:///%61/b"}) {
    CAPTURE(text);
    REQUIRE(*canonical_replica_url(text) == "file:///a/b");
  }
  REQUIRE(*canonical_replica_url("file:///") == "file:///");
  REQUIRE(*canonical_replica_url("file:///../..") == "file:///");
  REQUIRE(*canonical_replica_url("file://./a/b") == "file://" + here + "/a/b");
  REQUIRE(*canonical_replica_url("file://a") == "file://" + here + "/a");
  REQUIRE(*canonical_replica_url("file://./a/../b") == "file://" + here + "/b");
  REQUIRE(*canonical_replica_url("file://localhost") == "file://" + here + "/localhost");
  REQUIRE(*canonical_replica_url("file:///a%3Fb%23c%25d e") == "file:///a%3Fb%23c%25d%20e");
  REQUIRE(*file_replica_url("/a?b/") == "file:///a%3Fb");

  REQUIRE(canonical_replica_url("file://").status().code() == StatusCode::kInvalidArgument);
  for (const char* text : {"file://otherhost/x", "file://a/b", "file://otherhost/", "FILE://h/x",
                           "file://user@localhost/x", "file://localhost:80/x"}) {
    CAPTURE(text);
    const Status status = canonical_replica_url(text).status();
    REQUIRE(status.code() == StatusCode::kInvalidArgument);
    REQUIRE(status.message().find("has no host") != std::string::npos);
  }
  REQUIRE(canonical_replica_url("file:///a?b").status().code() == StatusCode::kInvalidArgument);
  REQUIRE(canonical_replica_url("nats://b").status().code() == StatusCode::kUnsupported);
  REQUIRE(canonical_replica_url("http://b").status().code() == StatusCode::kInvalidArgument);
  REQUIRE(file_replica_url("").status().code() == StatusCode::kInvalidArgument);
}

TEST_CASE("url: the store reads what is written here") {
  for (const std::string path : {"/a/b", "/with space/%41/?/#", "/\xC3\xA9", "/a+b&c=d", "/\x01"}) {
    const auto url = file_replica_url(path);
    REQUIRE(url.ok());
    REQUIRE(*url == file_url_of_path(path));
    REQUIRE(*path_of_file_url(*url) == path);
    REQUIRE(*canonical_replica_url(*url) == *url);
  }
}

TEST_CASE("url: paths made absolute by their text alone") {
  REQUIRE(*absolute_path("/") == "/");
  REQUIRE(*absolute_path("//a//b/") == "/a/b");
  REQUIRE(*absolute_path("/a/../../b/.") == "/b");
  REQUIRE(*absolute_path(".") == working_directory());
  REQUIRE(*absolute_path("x") == working_directory() + "/x");
  REQUIRE(absolute_path(std::string(kPathBytesMax + 1, 'x')).status().code() ==
          StatusCode::kInvalidArgument);
  REQUIRE(absolute_path(std::string_view("/a\0b", 4)).status().code() ==
          StatusCode::kInvalidArgument);
}

TEST_CASE("url: redaction leaves no secret, and leaves the rest readable") {
  REQUIRE(redact_url("/plain/path") == "/plain/path");
  REQUIRE(redact_url("file:///a/b@c") == "file:///a/b@c");
  REQUIRE(redact_url("s3://bucket/path") == "s3://bucket/path");
  REQUIRE(redact_url("s3://bucket.host:9000/p@th") == "s3://bucket.host:9000/p@th");
  REQUIRE(redact_url("sftp://user:hunter2@host:22/p") == "sftp://***@host:22/p");
  REQUIRE(redact_url("webdav://hunter2@host/p") == "webdav://***@host/p");
  REQUIRE(redact_url("sftp://user:hunter2/x@host/p") == "sftp://***@host/p");
  REQUIRE(redact_url("sftp://user:hunt@er2@host/p") == "sftp://***@host/p");
  REQUIRE(redact_url("sftp://user:hunter2") == "sftp://***@");
  REQUIRE(redact_url("sftp://[::1]/p") == "sftp://[::1]/p");
  REQUIRE(redact_url("s3://b/p?region=eu&secret=hunter2&endpoint=localhost:9000") ==
          "s3://b/p?region=eu&secret=***&endpoint=localhost:9000");
  REQUIRE(redact_url("s3://b?endpoint=http://u:hunter2@h") == "s3://b?endpoint=***");
  REQUIRE(redact_url("s3://b?hunter2&region=x") == "s3://b?***&region=x");
  REQUIRE(redact_url("s3://b?") == "s3://b?");
  REQUIRE(redact_url("s3://b#hunter2") == "s3://b?***");
}

TEST_CASE("a URL says whether this machine's credentials may be used") {
  const auto of = [](const char* url) {
    const auto replica = replica_of_url(url);
    CAPTURE(url);
    REQUIRE(replica.ok());
    return *replica;
  };
  const std::string plain = of("s3://b/x?region=eu-west-1").url;
  CHECK(of("s3://b/x?region=eu-west-1").ambient_credentials);
  CHECK(of("s3://b/x?ambient-credentials=true").ambient_credentials);
  for (const char* url :
       {"s3://b/x?region=eu-west-1&ambient-credentials=false",
        "s3://b/x?ambient-credentials=false&region=eu-west-1",
        "s3://b/x?region=eu-west-1&ambientCredentials=0",
        "s3://b/x?region=eu-west-1&ambient%2Dcredentials=%66alse",
        "s3://b/x?ambient-credentials=true&region=eu-west-1&ambient-credentials=false",
        "s3://b/x?ambient-credentials=false&region=eu-west-1&ambient-credentials=true"}) {
    CHECK_FALSE(of(url).ambient_credentials);
    CHECK(of(url).url == plain);
  }
  CHECK(of("file:///backup/a?ambient-credentials=false").url == "file:///backup/a");
  CHECK_FALSE(replica_of_url("s3://b/x?ambient-credentials=maybe").ok());
  CHECK_FALSE(replica_of_url("file:///backup/a?ambient=false").ok());
}
