// Keys of the process: addresses, logging, the control socket, MCP.
#include "ext/config/program_keys.h"

#include "tests/config/config_text.h"

using namespace litestream;
using namespace litestream::test;

namespace {

int64_t number(const Config& config, std::string_view key) {
  const ProgramSetting* found = find_setting(config.settings, key);
  REQUIRE(found != nullptr);
  REQUIRE(found->number.has_value());
  return *found->number;
}

}  // namespace

TEST_CASE("program keys: defaults") {
  const Config config = parsed("");
  for (const char* key :
       {"addr", "mcp-addr", "mcp-token", "mcp-restore-dir", "exec", "heartbeat-url"}) {
    REQUIRE(setting(config, key).empty());
  }
  for (const char* key : {"mcp-read-only", "mcp-allow-overwrite", "mcp-allow-urls",
                          "logging.source", "socket.enabled"}) {
    REQUIRE(setting(config, key) == "false");
    REQUIRE(number(config, key) == 0);
  }
  REQUIRE(setting(config, "mcp-allowed-hosts") == "[]");
  REQUIRE(setting(config, "logging.level") == "info");
  REQUIRE(setting(config, "logging.type") == "text");
  REQUIRE(setting(config, "logging.stderr") == "true");
  REQUIRE(setting(config, "socket.path") == "/var/run/litestream.sock");
  REQUIRE(number(config, "socket.permissions") == 0600);
  REQUIRE(number(config, "heartbeat-interval") == 300'000);
}

TEST_CASE("program keys: every one of them") {
  const Config config = parsed(
      "addr: ':9090'\n"
      "mcp-addr: localhost:8080\n"
      "mcp-token: secret\n"
      "mcp-read-only: yes\n"
      "mcp-restore-dir: ~/restored\n"
      "mcp-allow-overwrite: true\n"
      "mcp-allow-urls: On\n"
      "mcp-allowed-hosts: [backup.example.com, 'backup:80']\n"
      "mcp-allowed-origins: https://example.com\n"
      "exec: 'app -x \"a b\"'\n"
      "heartbeat-url: https://hc.example.com/ping/uuid\n"
      "heartbeat-interval: 90s\n"
      "logging: {level: ERROR, type: json, stderr: false, source: true}\n"
      "socket: {enabled: true, path: /run/ls.sock, permissions: 0660}\n");
  REQUIRE(setting(config, "addr") == ":9090");
  REQUIRE(setting(config, "mcp-token") == "secret");
  REQUIRE(number(config, "mcp-read-only") == 1);
  REQUIRE(setting(config, "mcp-restore-dir") == "/home/me/restored");
  REQUIRE(number(config, "mcp-allow-overwrite") == 1);
  REQUIRE(number(config, "mcp-allow-urls") == 1);
  REQUIRE(setting(config, "mcp-allowed-hosts") == R"(["backup.example.com","backup:80"])");
  REQUIRE(setting(config, "mcp-allowed-origins") == R"(["https://example.com"])");
  REQUIRE(setting(config, "exec") == "app -x \"a b\"");
  REQUIRE(setting(config, "heartbeat-url") == "https://hc.example.com/ping/uuid");
  REQUIRE(number(config, "heartbeat-interval") == 90'000);
  REQUIRE(setting(config, "logging.level") == "error");
  REQUIRE(setting(config, "logging.type") == "json");
  REQUIRE(number(config, "logging.stderr") == 0);
  REQUIRE(number(config, "logging.source") == 1);
  REQUIRE(number(config, "socket.enabled") == 1);
  REQUIRE(setting(config, "socket.path") == "/run/ls.sock");
  REQUIRE(number(config, "socket.permissions") == 0660);
  REQUIRE(setting(config, "socket.permissions") == "0660");
}

TEST_CASE("program keys: log levels") {
  const auto level = [](const std::string& text) {
    return setting(parsed("logging: {level: " + text + "}"), "log-level");
  };
  REQUIRE(level("debug") == "debug");
  REQUIRE(level("trace") == "debug");
  REQUIRE(level("info") == "info");
  REQUIRE(level("warning") == "warn");
  REQUIRE(level("Error") == "error");
  REQUIRE(setting(parsed("logging: {}"), "log-level") == "info");
}

TEST_CASE("program keys: a token in the environment wins") {
  const EnvLookup env = [](const std::string& name) -> std::optional<std::string> {
    if (name == "LITESTREAM_MCP_TOKEN") return "from-env";
    return std::nullopt;
  };
  REQUIRE(setting(*parse_config("", "f", env), "mcp-token") == "from-env");
  REQUIRE(setting(*parse_config("mcp-token: own", "f", env), "mcp-token") == "from-env");
  REQUIRE(setting(parsed("mcp-token: own"), "mcp-token") == "own");
}

TEST_CASE("program keys: wrong values") {
  REQUIRE(error_of("logging:\n  level: loud\n") ==
          "2: key 'level' must be debug, info, warn or error");
  REQUIRE(error_of("logging: {type: xml}\n") == "1: key 'type' must be text or json");
  REQUIRE(error_of("logging:\n  lvl: x\n") == "2: unknown key 'lvl'");
  REQUIRE(error_of("socket: /run/x\n") == "1: key 'socket' must be a list of keys and values");
  REQUIRE(error_of("socket: {permissions: 0999}\n") ==
          "1: key 'permissions' must be octal permissions, for example 0660");
  REQUIRE(error_of("socket: {permissions: 01777}\n") ==
          "1: key 'permissions' must be octal permissions, for example 0660");
  REQUIRE(error_of("heartbeat-url: ftp://x\n") ==
          "1: key 'heartbeat-url' must be a URL with http:// or https://");
  REQUIRE(error_of("heartbeat-interval: 10s\n") ==
          "1: key 'heartbeat-interval' is out of range: 1m to 24h");
  REQUIRE(error_of("mcp-read-only: maybe\n") ==
          "1: key 'mcp-read-only' must be true or false without quotes");
  REQUIRE(error_of("mcp-allowed-hosts: [[a]]\n") ==
          "1: key 'mcp-allowed-hosts' must be a single value");
  REQUIRE(error_of("mcp-restore-dir: file:///x\n") ==
          "1: key 'mcp-restore-dir' must be a path, not a URL");
}
