// Where every value came from, and that no secret is among them.
#include "ext/config/config_report.h"

#include "tests/config/config_text.h"

using namespace litestream;
using namespace litestream::test;

namespace {

const ConfigValue& value_of(const Config& config, const std::string& database,
                            const std::string& replica, const std::string& key) {
  for (const ConfigValue& value : config.values) {
    if (value.database == database && value.replica == replica && value.key == key) return value;
  }
  INFO(database << " " << replica << " " << key);
  REQUIRE(false);
  return config.values.front();
}

}  // namespace

TEST_CASE("config report: lines, defaults, variables and the caller") {
  DatabaseOptions defaults;
  defaults.shutdown_sync_timeout_ms = 30'000;
  const auto config = parse_config(
      "mcp-addr: localhost:1\nlinger: 9s\ndbs:\n  - path: ${DB}\n    acks: all\n"
      "    meta-path: /m\n    replicas:\n      - url: file:///r\n      - path: /s$DB\n",
      "f.yml", config_environment(), defaults);
  INFO(config.status().message());
  REQUIRE(config.ok());
  REQUIRE(value_of(*config, "", "", "mcp-addr").origin == "f.yml:1");
  REQUIRE(value_of(*config, "", "", "addr").origin == "default");
  const std::string db = "/data/env.db";
  const ConfigValue& linger = value_of(*config, db, "", "linger");
  REQUIRE(linger.value == "9s");
  REQUIRE(linger.number == 9000);
  REQUIRE(linger.origin == "f.yml:2");
  REQUIRE(value_of(*config, db, "", "acks").value == "all");
  REQUIRE(value_of(*config, db, "", "acks").origin == "f.yml:5");
  REQUIRE(value_of(*config, db, "", "meta-path").value == "/m");
  REQUIRE(value_of(*config, db, "", "busy-timeout").origin == "default");
  REQUIRE(value_of(*config, db, "", "shutdown-sync-timeout").value == "30s");
  REQUIRE(value_of(*config, db, "", "shutdown-sync-timeout").origin == "caller");
  REQUIRE(value_of(*config, db, "file", "url").origin == "f.yml:8");
  REQUIRE(value_of(*config, db, "file-2", "url").value == "file:///s/data/env.db");
  REQUIRE(value_of(*config, db, "file-2", "url").origin == "f.yml:9 ($DB)");
}

TEST_CASE("config report: secrets are not in it") {
  const Config config = parsed(
      "mcp-token: hunter2\nheartbeat-url: https://user:hunter2@hc.example.com/ping/hunter2\n");
  for (const ConfigValue& value : config.values) {
    REQUIRE(value.value.find("hunter2") == std::string::npos);
  }
  REQUIRE(value_of(config, "", "", "mcp-token").value == "***");
  REQUIRE(value_of(config, "", "", "heartbeat-url").value == "https://***@hc.example.com/***");
}
