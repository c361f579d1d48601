#include "ext/config/litestream_yml.h"

#include <catch2/catch.hpp>
#include <fstream>
#include <map>
#include <string>

#include "ext/base/limits.h"
#include "tests/config/config_text.h"
#include "tests/support/temp_dir.h"

using namespace litestream;
using namespace litestream::test;

TEST_CASE("config: the shortest file") {
  const Config config =
      parsed("dbs:\n  - path: /data/app.db\n    replica:\n      url: file:///b\n");
  REQUIRE(config.path == "litestream.yml");
  REQUIRE(setting(config, "mcp-addr").empty());
  REQUIRE(setting(config, "logging.level") == "info");
  REQUIRE(config.databases.size() == 1);
  const DatabaseOptions& database = config.databases[0];
  REQUIRE(database.path == "/data/app.db");
  REQUIRE(database.meta_path.empty());
  REQUIRE(database.sync_interval_ms == DatabaseOptions().sync_interval_ms);
  REQUIRE(database.replicas.size() == 1);
  REQUIRE(database.replicas[0].name == "file");
  REQUIRE(database.replicas[0].type == "file");
  REQUIRE(database.replicas[0].url == "file:///b");
}

TEST_CASE("config: nothing in it") {
  for (const char* text : {"", "# comment\n", "dbs: []\n", "{}"}) {
    REQUIRE(parsed(text).databases.empty());
  }
}

TEST_CASE("config: every key, at every level, defaults below their databases") {
  const Config config = parsed(
      "mcp-addr: \"localhost:8080\"\n"
      "dbs:\n"
      "  - path: a.db\n"
      "    meta-path: /meta/a\n"
      "    checkpoint-interval: 2m\n"
      "    min-checkpoint-page-count: 10\n"
      "    truncate-page-n: 0\n"
      "    linger: 0s\n"
      "    shutdown-sync-timeout: 1m\n"
      "    replicas:\n"
      "      - type: file\n"
      "        name: cellar\n"
      "        path: /backup/a/\n"
      "        sync-interval: 50ms\n"
      "  - path: ~/b.db\n"
      "    replica: {url: 'file:///backup/b'}\n"
      "sync-interval: 10s\n"
      "checkpoint-interval: 3m\n"
      "min-checkpoint-page-count: 20\n"
      "truncate-page-n: 30\n"
      "linger: 4s\n"
      "shutdown-sync-timeout: 5s\n"
      "logging:\n"
      "  level: WARN\n");
  REQUIRE(setting(config, "mcp-addr") == "localhost:8080");
  REQUIRE(setting(config, "log-level") == "warn");
  REQUIRE(config.databases.size() == 2);
  const DatabaseOptions& a = config.databases[0];
  REQUIRE(a.path == "a.db");
  REQUIRE(a.meta_path == "/meta/a");
  REQUIRE(a.checkpoint_interval_ms == 120'000);
  REQUIRE(a.min_checkpoint_page_count == 10);
  REQUIRE(a.truncate_page_n == 0);
  REQUIRE(a.linger_ms == 0);
  REQUIRE(a.shutdown_sync_timeout_ms == 60'000);
  REQUIRE(a.sync_interval_ms == 50);
  REQUIRE(a.replicas.size() == 1);
  REQUIRE(a.replicas[0].name == "cellar");
  REQUIRE(a.replicas[0].url == "file:///backup/a");
  const DatabaseOptions& b = config.databases[1];
  REQUIRE(b.path == "/home/me/b.db");
  REQUIRE(b.checkpoint_interval_ms == 180'000);
  REQUIRE(b.min_checkpoint_page_count == 20);
  REQUIRE(b.truncate_page_n == 30);
  REQUIRE(b.linger_ms == 4000);
  REQUIRE(b.shutdown_sync_timeout_ms == 5000);
  REQUIRE(b.sync_interval_ms == 10'000);
}

TEST_CASE("config: the caller's defaults") {
  DatabaseOptions defaults;
  defaults.shutdown_sync_timeout_ms = 30'000;
  const auto config = parse_config(one_database(""), "f", config_environment(), defaults);
  REQUIRE(config->databases[0].shutdown_sync_timeout_ms == 30'000);
}

TEST_CASE("config: variables, and aliases") {
  const Config config = parsed(
      "dbs:\n  - path: ${DB}\n    replica: &r {path: /r/$PID}\n"
      "    linger: &l 3s\n    shutdown-sync-timeout: *l\n");
  REQUIRE(config.databases[0].path == "/data/env.db");
  REQUIRE(config.databases[0].shutdown_sync_timeout_ms == 3000);
  REQUIRE(config.databases[0].replicas[0].url.find("$") == std::string::npos);

  const auto literal = parse_config("dbs: [{path: '$DB', replica: {path: /r}}]", "f", {});
  REQUIRE(literal->databases[0].path == "$DB");
}

TEST_CASE("config: keys that are refused, each with its reason") {
  REQUIRE(unsupported_of(one_database("", "age: {recipients: []}"))
              .starts_with("5: key 'age': encryption with age is not supported"));
  REQUIRE(unsupported_of("age: {}\n").starts_with("1: key 'age': encryption"));
  REQUIRE(unsupported_of(one_database("", "retention: 24h")) ==
          "5: key 'retention' is Litestream 0.3's; write 'snapshot: {retention: ...}'");
  REQUIRE(unsupported_of(one_database("", "snapshot-interval: 24h")) ==
          "5: key 'snapshot-interval' is Litestream 0.3's; write 'snapshot: {interval: ...}'");
  REQUIRE(unsupported_of(one_database("max-checkpoint-page-count: 5"))
              .starts_with("5: key 'max-checkpoint-page-count' was removed by Litestream 0.5"));
  REQUIRE(error_of(one_database("", "auto-recover: false"))
              .starts_with("5: key 'auto-recover' cannot be false: "));
  REQUIRE(parsed(one_database("", "auto-recover: true")).databases.size() == 1);
  REQUIRE(unsupported_of("<<: {a: b}\n") ==
          "1: merge keys ('<<') are not supported; use an alias (*name)");
}

TEST_CASE("config: unknown and misplaced keys") {
  REQUIRE(error_of("dbs:\n  - pth: /d\n") == "2: unknown key 'pth' (did you mean 'path'?)");
  REQUIRE(error_of("db: []\n") == "1: unknown key 'db' (did you mean 'dbs'?)");
  REQUIRE(error_of("\n\nquux-quux: 1\n") == "3: unknown key 'quux-quux'");
  REQUIRE(error_of(one_database("", "ulr: x")) == "5: unknown key 'ulr' (did you mean 'url'?)");
  REQUIRE(error_of("logging:\n  lvl: x\n") == "2: unknown key 'lvl'");
  REQUIRE(error_of("Sync-Interval: 1s\n") ==
          "1: unknown key 'Sync-Interval' (did you mean 'sync-interval'?)");
  REQUIRE(error_of("url: file:///x\n") ==
          "1: key 'url' does not belong here; it belongs to a replica");
  REQUIRE(error_of("meta-path: /x\n") ==
          "1: key 'meta-path' does not belong here; it belongs to a database");
  REQUIRE(error_of(one_database("sync-interval: 1s")) ==
          "5: key 'sync-interval' does not belong here; it belongs to a replica");
  REQUIRE(error_of(one_database("", "mcp-addr: x")) ==
          "5: key 'mcp-addr' does not belong here; it belongs at the top level");
  REQUIRE(error_of(std::string(200, 'k') + ": 1\n") ==
          "1: unknown key '" + std::string(64, 'k') + "'");
}

TEST_CASE("config: wrong types and empty values") {
  REQUIRE(error_of("- a\n") == "1: expected keys and values");
  REQUIRE(error_of("\njust text\n") == "2: expected keys and values");
  REQUIRE(error_of("dbs: /d\n") == "1: key 'dbs' must be a list of databases ('- path: ...')");
  REQUIRE(error_of("dbs:\n") == "1: key 'dbs' must be a list of databases ('- path: ...')");
  REQUIRE(error_of("dbs:\n  - /d\n") == "2: expected keys and values");
  REQUIRE(error_of("logging: debug\n") == "1: key 'logging' must be a list of keys and values");
  REQUIRE(error_of("mcp-addr:\n") == "1: key 'mcp-addr' is empty");
  REQUIRE(error_of("mcp-addr: [a]\n") == "1: key 'mcp-addr' must be a single value");
  REQUIRE(error_of("mcp-addr: " + std::string(300, 'x') + "\n") ==
          "1: key 'mcp-addr' is longer than 256 bytes");
  REQUIRE(error_of("mcp-addr: \"a\\0b\"\n") == "1: key 'mcp-addr' holds a zero byte");
  REQUIRE(error_of("dbs:\n  - path: ''\n") == "2: key 'path' is empty");
  REQUIRE(error_of("dbs:\n  - path: {a: b}\n") == "2: key 'path' must be a single value");
  REQUIRE(error_of("dbs:\n  - path: file:///d\n") == "2: key 'path' must be a path, not a URL");
  REQUIRE(error_of("dbs:\n  - path: /d\n    replica: file:///r\n") ==
          "3: key 'replica' must be a list of keys and values");
  REQUIRE(error_of("dbs:\n  - path: /d\n    replica:\n") ==
          "3: key 'replica' must be a list of keys and values");
  REQUIRE(error_of("dbs:\n  - path: /d\n    replicas: {url: file:///r}\n") ==
          "3: key 'replicas' must be a list of replicas ('- url: ...')");
  REQUIRE(error_of("dbs:\n  - path: /d\n    replicas: []\n") ==
          "3: key 'replicas' must be a list of replicas ('- url: ...')");
  REQUIRE(error_of("dbs:\n  - path: /d\n    replicas:\n      - file:///r\n") ==
          "4: expected keys and values");
}

TEST_CASE("config: durations and numbers") {
  REQUIRE(error_of("\nsync-interval: 10\n") ==
          "2: key 'sync-interval': '10' is not a duration: a number needs a unit: ns, us, ms, s, m "
          "or h");
  REQUIRE(error_of("linger: 1.5ms\n") == "1: key 'linger': '1.5ms' is finer than 1ms");
  REQUIRE(error_of(one_database("", "sync-interval: 0s")) ==
          "5: key 'sync-interval' is out of range: 1ms to 24h");
  REQUIRE(error_of(one_database("checkpoint-interval: 10ms")) ==
          "5: key 'checkpoint-interval' is out of range: 1s to 24h");
  REQUIRE(error_of("min-checkpoint-page-count: 0\n") ==
          "1: key 'min-checkpoint-page-count' is out of range: 1 to 2147483648");
  REQUIRE(error_of("truncate-page-n: -1\n") ==
          "1: key 'truncate-page-n' is out of range: 0 (never) to 2147483648");
  for (const char* value : {"x", "1.5", "'5'", "5 MB", "0x10", "99999999999999999999", "1e3"}) {
    REQUIRE(error_of("truncate-page-n: " + std::string(value) + "\n") ==
            "1: key 'truncate-page-n' must be a whole number without quotes");
  }
}

TEST_CASE("config: what a database and a replica need") {
  REQUIRE(error_of("dbs:\n\n  - linger: 1s\n") == "3: a database needs a 'path'");
  REQUIRE(error_of("dbs:\n  - {}\n") == "2: a database needs a 'path'");
  REQUIRE(error_of("dbs:\n  - path: /d\n") == "2: a database needs a 'replica'");
  REQUIRE(error_of("dbs:\n  - path: /d\n    replica:\n      type: file\n") ==
          "4: a replica needs a 'url' or a 'path'");
  REQUIRE(error_of(one_database("", "path: /p")) == "5: key 'path' and 'url' cannot both be given");
  REQUIRE(error_of(one_database("replicas: [{url: 'file:///s'}]")) ==
          "5: key 'replicas' and 'replica' cannot both be given");
}

TEST_CASE("config: nothing is given twice") {
  REQUIRE(error_of("linger: 1s\nlinger: 1s\n") ==
          "2: key 'linger' appears twice (first on line 1)");
  REQUIRE(error_of(one_database("") + "  - path: /x/../d\n    replica: {path: /s}\n") ==
          "5: database '/x/../d' is given twice (first on line 2)");
  REQUIRE(error_of(one_database("meta-path: /m") +
                   "  - path: /e\n    meta-path: /m/\n    replica: {path: /s}\n") ==
          "7: meta-path '/m/' is given twice (first on line 5)");
  REQUIRE(error_of(one_database("") + "  - path: /e\n    replica: {path: /r/}\n") ==
          "6: key 'path' is a replica already (line 4)");
}

TEST_CASE("config: variables that are not set are named where they leave a hole") {
  REQUIRE(error_of("dbs:\n  - path: ${NO_DB}\n") ==
          "2: key 'path' is empty (environment variable NO_DB is not set)");
  REQUIRE(error_of("dbs:\n  - path: $EMPTY\n") == "2: key 'path' is empty");
  REQUIRE(error_of("dbs:\n  - path: /d\n    replica:\n      url: \"$NO_URL\"\n") ==
          "4: key 'url' is empty (environment variable NO_URL is not set)");
  const EnvLookup nothing = [](const std::string&) { return std::nullopt; };
  REQUIRE(parse_config("dbs:\n  - path: ~/d\n", "f", nothing).status().message() ==
          "f:2: key 'path' begins with ~, but HOME is not set");
}

TEST_CASE("config: text that is no YAML, with the line") {
  REQUIRE(error_of("dbs:\n  - path: /d\n   replica: x\n").starts_with("3: "));
  REQUIRE(error_of("a: b: c\n").starts_with("1: "));
  REQUIRE(error_of("mcp-addr: \"x\n") == "2: a quote before this line is not closed");
  REQUIRE(
      parse_config(std::string(kConfigBytesMax + 1, '#'), "litestream.yml", config_environment())
          .status()
          .message() == "litestream.yml: longer than 1048576 bytes");
}

TEST_CASE("config: read from a file") {
  const test::TempDir dir;
  const std::string path = dir.file("litestream.yml");
  REQUIRE(load_config(posix_file_system(), path).status().code() == StatusCode::kNotFound);
  std::ofstream(path) << one_database("linger: 9s");
  const auto config = load_config(posix_file_system(), path);
  REQUIRE(config.ok());
  REQUIRE(config->path == path);
  REQUIRE(config->databases[0].linger_ms == 9000);
  std::ofstream(path) << "nope: 1\n";
  REQUIRE(load_config(posix_file_system(), path).status().message() ==
          path + ":1: unknown key 'nope'");
}
