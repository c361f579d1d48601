// Replicas of a database: several of them, names, types, settings and where they come from.
#include "tests/config/config_text.h"

using namespace litestream;
using namespace litestream::test;

namespace {

std::vector<ReplicaOptions> replicas_of(const std::string& text) {
  const Config config = parsed(text);
  REQUIRE(config.databases.size() == 1);
  return config.databases[0].replicas;
}

std::string with_replicas(const std::string& lines) {
  return "dbs:\n  - path: /d\n    replicas:\n" + lines;
}

}  // namespace

TEST_CASE("replicas: several of one database, with names") {
  const auto replicas = replicas_of(with_replicas(
      "      - path: /a\n      - name: cellar\n        path: /b\n      - url: file:///c\n"
      "      - {type: file, path: /e, name: file-3}\n      - path: /f\n"));
  REQUIRE(replicas.size() == 5);
  REQUIRE(replicas[0].name == "file");
  REQUIRE(replicas[1].name == "cellar");
  REQUIRE(replicas[2].name == "file-2");
  REQUIRE(replicas[3].name == "file-3");
  REQUIRE(replicas[4].name == "file-4");
  REQUIRE(replicas[4].url == "file:///f");
}

TEST_CASE("replicas: no two alike") {
  REQUIRE(error_of(with_replicas("      - path: /a\n      - url: file:///x/../a\n")) ==
          "5: key 'url' is a replica already (line 4)");
  REQUIRE(error_of(with_replicas("      - {path: /a, name: x}\n      - {path: /b, name: x}\n")) ==
          "5: two replicas are named 'x' (the other on line 4)");
  REQUIRE(error_of(with_replicas("      - {path: /a, sync-interval: 1s}\n"
                                 "      - {path: /b, sync-interval: 2s}\n")) ==
          "5: key 'sync-interval' is the same for all replicas of a database; another one says 1s");
  REQUIRE(replicas_of(with_replicas("      - {path: /a, sync-interval: 2s}\n"
                                    "      - {path: /b, sync-interval: 2s}\n"))
              .size() == 2);
  std::string many;
  for (int i = 0; i < 17; ++i) many += "      - path: /r" + std::to_string(i) + "\n";
  REQUIRE(error_of(with_replicas(many)) == "3: key 'replicas' has more than 16 replicas");
}

TEST_CASE("replicas: URLs and types that make no sense") {
  const auto with_url = [](const std::string& url) {
    return "dbs:\n  - path: /d\n    replica:\n      url: " + url + "\n";
  };
  REQUIRE(error_of(with_url("x://y")).starts_with("4: key 'url': unknown replica URL scheme 'x'"));
  REQUIRE(error_of(with_url("/no/scheme")).starts_with("4: key 'url': "));
  REQUIRE(error_of(with_url("file://")) ==
          "4: key 'url': replica URL: file:// needs a path, for example file:///var/backup/app");
  REQUIRE(error_of(with_url("file:///a?b=c")) ==
          "4: key 'url': replica URL: file:// takes no parameters (a '?' in a path is %3F)");
  REQUIRE(error_of(one_database("", "type: tape")).starts_with("5: unknown replica type 'tape'"));
  REQUIRE(error_of(one_database("", "type: s3")) == "5: replica type 's3' beside a file URL");
  REQUIRE(error_of("dbs:\n  - path: /d\n    replica: {path: 's3://x'}\n") ==
          "3: key 'path' must be a path, not a URL");
  REQUIRE(error_of(one_database("", "region: eu-1")) ==
          "5: key 'region' does not belong to a replica of type file");
}

TEST_CASE("replicas: settings at the top are for the types that take them") {
  const auto replicas = replicas_of("access-key-id: K\nhost: h\n" + one_database(""));
  REQUIRE(replicas[0].settings.empty());
}

TEST_CASE("replicas: a store from its parts, its settings as text") {
  const auto replicas = replicas_of(
      "region: eu-west-1\naccess-key-id: K\nsecret-access-key: S\nhost: nowhere\n"
      "dbs:\n  - path: /d\n    replicas:\n"
      "      - {type: s3, bucket: bkt, path: /a b/, part-size: 8MiB, concurrency: 3,\n"
      "         force-path-style: yes, region: us-east-2}\n"
      "      - {url: 's3://other/x?region=eu-central-1'}\n      - {path: /f}\n");
  REQUIRE(replicas.size() == 3);
  REQUIRE(replicas[0].name == "s3");
  REQUIRE(replicas[0].url == "s3://bkt/a%20b");
  const std::map<std::string, std::string> settings(replicas[0].settings.begin(),
                                                    replicas[0].settings.end());
  REQUIRE(settings == std::map<std::string, std::string>{{"part-size", "8388608"},
                                                         {"concurrency", "3"},
                                                         {"force-path-style", "true"},
                                                         {"region", "us-east-2"},
                                                         {"access-key-id", "K"},
                                                         {"secret-access-key", "S"}});
  REQUIRE(replicas[1].name == "s3-2");
  REQUIRE(replicas[1].url == "s3://other/x?region=eu-central-1");
  REQUIRE(replicas[2].settings.empty());
}

TEST_CASE("replicas: what the store refuses is told on its line") {
  const auto s3 = [](const std::string& lines) {
    return with_replicas("      - type: s3\n        bucket: bkt\n" + lines);
  };
  REQUIRE(error_of(s3("        url: s3://bkt/x\n")) ==
          "5: key 'bucket' and 'url' cannot both be given");
  REQUIRE(error_of(with_replicas("      - type: s3\n        path: x\n")) ==
          "4: a replica of type s3 needs a 'url' or a 'bucket'");
  REQUIRE(error_of(s3("        part-size: 1KiB\n")).starts_with("6: "));
  REQUIRE(error_of(s3("        user: me\n")) ==
          "6: key 'user' does not belong to a replica of type s3");
  REQUIRE(error_of(with_replicas("      - {type: s3, bucket: 'a b'}\n"))
              .find("'bucket' holds characters") != std::string::npos);
}

TEST_CASE("replicas: one bucket name at two services is two replicas") {
  REQUIRE(
      replicas_of(with_replicas("      - {url: 's3://bkt/x', endpoint: 'https://one.example'}\n"
                                "      - {url: 's3://bkt/x', endpoint: 'https://two.example'}\n"))
          .size() == 2);
  REQUIRE(error_of(with_replicas(
                       "      - {url: 's3://bkt/x'}\n      - {type: s3, bucket: bkt, path: x}\n"))
              .find("is a replica already (line 4)") != std::string::npos);
}
